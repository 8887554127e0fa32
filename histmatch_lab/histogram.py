"""The differentiable histogram: Eq. 1-4 of the paper, and what Eq. 5 on it pulls at a pixel.

With slope s = alpha / bandwidth and bin edges e_k, Eq. 1-3 have the closed form

    P(k) = mean over pixels p of  sigma(s (I_p - e_k)) - sigma(s (I_p - e_{k+1})),

where sigma is the logistic function. Eq. 1 as printed, with the kernel of Eq. 2, integrates to
1/alpha; the text below Eq. 3 (the kernel is the derivative of sigma(alpha z)) restores the factor,
and that is what is computed here. ``_binning.py`` has the fast way to compute it.

Samples lie on the last axis: an image (B, C, H, W) goes in as ``image.flatten(2)``.
"""

import math
from typing import Literal, get_args

import torch
from torch import Tensor

from histmatch_lab._binning import Edges
from histmatch_lab._checks import (
    Range,
    check_no_nan,
    check_option,
    checked_bins,
    checked_floating,
    checked_range,
    checked_slope,
    checked_values,
    checked_weights,
)
from histmatch_lab.ops.devices import back_to, where_float64_is
from histmatch_lab.ops.mass import mass_below

Outside = Literal["drop", "clamp", "reflect"]


def bin_edges(
    bins: int = 256,
    *,
    range: Range = (0.0, 1.0),
    dtype: torch.dtype | None = None,
    device: torch.device | str | None = None,
) -> Tensor:
    """The edges e_0 ... e_K of ``bins`` equal bins over ``range``, (bins + 1,).

    >>> bin_edges(4).tolist()
    [0.0, 0.25, 0.5, 0.75, 1.0]
    """
    low, high = checked_range(range)
    dtype = dtype or torch.get_default_dtype()
    edges = torch.linspace(low, high, checked_bins(bins) + 1, dtype=torch.float64)
    return edges.to(dtype).to(device)


def bin_centers(
    bins: int = 256,
    *,
    range: Range = (0.0, 1.0),
    dtype: torch.dtype | None = None,
    device: torch.device | str | None = None,
) -> Tensor:
    """The centres mu_k = low + L (k + 1/2) of the bins, (bins,), with L the width of a bin.

    The paper prints mu_k = -1 + L (k + 1/2), which is DeepHist's, for values in [-1, 1].

    >>> bin_centers(4).tolist()
    [0.125, 0.375, 0.625, 0.875]
    """
    edges = bin_edges(bins, range=range, dtype=torch.float64)
    return ((edges[1:] + edges[:-1]) / 2).to(dtype or torch.get_default_dtype()).to(device)


def hard_histogram(values: Tensor, bins: int = 256, *, range: Range = (0.0, 1.0)) -> Tensor:
    """The counted histogram, (..., N) -> (..., bins), as shares: each sums to 1. No gradient.

    Bin k counts e_k <= value < e_{k+1}; the last includes its upper edge. A value outside
    ``range`` counts in the nearest bin. Raises as ``soft_histogram`` does.

    >>> hard_histogram(torch.tensor([0.1, 0.2, 0.6, 1.0]), 4).tolist()
    [0.5, 0.0, 0.25, 0.25]
    """
    values = checked_values(values).detach()
    check_no_nan("values", values)
    x = where_float64_is(values).double()
    index = _bin_of(x, bin_edges(bins, range=range, dtype=torch.float64, device=x.device))
    counts = x.new_zeros(*values.shape[:-1], bins)
    counts.scatter_add_(-1, index, x.new_ones(()).expand_as(index))
    return back_to(values, counts / values.shape[-1])


def _bin_of(values: Tensor, edges: Tensor) -> Tensor:
    """A division finds the bin up to rounding, which the edges on both sides correct. (A search
    among all edges takes twice as long.)
    """
    last = len(edges) - 2
    position = (values - edges[0]) / ((edges[-1] - edges[0]) / (last + 1))
    index = position.clamp_(0, last).long()
    index += (values >= edges[index + 1]).long()
    index -= (values < edges[index]).long()
    return index.clamp_(0, last)


