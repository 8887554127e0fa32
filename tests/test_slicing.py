"""Slicing against the trilinear formula written out, pixel by pixel, in float64."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from histmatch_lab import bilateral_slice, slice_and_apply
from histmatch_lab.ops import slices


def trilinear(grid: Tensor, guide: Tensor) -> Tensor:
    """The docstring's formula, corner by corner, with the borders held."""
    batch, channels, depth, rows, columns = grid.shape
    _, height, width = guide.shape
    out = torch.zeros(batch, channels, height, width, dtype=torch.float64)
    for b in range(batch):
        for y in range(height):
            for x in range(width):
                places = (
                    (depth, depth * guide[b, y, x].item() - 0.5),
                    (rows, (y + 0.5) * rows / height - 0.5),
                    (columns, (x + 0.5) * columns / width - 0.5),
                )
                corners = []
                for count, place in places:
                    held = min(max(place, 0.0), count - 1.0)
                    low = math.floor(held)
                    part = held - low
                    corners.append(((low, 1 - part), (min(low + 1, count - 1), part)))
                for z, of_z in corners[0]:
                    for r, of_r in corners[1]:
                        for c, of_c in corners[2]:
                            out[b, :, y, x] += of_z * of_r * of_c * grid[b, :, z, r, c].double()
    return out


SHAPES = [
    ((1, 12, 8, 16, 16), (1, 11, 13)),
    ((2, 12, 8, 4, 6), (2, 9, 5)),
    ((1, 12, 1, 1, 1), (1, 3, 4)),
    ((1, 12, 2, 5, 3), (1, 1, 1)),
    ((3, 12, 4, 2, 2), (3, 1, 17)),
]


@pytest.fixture(params=[1, 40, 10**6], ids=lambda size: f"strips of {size}")
def strips(request, monkeypatch):
    monkeypatch.setitem(slices.STRIP, "cpu", request.param)


@pytest.mark.usefixtures("strips")
@pytest.mark.parametrize(("grid_shape", "guide_shape"), SHAPES)
def test_equals_the_trilinear_formula_in_any_strips(grid_shape, guide_shape):
    g = torch.Generator().manual_seed(1)
    grid = torch.rand(grid_shape, generator=g)
    guide = torch.rand(guide_shape, generator=g) * 1.4 - 0.2  # beyond both ends as well

    wanted = trilinear(grid, guide)
    torch.testing.assert_close(bilateral_slice(grid, guide).double(), wanted, atol=1e-6, rtol=1e-6)
    exact = bilateral_slice(grid.double(), guide.double())
    torch.testing.assert_close(exact, trilinear(grid, guide.double()), atol=1e-12, rtol=0)

    image = torch.rand(len(grid), 3, *guide_shape[1:], generator=g)
    matrix = wanted.unflatten(1, (3, 4))
    one = torch.ones_like(image[:, :1])
    applied = torch.einsum("brchw,bchw->brhw", matrix, torch.cat([image, one], 1).double())
    got = slice_and_apply(grid, guide, image)
    torch.testing.assert_close(got.double(), applied, atol=2e-6, rtol=1e-6)


@pytest.mark.parametrize("guide_value", [0.0, 1.0, 1 / 16, 15 / 16, -3.0, 4.0])
def test_borders_hold_the_outermost_cells(guide_value):
    grid = torch.randn(1, 2, 8, 3, 3, generator=torch.Generator().manual_seed(2))
    sliced = bilateral_slice(grid, torch.full((1, 30, 30), guide_value))
    layer = grid[0, :, 0 if guide_value < 0.5 else -1]
    torch.testing.assert_close(sliced[0, :, 0, 0], layer[:, 0, 0])
    torch.testing.assert_close(sliced[0, :, -1, -1], layer[:, -1, -1])


