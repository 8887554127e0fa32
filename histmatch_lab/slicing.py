"""Reading a bilateral grid at every pixel of a full picture, after Gharbi et al. 2017, section 3.3.

The guide says at which brightness level each pixel reads. The coefficients that are read take
twelve times the memory of one channel. They are computed in horizontal strips that fit a
processor's cache, used and discarded; the backward pass computes them again. Within a strip the
grid is first interpolated along the height, once per row, so that each pixel needs a bilinear
lookup instead of a trilinear one.
"""

from collections.abc import Callable, Iterator
from itertools import repeat
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from histmatch_lab._checks import checked_shape

AFFINE = 12  # numbers in a 3x4 matrix
KNOTS = 16  # of the guide's curve of each channel
STRIP = {"cpu": 32_768}  # pixels of a strip; on any other device:
STRIP_ON_GPU = 2**20

threshold_backward = torch.ops.aten.threshold_backward
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


class Guide(nn.Module):
    """The brightness level that each pixel reads the grid at: (B, 3, H, W) -> (B, H, W).

    Gharbi et al., Eq. 5-6: a 3x3 colour matrix, for each of its channels a curve of 16 knots, the
    sum of slope * max(x - shift, 0), and a weighted sum of the three. It starts as the mean of the
    channels. (Their offset of the matrix only moves the shifts and is left out.)

    They clamp the result to [0, 1], where a pixel that ends up outside gets no gradient ever again.
    Here the level is bent smoothly (``soft_clamp``) towards the outermost centres of the grid's
    ``depth`` cells, beyond which the grid is constant.
    """

    def __init__(self, depth: int) -> None:
        super().__init__()
        self.matrix = nn.Parameter(torch.eye(3))
        self.shifts = nn.Parameter(torch.arange(KNOTS).repeat(3, 1) / KNOTS)
        self.slopes = nn.Parameter(torch.eye(1, KNOTS).repeat(3, 1))
        self.mix = nn.Parameter(torch.full((3,), 1 / 3))
        self.offset = nn.Parameter(torch.zeros(()))
        self.depth = depth

    def forward(self, image: Tensor) -> Tensor:
        weights = (self.slopes * self.mix[:, None]).view(1, -1)  # (1, 48)
        ramps = self.matrix.repeat_interleave(KNOTS, dim=0)  # (48, 3)
        with torch.autocast(image.device.type, enabled=False):
            pixels = image.flatten(2).to(weights.dtype)  # (B, 3, H W)
            level = _SumOfRamps.apply(pixels, ramps, self.shifts.view(-1, 1), weights)
            level = (level + self.offset).view(len(image), *image.shape[2:])
            return soft_clamp(level, 1 / (2 * self.depth))


class _SumOfRamps(torch.autograd.Function):
    """weights @ relu(ramps @ pixels - shifts): (B, 3, N), (R, 3), (R, 1), (1, R) -> (B, 1, N).

    The R ramps of a pixel take sixteen times its memory. They are computed in chunks that fit the
    processor's cache, and again in the backward pass, for which autograd would take five times as
    long.
    """

    @staticmethod
    def forward(ctx: Any, pixels: Tensor, *curves: Tensor) -> Tensor:
        ctx.save_for_backward(pixels, *curves)
        ramps, shifts, weights = curves
        level = pixels.new_empty(len(pixels), 1, pixels.shape[2])
        for part, out in zip(_chunks(pixels), _chunks(level), strict=True):
            torch.mm(weights, torch.addmm(-shifts, ramps, part).relu_(), out=out)
        return level

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        pixels, ramps, shifts, weights = ctx.saved_tensors
        grad_pixels = torch.empty_like(pixels) if ctx.needs_input_grad[0] else None
        grad_ramps, grad_shifts = torch.zeros_like(ramps), torch.zeros_like(shifts)
        grad_weights = torch.zeros_like(weights)
        outs = _chunks(grad_pixels) if grad_pixels is not None else repeat(None)
        for part, upstream, out in zip(_chunks(pixels), _chunks(grad), outs, strict=False):
            raised = torch.addmm(-shifts, ramps, part).relu_()  # (R, n)
            grad_weights.addmm_(upstream, raised.T)
            active = threshold_backward(upstream.expand_as(raised), raised, 0)  # 0 below a shift
            grad_ramps.addmm_(active, part.T)
            grad_shifts.sub_(active.sum(1, keepdim=True))
            if out is not None:
                torch.mm((ramps * weights.T).T, active, out=out)
        return grad_pixels, grad_ramps * weights.T, grad_shifts * weights.T, grad_weights


def _chunks(planes: Tensor) -> Iterator[Tensor]:
    """(B, C, N) as (C, n) views, one batch entry after the other."""
    size = 8192 if planes.device.type == "cpu" else 2**20
    return (part for plane in planes for part in plane.split(size, dim=1))


def soft_clamp(level: Tensor, margin: float) -> Tensor:
    """Into [margin, 1 - margin], with a gradient that fades as 1 / x^2 but never vanishes. Levels
    from 2 margin to 1 - 2 margin stay as they are.
    """
    inner = level.clamp(2 * margin, 1 - 2 * margin)
    return inner + margin * F.softsign((level - inner) / margin)
