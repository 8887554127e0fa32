"""Distances between histograms (Eq. 5) and between samples, without a histogram."""

import torch
from torch import Tensor

from histmatch_lab._checks import check_no_nan, check_same_shape, checked_floating, checked_samples


def emd(p: Tensor, q: Tensor) -> Tensor:
    """Earth Mover's Distance of Eq. 5, in bins: (..., bins), (..., bins) -> (...).

    The L1 distance between the running sums of two histograms; times the width of a bin it is the
    1-Wasserstein distance in units of intensity. Raises ValueError for different shapes.

    >>> emd(torch.tensor([1.0, 0.0, 0.0]), torch.tensor([0.0, 0.5, 0.5])).item()
    1.5
    """
    return _cdf_gaps(p, q).abs().sum(-1)


def cramer(p: Tensor, q: Tensor) -> Tensor:
    """The squared Cramér distance of two histograms, in bins: (..., bins), (..., bins) -> (...).

    Eq. 5 with the gap of the CDFs squared: its gradient grows with the gap, and small gaps count
    for little. Times the width of a bin it is the integral of (F - G)^2. Raises as ``emd``.

    >>> cramer(torch.tensor([1.0, 0.0, 0.0]), torch.tensor([0.0, 0.5, 0.5])).item()
    1.25
    """
    return _cdf_gaps(p, q).square().sum(-1)


def wasserstein_1d(p: Tensor, q: Tensor) -> Tensor:
    """The exact 1-Wasserstein distance of samples, by sorting: (..., N), (..., M) -> (...).

    What Eq. 5 approaches as the bins become narrow, in the samples' own units: no alpha, no K, no
    ends of a range. Both are quantile functions, steps of width 1/N and 1/M, and the distance is
    the area between them; for N = M the mean of |sort(p) - sort(q)|. Differentiable almost
    everywhere in both. Leading axes broadcast. Raises TypeError or ValueError for samples that are
    not floating point, empty, or (on a CPU) not finite.

    >>> wasserstein_1d(torch.tensor([0.0, 1.0]), torch.tensor([0.5, 0.5, 0.5])).item()
    0.5
    """
    p, q = _sorted("p", p), _sorted("q", q)
    if p.shape[-1] == q.shape[-1]:
        return (p - q).abs().mean(-1)
    n, m = p.shape[-1], q.shape[-1]
    # both quantile functions are constant between these multiples of 1 / (n m)
    of_p = torch.arange(0, n * m + 1, m, device=p.device)
    of_q = torch.arange(0, n * m + 1, n, device=p.device)
    breaks = torch.cat([of_p, of_q]).unique()
    start, widths = breaks[:-1], breaks.diff()
    gaps = (p[..., start // m] - q[..., start // n]).abs()
    return gaps @ (widths.to(gaps) / (n * m))


def _sorted(name: str, values: Tensor) -> Tensor:
    values = checked_samples(name, values)
    check_no_nan(name, values)
    return values.sort(-1).values


def _cdf_gaps(p: Tensor, q: Tensor) -> Tensor:
    p, q = checked_floating("p", p), checked_floating("q", q)
    check_same_shape("p and q", p, q)
    if p.ndim == 0 or p.shape[-1] == 0:
        raise ValueError(f"p and q must have bins on their last axis, got {tuple(p.shape)}")
    return (p - q).cumsum(-1)