@pytest.mark.usefixtures("strips")
@pytest.mark.parametrize(
    ("batch", "cells", "height", "width"), [(1, (4, 3, 2), 5, 4), (2, (3, 2, 2), 1, 3)]
)
def test_gradients_at_inner_and_border_pixels(batch, cells, height, width):
    g = torch.Generator().manual_seed(3)
    grid = torch.randn(batch, 12, *cells, generator=g, dtype=torch.float64, requires_grad=True)
    # beyond the ends too, but on no cell's centre, where the slope jumps
    guide = (
        torch.rand(batch, height, width, generator=g, dtype=torch.float64) * 1.3 - 0.13
    ).requires_grad_()
    image = torch.rand(
        batch, 3, height, width, generator=g, dtype=torch.float64, requires_grad=True
    )

    assert torch.autograd.gradcheck(slice_and_apply, (grid, guide, image))
    some = grid[:, :2].detach().requires_grad_()
    assert torch.autograd.gradcheck(bilateral_slice, (some, guide))


def test_the_usual_mistakes_are_told_apart():
    """Each is further from the library than any rounding: the reference above can see them."""
    g = torch.Generator().manual_seed(4)
    grid, guide = torch.randn(1, 3, 8, 6, 4, generator=g), torch.rand(1, 24, 20, generator=g)
    y, x = torch.meshgrid(torch.linspace(-1, 1, 24), torch.linspace(-1, 1, 20), indexing="ij")
    ends = torch.stack([x, y, 2 * guide[0] - 1], -1)[None, None]
    sample = torch.nn.functional.grid_sample
    ours = bilateral_slice(grid, guide)
    centred = torch.stack([x * 19 / 20, y * 23 / 24, 2 * guide[0] - 1], -1)[None, None]
    kind: Any = {"padding_mode": "border", "align_corners": False}

    right = sample(grid, centred, **kind).squeeze(2)
    torch.testing.assert_close(ours, right, atol=1e-5, rtol=1e-5)
    mistakes = {
        "i/(H-1) coordinates": sample(grid, ends, **kind),
        "zeros beyond the border": sample(grid, centred, align_corners=False),
        "align_corners": sample(grid, centred, padding_mode="border", align_corners=True),
        "guide not mapped to [-1, 1]": sample(
            grid, (centred + torch.tensor([0, 0, 1])) / torch.tensor([1, 1, 2]), **kind
        ),
        "x and y swapped": sample(grid, centred[..., [1, 0, 2]], **kind),
    }
    for name, wrong in mistakes.items():
        assert (wrong.squeeze(2) - ours).abs().max() > 0.05, name


def test_half_precision_and_autocast_are_computed_in_float32():
    grid, guide = torch.randn(1, 12, 4, 4, 4), torch.rand(1, 8, 8)
    image = torch.rand(1, 3, 8, 8)
    halves = [t.bfloat16() for t in (grid, guide, image)]
    with torch.autocast("cpu", torch.bfloat16):
        under = slice_and_apply(*halves)
        again = slice_and_apply(grid, guide, image)
    assert under.dtype == again.dtype == torch.float32
    torch.testing.assert_close(under, slice_and_apply(*(t.float() for t in halves)))
    torch.testing.assert_close(again, slice_and_apply(grid, guide, image))


@pytest.mark.parametrize(
    ("grid", "guide", "image", "names"),
    [
        ((12, 8, 4, 4), (1, 8, 8), (1, 3, 8, 8), "grid"),
        ((1, 12, 8, 4, 4), (8, 8), (1, 3, 8, 8), "guide"),
        ((2, 12, 8, 4, 4), (1, 8, 8), (1, 3, 8, 8), "batch size"),
        ((1, 9, 8, 4, 4), (1, 8, 8), (1, 3, 8, 8), r"grid must be \(B, 12, D"),
        ((1, 12, 8, 4, 4), (1, 8, 8), (1, 3, 8, 9), "image"),
        ((1, 12, 8, 4, 4), (1, 0, 8), (1, 3, 0, 8), "guide"),
    ],
)
def test_shapes_that_do_not_fit_are_named(grid, guide, image, names):
    with pytest.raises(ValueError, match=names):
        slice_and_apply(torch.rand(grid), torch.rand(guide), torch.rand(image))


def test_types_that_do_not_fit_are_named():
    with pytest.raises(TypeError, match="guide"):
        bilateral_slice(torch.rand(1, 12, 8, 4, 4), torch.zeros(1, 8, 8, dtype=torch.uint8))
    with pytest.raises(TypeError, match="same dtype"):
        bilateral_slice(torch.rand(1, 12, 8, 4, 4), torch.rand(1, 8, 8).double())
