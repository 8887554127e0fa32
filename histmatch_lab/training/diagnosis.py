"""How much of a set of pairs can a simple model explain? The table that says what HDRNet is for.

Each model is fitted by least squares to the very picture that it is scored on, so its PSNR is what
a model of that kind could reach at best if it guessed every parameter right, not what a trained
one does reach:

- the input as it is;
- one tone curve per channel, the same for all pictures;
- one tone curve per channel and picture;
- one cubic polynomial of red, green and blue per picture: any smooth map of colours;
- affine colour maps on a bilateral grid of 8x8x8 cells per picture, which is what HDRNet's output
  layer can express (Gharbi et al. 2017).

A task that a colour map explains needs no local model; one that only a curve per picture explains
adapts to it; and what is far better per picture than shared may still not be guessed from the
input.
"""

from collections.abc import Callable, Sequence
from itertools import combinations_with_replacement
from typing import NamedTuple

import torch
from torch import Tensor

from histmatch_lab.color import luminance
from histmatch_lab.data.images import to_levels
from histmatch_lab.data.pairs import Pair
from histmatch_lab.data.tasks import TaskPairs
from histmatch_lab.training.evaluation import psnr

LEVELS = 256
CELLS = 8
RIDGE = 0.01  # pixels' worth
STRIDE = 3  # every third pixel of every third row is plenty for these fits


class Explained(NamedTuple):
    """Mean PSNR over the pictures in dB, model by model."""

    input: float
    shared_curve: float
    curve: float
    colour_map: float
    bilateral_grid: float


def task_ladder() -> list[tuple[str, Explained]]:
    """What explains the test pictures of a task: what it asks of a model, a task a row."""
    tasks = ("tonemap", "retouch", "spoiled", "ambiguous")
    return [(task, explained(TaskPairs(task).test_pairs())) for task in tasks]


def explained(pairs: Sequence[Pair]) -> Explained:
    """How much of these pairs each model explains; raises ValueError if there are none."""
    if not pairs:
        raise ValueError("pairs must hold at least one, got none")
    thinned = [(p.input[:, ::STRIDE, ::STRIDE], p.target[:, ::STRIDE, ::STRIDE]) for p in pairs]
    pixels = [
        torch.cat([image.flatten(1) for image in side], 1) for side in zip(*thinned, strict=True)
    ]
    shared = _tone_curves(*pixels)

    def mean_psnr(model: Callable[[Tensor, Tensor], Tensor]) -> float:
        return sum(float(psnr(model(x, y)[None], y[None])) for x, y in thinned) / len(thinned)

    return Explained(
        input=mean_psnr(lambda x, _: x),
        shared_curve=mean_psnr(lambda x, _: _look_up(shared, x)),
        curve=mean_psnr(lambda x, y: _look_up(_tone_curves(x, y), x)),
        colour_map=mean_psnr(_fit_colour_map),
        bilateral_grid=mean_psnr(_fit_bilateral_grid),
    )


def _tone_curves(x: Tensor, y: Tensor) -> Tensor:
    """The mean of y at each level of x, channel by channel: (3, ...) twice to (3, LEVELS)."""
    curves = []
    for levels, values in zip(_levels(x), y, strict=True):
        count = torch.bincount(levels.flatten(), minlength=LEVELS)
        total = torch.bincount(levels.flatten(), values.flatten().double(), minlength=LEVELS)
        curves.append(total / count.clamp(min=1))
    return torch.stack(curves).to(y)


def _look_up(curves: Tensor, x: Tensor) -> Tensor:
    return torch.stack([curve[levels] for curve, levels in zip(curves, _levels(x), strict=True)])


def _levels(x: Tensor) -> Tensor:
    return torch.from_numpy(to_levels(x)).long()


def _fit_colour_map(x: Tensor, y: Tensor) -> Tensor:
    """y as a cubic polynomial of the three channels of x; all (3, H, W)."""
    colours = torch.cat([x, torch.ones_like(x[:1])]).flatten(1).double()
    powers = combinations_with_replacement(colours, 3)  # with the one: all degrees up to 3
    terms = torch.stack([a * b * c for a, b, c in powers], dim=1)
    solution = torch.linalg.lstsq(terms, y.flatten(1).T.double()).solution
    return (terms @ solution).T.view(y.shape).to(y)


def _fit_bilateral_grid(x: Tensor, y: Tensor) -> Tensor:
    """y as affine maps of x on a bilateral grid, sliced trilinearly; all (3, H, W).

    A cell's map is fitted by itself to the pixels near it, weighted as slicing weights them, which
    comes close to the least squares of all cells together. Where a cell has few pixels, a small
    ridge leaves it the affine map of the whole picture.
    """
    height, width = x.shape[1:]
    down, across = _tents(torch.linspace(0, 1, height)), _tents(torch.linspace(0, 1, width))
    grey = luminance(x)
    low, high = grey.min(), grey.max()
    deep = _tents((grey - low) / (high - low).clamp(min=1e-6)).movedim(-1, 0)

    colours = torch.cat([x, torch.ones_like(x[:1])])
    solution = torch.linalg.lstsq(colours.flatten(1).T, y.flatten(1).T).solution
    whole = torch.einsum("io,ihw->ohw", solution, colours)

    def splat(a: Tensor, b: Tensor) -> Tensor:
        """Each cell's weighted sum of a b^T: (A, H, W), (B, H, W) to (CELLS ** 3, A, B)."""
        products = (a[:, None] * b)[:, :, None] * deep
        return (down.T @ products @ across).flatten(2).movedim(-1, 0).double()

    moments = splat(colours, colours) + RIDGE * torch.eye(4)
    maps = torch.linalg.solve(moments, splat(colours, y - whole)).to(x)
    grid = maps.movedim(0, -1).unflatten(-1, (CELLS,) * 3)
    sliced = torch.einsum("iozhw,zhw->iohw", down @ grid @ across.T, deep)
    return whole + torch.einsum("iohw,ihw->ohw", sliced, colours)


def _tents(positions: Tensor) -> Tensor:
    """How much each of CELLS points, evenly spaced over [0, 1], weighs here: (..., CELLS)."""
    return (1 - (positions[..., None] * (CELLS - 1) - torch.arange(CELLS)).abs()).clamp(min=0)