def soft_histogram(
    values: Tensor,
    bins: int = 256,
    *,
    alpha: float = 1000.0,
    bandwidth: float = 1.0,
    range: Range = (0.0, 1.0),
    outside: Outside = "drop",
    weights: Tensor | None = None,
) -> Tensor:
    """The differentiable histogram P(k) of Eq. 3-4: (..., N) -> (..., bins).

    Args:
        values: intensities, inside ``range`` or not. float32 gives float32, within 2e-6 of Eq. 3
            per bin; float64 gives float64, exact to rounding; half precision gives float32.
        bins: K of the paper, at least 1.
        alpha, bandwidth: of the kernel; only their ratio s matters, the slope of the sigmoid.
        range: where the first bin begins and the last one ends.
        outside: how kernel mass outside ``range`` is treated, such as half of that of a pixel at 0.
            "drop" loses it (the paper), "clamp" gives it to the end bins, "reflect" folds it back,
            as DeepHist does: it adds the histograms of 2 low - values and 2 high - values.
        weights: of the samples, such as a mask: 0 or more, as shares of their sum. They broadcast
            to the shape of ``values`` and get no gradient.

    Returns:
        Shares, differentiable once in ``values``. The same input gives the same bits, except on a
        GPU where our kernels do not run (other makes, few samples): the order of sums varies.

    Raises:
        TypeError: values that are no tensor, or integers (divide 8-bit levels by 255).
        ValueError: another argument out of its range; values that are empty, pictures (B, C, H, W)
            or not finite (on a GPU such rows become NaN). If most lie outside, a CPU warns.

    >>> values = torch.tensor([0.3, 0.3, 0.6, 1.0])
    >>> [round(share, 3) for share in soft_histogram(values, 4, alpha=100).tolist()]
    [0.003, 0.497, 0.25, 0.125]
    """
    values = checked_values(values)
    cumulative = _cumulative(values, weights, bins, alpha, bandwidth, range, outside)
    return back_to(values, torch.diff(cumulative))


def soft_cdf(
    values: Tensor,
    bins: int = 256,
    *,
    alpha: float = 1000.0,
    bandwidth: float = 1.0,
    range: Range = (0.0, 1.0),
    outside: Outside = "drop",
    weights: Tensor | None = None,
) -> Tensor:
    """CDF_k of Eq. 5: the running sum P(0) + ... + P(k) of ``soft_histogram``, same arguments.

    (..., N) -> (..., bins). Entry k belongs to the right edge e_{k+1} of bin k, and counts from
    the left end of the range, so that ``diff`` with a leading 0 gives ``soft_histogram``. With
    F(e) = mean over pixels of sigma(s (e - I_p)), the smoothed mass below e, entry k is

        drop     F(e_{k+1}) - F(e_0), which ends below 1 where mass is lost;
        clamp    F(e_{k+1}), and 1 for the last bin;
        reflect  the sum of drop's for I, 2 low - I and 2 high - I.

    >>> soft_cdf(torch.tensor([0.3, 0.3, 0.6, 0.9]), 4, alpha=1000).tolist()
    [0.0, 0.5, 0.75, 1.0]
    """
    values = checked_values(values)
    cumulative = _cumulative(values, weights, bins, alpha, bandwidth, range, outside)
    return back_to(values, cumulative[..., 1:] - cumulative[..., :1])


def gradient_ripple(
    bins: int, *, alpha: float = 1000.0, bandwidth: float = 1.0, range: Range = (0.0, 1.0)
) -> float:
    """How uneven the loss's gradient is over the intensities: 0 is even, 1 is +-100 %.

    Between two images that differ by a shift, Eq. 5 pulls on a pixel of intensity x with

        pull(x) = L sum over edges of s sigma'(s (x - e_k)),

    far from the ends of the range (``pixel_gradient``). Its mean is 1, its maximum lies on an edge,
    its minimum in the middle of a bin; this is half the difference of the two. Only s L matters.
    Below s L = 6 the first harmonic 2 X / sinh(X), X = 2 pi^2 / (s L), is within 1 %; above, the
    result tends to s L / 8. Raises as ``soft_histogram`` does for the same arguments.

    >>> [round(gradient_ripple(bins, alpha=1000), 2) for bins in (50, 100, 256)]
    [2.5, 1.18, 0.13]
    """
    low, high = checked_range(range)
    step = checked_slope(alpha, bandwidth) * (high - low) / checked_bins(bins)
    return _ripple(step)


