"""One look for every figure: palette, fonts, sizes.

Colours have three roles throughout the course: orange is ours (the soft histogram and what is
computed from it), grey the reference (counted, exact, before), blue the target. Pink marks what the
reader picked, green a second method. Signed maps are yellow and violet, which mean nothing else.
The palette is Okabe and Ito's, safe for the common kinds of colour blindness. Lines that must be
told apart in grey print differ in dash or width as well.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import FixedFormatter, FixedLocator
from torch import Tensor
from torch.nn.functional import interpolate

from histmatch_lab.data.images import to_levels

OURS = "#D55E00"  # vermilion: the soft histogram, the histogram loss, our result
COUNTS = "#4D4D4D"  # dark grey: what is counted, the hard histogram, the truth
TARGET = "#0072B2"  # blue: the target picture
OTHER = "#009E73"  # bluish green: a rival method, such as DeepHist's kernel or L2
MARK = "#CC79A7"  # reddish purple: a picked pixel, a mark
FAINT = "#BFBFBF"  # light grey: guides, dead zones
CHANNELS = ("#A50F15", "#009E73", "#0072B2")  # red, green, blue, told apart by everyone
CHANNEL_WIDTHS = (2.8, 1.7, 0.8)  # of their lines: apart in grey print too
CHANNEL_MARKS = ("o", "+", "^")  # of their dots
DIVERGING = "violet-yellow"  # violet: darker, white: nothing, yellow: lighter
SEQUENTIAL = "cividis"  # maps of one quantity

WIDTH = 9.0  # inches, at DPI the width of a notebook's column
DPI = 100

_SIGNED = ("#4B2E83", "#7A6BAF", "#F7F7F7", "#E3B505", "#C28F00")
mpl.colormaps.register(LinearSegmentedColormap.from_list(DIVERGING, _SIGNED), force=True)

PICTURES = (0.1, 0.1, 0.4, 0.1)  # margins of a figure that has no axes, only titles
_LOOK = Path(__file__).with_name("look.mplstyle")

# A decorator: the function draws in the course's look.
styled = mpl.rc_context(mpl.rc_params_from_file(_LOOK, use_default_template=False))


def _forget_ticks(axis: Axis) -> None:
    """They are made when next asked for; `Axis.reset_ticks` asks for them at once."""
    axis.__dict__.pop("majorTicks", None)
    axis.__dict__.pop("minorTicks", None)


def _set_ticks(axis: Axis, ticks: Any, labels: Any) -> None:
    """As `Axis.set_ticks`, which makes them only to be styled."""
    axis.set_major_locator(FixedLocator(ticks))
    if labels is not None:
        axis.set_major_formatter(FixedFormatter(labels))


class _Axes(Axes):
    """Axes that make their ticks when these are drawn, which is seldom (see `render.draw`).

    Ticks do not widen the limits here: those beyond are left out.
    """

    draw = styled(Axes.draw)

    def __init__(self, *place: Any, **options: Any) -> None:
        super().__init__(*place, **options)
        for axis in (self.xaxis, self.yaxis):
            axis.reset_ticks = partial(_forget_ticks, axis)  # type: ignore[method-assign]
            axis.reset_ticks()
        for spine in self.spines.values():  # as the first tick would do
            spine.set_position(("outward", 0))

    def _init_axis(self) -> None:
        """While the axes are set up, an axis has no ticks that would be made only to be styled."""
        super()._init_axis()  # type: ignore[misc]
        for axis in (self.xaxis, self.yaxis):
            empty = partial(axis.__dict__.update, majorTicks=[], minorTicks=[])
            axis.reset_ticks = empty  # type: ignore[method-assign]

    def set_xticks(self, ticks: Any, labels: Any = None) -> None:  # type: ignore[override]
        _set_ticks(self.xaxis, ticks, labels)

    def set_yticks(self, ticks: Any, labels: Any = None) -> None:  # type: ignore[override]
        _set_ticks(self.yaxis, ticks, labels)


def subplots(
    rows: int = 1,
    columns: int = 1,
    *,
    height: float = 3.2,
    widths: Sequence[float] | None = None,
    heights: Sequence[float] | None = None,
    margins: tuple[float, float, float, float] = (0.75, 0.2, 0.4, 0.6),
    gaps: tuple[float, float] = (0.85, 0.85),
) -> tuple[Figure, list[Axes]]:
    """A new figure in the course's look and its axes, row by row.

    Args:
        height: of the whole figure, in inches; the width is `WIDTH`.
        widths, heights: relative sizes of columns and rows.
        margins: left, right, top, bottom, in inches.
        gaps: between columns and between rows, in inches.
    """
    left, right, top, bottom = margins
    inner_width = (WIDTH - left - right - gaps[0] * (columns - 1)) / columns
    inner_height = (height - top - bottom - gaps[1] * (rows - 1)) / rows
    figure = Figure(figsize=(WIDTH, height), dpi=DPI)
    figure.subplots_adjust(left / WIDTH, bottom / height, 1 - right / WIDTH, 1 - top / height)
    figure.subplots_adjust(wspace=gaps[0] / inner_width, hspace=gaps[1] / inner_height)
    look: Any = {"width_ratios": widths, "height_ratios": heights}
    axes = figure.subplots(rows, columns, squeeze=False, subplot_kw={"axes_class": _Axes}, **look)
    return figure, list(axes.flat)


def steps(axes: Axes, heights: Any, edges: Any, **look: Any) -> None:
    """The outline of a histogram. `axes.stairs` draws it too, in ten times the time."""
    up = np.concatenate([[0], np.asarray(heights).repeat(2), [0]])
    axes.plot(np.asarray(edges).repeat(2), up, **look)


def filled_steps(axes: Axes, heights: Any, edges: Any, **look: Any) -> None:
    """The area of a histogram."""
    heights = np.append(heights, heights[-1:])
    axes.fill_between(np.asarray(edges), heights, step="post", linewidth=0, **look)


class _Smooth(AxesImage):
    """A picture that torch scales, smooth, and in a tenth of the time of `axes.imshow`."""

    def make_image(self, renderer: Any, *_: Any, **__: Any) -> Any:
        left, low, right, high = (round(edge) for edge in self.get_window_extent(renderer).extents)
        rgbx = np.pad(
            np.asarray(self.get_array())[::-1], ((0, 0), (0, 0), (0, 1)), constant_values=255
        )
        batch = torch.from_numpy(rgbx)[None].permute(0, 3, 1, 2)  # torch is fast with such strides
        scaled = interpolate(batch, (high - low, right - left), mode="bicubic", antialias=True)
        return scaled[0].permute(1, 2, 0).numpy(), left, low, None


def _add_smooth(axes: Axes, levels: np.ndarray, extent: Any = None) -> AxesImage:
    """A picture, (H, W, 3) uint8, over the extent: left, right, bottom, top."""
    image = _Smooth(axes)
    image.set_data(levels)
    image.set_extent(extent or image.get_extent())  # which gives the axes their limits
    return axes.add_image(image)


def picture(axes: Axes, image: Tensor, title: str = "") -> None:
    """Show a (3, H, W) picture in [0, 1], without an axis."""
    _add_smooth(axes, to_levels(image.movedim(0, -1)))
    axes.set_aspect("equal")
    axes.set_title(title)
    axes.set_axis_off()


def smooth_map(axes: Axes, shares: Any, extent: tuple[float, float, float, float]) -> None:
    """Values in [0, 1], (rows from below, columns), as colours: each at the middle of its cell.

    extent: left, right, bottom, top. In between, the axes' scale does not bend the map: it must be
    that of the cells.
    """
    colours = mpl.colormaps[SEQUENTIAL](np.flipud(shares), bytes=True)
    _add_smooth(axes, colours[..., :3], extent).set(clip_path=axes.patch, zorder=1)


def pictures(axes: Sequence[Axes], images: Iterable[tuple[str, Any]]) -> None:
    """Pictures one by one, each under its title; axes that are left over stay empty."""
    for panel, (title, image) in zip(axes, images, strict=False):
        picture(panel, image, title)


def gallery(
    images: Sequence[tuple[str, Any]], columns: int, row_height: float
) -> tuple[Figure, list[Axes]]:
    """A figure of pictures alone, row by row, each under its title."""
    rows = -(-len(images) // columns)
    margins, gaps = (0.05, 0.05, 0.35, 0.05), (0.1, 0.35)
    figure, axes = subplots(rows, columns, height=row_height * rows, margins=margins, gaps=gaps)
    for panel in axes:
        panel.axis("off")
    pictures(axes, images)
    return figure, axes


def number_map(
    axes: Axes, shades: Any, texts: Mapping[str, Sequence[str]], columns: Sequence[str], **look: Any
) -> None:
    """A map, (rows, columns), with a text in each cell; texts: each row's by its name."""
    image = axes.imshow(shades, aspect="auto", **look)
    for row, line in enumerate(texts.values()):
        for column, text in enumerate(line):
            red, green, blue, _ = image.to_rgba(shades[row][column])
            ink = "black" if 0.3 * red + 0.59 * green + 0.11 * blue > 0.5 else "white"
            axes.text(column, row, text, ha="center", va="center", color=ink)
    axes.set_xticks(range(len(columns)), columns)
    axes.set_yticks(range(len(texts)), list(texts))
    axes.grid(visible=False)
