"""A weighted sum of many ramps of each pixel, which is what the guide of HDRNet is.

The R ramps of a pixel take sixteen times its memory. They are computed in chunks that fit the
processor's cache, and again in the backward pass, for which autograd would take five times as long.
"""

from collections.abc import Iterator
from itertools import repeat
from typing import Any

import torch
from torch import Tensor

from histmatch_lab.ops.transforms import Once, operator

threshold_backward = torch.ops.aten.threshold_backward


def sum_of_ramps(pixels: Tensor, ramps: Tensor, shifts: Tensor, weights: Tensor) -> Tensor:
    """weights @ relu(ramps @ pixels - shifts), differentiable once.

    (B, 3, N), (R, 3), (R, 1), (1, R) -> (B, 1, N).
    """
    return _SumOfRamps.apply(pixels, ramps, shifts, weights)


def sum_of_ramps_plainly(pixels: Tensor, ramps: Tensor, shifts: Tensor, weights: Tensor) -> Tensor:
    """The same of basic operations, for what knows no operators of ours (ONNX)."""
    return weights @ (ramps @ pixels - shifts).relu()


@operator("sum_of_ramps")
def _ramps(pixels: Tensor, ramps: Tensor, shifts: Tensor, weights: Tensor) -> Tensor:
    level = pixels.new_empty(len(pixels), 1, pixels.shape[2])
    with torch.autocast(pixels.device.type, enabled=False):
        for part, out in zip(_chunks(pixels), _chunks(level), strict=True):
            out.copy_(torch.mm(weights, torch.addmm(-shifts, ramps, part).relu_()))
    return level


@operator("sum_of_ramps_gradients")
def _ramps_gradients(
    upstream: Tensor,
    pixels: Tensor,
    ramps: Tensor,
    shifts: Tensor,
    weights: Tensor,
    of_pixels_too: bool,
) -> list[Tensor]:
    """Of the ramps, shifts and weights, and of the pixels."""
    of_ramps, of_shifts = torch.zeros_like(ramps), torch.zeros_like(shifts)
    of_weights = torch.zeros_like(weights)
    of_pixels = [torch.empty_like(pixels)] if of_pixels_too else []
    outs = _chunks(of_pixels[0]) if of_pixels else repeat(None)
    with torch.autocast(pixels.device.type, enabled=False):
        back = (ramps * weights.T).T
        for part, up, out in zip(_chunks(pixels), _chunks(upstream), outs, strict=False):
            raised = torch.addmm(-shifts, ramps, part).relu_()  # (R, n)
            of_weights.addmm_(up, raised.T)
            active = threshold_backward(up.expand_as(raised), raised, 0)  # 0 below a shift
            of_ramps.addmm_(active, part.T)
            of_shifts.sub_(active.sum(1, keepdim=True))
            if out is not None:
                out.copy_(torch.mm(back, active))
    return [of_ramps * weights.T, of_shifts * weights.T, of_weights, *of_pixels]


@_ramps.register_fake
def _(pixels: Tensor, *_: Any) -> Tensor:
    return pixels.new_empty(pixels.shape[0], 1, pixels.shape[2])


@_ramps_gradients.register_fake
def _(upstream: Tensor, pixels: Tensor, *curves: Any) -> list[Tensor]:  # noqa: ARG001
    *in_curves, of_pixels_too = curves
    return [torch.empty_like(t) for t in (*in_curves, *[pixels] * of_pixels_too)]


class _SumOfRamps(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(pixels: Tensor, ramps: Tensor, shifts: Tensor, weights: Tensor) -> Tensor:
        return _ramps(pixels, ramps, shifts, weights)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:  # noqa: ARG004
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        needed = ctx.needs_input_grad[0]
        gradients = _Gradients.apply(upstream, *ctx.saved_tensors, needed)
        of_ramps, of_shifts, of_weights, *of_pixels = gradients
        return of_pixels[0] if needed else None, of_ramps, of_shifts, of_weights


class _Gradients(Once):
    @staticmethod
    def forward(
        upstream: Tensor,
        pixels: Tensor,
        ramps: Tensor,
        shifts: Tensor,
        weights: Tensor,
        of_pixels_too: bool,
    ) -> tuple[Tensor, ...]:
        return tuple(_ramps_gradients(upstream, pixels, ramps, shifts, weights, of_pixels_too))


def _chunks(planes: Tensor) -> Iterator[Tensor]:
    """(B, C, N) as (C, n) views, one batch entry after the other."""
    size = 8192 if planes.device.type == "cpu" else 2**20
    return (part for plane in planes for part in plane.split(size, dim=1))
