"""Checks of the exercises of notebook 02: dead zones, the pull, alpha at K = 50, levels."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import torch
from torch import Tensor

from histmatch_lab.checks.verdict import Verdict, ask, check, right, wrong
from histmatch_lab.data.samples import photo
from histmatch_lab.histogram import emd, hard_histogram, soft_histogram
from histmatch_lab.pull import pull

FELT, FELT_BY, LARGEST_ERROR = 0.5, 0.9, 0.3  # of the fair pull, of the pixels, in 8-bit levels


@check
def check_dead_share(share: float) -> Verdict:
    """02: the share of the intensities between two edges that feel nothing, s = 1000, K = 50."""
    # Near an edge the pull is s L exp(-s d), d the distance: 1 % of it where s d = ln(100 s L).
    truth = 1 - 2 * math.log(100 * 20) / 20
    if abs(share - truth) < 0.05:
        return right(
            f"{truth:.0%}: the pull sinks below 1 % at s d = ln 2000 = 7.6, d the distance from "
            "an edge, and half a bin reaches to s d = 10."
        )
    if 1 < share <= 100:
        return wrong("Give a share between 0 and 1, not a percentage.")
    if abs(share - (1 - truth)) < 0.05:
        return wrong("That is the share which does feel a pull.")
    if abs(share - truth / 2) < 0.04:
        return wrong("A bin has an edge on each side. Did you look at only one half of it?")
    if abs(share - (1 - math.log(100 * 20) / 20)) < 0.05:
        return wrong("A bump reaches to both sides of its edge, so it covers twice as much.")
    side = "too small" if share < truth else "too large"
    return wrong(f"{share:g} is {side}. Where does s L exp(-s d) fall to 0.01, if s L = 20?")


@check
def check_pull(function: Callable[[Tensor, Tensor, float], Tensor]) -> Verdict:
    """02: the pull on pixels of intensity x: (x, edges, s) -> a number for each x."""
    generator = torch.Generator()
    generator.seed()
    bins = int(torch.randint(20, 60, (), generator=generator))
    slope = bins * float(4 + 6 * torch.rand((), generator=generator))
    x = 0.2 + 0.6 * torch.rand(50, dtype=torch.float64, generator=generator)
    edges = torch.linspace(0, 1, bins + 1, dtype=torch.float64)
    z = slope * (x[:, None] - edges)
    bumps = torch.sigmoid(z) * torch.sigmoid(-z)
    truth = slope * bumps.sum(1) / bins
    answer = ask(function, x, edges, slope)
    if not isinstance(answer, Tensor):
        return wrong(f"Return a tensor; this is a {type(answer).__name__}.")
    if answer.shape != truth.shape:
        return wrong(
            f"One number for each x is wanted, shape {tuple(truth.shape)}; "
            f"this has shape {tuple(answer.shape)}. Sum over the edges, the last axis."
        )

    def equals(other: Tensor) -> bool:
        return torch.allclose(answer.double(), other, rtol=1e-4, atol=1e-7)

    if equals(truth):
        return right("The same as the gradient of the library's loss.")
    half = (edges[1:] - edges[:-1]) / 2
    at_centres = torch.sigmoid(slope * (x[:, None] - edges[:-1] - half))
    mistakes = (
        (truth * bins, "The factor L is missing: the loss counts in bins, the pull in intensity."),
        (truth / slope, "The factor s is missing: the chain rule of sigma(s (x - e))."),
        (truth * bins / slope, "The factors s and L are missing."),
        (truth / (bins + 1), "A mean over the edges. The loss of Eq. 5 is a sum."),
        (truth * bins / (bins + 1), "A mean over the edges gives 1/(K + 1), and L is 1/K."),
        (-truth, "The sign is turned. Count the pull towards the target as positive."),
        (slope * z.sigmoid().sum(1) / bins, "That sums sigma. The pull sums its derivative."),
        (
            slope * (at_centres * (1 - at_centres)).sum(1) / bins,
            "These bumps stand on the bin centres. The loss compares CDFs at the bin edges.",
        ),
        (slope * bumps.max(1).values / bins, "Only the nearest edge. Its neighbours reach here."),
    )
    for mistake, hint in mistakes:
        if equals(mistake):
            return wrong(hint)
    return wrong("These are other numbers. Evaluate at one edge, x = e: there sigma'(0) = 1/4.")


@check
def check_alpha_for_50_bins(alpha: float) -> Verdict:
    """02: alpha for K = 50: 90 % of coffee's red pixels feel half the fair pull, error <= 0.3."""
    felt, error = measure_alpha(float(alpha))
    found = f"{felt:.0%} of the pixels feel the pull, and the error is {error:.2f} levels"
    if felt >= FELT_BY and error <= LARGEST_ERROR:
        return right(
            f"{found}: s L = {alpha / 50:.2g}. Compare it with 3.9, the paper's at K = 256."
        )
    if felt < FELT_BY:
        return wrong(f"{found}. Too sharp: s L = {alpha / 50:.2g} leaves gaps between the bumps.")
    return wrong(f"{found}. The pull is even enough; the histogram is too blurred. Sharpen it.")


@lru_cache(maxsize=64)
def measure_alpha(alpha: float) -> tuple[float, float]:
    """On the sample coffee, red, K = 50, ends clamped: the share of the pixels that feel at least
    half of the fair pull, and the soft histogram's EMD from the counts in 8-bit levels."""
    pixels = photo("coffee")[0].flatten()
    values, counts = pixels.unique(return_counts=True)
    felt = pull(values.double(), 50, alpha=alpha, outside="clamp") >= FELT
    soft = soft_histogram(pixels, 50, alpha=alpha, outside="clamp")
    error = emd(soft, hard_histogram(pixels, 50)) * 255 / 50
    return float(counts[felt].sum() / counts.sum()), float(error)


@check
def check_ten_bit_range(extent: tuple[float, float]) -> Verdict:
    """02: the range that puts each 10-bit level v/1023 in the middle of one of 1024 bins."""
    low, high = map(float, extent)
    half = 0.5 / 1023

    def equals(first: float, second: float) -> bool:
        return abs(low - first) < 1e-7 and abs(high - second) < 1e-7

    if equals(-half, 1 + half):
        return right("Half a level more at each end: 1024 bins, each as wide as one level step.")
    if equals(0, 1):
        return wrong("With (0, 1) a bin is 1/1024 wide, but the levels are 1/1023 apart.")
    if equals(-0.5 / 255, 255.5 / 255):
        return wrong("That centres 8-bit levels. Ten bits have 1024 levels, v/1023.")
    if equals(-0.5 / 1024, 1 + 0.5 / 1024) or equals(-0.5 / 1024, 1023.5 / 1024):
        return wrong("Almost: the levels are v/1023, so one step is 1/1023 and not 1/1024.")
    if equals(half, 1 - half):
        return wrong("The other way: the range must grow by half a step at each end, not shrink.")
    if equals(-2 * half, 1 + 2 * half):
        return wrong("A whole step at each end is too much: level 0 then lies on an edge again.")
    if equals(0, 1 + 2 * half):
        return wrong("The bins are now as wide as a step, but each level lies on a left edge.")
    width = (high - low) / 1024
    if abs(width - 1 / 1023) < 1e-7:
        return wrong("The width of the bins is right. Now shift them: level 0 goes in a middle.")
    return wrong(f"These bins are {width:.7f} wide; the levels are 1/1023 = {1 / 1023:.7f} apart.")
