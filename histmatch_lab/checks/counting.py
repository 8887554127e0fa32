"""Checks of the exercises of notebooks 00 and 01: counting, the kernel, Eq. 1-3."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import torch
from torch import Tensor

from histmatch_lab.checks.verdict import Verdict, ask, check, right, wrong
from histmatch_lab.data.samples import photo, photo_names


@check
def check_most_clipped(name: str) -> Verdict:
    """00: which sample has the largest share of values at exactly 0 or 1."""
    values, pixels = _clipped_shares()
    if name not in values:
        return wrong(f"There is no photograph {name!r}; it is one of {', '.join(values)}.")
    share = f"{100 * values[name]:.1f} % of the values of {name} are exactly 0 or 1"
    if name == max(values, key=lambda n: values[n]):
        return right(f"{share}. A bar at the very end of a histogram: keep it in mind.")
    if name == max(pixels, key=lambda n: pixels[n]):
        return wrong(
            f"{share}. It leads only if you count pixels that are clipped in at least one "
            f"channel ({100 * pixels[name]:.0f} %). The question is about single values."
        )
    return wrong(f"{share}, but another photograph has more. Look for a tall bar at 0 or at 1.")


@check
def check_bin_center(center: float) -> Verdict:
    """00: mu_k of the bin that holds I(p) = 0.317, with K = 50 on [0, 1]."""
    bins, value = 50, 0.317
    k = int(value * bins)
    truth = (k + 0.5) / bins
    if _close(center, truth):
        return right(f"L = 1/50 = 0.02, so k = {k}, and mu_k = 0.02 × {k}.5 = {truth:.2f}.")
    mistakes = {
        float(k): "That is k, the number of the bin. mu_k is the intensity at its centre.",
        k / bins: "That is the left edge of the bin, L k. Its centre is half a bin further right.",
        (k + 1) / bins: "That is the right edge of the bin. Its centre is half a bin further left.",
        (k + 1.5) / bins: "One bin too far: k counts from 0.",
        truth - 1: "That is the formula as the paper prints it, for values in [-1, 1] (erratum 2).",
        value: "That is the value of the pixel itself, not the centre of its bin.",
    }
    return _named_mistake(center, mistakes, "First L = 1/K, then k with L k <= 0.317 < L (k + 1).")


@check
def check_area_as_printed(area: float) -> Verdict:
    """01: the area under Eq. 1 as printed, with alpha = 1000 and B = 1."""
    if _close(area, 1e-3):
        return right("B/alpha shrinks the bump's width, but the factor in front is only 1/B.")
    mistakes = {
        1.0: "A density should have area 1. Does this one? Substitute z = alpha (I(p) - i) / B.",
        1000.0: "The other way round: the bump becomes narrower by alpha, not wider.",
        0.25: "That is the height of the kernel at z = 0. Its area over all z is 1.",
    }
    hint = "The kernel has area 1 over z. How long is a piece di if z moves by dz?"
    return _named_mistake(area, mistakes, hint)


@check
def check_kernel(kernel: Callable[[Tensor], Tensor]) -> Verdict:
    """01: Eq. 2, the derivative of the logistic function."""
    z = 3 * torch.randn(200, dtype=torch.float64, generator=_fresh())
    answer = _tensor(ask(kernel, z), z.shape)
    rise = torch.sigmoid(z)
    truth = rise * (1 - rise)
    if torch.allclose(answer, truth, atol=1e-6):
        return right("sigma(z) (1 - sigma(z)): at most 1/4, at z = 0, with area 1.")
    if torch.allclose(answer, rise, atol=1e-6):
        return wrong("That is sigma(z) itself. Eq. 2 asks for its derivative.")
    if torch.allclose(answer, -truth, atol=1e-6):
        return wrong("The sign is turned: sigma rises everywhere, so its slope is positive.")
    if torch.allclose(answer, 1 - rise, atol=1e-6):
        return wrong("That is 1 - sigma(z). One factor is missing.")
    if torch.allclose(answer, 4 * truth, atol=1e-6):
        return wrong("The peak is 1, so the area is 4. A kernel needs area 1, not height 1.")
    if torch.allclose(answer, torch.exp(-z * z / 2) / math.sqrt(2 * math.pi), atol=1e-6):
        return wrong("That is the Gaussian. Eq. 2 takes the derivative of the logistic function.")
    return wrong("The numbers differ. With s = sigma(z), the derivative is a product of s and ?.")


@check
def check_soft_bin(soft_bin: Callable[..., Tensor]) -> Verdict:
    """01: Eq. 3, the share of one bin: soft_bin(values, low, high, slope)."""
    source = _fresh()
    low = 0.2 + 0.5 * float(torch.rand((), generator=source))
    high, slope = low + 0.06, 60.0
    values = torch.rand(300, dtype=torch.float64, generator=source)
    values[:100] = low + (high - low) * values[:100]  # evenly spread ones alone hide the slope
    values.requires_grad_()
    answer = ask(soft_bin, values, low, high, slope)
    if not isinstance(answer, Tensor):
        return wrong("Return a tensor, without .item() or float(): a number has no gradient.")
    if answer.numel() != 1:
        return wrong(f"One number is wanted, the mean over all pixels; got {answer.numel()}.")
    values = values.detach()
    inside = torch.sigmoid(slope * (values - low)) - torch.sigmoid(slope * (values - high))
    truth, found = float(inside.mean()), float(answer.detach())
    if _close(found, truth):
        if not answer.requires_grad:
            return wrong("The value is right, but it is detached: no gradient reaches the pixels.")
        return right("Eq. 3: the area of all kernels between the two edges, and it has a gradient.")
    density = slope * torch.sigmoid(slope * (values - (low + high) / 2))
    density = density * (1 - density / slope)
    mistakes = {
        truth * len(values): "That is the sum over the pixels. P_I(k) is their mean.",
        -truth: "The sign is turned: subtract the step at the upper edge from that at the lower.",
        float(((values >= low) & (values < high)).double().mean()): (
            "That is the hard count. It has no gradient; use sigma instead of a comparison."
        ),
        float(density.mean()): (
            "That is the density at the centre of the bin. Eq. 3 asks for the area over the bin."
        ),
        float(density.mean()) * (high - low): (
            "That is density times width, which is only close to the area. Eq. 3 can be solved "
            "exactly: the kernel is the derivative of sigma."
        ),
        truth / slope: "Divided by the slope: that is Eq. 1 as printed (erratum 1).",
        truth / (high - low): "That is a density: area divided by the width of the bin.",
        float(torch.sigmoid(slope * (values - low)).mean()): (
            "That is the share above the lower edge. Take away what lies above the upper edge."
        ),
        float(torch.sigmoid(slope * (high - values)).mean()): (
            "That is the share below the upper edge, which is a CDF. Take away what lies below "
            "the lower edge."
        ),
        float((torch.sigmoid(values - low) - torch.sigmoid(values - high)).mean()): (
            "The slope is missing: sigma(slope × (I(p) - edge))."
        ),
    }
    hint = "For each pixel: sigma(slope (I(p) - low)) - sigma(slope (I(p) - high)); then the mean."
    return _named_mistake(found, mistakes, hint)


@check
def check_alpha_for_ninety(alpha: float) -> Verdict:
    """01: the least alpha that keeps 90 % of a centred pixel in its bin (K = 256, B = 1)."""
    bins, wanted = 256, 0.9
    least = 4 * bins * math.atanh(wanted)  # tanh(s L / 4) of the pixel stays in its bin
    kept = math.tanh(alpha / bins / 4)
    said = f"With α = {alpha:g}, a pixel at the centre of its bin leaves {100 * kept:.1f} % in it."
    if least <= alpha <= 1.02 * least:
        return right(
            f"{said} The paper's α = 1000 leaves {100 * math.tanh(1000 / bins / 4):.0f} %."
        )
    if abs(alpha / bins - 2 * math.atanh(wanted)) < 0.05:
        return wrong(f"{said} You halved it once too often: L/2 lies on each side of the pixel.")
    one_sided = 2 * bins * math.log(wanted / (1 - wanted))
    if abs(alpha - one_sided) < 0.02 * one_sided:
        return wrong(f"{said} The pixel loses mass over both edges of its bin, not only over one.")
    if alpha > least:
        return wrong(f"{said} More than asked for: find the smallest α, rounded up to whole tens.")
    return wrong(f"{said} That is too little: a larger α makes the kernel narrower.")


@lru_cache(maxsize=1)
def _clipped_shares() -> tuple[dict[str, float], dict[str, float]]:
    """By name: the share of clipped values, and of pixels with a clipped value."""
    clipped = {name: (photo(name) == 0) | (photo(name) == 1) for name in photo_names()}
    values = {name: float(mask.double().mean()) for name, mask in clipped.items()}
    pixels = {name: float(mask.any(0).double().mean()) for name, mask in clipped.items()}
    return values, pixels


def _fresh() -> torch.Generator:
    """A source of random numbers that leaves the learner's own seed alone."""
    generator = torch.Generator()
    generator.seed()
    return generator


def _close(answer: float, truth: float) -> bool:
    return math.isclose(answer, truth, rel_tol=1e-4, abs_tol=1e-9)


def _named_mistake(answer: float, mistakes: dict[float, str], hint: str) -> Verdict:
    for number, text in mistakes.items():
        if _close(answer, number):
            return wrong(text)
    return wrong(hint)


def _tensor(answer: object, shape: torch.Size) -> Tensor:
    if not isinstance(answer, Tensor) or answer.shape != shape:
        found = tuple(answer.shape) if isinstance(answer, Tensor) else type(answer).__name__
        raise ValueError(f"wanted is a tensor of shape {tuple(shape)}, got {found}")
    return answer.detach().double()
