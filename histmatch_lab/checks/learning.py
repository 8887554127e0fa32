"""Checks of the exercises in notebook 05, on training and on measuring what it gave."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from typing import Any

import torch
from torch import Tensor

from histmatch_lab.checks.verdict import Verdict, ask, check, right, wrong
from histmatch_lab.data.scenes import TEST_NAMES, TRAIN_NAMES


@check
def check_psnr(psnr_by_hand: Callable[[Tensor, Tensor], Any]) -> Verdict:
    """`psnr_by_hand(pred, target)`: of one picture (3, H, W), in dB."""
    generator = torch.Generator().manual_seed(31)
    target = torch.rand(3, 20, 30, generator=generator)
    pred = target * 1.2 + 0.2 * torch.rand(3, 20, 30, generator=generator)
    got = float(ask(psnr_by_hand, pred, target))
    error = float((pred.clamp(0, 1) - target).square().mean())
    raw = float((pred - target).square().mean())
    wanted = -10 * math.log10(error)
    if math.isclose(got, wanted, rel_tol=1e-4):
        return right("With the peak at 1, PSNR is the mean squared error on a scale of decibels.")
    for mistaken, hint in (
        (-10 * math.log10(raw), "Clamp the prediction to [0, 1] first: a screen would."),
        (-20 * math.log10(error), "20 goes with the root of the mean squared error, 10 with it."),
        (-wanted, "The sign: a small error is a large PSNR."),
        (-10 * math.log(error), "Decibels count powers of ten: log10, not log."),
        (
            20 * math.log10(255) - 10 * math.log10(error),
            "The peak is 1 here, not 255: the values are in [0, 1].",
        ),
        (-10 * math.log10(math.sqrt(error)), "You have taken the root and then 10 instead of 20."),
        (error, "That is the mean squared error. Take it to decibels."),
    ):
        if math.isclose(got, mistaken, rel_tol=1e-4):
            return wrong(hint)
    return wrong(f"For a random picture you get {got:.3f} dB; it should be {wanted:.3f} dB.")


@check
def check_rate(rate_at: Callable[[int, int, float, float], Any]) -> Verdict:
    """`rate_at(step, of, first, last)`: exponential decay over steps 0 to of - 1."""
    for step, of, first, last in ((0, 100, 1e-3, 1e-5), (99, 100, 1e-3, 1e-5), (30, 61, 0.1, 0.4)):
        got = float(ask(rate_at, step, of, first, last))
        part = step / (of - 1)
        wanted = first * (last / first) ** part
        if math.isclose(got, wanted, rel_tol=1e-6):
            continue
        asked = f"rate_at({step}, {of}, {first:g}, {last:g})"
        for mistaken, hint in (
            (
                first + (last - first) * part,
                "That falls by the same amount at each step; exponential decay by the same factor.",
            ),
            (
                first * (last / first) ** (step / of),
                "The last step is of - 1: divide step by that, or the last rate is never reached.",
            ),
            (last * (first / last) ** part, "It runs backwards: step 0 has the first rate."),
            (first * math.exp(-part), "Choose the base so that the last step has the last rate."),
        ):
            if math.isclose(got, mistaken, rel_tol=1e-6):
                return wrong(f"{asked}: {hint}")
        return wrong(f"{asked} gives {got:.3g}; it should be {wanted:.3g}.")
    return right("The factor from step to step is the same all the way.")


@check
def check_split(names: Any) -> Verdict:
    """Photographs that may be used to say how good the trained network is."""
    if isinstance(names, str) or not isinstance(names, Collection) or not names:
        return wrong("Give a list of names, at least one.")
    unknown = sorted(set(names) - set(TRAIN_NAMES) - set(TEST_NAMES))
    if unknown:
        return wrong(f"There is no photograph {unknown[0]!r} in TRAIN_NAMES or TEST_NAMES.")
    if mixed := sorted(set(names) & set(TRAIN_NAMES)):
        return wrong(
            f"{mixed[0]!r} was trained on. Another crop of it does not help: the network may know "
            "its colours by heart."
        )
    return right("None of these was ever seen in training, not even a crop of one.")
