"""The differentiable histogram: Eq. 1-4 of the paper, and what is measured on it.

With slope s = alpha / bandwidth and bin edges e_k, Eq. 1-3 have the closed form

    P(k) = mean over pixels p of  sigma(s (I_p - e_k)) - sigma(s (I_p - e_{k+1})).

Eq. 1 as printed integrates to 1/alpha; the text below Eq. 3 (the kernel is the derivative of
sigma(alpha z)) restores the factor, and that is what is computed here. Samples lie on the last
axis: an image (B, C, H, W) goes in as ``image.flatten(2)``.
"""

import math
import operator
from typing import Literal

import torch
from torch import Tensor

Outside = Literal["drop", "clamp", "reflect"]
Range = tuple[float, float]


def bin_edges(
    bins: int = 256,
    *,
    range: Range = (0.0, 1.0),
    dtype: torch.dtype = torch.float32,
    device: torch.device | str | None = None,
) -> Tensor:
    """The ``bins + 1`` edges e_k of equal bins over ``range``."""
    bins, (low, high) = _checked_bins(bins), _checked_range(range)
    return torch.linspace(low, high, bins + 1, dtype=torch.float64, device=device).to(dtype)


def bin_centers(
    bins: int = 256,
    *,
    range: Range = (0.0, 1.0),
    dtype: torch.dtype = torch.float32,
    device: torch.device | str | None = None,
) -> Tensor:
    """The ``bins`` centres mu_k = low + L (k + 1/2), with L the width of a bin.

    The paper prints mu_k = -1 + L (k + 1/2), which is DeepHist's, for values in [-1, 1].
    """
    edges = bin_edges(bins, range=range, dtype=torch.float64, device=device)
    return ((edges[1:] + edges[:-1]) / 2).to(dtype)


def hard_histogram(values: Tensor, bins: int = 256, *, range: Range = (0.0, 1.0)) -> Tensor:
    """The counted histogram, (..., N) -> (..., bins); each sums to 1. It has no gradient."""
    values = _checked_values(values).detach()
    edges = bin_edges(bins, range=range, dtype=torch.float64, device=values.device)
    index = torch.bucketize(values.double(), edges[1:-1], right=True)
    counts = torch.zeros(*values.shape[:-1], len(edges) - 1, device=values.device)
    counts.scatter_add_(-1, index, torch.ones_like(index, dtype=counts.dtype))
    return (counts / values.shape[-1]).to(values.dtype)


def soft_histogram(
    values: Tensor,
    bins: int = 256,
    *,
    alpha: float = 1000.0,
    bandwidth: float = 1.0,
    range: Range = (0.0, 1.0),
    outside: Outside = "drop",
) -> Tensor:
    """The differentiable histogram P(k) of Eq. 3, (..., N) -> (..., bins)."""
    cdf = soft_cdf(values, bins, alpha=alpha, bandwidth=bandwidth, range=range, outside=outside)
    return torch.diff(cdf, prepend=torch.zeros_like(cdf[..., :1]))


def soft_cdf(
    values: Tensor,
    bins: int = 256,
    *,
    alpha: float = 1000.0,
    bandwidth: float = 1.0,
    range: Range = (0.0, 1.0),
    outside: Outside = "drop",
) -> Tensor:
    """The running sum P(0) + ... + P(k) of ``soft_histogram``, (..., N) -> (..., bins)."""
    values = _checked_values(values)
    edges = bin_edges(bins, range=range, dtype=torch.float64, device=values.device)
    slope = _checked_slope(alpha, bandwidth)
    below = torch.stack(
        [torch.sigmoid(slope * (edge - values.double())).mean(-1) for edge in edges], -1
    )
    if outside == "drop":
        cdf = below[..., 1:] - below[..., :1]
    elif outside == "clamp":
        cdf = torch.cat([below[..., 1:-1], torch.ones_like(below[..., :1])], -1)
    else:
        mirrored = sum(
            soft_histogram(
                2 * end - values.double(), bins, alpha=alpha, bandwidth=bandwidth, range=range
            )
            for end in range
        )
        cdf = below[..., 1:] - below[..., :1] + torch.as_tensor(mirrored).cumsum(-1)
    return cdf.to(values.dtype)


def emd(p: Tensor, q: Tensor) -> Tensor:
    """Earth Mover's Distance of Eq. 5, in bins: (..., bins), (..., bins) -> (...)."""
    if p.shape != q.shape:
        raise ValueError(f"p and q must have one shape, got {tuple(p.shape)} and {tuple(q.shape)}")
    return (p - q).cumsum(-1).abs().sum(-1)


def gradient_ripple(
    bins: int, *, alpha: float = 1000.0, bandwidth: float = 1.0, range: Range = (0.0, 1.0)
) -> float:
    """How unevenly the loss pulls on pixels: half of (largest - smallest pull), mean pull = 1."""
    low, high = _checked_range(range)
    step = _checked_slope(alpha, bandwidth) * (high - low) / _checked_bins(bins)
    if step < 2 * math.pi:  # few harmonics matter
        x = 2 * math.pi**2 / step
        return sum(
            4 * n * x * math.exp(-n * x) / -math.expm1(-2 * n * x) for n in (1, 3, 5, 7, 9, 11, 13)
        )
    tails = [math.exp(-step * m / 2) for m in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12)]
    return (
        step / 2 * (0.25 + 2 * sum((-1) ** (i + 1) * t / (1 + t) ** 2 for i, t in enumerate(tails)))
    )


def _checked_values(values: Tensor) -> Tensor:
    if not isinstance(values, Tensor):
        raise TypeError(f"values must be a torch.Tensor, got {type(values).__name__}")
    if not values.is_floating_point():
        raise TypeError(
            f"values must be floating point, got {values.dtype}; divide 8-bit levels by 255"
        )
    if values.ndim == 0 or values.numel() == 0:
        raise ValueError(f"values must hold at least one sample, got shape {tuple(values.shape)}")
    if not torch.isfinite(values).all():
        raise ValueError("values must be finite, got NaN or infinity")
    return values if values.dtype == torch.float64 else values.float()


def _checked_bins(bins: int) -> int:
    bins = operator.index(bins)
    if bins < 1:
        raise ValueError(f"bins must be at least 1, got {bins}")
    return bins


def _checked_range(range: Range) -> Range:
    low, high = range
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(f"range must be (low, high) with low < high, got {range!r}")
    return float(low), float(high)


def _checked_slope(alpha: float, bandwidth: float) -> float:
    for name, number in (("alpha", alpha), ("bandwidth", bandwidth)):
        if not (math.isfinite(number) and number > 0):
            raise ValueError(f"{name} must be a positive number, got {number!r}")
    return alpha / bandwidth
