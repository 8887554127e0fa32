"""Checks of the exercises in notebook 06, on comparing losses fairly."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from histmatch_lab.recipe import Recipe
from histmatch_lab.results.tables import difference

from .feedback import Feedback, chance, check, check_function, judge, mistakes, number, rng

check_paper_lam = check_function(
    "`paper_lam(lam, bins)`: lambda of Eq. 6, which counts bins, for one in intensity.",
    lambda: [(lam := chance.uniform(0.1, 10), 50), (lam, 100), (lam, 256)],
    lambda lam, bins: lam / bins,
    mistakes(
        lambda lam, bins: lam * bins,
        "The other way round: a distance in bins is the larger number, so its weight is smaller.",
        lambda lam, _: lam,
        "Eq. 5 counts bins, and a bin is 1/K wide (erratum 7).",
        lambda lam, _: lam / 256,
        "The bin width is 1/K, and K is not always 256: use `bins`.",
        lambda lam, bins: lam / (bins - 1),
        "The bin width is 1/K: K bins share [0, 1]. (K - 1 steps lie between K levels.)",
    ),
    "So the paper's 1 at K = 256 is 256 in intensity, and its 0.1 at K = 50 is 5.",
)


TASKS = ("tonemap", "retouch", "misaligned_12", "spoiled", "ambiguous")


@check()
def check_sure_gain(task: Any) -> Feedback:
    """The task on which the recommended term, lambda = 0.1, gains PSNR beyond doubt."""
    if task not in TASKS:
        return Feedback(False, f"Give one of the names: {', '.join(TASKS)}.")
    gains = {name: difference(name, Recipe().name, "l2") for name in TASKS}
    if gains[task].low > 0:
        others = ", ".join(f"{name} {gap}" for name, gap in gains.items() if name != task)
        return Feedback(True, f"{gains[task]} dB. Of the others, {others}.")
    where = "includes 0" if gains[task].high >= 0 else "lies below 0"
    return Feedback(False, f"{task} has {gains[task]} dB: that interval {where}.")


# Half the width that was given over the right one, and over that of single gaps; photographs.
INTERVAL_MISTAKES = mistakes(
    lambda to_right, to_single, _: abs(to_single - 1) < 0.15,
    "Too narrow: you draw single gaps. Instead draw photographs, each with all its gaps.",
    # the gaps vary between photographs and within them alike: about sqrt(2) times sqrt(groups)
    lambda to_right, _, groups: 0.9 < to_right / math.sqrt(groups) < 2,
    "That is the spread of the gaps. Draw often, and take percentiles of the mean of each draw.",
    lambda to_right, *_: abs(to_right - 0.84) < 0.06,
    "That is the 90 % interval: the percentiles 2.5 and 97.5, not 5 and 95.",
    lambda to_right, *_: abs(to_right * 1.96 - 1) < 0.15,
    "That is one standard deviation to each side, 68 %. Take the percentiles 2.5 and 97.5.",
)


@check(INTERVAL_MISTAKES)
def check_interval(interval: Callable[[Sequence[float], Sequence[str]], Any]) -> Feedback:
    """`interval(gaps, groups)`: low and high end of the 95 % bootstrap interval of the mean."""
    generator = rng()
    # the spreads are exact, so that each mistake makes the interval wrong by a factor of its own
    effects = _standardised(torch.randn(30, generator=generator))
    noise = _standardised(torch.randn(30, 12, generator=generator))
    gaps = (effects[:, None] + noise).flatten() + torch.rand((), generator=generator)
    groups = torch.arange(360) // 12
    order = torch.randperm(360, generator=generator)
    names = [f"photograph {group}" for group in groups[order].tolist()]
    low, high = (float(number(end)) for end in interval(gaps[order].tolist(), names))
    if low > high:
        return Feedback(False, "The low end is above the high one.")
    middle, half = (low + high) / 2, (high - low) / 2
    by_group = gaps.view(30, 12).mean(1)
    # 1.96 standard errors of the mean
    exact, single = (1.96 * float(x.std(unbiased=False)) / len(x) ** 0.5 for x in (by_group, gaps))
    if not abs(middle - float(by_group.mean())) < max(0.3 * exact, 0.2 * half):
        return Feedback(False, "The interval does not lie around the mean of the gaps.")
    return judge(
        abs(half / exact - 1) < 0.1,  # two thousand draws alone leave 5 % to chance
        INTERVAL_MISTAKES,
        lambda is_so: is_so(half / exact, half / single, 30),
        "As wide as theory says for thirty independent photographs.",
        f"Its half width is {half:.3f}; about {exact:.3f} is right.",
    )


def _standardised(values: Tensor) -> Tensor:
    return (values - values.mean(-1, keepdim=True)) / values.std(-1, keepdim=True, unbiased=False)
