"""Reading a bilateral grid at every pixel of a full picture, after Gharbi et al. 2017, section 3.3.

The coefficients of a picture take twelve times the memory of one of its channels. They are computed
in horizontal strips that fit a processor's cache, used and discarded; the backward pass computes
them again. Within a strip the grid is first interpolated along the height, once per row, so that
each pixel needs a bilinear lookup instead of a trilinear one.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from histmatch_lab._checks import checked_shape

AFFINE = 12  # numbers in a 3x4 matrix
STRIP = {"cpu": 32_768}  # pixels of a strip; on any other device:
STRIP_ON_GPU = 2**20

StripFunction = Callable[..., Tensor]


def bilateral_slice(grid: Tensor, guide: Tensor) -> Tensor:
    """A grid read at each pixel's place and guide value.

    (B, C, D, Gh, Gw), (B, H, W) -> (B, C, H, W).

    Trilinear between the centres of the grid's cells. The pixel in row y and column x reads at

        ((x + 1/2) Gw / W - 1/2,  (y + 1/2) Gh / H - 1/2,  D guide(y, x) - 1/2)

    along Gw, Gh and D. Beyond the outermost centres the grid continues with its outermost values,
    so that a guide below 1/(2D) or above 1 - 1/(2D) changes nothing and gets no gradient.

    float32 in, float32 out; float64 likewise; half precision is computed and returned in float32.
    Raises TypeError or ValueError for tensors of another kind or shape.

    >>> dark, bright = torch.zeros(1, 1, 4, 4), torch.ones(1, 1, 4, 4)
    >>> grid = torch.stack([dark, bright], dim=2)  # (1, 1, 2, 4, 4): what is read is the guide's
    >>> bilateral_slice(grid, torch.tensor([[[0.1, 0.25, 0.5, 0.75, 0.9]]])).tolist()
    [[[[0.0, 0.0, 0.5, 1.0, 1.0]]]]
    """
    grid, guide = _checked(grid, guide)
    height = guide.shape[1]
    return _by_strips(lambda top, grid, guide: _read(grid, guide, top, height), grid, guide)


def slice_and_apply(grid: Tensor, guide: Tensor, image: Tensor) -> Tensor:
    """A 3x4 affine map of colour for each pixel, read from the grid and applied.

    (B, 12, D, Gh, Gw), (B, H, W), (B, 3, H, W) -> (B, 3, H, W). Coefficient 4 r + c takes input
    channel c to output channel r; c = 3 is the offset:

        out[r] = a[4 r] red + a[4 r + 1] green + a[4 r + 2] blue + a[4 r + 3].

    Where the coefficients come from, types and errors: as in ``bilateral_slice``.

    >>> swap = torch.tensor([[0.0, 0, 1, 0], [0, 1, 0, 0], [1, 0, 0, 0]])  # red and blue
    >>> grid = swap.view(1, 12, 1, 1, 1)
    >>> image = torch.tensor([0.9, 0.5, 0.1]).view(1, 3, 1, 1)
    >>> slice_and_apply(grid, torch.zeros(1, 1, 1), image).flatten()
    tensor([0.1000, 0.5000, 0.9000])
    """
    grid, guide = _checked(grid, guide)
    batch, height, width = guide.shape
    image = checked_shape("image", image, f"{batch} 3 {height} {width}")
    checked_shape("grid", grid, f"B {AFFINE} D Gh Gw")

    def applied(top: int, grid: Tensor, guide: Tensor, image: Tensor) -> Tensor:
        matrix = _read(grid, guide, top, height).unflatten(1, (3, 4))  # (B, 3, 4, h, W)
        red, green, blue = image.unsqueeze(1).unbind(2)  # (B, 1, h, W) each
        out = torch.addcmul(matrix[:, :, 3], matrix[:, :, 0], red)
        out = torch.addcmul(out, matrix[:, :, 1], green)
        return torch.addcmul(out, matrix[:, :, 2], blue)

    return _by_strips(applied, grid, guide, image)


def _by_strips(function: StripFunction, grid: Tensor, *planes: Tensor) -> Tensor:
    """function(top, grid, *strips) over horizontal strips of (B, ..., H, W) tensors, joined.

    top is the first row of the strips, counted in the picture.
    """
    device, pixels = planes[0].device.type, len(grid) * planes[0].shape[-1]
    rows = max(1, STRIP.get(device, STRIP_ON_GPU) // pixels)
    with torch.autocast(device, enabled=False):
        strips: Tensor = _Strips.apply(function, rows, grid, *planes)
    return strips


class _Strips(torch.autograd.Function):
    """Saves only its arguments for the backward pass, which goes through the strips again."""

    @staticmethod
    def forward(
        ctx: Any, function: StripFunction, rows: int, grid: Tensor, *planes: Tensor
    ) -> Tensor:
        ctx.function, ctx.rows = function, rows
        ctx.save_for_backward(grid, *planes)
        height, width = planes[0].shape[-2:]
        out = None
        for top in range(0, height, rows):
            part = function(top, grid, *(plane[..., top : top + rows, :] for plane in planes))
            if out is None:
                out = part.new_empty(*part.shape[:-2], height, width)
            out[..., top : top + rows, :] = part
        assert out is not None
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        _, _, *needed = ctx.needs_input_grad
        grid, *planes = ctx.saved_tensors
        totals = [
            torch.zeros_like(t) if n else None for t, n in zip((grid, *planes), needed, strict=True)
        ]
        with torch.autocast(grid.device.type, enabled=False), torch.enable_grad():
            for top in range(0, grad.shape[-2], ctx.rows):
                here = (..., slice(top, top + ctx.rows), slice(None))
                parts = [grid, *(plane[here] for plane in planes)]
                leaves = [p.detach().requires_grad_(n) for p, n in zip(parts, needed, strict=True)]
                inputs = [leaf for leaf in leaves if leaf.requires_grad]
                found = iter(torch.autograd.grad(ctx.function(top, *leaves), inputs, grad[here]))
                for index, total in enumerate(totals):
                    if total is not None:  # the grid, which comes first, is whole in each strip
                        (total[here] if index else total).add_(next(found))
        return None, None, *totals


def _read(grid: Tensor, guide: Tensor, top: int, height: int) -> Tensor:
    """The grid at the pixels of a strip that begins with row `top` of `height`: (B, C, h, W)."""
    batch, rows, width = guide.shape
    weights = _row_weights(grid, top, rows, height)  # (h, Gh)
    by_row = torch.einsum("hg,bcdgw->bhcdw", weights, grid)  # (B, h, C, D, Gw)
    x = (2 * torch.arange(width, dtype=guide.dtype, device=guide.device) + 1) / width - 1
    places = torch.stack([x.expand_as(guide), 2 * guide - 1], dim=-1)  # (B, h, W, 2)
    read = F.grid_sample(
        by_row.flatten(0, 1),
        places.view(batch * rows, 1, width, 2),
        padding_mode="border",
        align_corners=False,
    )
    return read.view(batch, rows, -1, width).transpose(1, 2)  # (B, C, h, W)


def _row_weights(grid: Tensor, top: int, rows: int, height: int) -> Tensor:
    """How much each of the grid's Gh rows weighs in each row of the picture: (rows, Gh)."""
    count = grid.shape[3]
    y = torch.arange(top, top + rows, dtype=grid.dtype, device=grid.device)
    place = ((y + 0.5) * (count / height) - 0.5).clamp(0, count - 1)
    cells = torch.arange(count, dtype=grid.dtype, device=grid.device)
    return (1 - (place[:, None] - cells).abs()).clamp(min=0)


def _checked(grid: Tensor, guide: Tensor) -> tuple[Tensor, Tensor]:
    grid = checked_shape("grid", grid, "B C D Gh Gw")
    guide = checked_shape("guide", guide, "B H W")
    if len(grid) != len(guide):
        raise ValueError(
            f"grid and guide must be of the same batch size, got {len(grid)} and {len(guide)}"
        )
    if grid.dtype != guide.dtype:
        raise TypeError(
            f"grid and guide must be of the same dtype, got {grid.dtype} and {guide.dtype}"
        )
    return grid, guide
