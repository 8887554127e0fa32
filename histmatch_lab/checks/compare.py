"""Checks of the exercises in notebook 06, on comparing losses fairly."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from histmatch_lab.checks.verdict import Verdict, ask, check, right, wrong
from histmatch_lab.comparison import RECIPES, seed_means


@check
def check_paper_lam(paper_lam: Callable[[float, int], Any]) -> Verdict:
    """`paper_lam(lam, bins)`: lambda of Eq. 6, which counts bins, for one in intensity."""
    for lam, bins in ((1.0, 256), (0.1, 50), (10.0, 100)):
        got, wanted = float(ask(paper_lam, lam, bins)), lam / bins
        if math.isclose(got, wanted, rel_tol=1e-6):
            continue
        if math.isclose(got, lam * bins, rel_tol=1e-6):
            return wrong(
                "The other way round. The distance counted in bins is the larger number, so the "
                "weight that goes with it is the smaller one."
            )
        if math.isclose(got, lam, rel_tol=1e-6):
            return wrong("Eq. 5 counts bins, and a bin is 1/K wide (erratum 7).")
        return wrong(f"For lam = {lam:g} and {bins} bins you get {got:.4g}, it is {wanted:.4g}.")
    return right("So the paper's 1 at K = 256 is 256 in intensity, and its 0.1 at K = 50 is 5.")


@check
def check_best_emd(name: Any) -> Verdict:
    """The trained recipe with the smallest mean EMD for the undecided expert."""
    means = {}
    for recipe in RECIPES:
        values = seed_means("undecided", recipe, "emd")
        means[recipe] = sum(values) / len(values)
    if name not in means:
        return wrong(f"Give one of the names: {', '.join(means)}.")
    best = min(means, key=lambda recipe: means[recipe])
    if name == best:
        return right(f"Its EMD is {means[best]:.4f}; that of l2 is {means['l2']:.4f}.")
    return wrong(f"{name} has {means[name]:.4f}, and another one has less.")


@check
def check_interval(interval: Callable[[Sequence[float], Sequence[str]], Any]) -> Verdict:
    """`interval(gaps, groups)`: low and high end of the 95 % bootstrap interval of the mean."""
    generator = torch.Generator().manual_seed(41)
    effects = torch.randn(30, generator=generator)
    groups = [str(i) for i in range(30) for _ in range(6)]
    gaps = (effects.repeat_interleave(6) + 0.1 * torch.randn(180, generator=generator)).tolist()
    low, high = (float(end) for end in ask(interval, gaps, groups))
    if low > high:
        return wrong("The low end is above the high one.")
    middle, half = (low + high) / 2, (high - low) / 2
    by_group = Tensor(gaps).view(30, 6).mean(1)
    wanted = 1.96 * float(by_group.std(unbiased=False)) / math.sqrt(30)
    single = 1.96 * float(Tensor(gaps).std(unbiased=False)) / math.sqrt(180)
    if abs(middle - float(by_group.mean())) > 0.3 * wanted:
        return wrong("The interval does not lie around the mean of the gaps.")
    if abs(half / wanted - 1) < 0.15:
        return right("As wide as theory says for thirty independent photographs.")
    if abs(half / single - 1) < 0.15:
        return wrong(
            "Too narrow: you draw single gaps. Those of one photograph belong together; draw "
            "photographs, each with all its gaps."
        )
    if abs(half / (wanted * math.sqrt(30)) - 1) < 0.3:
        return wrong("That is the spread of the photographs. Take the mean of each resample.")
    return wrong(f"Its half width is {half:.3f}; about {wanted:.3f} is right.")
