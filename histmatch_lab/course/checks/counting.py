"""Checks of the exercises of notebooks 00 and 01: counting, the kernel, Eq. 1-3."""

import math
from functools import cache
from typing import Any

import torch
from torch import Tensor, sigmoid

from histmatch_lab.data.samples import photo, photo_names
from histmatch_lab.histogram import soft_histogram

from .feedback import (
    Feedback,
    chance,
    check,
    check_function,
    check_loss,
    check_value,
    judge,
    mistakes,
    rng,
)

CLIPPED_MISTAKES = mistakes(
    "flower",
    "It leads only in pixels that are clipped in at least one channel. Count single values.",
)


@check(CLIPPED_MISTAKES)
def check_most_clipped(name: str) -> Feedback:
    """00: which sample has the largest share of values at exactly 0 or 1."""
    shares = clipped_shares()
    if name not in shares:
        known = ", ".join(shares)
        return Feedback(False, f"There is no photograph {name!r}; it is one of {known}.")
    share = f"{100 * shares[name]:.1f} % of the values of {name} are exactly 0 or 1."
    if shares[name] == max(shares.values()):
        return Feedback(True, f"{share} A bar at the very end of a histogram: keep it in mind.")
    otherwise = "Another photograph has more: look for a tall bar at an end."
    return Feedback(False, f"{share} {dict(CLIPPED_MISTAKES).get(name, otherwise)}")


@cache
def clipped_shares() -> dict[str, float]:
    """By name: the share of the values at exactly 0 or 1."""
    photos = {name: photo(name) for name in photo_names()}
    return {name: float(((x == 0) | (x == 1)).double().mean()) for name, x in photos.items()}


check_bin_center = check_value(
    "00: mu_k of the bin that holds I(p) = 0.317, with K = 50 on [0, 1].",
    15.5 / 50,
    (
        (15, "That is k, the number of the bin. mu_k is the intensity at its centre."),
        (15 / 50, "That is the left edge of the bin, L k. Its centre is half a bin further right."),
        (16 / 50, "That is the right edge of the bin. Its centre is half a bin further left."),
        (16.5 / 50, "One bin too far: k counts from 0."),
        (15.5 / 50 - 1, "That is the formula as printed, for values in [-1, 1] (erratum 2)."),
        (2 * 15.5 / 50 - 1, "These bins lie on [-1, 1]. The values, and so the bins, on [0, 1]."),
        (15.5, "That is counted in bins. Times L it is an intensity."),
        (0.317, "That is the value of the pixel itself, not the centre of its bin."),
    ),
    "L = 1/50 = 0.02, so k = 15, and mu_k = 0.02 × 15.5 = 0.31.",
    "First L = 1/K, then k with L k <= 0.317 < L (k + 1).",
)

check_area_as_printed = check_value(
    "01: the area under Eq. 1 as printed, with alpha = 1000 and B = 1.",
    1e-3,
    (
        (1, "A density should have area 1. Does this one? Substitute z = alpha (I(p) - i) / B."),
        (1000, "The other way round: the bump becomes narrower by alpha, not wider."),
        (0.25, "That is the height of the kernel at z = 0. Its area over all z is 1."),
    ),
    "B/alpha shrinks the bump's width, but the factor in front is only 1/B.",
    "The kernel has area 1 over z. How long is a piece di if z moves by dz?",
)

check_kernel = check_function(
    "01: Eq. 2, the derivative of the logistic function.",
    lambda: [(3 * torch.randn(200, dtype=torch.float64, generator=rng()),)],
    lambda z: sigmoid(z) * sigmoid(-z),
    mistakes(
        sigmoid,
        "That is sigma(z) itself. Eq. 2 asks for its derivative.",
        lambda z: -sigmoid(z) * sigmoid(-z),
        "The sign is wrong: sigma rises everywhere, so its slope is positive.",
        lambda z: sigmoid(-z),
        "That is 1 - sigma(z). One factor is missing.",
        lambda z: 4 * sigmoid(z) * sigmoid(-z),
        "Not normalised: the peak is 1, so the area is 4. A kernel needs area 1, not height 1.",
        lambda z: torch.exp(-z * z / 2) / math.sqrt(2 * math.pi),
        "That is the Gaussian. Eq. 2 takes the derivative of the logistic function.",
    ),
    "sigma(z) (1 - sigma(z)): at most 1/4, at z = 0, with area 1.",
    "The numbers differ. With s = sigma(z), it is a product of s and ?.",
    returns="a number for each z",
    atol=1e-6,
)


def _share(values: Tensor, low: float, high: float, slope: float) -> Tensor:
    return sigmoid(slope * (values - low)) - sigmoid(slope * (values - high))


def _density(values: Tensor, low: float, high: float, slope: float) -> Tensor:
    z = slope * (values - (low + high) / 2)
    return slope * sigmoid(z) * sigmoid(-z)


def _values_and_bin() -> list[tuple[Any, ...]]:
    low, width, slope = chance.uniform(0.2, 0.7), chance.uniform(0.04, 0.08), chance.uniform(40, 80)
    values = torch.rand(300, dtype=torch.float64, generator=rng())
    values[:100] = low + width * values[:100]  # evenly spread ones alone hide the slope
    return [(values.requires_grad_(), low, low + width, slope)]


