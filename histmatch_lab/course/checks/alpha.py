"""Checks of the exercises of notebook 03: dead zones, alpha at K = 50, levels, settings."""

import math
from functools import lru_cache
from itertools import product

import torch
from torch import Tensor

from histmatch_lab.data.samples import photo
from histmatch_lab.distances import emd
from histmatch_lab.histogram import hard_histogram, pixel_gradient, soft_histogram
from histmatch_lab.losses import HistogramMatchingLoss

from .feedback import Feedback, check, check_loss, close, judge, mistakes, rng

FELT, FELT_BY, LARGEST_ERROR = 0.5, 0.9, 0.3  # of the fair pull, of the pixels, in 8-bit levels

_DEAD = 1 - 2 * math.log(100 * 20) / 20  # the pull, s L exp(-s d), is 0.01 where s d = ln(100 s L)
DEAD_MISTAKES = (
    (1 - _DEAD, "That is the share which does feel a pull."),
    (_DEAD / 2, "A bin has an edge on each side. Did you look at only one half of it?"),
    ((1 + _DEAD) / 2, "A bump reaches to both sides of its edge, so it covers twice as much."),
)


@check(DEAD_MISTAKES)
def check_dead_share(share: float) -> Feedback:
    """03: the share of the intensities between two edges that feel nothing, s = 1000, K = 50."""
    if 1 < share <= 100:
        return Feedback(False, "Give a share between 0 and 1, not a percentage.")
    side = "too small" if share < _DEAD else "too large"
    return judge(
        abs(share - _DEAD) < 0.05,
        DEAD_MISTAKES,
        lambda other: abs(share - other) < 0.05,
        f"{_DEAD:.0%}: the pull is below 1 % from s d = ln 2000 = 7.6 on, and half a bin is 10.",
        f"{share:g} is {side}. Where does s L exp(-s d) fall to 0.01, if s L = 20?",
    )


FIFTY_MISTAKES = mistakes(
    lambda felt, _: felt < FELT_BY,
    "Too sharp: that leaves gaps between the bumps.",
    lambda _, error: error > LARGEST_ERROR,
    "The pull is even enough; the histogram is too blurred. Sharpen it.",
)


@check(FIFTY_MISTAKES)
def check_alpha_for_50_bins(alpha: float) -> Feedback:
    """03: alpha for K = 50: 90 % of coffee's red pixels feel half the fair pull, error <= 0.3."""
    felt, error = measure_alpha(float(alpha))
    found = (
        f"At s L = {alpha / 50:.2g}, {felt:.0%} of the pixels feel it; the error is {error:.2f}."
    )
    return judge(
        felt >= FELT_BY and error <= LARGEST_ERROR,
        [(breaks_a_rule, f"{found} {hint}") for breaks_a_rule, hint in FIFTY_MISTAKES],
        lambda breaks_a_rule: breaks_a_rule(felt, error),
        f"{found} Compare that with 3.9, the paper's at K = 256.",
    )


@lru_cache(maxsize=64)
def measure_alpha(alpha: float) -> tuple[float, float]:
    """On the sample coffee, red, K = 50, ends clamped: the share of the pixels that feel at least
    half of the fair pull, and the soft histogram's EMD from the counts in 8-bit levels."""
    pixels = photo("coffee")[0].flatten()
    values, counts = pixels.unique(return_counts=True)
    felt = pixel_gradient(values.double(), 50, alpha=alpha, outside="clamp") >= FELT
    soft = soft_histogram(pixels, 50, alpha=alpha, outside="clamp")
    error = emd(soft, hard_histogram(pixels, 50)) * 255 / 50
    return float(counts[felt].sum() / counts.sum()), float(error)


_HALF = 0.5 / 1023  # of the step from one level to the next
_STEP = "Almost: the levels are v/1023, so one step is 1/1023 and not 1/1024."
RANGE_MISTAKES = (
    ((0, 1), "With (0, 1) the bin width is 1/1024, but the levels are 1/1023 apart."),
    ((-0.5 / 255, 255.5 / 255), "That centres 8-bit levels. Ten bits have 1024 levels, v/1023."),
    ((-0.5 / 1024, 1 + 0.5 / 1024), _STEP),
    ((-0.5 / 1024, 1023.5 / 1024), _STEP),
    (
        (_HALF, 1 - _HALF),
        "The other way: the range must grow by half a step at each end, not shrink.",
    ),
    ((-2 * _HALF, 1 + 2 * _HALF), "A whole step is too much: level 0 then lies on an edge again."),
    ((0, 1 + 2 * _HALF), "The bins are now as wide as a step, but each level lies on a left edge."),
)


@check(RANGE_MISTAKES)
def check_ten_bit_range(extent: tuple[float, float]) -> Feedback:
    """03: the range that puts each 10-bit level v/1023 in the middle of one of 1024 bins."""
    low, high = map(float, extent)
    width = (high - low) / 1024
    otherwise = f"These bins are {width:.7f} wide; the levels are 1/1023 = {1 / 1023:.7f} apart."
    if close(width, 1 / 1023, 1e-6):
        otherwise = "The width of the bins is right. Now shift them: level 0 goes in a middle."
    if max(abs(low + _HALF), abs(high - 1 - _HALF)) < 5e-5:
        otherwise = "The right idea, rounded too far: give the ends as fractions, 0.5 / 1023."
    return judge(
        close((low, high), (-_HALF, 1 + _HALF), 0, 1e-7),
        RANGE_MISTAKES,
        lambda other: close((low, high), other, 0, 1e-7),
        "Half a level more at each end: 1024 bins, each as wide as one level step.",
        otherwise,
    )


def _pictures_and_targets() -> list[tuple[Tensor, Tensor]]:
    """Two pairs; some values of the first pictures are exactly 0, where `outside` decides."""
    targets = 0.3 + 0.6 * torch.rand(2, 2, 3, 16, 16, dtype=torch.float64, generator=rng())
    preds = 0.6 * targets.flip(-1)
    preds[..., :2, :] = 0
    return list(zip(preds, targets, strict=True))


def _fifty_bins(needles: bool = False, in_bins: bool = False, dropped: bool = False):
    """The loss that is asked for, or with some of the three mistakes."""
    return HistogramMatchingLoss(
        50,
        alpha=1000.0 if needles else 1.0,
        bandwidth=1 / 125,
        units="bins" if in_bins else "intensity",
        outside="drop" if dropped else "clamp",
    )


_SETTINGS = (
    "The kernel is still a hard step: s L = 2500. DeepHist's B goes with alpha = 1.",
    "The distance is still in bins. In intensity it is at most 1.",
    "Half of each pixel at 0 or 1 is still lost, and black pixels are pulled the wrong way.",
)
check_mended_settings = check_loss(
    "03: a loss of 50 bins with DeepHist's kernel, in intensity, ends clamped.",
    _pictures_and_targets,
    _fifty_bins(),
    [
        (_fifty_bins(*made), _SETTINGS[made.index(True)])
        for made in product((True, False), repeat=3)
        if any(made)
    ],
    "An even pull, a unit that does not depend on K, and black pixels move the right way.",
)
