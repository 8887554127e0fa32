"""Notebook 04: HDRNet as one picture, with a pixel on its way through it."""

from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.patches import ConnectionPatch, Rectangle
from torch import Tensor
from torch.nn import functional as F

from histmatch_lab.demos import style
from histmatch_lab.demos.controls import Slider
from histmatch_lab.demos.demo import Frame, demo
from histmatch_lab.demos.figures.grid import (
    DEPTH,
    LEVEL,
    PHOTO,
    draw_map,
    draw_matrix,
    taken_apart,
    trained,
)
from histmatch_lab.slicing import bilateral_slice

ACROSS = Slider("across", 0.42, 0, 1, "From the roof to the sky beside it.", step=0.02)
DOWN = Slider("down", 0.3, 0, 1, "The cell changes slowly, the level at every edge.", step=0.02)
CENTRES = 16  # of the grid's cells along a side


@demo(
    across=ACROSS,
    down=DOWN,
    photo=PHOTO,
    presets={
        "the roof": {"across": 0.46, "down": 0.34},
        "the sky beside it": {"across": 0.48, "down": 0.34},
    },
)
def a_pixel_travels(across: float, down: float, photo: Tensor) -> Frame:
    """Where a pixel's matrix comes from: its place chooses the cell, its guide the level."""
    parts, side = taken_apart(photo), trained().low_resolution
    height, width = photo.shape[1:]
    y, x = round(down * (height - 1)), round(across * (width - 1))
    guide = float(parts.guide[y, x])
    level = min(max(DEPTH * guide - 0.5, 0), DEPTH - 1)
    widths, margins = (1.2, 0.8, 1.2, 1.25), (0.1, 0.1, 0.4, 0.2)
    figure, axes = style.subplots(
        2, 4, height=4.05, widths=widths, margins=margins, gaps=(0.6, 0.7)
    )
    whole, small, cells, matrix, brightness, levels, learned, result = axes
    learned.text(0.5, 0.4, "Learned: how 2 becomes 3,\nand how 1 becomes 4", ha="center")
    learned.axis("off")
    _mark(whole, photo, x, y, "1 The picture")
    copy = F.interpolate(photo[None], (side, side), mode="bilinear", antialias=True)[0]
    style.picture(small, copy.clamp(0, 1), f"2 A copy, {side} × {side}")
    shades, name = parts.grid[0, round(level)] - 1, f"3 The grid, level {round(level)}"
    draw_map(cells, shades, 0.5, photo, name)
    _outline_cell(cells, x, y, photo)
    draw_matrix(matrix, parts.coefficients[:, y, x].view(3, 4))
    matrix.set(title="5 The pixel's matrix", xlabel="from")
    _mark(brightness, parts.guide.expand(3, -1, -1), x, y, "4 The guide")
    _draw_level(levels, guide, level)
    _mark(result, parts.output.clamp(0, 1), x, y, "6 Applied to the pixel")
    for start, end in ((whole, small), (small, cells)):
        _connect(start, end, (1.02, 0.5), (-0.04, 0.5))
    _connect(cells, matrix, (1.02, 0.5), (-0.14, 0.5))
    _connect(brightness, levels, (1.02, 0.5), (-0.16, 0.5))
    _connect(whole, brightness, (0.5, -0.04), (0.5, 1.2))
    _connect(matrix, result, (0.8, -0.2), (0.8, 1.2))
    _connect(levels, cells, (1.02, 0.8), (0.1, -0.08))
    before, after = ("/".join(f"{v:.2f}" for v in i[:, y, x]) for i in (photo, parts.output))
    return Frame(
        figure,
        f"The place chooses among 16 × 16 cells; the guide, {guide:.2f}, chooses level "
        f"{level:.1f} of 0 to 7. Red/green/blue {before} becomes {after}.",
    )


@demo(level=LEVEL, down=DOWN, photo=PHOTO)
def along_a_row(level: int, down: float, photo: Tensor) -> Frame:
    """What pixels of one brightness read along a row, and what the row's own pixels read."""
    parts = taken_apart(photo)
    height, width = photo.shape[1:]
    y = round(down * (height - 1))
    guide = torch.full((1, height, width), (level + 0.5) / DEPTH)
    same = bilateral_slice(parts.grid[None], guide)[0, 0, y]
    own = parts.coefficients[0, y]
    figure, (above, axes) = style.subplots(
        2, 1, height=4.4, heights=(1, 1.1), margins=(0.75, 0.2, 0.35, 0.6), gaps=(0, 0.35)
    )
    band = width // 6  # as wide as the axes below, so that places correspond
    top = min(max(y - band // 2, 0), height - band)
    style.picture(above, photo[:, top : top + band], "The picture around the row")
    above.axhline(y - top, color=style.MARK, linewidth=2)
    places = (torch.arange(width) + 0.5) / width
    axes.plot(places, own, color=style.COUNTS, alpha=0.7, lw=1, label="read by the row's pixels")
    axes.plot(places, same, color=style.OURS, label=f"read at level {level}")
    for cell in range(CENTRES):
        axes.axvline((cell + 0.5) / CENTRES, color=style.FAINT, linewidth=0.6, linestyle=":")
    axes.set(xlim=(0, 1), xlabel="across; dotted: the centres of the cells")
    axes.set(ylabel="from red to red")
    axes.legend(loc="best", ncols=2)
    steps = [float(line.diff().abs().max()) for line in (same, own)]
    return Frame(
        figure,
        f"From one pixel to the next, the coefficient changes by at most {steps[0]:.2g} at level "
        f"{level}, and by up to {steps[1]:.2g} where the row's pixels change their level.",
    )


def _mark(axes: Axes, image: Tensor, x: int, y: int, title: str) -> None:
    style.picture(axes, image, title)
    axes.plot(x, y, "o", color=style.MARK, markersize=11, fillstyle="none", mew=2.5)


def _outline_cell(axes: Axes, x: int, y: int, photo: Tensor) -> None:
    """The cell that lies nearest to a pixel."""
    height, width = photo.shape[1] / CENTRES, photo.shape[2] / CENTRES
    corner = x // width * width, y // height * height
    axes.add_patch(Rectangle(corner, width, height, fill=False, color=style.MARK, linewidth=2.5))


def _draw_level(axes: Axes, guide: float, level: float) -> None:
    """A scale of the levels, and where the guide lies on it."""
    shades = torch.linspace(1, 0, 64)[:, None].numpy()
    axes.imshow(shades, cmap="gray", extent=(0.35, 0.65, -0.5, DEPTH - 0.5), aspect="auto")
    axes.plot(0.5, DEPTH * guide - 0.5, "o", color=style.MARK, markersize=11, fillstyle="none")
    axes.annotate(f"{level:.1f}", (0.68, level), color=style.MARK, va="center")
    axes.set(xlim=(0, 1), ylim=(-0.5, DEPTH - 0.5), xticks=(), yticks=range(DEPTH))
    axes.set(title="chooses the level")
    axes.xaxis.set_visible(False)
    axes.grid(visible=False)


def _connect(
    start: Axes, end: Axes, leaves: tuple[float, float], arrives: tuple[float, float]
) -> None:
    """An arrow between two places, each a share of its axes."""
    frames = start.transAxes, end.transAxes
    look: Any = {"arrowstyle": "-|>", "color": style.COUNTS, "linewidth": 1.2}
    start.figure.add_artist(ConnectionPatch(leaves, arrives, *frames, **look))
