"""Slice and apply on an NVIDIA GPU: ``slicing.py`` as three kernels.

Each pixel reads eight cells of twelve coefficients, which the GPU's caches hold; the backward pass
reads them again. For the gradient of the grid, a program takes the pixels between four neighbouring
columns of it, which read no others: their sums are a product of matrices, of the trilinear weights
and what each coefficient gains. Only each program's sums are stored, and added in a fixed order:
the same input gives the same bits.
"""

import math

import torch
import triton
import triton.language as tl
from torch import Tensor

BLOCK = 128  # pixels of a program that reads the grid
TILE = 64  # pixels that a program adds up at a time,
PART = 4096  # and in all, about


@triton.jit
def _near(pixel, pixels, cells):
    """The two cells around a pixel, and how much the second weighs."""
    place = (pixel.to(tl.float32) + 0.5) * (cells / pixels) - 0.5
    place = tl.minimum(tl.maximum(place, 0.0), cells - 1.0)
    cell = tl.floor(place)
    first = cell.to(tl.int32)
    return first, tl.minimum(first + 1, cells - 1), place - cell


@triton.jit
def _columns(at, height, width, rows, columns):
    """Where the grid's four columns around a pixel lie in a level, and their weights."""
    top, bottom, down = _near(at // width, height, rows)
    left, right, along = _near(at % width, width, columns)
    places = (top * columns + left, top * columns + right,
              bottom * columns + left, bottom * columns + right)  # fmt: skip
    weights = ((1 - down) * (1 - along), (1 - down) * along, down * (1 - along), down * along)
    return places, weights


@triton.jit
def _levels(guide, depth):
    """The two levels around a guide value, the weight of the second, and what that gains with it"""
    place = guide * depth - 0.5
    kept = tl.minimum(tl.maximum(place, 0.0), depth - 1.0)
    level = tl.minimum(tl.floor(kept), tl.maximum(depth - 2.0, 0.0))
    lower = level.to(tl.int32)
    gain = tl.where((place > 0) & (place < depth - 1), 1.0, 0.0) * depth
    return lower, tl.minimum(lower + 1, depth - 1), kept - level, gain


@triton.jit
def _read(level, places, weights):
    return (
        tl.load(level + places[0]) * weights[0]
        + tl.load(level + places[1]) * weights[1]
        + tl.load(level + places[2]) * weights[2]
        + tl.load(level + places[3]) * weights[3]
    )


@triton.jit
def _forward_kernel(
    grid, guide, image, out, height, width, rows, columns, depth, BLOCK: tl.constexpr
):
    picture, pixels = tl.program_id(1).to(tl.int64), height * width
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    there = at < pixels
    places, weights = _columns(at, height, width, rows, columns)
    value = tl.load(guide + picture * pixels + at, mask=there, other=0.0)
    lower, upper, share, _ = _levels(value, depth)
    for row in tl.static_range(3):
        total = tl.zeros([BLOCK], tl.float32)
        for column in tl.static_range(4):
            level = grid + (picture * 12 + 4 * row + column) * depth * rows * columns
            near = _read(level + lower * rows * columns, places, weights)
            far = _read(level + upper * rows * columns, places, weights)
            affine = near + share * (far - near)
            if column < 3:
                affine *= tl.load(image + (picture * 3 + column) * pixels + at, mask=there)
            total += affine
        tl.store(out + (picture * 3 + row) * pixels + at, total, mask=there)


@triton.jit
def _pixels_kernel(
    grid, guide, image, pull, of_guide, of_image, height, width, rows, columns, depth,
    BLOCK: tl.constexpr,
):  # fmt: skip
    picture, pixels = tl.program_id(1).to(tl.int64), height * width
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    there = at < pixels
    places, weights = _columns(at, height, width, rows, columns)
    value = tl.load(guide + picture * pixels + at, mask=there, other=0.0)
    lower, upper, share, gain = _levels(value, depth)
    along = tl.zeros([BLOCK], tl.float32)
    for column in tl.static_range(4):
        total, slope = tl.zeros([BLOCK], tl.float32), tl.zeros([BLOCK], tl.float32)
        for row in tl.static_range(3):
            above = tl.load(pull + (picture * 3 + row) * pixels + at, mask=there, other=0.0)
            level = grid + (picture * 12 + 4 * row + column) * depth * rows * columns
            near = _read(level + lower * rows * columns, places, weights)
            far = _read(level + upper * rows * columns, places, weights)
            total += above * (near + share * (far - near))
            slope += above * (far - near)
        if column < 3:
            plane = (picture * 3 + column) * pixels + at
            slope *= tl.load(image + plane, mask=there, other=0.0)
            tl.store(of_image + plane, total, mask=there)
        along += slope
    tl.store(of_guide + picture * pixels + at, along * gain, mask=there)


@triton.jit
def _first(cell, size, cells):
    """The first pixel whose centre lies beyond the centre of grid cell ``cell`` - 1."""
    beyond = (2 * cell - 1) * size - cells
    return tl.minimum((tl.maximum(beyond, 0) + 2 * cells - 1) // (2 * cells), size)


@triton.jit
def _beyond(pixel, pixels, cell, cells):
    """How far the pixel lies beyond the centre of the cell before, 0 to 1."""
    place = (pixel.to(tl.float32) + 0.5) * (cells / pixels) - 0.5 - (cell - 1)
    return tl.minimum(tl.maximum(place, 0.0), 1.0)


@triton.jit
def _sums_kernel(
    guide, image, pull, sums, height, width, rows, columns, depth, tiles,
    LEVELS: tl.constexpr, TILE: tl.constexpr,
):  # fmt: skip
    cell, part = tl.program_id(0), tl.program_id(1)
    row, column = cell // (columns + 1) % (rows + 1), cell % (columns + 1)
    picture = (cell // ((columns + 1) * (rows + 1))).to(tl.int64)
    top, left = _first(row, height, rows), _first(column, width, columns)
    across = tl.maximum(_first(column + 1, width, columns) - left, 1)
    end = (_first(row + 1, height, rows) - top) * (_first(column + 1, width, columns) - left)
    slot, number = tl.arange(0, 4 * LEVELS)[:, None], tl.arange(0, 16)[:, None]
    lower, right = slot >= 2 * LEVELS, slot // LEVELS % 2 == 1
    total = tl.zeros([4 * LEVELS, 16], tl.float32)
    for tile in range(part * tiles, tl.minimum((part + 1) * tiles, tl.cdiv(end, TILE))):
        index = tile * TILE + tl.arange(0, TILE)
        there = index < end
        y, x = top + index // across, left + index % across
        at = picture * height * width + y * width + x
        value = tl.load(guide + at, mask=there, other=0.0)
        z = tl.minimum(tl.maximum(value * depth - 0.5, 0.0), depth - 1.0)
        down = _beyond(y, height, row, rows)[None, :]
        along = _beyond(x, width, column, columns)[None, :]
        weight = tl.maximum(1 - tl.abs(z[None, :] - (slot % LEVELS).to(tl.float32)), 0.0)
        weight *= tl.where(lower, down, 1 - down) * tl.where(right, along, 1 - along)
        plane = at[None, :] + (2 * picture + number // 4) * height * width
        each = tl.load(pull + plane, mask=(number < 12) & there[None, :], other=0.0)
        plane = at[None, :] + (2 * picture + number % 4) * height * width
        each *= tl.load(image + plane, mask=(number % 4 < 3) & there[None, :], other=1.0)
        total = tl.dot(weight, tl.trans(each), total, input_precision="tf32x3")
    slot += (cell.to(tl.int64) * tl.num_programs(1) + part) * 4 * LEVELS
    tl.store(sums + slot * 16 + tl.arange(0, 16)[None, :], total)


def slice_and_apply(grid: Tensor, guide: Tensor, image: Tensor) -> Tensor:
    """(B, 12, D, Gh, Gw), (B, H, W), (B, 3, H, W) -> (B, 3, H, W), float32 on a GPU."""
    grid, guide, image = grid.contiguous(), guide.contiguous(), image.contiguous()
    out = torch.empty_like(image)
    _forward_kernel[_blocks(guide)](grid, guide, image, out, *_sizes(grid, guide), BLOCK=BLOCK)
    return out


def gradients(upstream: Tensor, grid: Tensor, guide: Tensor, image: Tensor) -> list[Tensor]:
    """Of the grid, the guide and the image."""
    grid, guide, image, pull = (t.contiguous() for t in (grid, guide, image, upstream))
    of_guide, of_image = torch.empty_like(guide), torch.empty_like(image)
    _pixels_kernel[_blocks(guide)](
        grid, guide, image, pull, of_guide, of_image, *_sizes(grid, guide), BLOCK=BLOCK
    )
    return [_of_grid(grid, guide, image, pull), of_guide, of_image]


def _blocks(guide: Tensor) -> tuple[int, int]:
    return math.ceil(guide[0].numel() / BLOCK), len(guide)


def _sizes(grid: Tensor, guide: Tensor) -> tuple[int, ...]:
    *_, depth, rows, columns = grid.shape
    return *guide.shape[1:], rows, columns, depth


def _of_grid(grid: Tensor, guide: Tensor, image: Tensor, pull: Tensor) -> Tensor:
    height, width, rows, columns, depth = _sizes(grid, guide)
    pixels = (math.ceil(height / rows) + 1) * (math.ceil(width / columns) + 1)  # of a cell, at most
    parts, levels = math.ceil(pixels / PART), max(4, triton.next_power_of_2(depth))
    sums = grid.new_empty(len(grid), rows + 1, columns + 1, parts, 2, 2, levels, 16)
    _sums_kernel[len(grid) * (rows + 1) * (columns + 1), parts](
        guide, image, pull, sums, *_sizes(grid, guide), math.ceil(pixels / parts / TILE),
        LEVELS=levels, TILE=TILE,
    )  # fmt: skip
    return _gathered(sums.sum(3)[..., :depth, :12])


def _gathered(sums: Tensor) -> Tensor:
    """Sums by cell and corner, (B, Gh + 1, Gw + 1, 2, 2, D, 12), added up: (B, 12, D, Gh, Gw)."""
    by_column = _joined(sums.movedim(4, 0), 2)  # (B, Gh + 1, Gw, 2, D, 12)
    return _joined(by_column.movedim(3, 0), 1).permute(0, 4, 3, 1, 2).contiguous()


def _joined(sides: Tensor, dim: int) -> Tensor:
    """Each cell's share of the column before it and of the one after it; the outermost have one."""
    before, after = sides
    count = before.shape[dim] - 1
    total = before.narrow(dim, 1, count) + after.narrow(dim, 0, count)
    total.narrow(dim, 0, 1).add_(before.narrow(dim, 0, 1))
    total.narrow(dim, count - 1, 1).add_(after.narrow(dim, count, 1))
    return total
