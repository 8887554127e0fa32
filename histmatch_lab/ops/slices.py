"""Reading a bilateral grid at every pixel, and applying what is read to a picture.

The coefficients that are read take twelve times the memory of one channel. They are computed in
horizontal strips that fit a processor's cache, used and discarded; the backward pass computes them
again. Within a strip the grid is first interpolated along the height, once per row, so that each
pixel needs a bilinear lookup instead of a trilinear one.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from histmatch_lab.kernels import takes_over
from histmatch_lab.ops.devices import on_apple
from histmatch_lab.ops.transforms import Once, operator

STRIP = {"cpu": 32_768}  # pixels of a strip; on any other device:
STRIP_ON_GPU = 2**20
BILINEAR, BORDER = 0, 1  # of grid_sample, as its operators number them

grid_sample_backward = torch.ops.aten.grid_sampler_2d_backward


def sliced(grid: Tensor, guide: Tensor, image: Tensor | None = None) -> Tensor:
    """The grid at each pixel, and applied to the image if there is one; differentiable once.

    (B, C, D, Gh, Gw), (B, H, W) -> (B, C, H, W); with (B, 3, H, W) and C = 12 -> (B, 3, H, W).
    """
    if on_apple(guide):  # grid_sample has no gradient there before torch 2.13
        return sliced_plainly(grid, guide, image)
    return _Sliced.apply(grid, guide, image)


def sliced_plainly(grid: Tensor, guide: Tensor, image: Tensor | None = None) -> Tensor:
    """The same of basic operations, at more than twelve times the picture's memory.

    For what has no gradient of grid_sample, or knows no operators of ours (ONNX).
    """
    channels, depth, _, columns = grid.shape[1:]
    height, width = guide.shape[1:]
    by_row = torch.einsum("hg,bcdgw->bhcdw", row_weights(grid, 0, height, height), grid)
    table = by_row.flatten(3)  # (B, H, C, D Gw)
    x = torch.arange(width, dtype=guide.dtype, device=guide.device)
    left, right, across = _neighbours((x + 0.5) * (columns / width) - 0.5, columns)
    low, high, along = _neighbours(guide * depth - 0.5, depth)

    def at(level: Tensor, column: Tensor) -> Tensor:
        place = (level * columns + column).unsqueeze(2).expand(-1, -1, channels, -1)
        return table.gather(3, place)  # (B, H, C, W)

    near, far = (torch.lerp(at(z, left), at(z, right), across) for z in (low, high))
    read = torch.lerp(near, far, along.unsqueeze(2)).transpose(1, 2)
    return read if image is None else applied(read, image)


@operator("sliced")
def _sliced(grid: Tensor, guide: Tensor, image: Tensor | None) -> Tensor:
    if image is not None and takes_over("slicing", guide):
        from histmatch_lab.kernels import slicing

        return slicing.slice_and_apply(grid, guide, image)
    out = guide.new_empty(_shape_of_result(grid, guide, image))
    with torch.autocast(guide.device.type, enabled=False):
        for here in _strips(guide):
            read = _Lookup.of(grid, guide, here).read()
            out[here] = read if image is None else applied(read, image[here])
    return out


@operator("sliced_gradients")
def _sliced_gradients(
    upstream: Tensor, grid: Tensor, guide: Tensor, image: Tensor | None, of_image_too: bool
) -> list[Tensor]:
    """Of the grid and the guide, and of the image."""
    if image is not None and takes_over("slicing", guide):
        from histmatch_lab.kernels import slicing

        return slicing.gradients(upstream, grid, guide, image)[: 2 + of_image_too]
    of_grid, of_guide = torch.zeros_like(grid), torch.empty_like(guide)
    of_image = [torch.empty_like(image)] if image is not None and of_image_too else []
    with torch.autocast(guide.device.type, enabled=False):
        for here in _strips(guide):
            lookup, part = _Lookup.of(grid, guide, here), upstream[here]
            if of_image:
                matrix = lookup.read().unflatten(1, (3, 4))[:, :, :3]
                of_image[0][here] = (part.unsqueeze(2) * matrix).sum(1)
            if image is not None:
                colour = image[here].unsqueeze(1)
                scaled = torch.cat([colour, torch.ones_like(colour[:, :, :1])], 2)
                part = (part.unsqueeze(2) * scaled).flatten(1, 2)  # (B, 12, h, W)
            in_grid, of_guide[here] = lookup.gradients(part)
            of_grid += in_grid
    return [of_grid, of_guide, *of_image]


@_sliced.register_fake
def _(grid: Tensor, guide: Tensor, image: Tensor | None) -> Tensor:
    return guide.new_empty(_shape_of_result(grid, guide, image))


@_sliced_gradients.register_fake
def _(_: Tensor, grid: Tensor, guide: Tensor, image: Any, of_image_too: bool) -> list[Tensor]:
    return [torch.empty_like(t) for t in (grid, guide, *[image] * of_image_too)]


class _Sliced(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(grid: Tensor, guide: Tensor, image: Tensor | None) -> Tensor:
        return _sliced(grid, guide, image)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:  # noqa: ARG004
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        needed = ctx.needs_input_grad[2]
        gradients = _Gradients.apply(upstream, *ctx.saved_tensors, needed)
        return gradients if needed else (*gradients, None)


class _Gradients(Once):
    @staticmethod
    def forward(
        upstream: Tensor, grid: Tensor, guide: Tensor, image: Tensor | None, of_image_too: bool
    ) -> tuple[Tensor, ...]:
        return tuple(_sliced_gradients(upstream, grid, guide, image, of_image_too))


class _Lookup(NamedTuple):
    """Where the pixels of a strip read."""

    by_row: Tensor  # (B h, C, D, Gw), the grid at each row
    places: Tensor  # (B h, 1, W, 2), along Gw and D
    row_weights: Tensor  # (h, Gh)

    @classmethod
    def of(cls, grid: Tensor, guide: Tensor, here: tuple[Any, ...]) -> "_Lookup":
        height, guide = guide.shape[1], guide[here]
        _, rows, width = guide.shape
        weights = row_weights(grid, here[1].start, rows, height)
        by_row = torch.einsum("hg,bcdgw->bhcdw", weights, grid).flatten(0, 1)
        x = (2 * torch.arange(width, dtype=guide.dtype, device=guide.device) + 1) / width - 1
        places = torch.stack([x.expand_as(guide), 2 * guide - 1], dim=-1)  # (B, h, W, 2)
        return cls(by_row, places.view(-1, 1, width, 2), weights)

    def read(self) -> Tensor:
        """The coefficients at the pixels: (B, C, h, W)."""
        read = F.grid_sample(self.by_row, self.places, padding_mode="border", align_corners=False)
        return read.squeeze(2).unflatten(0, (-1, len(self.row_weights))).transpose(1, 2)

    def gradients(self, upstream: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, h, W) -> of the grid, and of the guide in the strip."""
        upstream = upstream.transpose(1, 2)  # (B, h, C, W)
        of_rows, of_places = grid_sample_backward(
            upstream.flatten(0, 1).unsqueeze(2),
            self.by_row,
            self.places,
            BILINEAR,
            BORDER,
            False,
            [True, True],
        )
        of_rows = of_rows.unflatten(0, upstream.shape[:2])  # (B, h, C, D, Gw)
        of_guide = 2 * of_places[..., 1].view(*upstream.shape[:2], -1)
        return torch.einsum("hg,bhcdw->bcdgw", self.row_weights, of_rows), of_guide


