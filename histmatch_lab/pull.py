"""The pull of the histogram loss (Eq. 5) on one pixel, as a function of its intensity.

Move a single pixel of intensity x towards a distant target. The exact Earth Mover's Distance, in
intensity, then changes by 1 for each 1 that the pixel moves. The differentiable loss changes by

    pull(x) = sum_k  L s sigma'(s (x - e_k)),    s = alpha / bandwidth,  L the width of a bin,

which is 1 only where the bumps around the bin edges e_k overlap enough. Near the ends of the range
the pull depends on what happens to the mass that leaks out there (`outside`).
"""

from typing import get_args

import torch
from torch import Tensor

from histmatch_lab._checks import checked_floating, checked_option, checked_slope
from histmatch_lab.histogram import Outside, Range, bin_edges


def pull(
    values: Tensor,
    bins: int = 256,
    *,
    alpha: float = 1000.0,
    bandwidth: float = 1.0,
    range: Range = (0.0, 1.0),
    outside: Outside = "drop",
) -> Tensor:
    """The pull on a pixel at each of `values`, relative to the exact EMD's, (...) -> (...).

    It is -L times the gradient of `HistogramMatchingLoss` (units="bins") with respect to the one
    pixel of a one-pixel picture whose target lies above the range: 1 is the fair pull towards
    the target, 0 is none, and below 0 the loss pushes the wrong way. Time and memory grow with
    values x bins: give it levels, or points of a curve, rather than a whole picture.

    Raises TypeError for values that are not floating point, ValueError for a bad number of bins,
    range, alpha, bandwidth or `outside`; each names the argument.
    """
    x = checked_floating(values, "values").double()
    slope = checked_slope(alpha, bandwidth)
    checked_option("outside", outside, get_args(Outside))
    edges = bin_edges(bins, range=range, dtype=torch.float64, device=x.device)
    if not values.numel():
        return values
    summed = _bumps(x, edges[1:-1], slope) if outside == "clamp" else _inside(x, edges, slope)
    if outside == "reflect":
        summed -= sum(_inside(2 * end - x, edges, slope) for end in range)
    return (summed * (edges[1] - edges[0])).to(values.dtype)


def _inside(x: Tensor, edges: Tensor, slope: float) -> Tensor:
    """The part of all edges but the first, less what the first lets out of every bin above it."""
    lost = (len(edges) - 1) * _bumps(x, edges[:1], slope)
    return _bumps(x, edges[1:], slope) - lost


def _bumps(x: Tensor, edges: Tensor, slope: float) -> Tensor:
    reach = 40 / slope  # beyond, sigma' is below 1e-17
    near = edges[(edges > x.min() - reach) & (edges < x.max() + reach)]
    z = slope * (x[..., None] - near)
    return slope * (z.sigmoid() * (-z).sigmoid()).sum(-1)