check_soft_bin = check_function(
    "01: Eq. 3, the share of one bin: soft_bin(values, low, high, slope).",
    _values_and_bin,
    lambda v, *bin_and_slope: _share(v.clone().requires_grad_(), *bin_and_slope).mean(),
    mistakes(
        lambda *given: _share(*given).mean(),
        "The value is right, but it is detached: no gradient reaches the pixels.",
        lambda *given: _share(*given).sum(),
        "It is not normalised: that is the sum over the pixels. P_I(k) is their mean.",
        lambda *given: -_share(*given).mean(),
        "The sign is wrong: subtract the step at the upper edge from that at the lower.",
        lambda v, low, high, _: ((v >= low) & (v < high)).double().mean(),
        "That is the hard count. It has no gradient; use sigma instead of a comparison.",
        lambda *given: _density(*given).mean(),
        "That is the density at the centre of the bin. Eq. 3 asks for the area over the bin.",
        lambda v, low, high, s: _density(v, low, high, s).mean() * (high - low),
        "That is density times width, only close to the area. Integrate the derivative of sigma.",
        lambda v, low, high, s: _share(v, low, high, s).mean() / s,
        "Divided by the slope: that is Eq. 1 as printed (erratum 1).",
        lambda v, low, high, s: _share(v, low, high, s).mean() / (high - low),
        "That is a density: area divided by the width of the bin.",
        lambda v, low, high, s: _share(v, low, high, s).mean() * (high - low),
        "A width of the bin too many: the integral over the bin holds it already.",
        lambda v, low, _, s: sigmoid(s * (v - low)).mean(),
        "That is the share above the lower edge. Take away what lies above the upper edge.",
        lambda v, _, high, s: sigmoid(s * (high - v)).mean(),
        "That is the share below the upper edge, a CDF. Take away what lies below the lower edge.",
        lambda v, low, high, _: _share(v, low, high, 1).mean(),
        "The slope is missing: sigma(slope × (I(p) - edge)).",
    ),
    "Eq. 3: the area of all kernels between the two edges, and it has a gradient.",
    "For each pixel: sigma(slope (I(p) - low)) - sigma(slope (I(p) - high)); then mean.",
    facts=lambda v, *bin_and_slope: (v.detach(), *bin_and_slope),
)

NINETY_MISTAKES = mistakes(
    2 * 256 * math.atanh(0.9),
    "You halved it once too often: L/2 lies on each side of the pixel.",
    2 * 256 * math.log(9),
    "The pixel loses mass over both edges of its bin, not only over one.",
)


@check(NINETY_MISTAKES)
def check_alpha_for_ninety(alpha: float) -> Feedback:
    """01: the least alpha that keeps 90 % of a centred pixel in its bin (K = 256, B = 1)."""
    least = 4 * 256 * math.atanh(0.9)  # tanh(s L / 4) of the pixel stays in its bin
    kept, paper = (math.tanh(a / 256 / 4) for a in (alpha, 1000))
    hint = "That is too little: a larger α makes the kernel narrower."
    if alpha > least - 10:
        hint = "That is just below: round up to whole tens."
    if alpha > least:
        hint = "More than asked for: find the smallest α, rounded up to whole tens."
    feedback = judge(
        least <= alpha <= 10 * math.ceil(least / 10),
        NINETY_MISTAKES,
        lambda mistaken: abs(alpha / mistaken - 1) < 0.02,
        f"The paper's α = 1000 leaves {paper:.0%}.",
        hint,
    )
    said = f"With α = {alpha:g}, a pixel at the centre of its bin leaves {kept:.2%} in it."
    return Feedback(feedback.right, f"{said} {feedback.text}")


def _soft_distance(pred: Tensor, target: Tensor) -> Tensor:
    p, q = (soft_histogram(values, outside="clamp") for values in (pred, target))
    return (p - q).cumsum(0).abs().sum()


def _random_pairs() -> list[tuple[Tensor, Tensor]]:
    """Values at 8-bit levels, where rounding changes no value, only the gradient."""
    levels = torch.randint(20, 230, (2, 2, 200), generator=rng()).double() / 255
    return [(pred, target) for pred, target in levels]


check_trainable_loss = check_loss(
    "01: Eq. 5 of soft histograms (N,), whose gradient reaches the pixels.",
    _random_pairs,
    _soft_distance,
    mistakes(
        lambda pred, target: _soft_distance(pred.detach(), target),
        "No gradient reaches pred: the path is cut, by .data, .detach(), .item() or numpy.",
        lambda pred, target: _soft_distance((255 * pred).round() / 255, target),
        "The path is there, but the gradient is zero everywhere: rounding is a staircase too.",
        lambda pred, target: _soft_distance(pred, target) / len(pred),
        "The value is divided by the number of pixels: soft_histogram is a mean already.",
        lambda pred, target: _soft_distance(pred, target) / 256,
        "That is the mean over the bins; Eq. 5 is their sum.",
    ),
    "Value and gradient are right: the distance can train something now.",
)
