"""Each mistake gets its hint, each solution passes, and mutants of the solutions do not."""

import pytest
import torch

from histmatch_lab import bilateral_slice
from histmatch_lab.course.checks.grid import check_affine, check_grid_size, check_place, check_slice


def place(pixel, size, cells):
    return min(max((pixel + 0.5) * cells / size - 0.5, 0), cells - 1)


def apply_affine(matrix, colour):
    return matrix[:, :3] @ colour + matrix[:, 3]


def slice_by_hand(grid, guide, ends="held"):
    """The notebook's solution, and two others for the ends of the guide."""
    _, depth, rows, columns = grid.shape
    height, width = guide.shape
    y = [place(i, height, rows) for i in range(height)]
    x = [place(i, width, columns) for i in range(width)]
    z = {
        "held": (depth * guide - 0.5).clamp(0, depth - 1),
        "zeros": depth * guide - 0.5,
        "edges": (depth - 1) * guide,
    }[ends]
    near = [
        (1 - (torch.as_tensor(p)[..., None] - torch.arange(n)).abs()).clamp(min=0)
        for p, n in ((z, depth), (y, rows), (x, columns))
    ]
    return torch.einsum("cdrs,hwd,hr,ws->chw", grid, *near)


def nearest(grid, guide):
    _, depth, rows, columns = grid.shape
    z = (depth * guide - 0.5).round().clamp(0, depth - 1).long()
    y, x = (
        ((torch.arange(n) + 0.5) * cells / n).long()
        for n, cells in zip(guide.shape, (rows, columns), strict=True)
    )
    return grid[:, z, y[:, None], x]


def zeros_outside(grid, guide):
    y, x = torch.meshgrid(*((2 * torch.arange(n) + 1) / n - 1 for n in guide.shape), indexing="ij")
    places = torch.stack([x, y, 2 * guide - 1], -1)[None, None]
    return torch.nn.functional.grid_sample(grid[None], places, align_corners=False)[0, :, 0]


def corners_aligned(grid, guide):
    y, x = torch.meshgrid(*(torch.linspace(-1, 1, n) for n in guide.shape), indexing="ij")
    places = torch.stack([x, y, 2 * guide - 1], -1)[None, None]
    return torch.nn.functional.grid_sample(
        grid[None], places, padding_mode="border", align_corners=True
    )[0, :, 0]


def corners_aligned_in_the_plane(grid, guide):
    _, depth, rows, columns = grid.shape
    y, x = (torch.linspace(0, c - 1, n) for c, n in zip((rows, columns), guide.shape, strict=True))
    z = (depth * guide - 0.5).clamp(0, depth - 1)
    near = [
        (1 - (p[..., None] - torch.arange(n)).abs()).clamp(min=0)
        for p, n in ((z, depth), (y, rows), (x, columns))
    ]
    return torch.einsum("cdrs,hwd,hr,ws->chw", grid, *near)


def test_the_solutions_are_right():
    assert check_grid_size(24_576).right
    assert check_place(place).right
    assert check_affine(apply_affine).right
    assert check_slice(slice_by_hand).right
    for unanswered in (check_grid_size, check_place, check_affine, check_slice):
        assert unanswered(...).right is None


@pytest.mark.parametrize(
    ("check", "answer", "hint"),
    [
        (check_grid_size, 2048, "3x4"),
        (check_grid_size, 18_432, "offset"),
        (check_grid_size, 3072, "one level"),
        (check_grid_size, 7, "Count"),
        (check_grid_size, 24_576.5, "Count"),
        (check_place, lambda p, s, c: (p + 0.5) * c / s - 0.5, "clamp"),
        (check_place, lambda p, s, c: p / (s - 1) * (c - 1), "align_corners"),
        (check_place, lambda p, s, c: p * c / s, "left edge"),
        (check_place, lambda p, s, c: max(0, (p + 0.5) * c / s), "half a cell"),
        (check_place, lambda p, s, c: p * c / s - 0.5, "at pixel + 1/2"),
        (check_place, lambda p, s, c: place(p - 0.5, s, c), "at pixel + 1/2"),
        (check_place, lambda p, s, c: min(max(p * c / s, 0), c - 1), "left edge"),
        (check_place, lambda p, s, c: min((p + 0.5) * c / s, c - 1), "half a cell"),
        (check_place, lambda p, s, c: 1.0, "should be"),
        (check_place, lambda p, s, c: torch.arange(c), r"tensor of shape"),
        (check_affine, lambda m, c: m[:, :3] @ c, "offset"),
        (check_affine, lambda m, c: m[:, :3].T @ c + m[:, 3], "swapped"),
        (check_affine, lambda m, c: m[:, :3].diagonal() * c + m[:, 3], "other two"),
        (check_affine, lambda m, c: m[:, :3] * c, "tensor of shape (3,)"),
        (check_affine, lambda m, c: m[:, :3] @ (c + m[:, 3]), "after the matrix"),
        (check_affine, lambda m, c: c, "differs"),
        (check_slice, nearest, "nearest"),
        (check_slice, lambda g, z: slice_by_hand(g.transpose(2, 3), z), "swapped"),
        (check_slice, lambda g, z: slice_by_hand(g, (z + 0.5) / 4), "D * guide"),
        (check_slice, lambda g, z: slice_by_hand(g, 1 - z), "dark end"),
        (check_slice, lambda g, z: slice_by_hand(g, z + 0.5 / g.shape[1]), "Half a level"),
        (check_slice, corners_aligned, "align_corners"),
        (check_slice, corners_aligned_in_the_plane, "align_corners"),
        (check_slice, lambda g, z: slice_by_hand(g, z, "edges"), "edge of the outermost level"),
        (check_slice, lambda g, z: slice_by_hand(g, z, "zeros"), "border"),
        (check_slice, zeros_outside, "border"),
        (check_slice, lambda g, z: slice_by_hand(g, z)[0], "(C, H, W)"),
        (check_slice, lambda g, z: -slice_by_hand(g, z), "largest difference"),
        (check_slice, lambda g, z: g.mean() + 0 * slice_by_hand(g, z), "largest difference"),
        (check_slice, lambda g, z: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_a_mistake_gets_its_hint(check, answer, hint):
    feedback = check(answer)
    assert feedback.right is False
    assert hint in feedback.text


def test_the_solution_equals_the_library():
    grid, guide = torch.rand(3, 8, 4, 5), torch.rand(7, 9)
    torch.testing.assert_close(
        slice_by_hand(grid, guide), bilateral_slice(grid[None], guide[None])[0]
    )