def applied(coefficients: Tensor, image: Tensor) -> Tensor:
    """(B, 12, h, W), (B, 3, h, W) -> (B, 3, h, W)"""
    matrix = coefficients.unflatten(1, (3, 4))  # (B, 3, 4, h, W)
    red, green, blue = image.unsqueeze(1).unbind(2)  # (B, 1, h, W) each
    out = torch.addcmul(matrix[:, :, 3], matrix[:, :, 0], red)
    out = torch.addcmul(out, matrix[:, :, 1], green)
    return torch.addcmul(out, matrix[:, :, 2], blue)


def row_weights(grid: Tensor, top: int, rows: int, height: int) -> Tensor:
    """How much each of the grid's Gh rows weighs in each row of the picture: (rows, Gh)."""
    count = grid.shape[3]
    y = torch.arange(top, top + rows, dtype=grid.dtype, device=grid.device)
    place = ((y + 0.5) * (count / height) - 0.5).clamp(0, count - 1)
    cells = torch.arange(count, dtype=grid.dtype, device=grid.device)
    return (1 - (place[:, None] - cells).abs()).clamp(min=0)


def _neighbours(place: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """The cells below and above, of so many, and how far it is from one to the other."""
    held = place.clamp(0, count - 1)
    below = held.detach().long()
    return below, (below + 1).clamp(max=count - 1), held - below


def _shape_of_result(grid: Tensor, guide: Tensor, image: Tensor | None) -> torch.Size:
    batch, height, width = guide.shape
    return torch.Size((batch, grid.shape[1], height, width)) if image is None else image.shape


def _strips(guide: Tensor) -> Iterator[tuple[Any, ...]]:
    """Indices of horizontal strips of (..., H, W) tensors."""
    batch, height, width = guide.shape
    pixels = STRIP.get(guide.device.type, STRIP_ON_GPU)
    rows = max(1, pixels // (batch * width))
    return ((..., slice(top, top + rows), slice(None)) for top in range(0, height, rows))
