"""Checks of the exercises in notebook 05, on training and on measuring what it gave."""

import math
from collections.abc import Callable, Collection
from typing import Any

import torch
from torch import Tensor

from histmatch_lab.data.scenes import TEST_NAMES, TRAIN_NAMES

from .answers import chance, close, fresh, number
from .feedback import Feedback, Mistakes, check, judge, judge_numbers, mistakes, right, wrong


def _decibels(error: float) -> float:
    return -10 * math.log10(error)


# Of the mean squared error after clamping and before, and of the number of values.
PSNR_MISTAKES: Mistakes = (
    (lambda _, raw, size: _decibels(raw), "Clamp the prediction to [0, 1] first: a screen would."),
    (lambda error, *_: 2 * _decibels(error), "20 goes with the root of the error, 10 with itself."),
    (lambda error, *_: -_decibels(error), "The sign: a small error is a large PSNR."),
    (lambda error, *_: -10 * math.log(error), "Decibels count powers of ten: log10, not log."),
    (lambda error, *_: _decibels(error / 255**2), "The peak is 1 here, not 255."),
    (lambda error, *_: _decibels(error) / 2, "You have taken the root and then 10 instead of 20."),
    (lambda error, *_: error, "That is the mean squared error. Take it to decibels."),
    (lambda error, _, size: _decibels(error * size), "A sum of squares. Take their mean."),
)


@check(PSNR_MISTAKES)
def check_psnr(psnr_by_hand: Callable[[Tensor, Tensor], Any]) -> Feedback:
    """`psnr_by_hand(pred, target)`: of one picture (3, H, W), in dB."""
    generator = fresh()
    target = torch.rand(3, 20, 30, generator=generator)
    pred = target * 1.2 + 0.2 * torch.rand(3, 20, 30, generator=generator)
    got = number(psnr_by_hand(pred.clone(), target.clone()))
    error = float((pred.clamp(0, 1) - target).double().square().mean())
    raw = float((pred - target).double().square().mean())
    return judge(
        lambda function: close(got, function(error, raw, target.numel())),
        lambda error, *_: _decibels(error),
        PSNR_MISTAKES,
        "With the peak at 1, PSNR is the mean squared error on a scale of decibels.",
        f"For a random picture you get {got:.3f} dB; it should be {_decibels(error):.3f}.",
    )


def _rate(step: int, of: int, first: float, last: float) -> float:
    return first * (last / first) ** (step / (of - 1))


_LINEAR = "That falls by the same amount at each step; exponential decay by the same factor."
RATE_MISTAKES = mistakes(
    lambda step, of, first, last: first + (last - first) * step / (of - 1),
    _LINEAR,
    lambda step, of, first, last: first + (last - first) * step / of,
    _LINEAR,
    lambda step, of, first, last: first * (last / first) ** (step / of),
    "The last step is of - 1: divide step by that, or the last rate is never reached.",
    lambda step, of, first, last: _rate(step, of, last, first),
    "It runs backwards: step 0 has the first rate.",
    lambda step, of, first, _: first * math.exp(-step / (of - 1)),
    "Choose the base so that the last step has the last rate.",
)


@check(RATE_MISTAKES)
def check_rate(rate_at: Callable[[int, int, float, float], Any]) -> Feedback:
    """`rate_at(step, of, first, last)`: exponential decay over steps 0 to of - 1."""
    of = chance.randrange(50, 200)
    first, last = 10 ** -chance.uniform(3, 4), 10 ** -chance.uniform(5, 6)
    return judge_numbers(
        rate_at,
        [(step, of, first, last) for step in (of // 3, 0, of - 1)],
        _rate,
        RATE_MISTAKES,
        "The factor from step to step is the same all the way.",
    )


_MIXED = "Train and test are mixed. Not even another crop helps: the network may know its colours."


@check(((TRAIN_NAMES, _MIXED),))
def check_split(names: Any) -> Feedback:
    """Three photographs that may be used to say how good the trained network is."""
    if isinstance(names, str) or not isinstance(names, Collection):
        return wrong("Give a list of names.")
    unknown = sorted(set(names) - set(TRAIN_NAMES) - set(TEST_NAMES))
    if unknown:
        return wrong(f"There is no photograph {unknown[0]!r} in TRAIN_NAMES or TEST_NAMES.")
    if mixed := sorted(set(names) & set(TRAIN_NAMES)):
        return wrong(f"{mixed[0]!r} was trained on. {_MIXED}")
    if len(set(names)) < 3:
        return wrong("None of them was trained on. Name three, for one picture says little.")
    return right("None of these was ever seen in training, not even a crop of one.")
