"""How much smoothed mass lies below each bin edge, (..., N) -> (..., bins + 1), float64.

The ways to compute it are in ``_binning.py``, and for an NVIDIA GPU in ``kernels/histogram.py``.
"""

import warnings
from typing import Any

import torch
from torch import Tensor

from histmatch_lab._binning import Edges, Lattice, Window, choose
from histmatch_lab._checks import check_no_nan
from histmatch_lab.ops.transforms import Once, operator


def mass_below(values: Tensor, edges: Edges, weights: Tensor | None = None) -> Tensor:
    """The share of smoothed samples below each edge, differentiable once in the values.

    weights: like the values, float64, 0 or more; only their shares of each row's sum count. On a
    CPU bad values and weights raise ValueError, on a GPU bad values give NaN.
    """
    return _MassBelow.apply(values, weights, *edges)


@operator("mass_below")
def _mass(
    values: Tensor, weights: Tensor | None, low: float, width: float, bins: int, slope: float
) -> Tensor:
    rows = values.reshape(-1, values.shape[-1])
    check_no_nan("values", rows)
    edges = Edges(low, width, bins, slope)
    method = choose(rows, edges)
    below = method.mass(rows, _relative(weights, rows))
    if values.device.type == "cpu":
        _warn_if_outside(rows, below, edges)
    elif isinstance(method, Window | Lattice):
        below = below + _nan_unless_finite(rows)
    return below.view(*values.shape[:-1], -1)


@operator("mass_below_gradient")
def _mass_gradient(
    values: Tensor,
    weights: Tensor | None,
    upstream: Tensor,
    low: float,
    width: float,
    bins: int,
    slope: float,
) -> Tensor:
    rows, edges = values.reshape(-1, values.shape[-1]), Edges(low, width, bins, slope)
    gradient = choose(rows, edges).gradient(rows, upstream.reshape(-1, bins + 1))
    relative = _relative(weights, rows)
    if relative is not None:
        gradient = (gradient * relative).to(rows)
    return gradient.view_as(values)


@_mass.register_fake
def _(values: Tensor, weights: Any, low: Any, width: Any, bins: int, slope: Any) -> Tensor:  # noqa: ARG001
    return values.new_empty(*values.shape[:-1], bins + 1, dtype=torch.float64)


@_mass_gradient.register_fake
def _(values: Tensor, *_: Any) -> Tensor:
    return torch.empty_like(values, memory_format=torch.contiguous_format)


class _MassBelow(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(
        values: Tensor, weights: Tensor | None, low: float, width: float, bins: int, slope: float
    ) -> Tensor:
        return _mass(values, weights, low, width, bins, slope)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:  # noqa: ARG004
        values, weights, *edges = inputs
        ctx.save_for_backward(values, weights)
        ctx.edges = edges

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        gradient = _Gradient.apply(*ctx.saved_tensors, upstream, *ctx.edges)
        return gradient, None, None, None, None, None


class _Gradient(Once):
    @staticmethod
    def forward(
        values: Tensor,
        weights: Tensor | None,
        upstream: Tensor,
        low: float,
        width: float,
        bins: int,
        slope: float,
    ) -> Tensor:
        return _mass_gradient(values, weights, upstream, low, width, bins, slope)


def _relative(weights: Tensor | None, rows: Tensor) -> Tensor | None:
    """With a mean of 1 in each row."""
    if weights is None:
        return None
    check_no_nan("weights", weights)
    weights = weights.reshape_as(rows)
    means = weights.mean(-1, keepdim=True)
    if weights.device.type == "cpu" and ((weights < 0).any() or (means == 0).any()):
        raise ValueError("weights must be 0 or more, and not all 0 for a row of values")
    return weights / means


def _warn_if_outside(rows: Tensor, below: Tensor, edges: Edges) -> None:
    """A count, which costs a pass, only where the smoothed mass, which is there, suggests it."""
    if (below[:, -1] - below[:, 0]).mean() > 0.5:
        return
    outside = (rows < edges.low) | (rows > edges.low + edges.bins * edges.width)
    if outside.double().mean() > 0.5:
        warnings.warn(
            "most values lie outside the range of the bins, where they hardly count and get no "
            "gradient: scale them (8-bit levels: divide by 255) or set range",
            stacklevel=2,
        )


def _nan_unless_finite(rows: Tensor) -> Tensor:
    """0 or NaN for each row, (rows, 1), without waiting for the device to say which."""
    return torch.stack(rows.aminmax(dim=1, keepdim=True)).mul(0).sum(0)
