"""Checks of the exercises in notebook 04, on the bilateral grid."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from histmatch_lab.checks.verdict import Verdict, ask, check, right, wrong
from histmatch_lab.slicing import bilateral_slice

GRID_NUMBERS = 12 * 8 * 16 * 16


@check
def check_grid_size(answer: Any) -> Verdict:
    """How many numbers the grid of 3x4 matrices holds: 8 levels of 16 by 16 cells."""
    number = int(answer)
    if number == GRID_NUMBERS:
        return right("24,576 numbers, for a picture of any size.")
    hints = {
        8 * 16 * 16: "That is how many cells there are. Each holds a 3x4 matrix.",
        9 * 8 * 16 * 16: "You have counted 3x3 matrices; the fourth column is the offset.",
        12 * 16 * 16: "You have counted one level; there are 8.",
    }
    return wrong(hints.get(number, "Count the cells, and the numbers of a 3x4 matrix in each."))


@check
def check_place(place: Callable[[int, int, int], Any]) -> Verdict:
    """`place(pixel, size, cells)`: where, in cells, the middle of a pixel lies along one axis."""
    for pixel, size, cells in ((0, 10, 4), (3, 10, 4), (9, 10, 4), (7, 100, 16), (63, 100, 16)):
        got = float(ask(place, pixel, size, cells))
        free = (pixel + 0.5) * cells / size - 0.5
        held = min(max(free, 0.0), cells - 1.0)
        if math.isclose(got, held, abs_tol=1e-6):
            continue
        asked = f"place({pixel}, {size}, {cells})"
        for mistaken, hint in (
            (
                free,
                "Beyond the outermost centres the grid stays as it is: clamp to [0, cells-1].",
            ),
            (
                pixel / (size - 1) * (cells - 1),
                "You have put the first and the last pixel onto the centres of the outermost cells "
                "(align_corners). The grid covers the picture from edge to edge instead.",
            ),
            (
                pixel * cells / size,
                "You have taken the pixel's left edge, and counted from the cell's: the middle of "
                "a pixel is at pixel + 1/2, and a cell's centre half a cell after its edge.",
            ),
            (
                (pixel + 0.5) * cells / size,
                "That counts from the edge of the first cell. Its centre, where its value is held, "
                "lies half a cell further.",
            ),
            (pixel * cells / size - 0.5, "The middle of a pixel is at pixel + 1/2."),
        ):
            if math.isclose(got, mistaken, abs_tol=1e-6):
                return wrong(f"{asked}: {hint}")
        return wrong(f"{asked} gives {got:.4f}; it should be {held:.4f}.")
    return right("Pixels and cells share the picture's edges, not its outermost centres.")


@check
def check_affine(apply_affine: Callable[[Tensor, Tensor], Any]) -> Verdict:
    """`apply_affine(matrix, colour)`: a (3, 4) matrix on a colour (3,), to a colour (3,)."""
    generator = torch.Generator().manual_seed(21)
    matrix, colour = torch.randn(3, 4, generator=generator), torch.rand(3, generator=generator)
    got = ask(apply_affine, matrix, colour)
    if not isinstance(got, Tensor) or got.shape != (3,):
        shape = tuple(got.shape) if isinstance(got, Tensor) else type(got).__name__
        return wrong(f"You return {shape}; wanted is a tensor of 3 numbers.")
    square, offset = matrix[:, :3], matrix[:, 3]
    if torch.allclose(got, square @ colour + offset, atol=1e-5):
        return right("Each channel becomes a mixture of all three, plus a constant.")
    for mistaken, hint in (
        (square @ colour, "The offset, the fourth column, is missing."),
        (square.T @ colour + offset, "Rows and columns are swapped: row r makes output channel r."),
        (square.diagonal() * colour + offset, "Each channel may also depend on the other two."),
        (square * colour + offset, "Sum over the input channels."),
    ):
        if mistaken.shape == got.shape and torch.allclose(got, mistaken, atol=1e-5):
            return wrong(hint)
    return wrong("For a random matrix and colour the result differs from A c + b.")


@check
def check_slice(slice_by_hand: Callable[[Tensor, Tensor], Any]) -> Verdict:
    """`slice_by_hand(grid, guide)`: (C, D, Gh, Gw) and (H, W) to (C, H, W), trilinear."""
    generator = torch.Generator().manual_seed(22)
    grid = torch.rand(2, 4, 3, 3, generator=generator)
    guide = torch.rand(6, 6, generator=generator)
    got = ask(slice_by_hand, grid, guide)
    wanted = bilateral_slice(grid[None], guide[None])[0]
    if not isinstance(got, Tensor) or got.shape != wanted.shape:
        shape = tuple(got.shape) if isinstance(got, Tensor) else type(got).__name__
        return wrong(f"You return {shape}; wanted is {tuple(wanted.shape)}: (C, H, W).")
    if torch.allclose(got, wanted, atol=1e-5):
        return right("Your slicing equals the library's, at the borders too.")
    z = (4 * guide - 0.5).round().clamp(0, 3).long()
    y, x = (torch.arange(6) * 3 // 6).view(6, 1), torch.arange(6) * 3 // 6
    for mistaken, hint in (
        (grid[:, z, y, x], "You take the nearest cell. Mix the two nearest along each axis."),
        (
            bilateral_slice(grid.transpose(2, 3)[None], guide[None])[0],
            "Height and width of the grid are swapped: grid[:, z, y, x].",
        ),
        (
            bilateral_slice(grid[None], (guide + 0.5)[None] / 4)[0],
            "The guide is in [0, 1]: its place among the D levels is D * guide - 1/2.",
        ),
        (
            bilateral_slice(grid[None], (1 - guide)[None])[0],
            "Level 0 is the dark end: a guide of 0 reads it.",
        ),
    ):
        if torch.allclose(got, mistaken, atol=1e-4):
            return wrong(hint)
    inner = (slice(None), slice(1, -1), slice(1, -1))
    if torch.allclose(got[inner], wanted[inner], atol=1e-5):
        return wrong("Right inside, wrong at the border: beyond the outer centres, hold the value.")
    return wrong(
        f"The largest difference from the trilinear value is {(got - wanted).abs().max():.3f}."
    )
