"""Checks of the exercises in notebook 04, on the bilateral grid."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import grid_sample, pad

from .feedback import chance, check_function, check_value, mistakes, rng

check_grid_size = check_value(
    "How many numbers the grid of 3x4 matrices holds: 8 levels of 16 by 16 cells.",
    12 * 8 * 16 * 16,
    (
        (8 * 16 * 16, "That is how many cells there are. Each holds a 3x4 matrix."),
        (9 * 8 * 16 * 16, "You have counted 3x3 matrices; the fourth column is the offset."),
        (12 * 16 * 16, "You have counted one level; there are 8."),
    ),
    "24,576 numbers, for a picture of any size.",
    "Count the cells, and the numbers of a 3x4 matrix in each.",
    rtol=0,
)


def _unclamped(pixel: float, size: int, cells: int) -> float:
    return (pixel + 0.5) * cells / size - 0.5


def _clamped(place: Callable[[float, int, int], float]) -> Callable[[float, int, int], float]:
    return lambda pixel, size, cells: min(max(place(pixel, size, cells), 0), cells - 1)


_CORNERS = (
    "Outermost pixels on outermost centres (align_corners)? The grid reaches from edge to edge."
)
_PLACES = mistakes(
    _unclamped,
    "Beyond the outermost centres the grid stays as it is: clamp to [0, cells-1].",
    lambda pixel, size, cells: pixel / (size - 1) * (cells - 1),
    _CORNERS,
    lambda pixel, size, cells: pixel * cells / size,
    "You count from the left edge of the pixel, and of the cell. Both have their middle at + 1/2.",
    lambda pixel, size, cells: (pixel + 0.5) * cells / size,
    "That counts from the edge of the first cell. Its centre, at 0, lies half a cell further.",
    lambda pixel, size, cells: pixel * cells / size - 0.5,
    "The middle of a pixel is at pixel + 1/2.",
)


def _pixels() -> list[tuple[int, int, int]]:
    """One inside, and both ends of an axis."""
    size, cells = chance.randrange(40, 100), chance.randrange(4, 20)
    inner = chance.randrange(size // 3, size // 2)
    return [(pixel, size, cells) for pixel in (inner, 0, size - 1)]


check_place = check_function(
    "`place(pixel, size, cells)`: where, in cells, the middle of a pixel lies along one axis.",
    _pixels,
    _clamped(_unclamped),
    (*_PLACES, *((_clamped(place), hint) for place, hint in _PLACES[1:])),
    "Pixels and cells share the picture's edges, not its outermost centres.",
)


check_affine = check_function(
    "`apply_affine(matrix, colour)`: a (3, 4) matrix on a colour (3,), to a colour (3,).",
    lambda: [(torch.randn(3, 4, generator=rng()), torch.rand(3, generator=rng()))],
    lambda a, b, c: (a * c).sum(1) + b,
    (
        (lambda a, _, c: a @ c, "The offset, the fourth column, is missing."),
        (lambda a, b, c: a.T @ c + b, "Rows and columns are swapped: row r makes channel r."),
        (lambda a, b, c: a.diagonal() * c + b, "Each channel may also depend on the other two."),
        (lambda a, b, c: a @ (c + b), "The offset is added after the matrix, not before it."),
    ),
    "Each channel becomes a mixture of all three, plus a constant.",
    "For a random matrix and colour the result differs from A c + b.",
    facts=lambda matrix, colour: (matrix[:, :3], matrix[:, 3], colour),
    returns="a colour",
    atol=1e-5,
)


def _slice(
    grid: Tensor,
    guide: Tensor,
    mode: str = "bilinear",
    padding_mode: str = "border",
    align_corners: bool = False,
) -> Tensor:
    """torch's own sampling, trilinear in three dimensions: places from -1 to 1, as x, y, z."""
    ends = [1.0 if align_corners else 1 - 1 / size for size in guide.shape]
    y, x = (torch.linspace(-end, end, n) for end, n in zip(ends, guide.shape, strict=True))
    places = torch.stack([*torch.meshgrid(x, y, indexing="xy"), 2 * guide - 1], -1)[None, None]
    return grid_sample(grid[None], places, mode, padding_mode, align_corners)[0, :, 0]


_BORDER = "Right inside, wrong at the border: beyond the outer centres, hold the value."


def _grids_and_guides() -> list[tuple[Tensor, Tensor]]:
    """A square one, for there swapped axes show in the values, and an oblong one."""
    sizes = ((3, 3), (9, 9)), ((3, 5), (8, 11))
    generator = rng()
    return [
        (torch.rand(2, 4, *cells, generator=generator), torch.rand(pixels, generator=generator))
        for cells, pixels in sizes
    ]


check_slice = check_function(
    "`slice_by_hand(grid, guide)`: (C, D, Gh, Gw) and (H, W) to (C, H, W), trilinear.",
    _grids_and_guides,
    lambda grid, z, _: _slice(grid, z),
    mistakes(
        lambda grid, z, _: _slice(grid, z, mode="nearest"),
        "You take the nearest cell. Mix the two nearest along each axis.",
        lambda grid, z, _: _slice(grid.transpose(2, 3), z),
        "Height and width of the grid are swapped: grid[:, z, y, x].",
        lambda grid, z, _: _slice(grid, z, align_corners=True),
        _CORNERS,
        lambda grid, z, depth: _slice(grid, (depth * z - 0.5) / (depth - 1), align_corners=True),
        _CORNERS,
        lambda grid, z, _: _slice(grid, z, padding_mode="zeros"),
        _BORDER,
        lambda grid, z, depth: _slice(pad(grid, (0, 0, 0, 0, 1, 1)), (depth * z + 1) / (depth + 2)),
        _BORDER,
        lambda grid, z, depth: _slice(grid, ((depth - 1) * z + 0.5) / depth),
        "A guide of 0 or 1 lies at the edge of the outermost level: its place is D * guide - 1/2.",
        lambda grid, z, depth: _slice(grid, (z + 0.5) / depth),
        "The guide is in [0, 1]: its place among the D levels is D * guide - 1/2.",
        lambda grid, z, _: _slice(grid, 1 - z),
        "Level 0 is the dark end: a guide of 0 reads it.",
        lambda grid, z, depth: _slice(grid, z + 0.5 / depth),
        "Half a level too high: the centre of level 0 is at half a level, D * guide - 1/2.",
    ),
    "Your slicing equals torch's own trilinear sampling, at the borders too.",
    "The largest difference from the trilinear value is {gap:.3f}.",
    facts=lambda grid, guide: (grid, guide, grid.shape[1]),
    returns="that is (C, H, W)",
    atol=1e-4,
)