def _ripple(step: float) -> float:
    """From s L, by Poisson's sum formula: two series, each fast on its side of s L = 2 pi."""
    if step > 2 * math.pi:
        terms = ((-1) ** n * _logistic_density(n * step / 2) for n in range(1, 14))
        return step * (1 / 8 + sum(terms))
    x = min(2 * math.pi**2 / step, 700.0)  # exp(-700) is as good as 0, and sinh(710) overflows
    return sum(2 * n * x / math.sinh(n * x) for n in range(1, 14, 2) if n * x <= 700)


def _logistic_density(z: float) -> float:
    return math.exp(-z) / (1 + math.exp(-z)) ** 2


def pixel_gradient(
    values: Tensor,
    bins: int = 256,
    *,
    alpha: float = 1000.0,
    bandwidth: float = 1.0,
    range: Range = (0.0, 1.0),
    outside: Outside = "drop",
) -> Tensor:
    """What Eq. 5 does to a pixel of intensity x, relative to the exact EMD: (...) -> (...).

    It is -L times the gradient of Eq. 5 with respect to the only pixel of a picture whose target
    lies above the range: ``pull(x)`` of ``gradient_ripple``, at each x in ``values``.
    1 is the exact EMD's gradient, 0 is none, and below 0 the loss pushes the wrong way. Near the
    ends it depends on ``outside``. Time and memory grow with values x bins: give it levels, or
    points of a curve, rather than a whole picture. Arguments and errors as in ``soft_histogram``,
    except that an empty tensor is allowed.

    >>> on_edge_and_between = torch.tensor([0.5, 0.505])
    >>> [round(pull, 2) for pull in pixel_gradient(on_edge_and_between, 100).tolist()]
    [2.5, 0.13]
    """
    values = checked_floating("values", values)
    x = where_float64_is(values).double()
    slope = checked_slope(alpha, bandwidth)
    check_option("outside", outside, get_args(Outside))
    edges = bin_edges(bins, range=range, dtype=torch.float64, device=x.device)
    if not values.numel():
        return values
    if outside == "clamp":
        summed = _kernels(x, edges[1:-1], slope)
    else:
        summed = _kernels_less_lost(x, edges, slope)
    if outside == "reflect":
        summed -= sum(_kernels_less_lost(2 * end - x, edges, slope) for end in range)
    return back_to(values, summed * (edges[1] - edges[0]))


def _kernels_less_lost(x: Tensor, edges: Tensor, slope: float) -> Tensor:
    """What leaks out below the first edge is missing from the CDF at every edge above it."""
    lost = (len(edges) - 1) * _kernels(x, edges[:1], slope)
    return _kernels(x, edges[1:], slope) - lost


def _kernels(x: Tensor, edges: Tensor, slope: float) -> Tensor:
    """Sum over the edges of s sigma'(s (x - e)), for each x."""
    reach = 40 / slope  # beyond, sigma' is below 1e-17
    near = edges[(edges > x.min() - reach) & (edges < x.max() + reach)]
    z = slope * (x[..., None] - near)
    return slope * (z.sigmoid() * (-z).sigmoid()).sum(-1)


def _cumulative(
    values: Tensor,
    weights: Tensor | None,
    bins: int,
    alpha: float,
    bandwidth: float,
    range: Range,
    outside: Outside,
) -> Tensor:
    """Mass between the first edge (plus a constant) and each edge: (..., bins + 1), float64."""
    check_option("outside", outside, get_args(Outside))
    bins, slope = checked_bins(bins), checked_slope(alpha, bandwidth)
    low, high = checked_range(range)
    width = (high - low) / bins
    values = where_float64_is(values)
    if weights is not None:
        weights = checked_weights(weights, values)
    if outside == "reflect":
        # the mirrored pixels in these bins are the pixels themselves in the mirrored bins
        far = mass_below(values, Edges(low - (high - low), width, 3 * bins, slope), weights)
        below, inside, above = far[..., : bins + 1], far[..., bins:-bins], far[..., -bins - 1 :]
        return inside - below.flip(-1) - above.flip(-1)
    cumulative = mass_below(values, Edges(low, width, bins, slope), weights)
    if outside == "clamp":
        nothing, everything = torch.zeros_like(values[..., :1]), torch.ones_like(values[..., :1])
        return torch.cat([nothing, cumulative[..., 1:-1], everything], dim=-1)
    return cumulative
