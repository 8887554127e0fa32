"""Checks of the exercises of notebook 03: dead zones, settings."""

import math
from itertools import product

import torch
from torch import Tensor

from histmatch_lab.losses import HistogramMatchingLoss

from .feedback import Feedback, check, check_loss, judge, rng

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
