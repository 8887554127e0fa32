"""Figures to pixels, fast enough for a dragged slider.

Most of the time that matplotlib needs goes into text: tick labels, axis labels, titles. They
seldom change while a slider moves. So the frame of the axes is drawn once and kept as pixels,
under a key made of everything it shows, and so is each legend; a redraw copies them and draws only
the data between them. The result equals a full draw pixel for pixel, but for a level where the
legend's edges mix with what lies below (a contract test holds each demo against it).
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from functools import partial
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.text import Text

from histmatch_lab.demos.style import DPI

_KEPT: OrderedDict[Hashable, Any] = OrderedDict()
_MOST = 24
_PLAIN = str | float | int | tuple | np.ndarray
_BEST = 0  # the place of a legend that looks for the emptiest corner, which any data may change


def draw(figure: Figure, scale: float = 1.0) -> np.ndarray:
    """The figure as (H, W, 3) uint8; scale: pixels for each of the figure's at `style.DPI`."""
    return draw_rgbx(figure, scale)[..., :3].copy()


def draw_rgbx(figure: Figure, scale: float = 1.0) -> np.ndarray:
    """The figure as (H, W, 4) uint8, the axes' frames taken from the cache where possible."""
    figure.dpi = scale * DPI
    canvas = FigureCanvasAgg(figure)
    renderer = canvas.get_renderer()
    pixels = np.asarray(renderer.buffer_rgba())
    data = sorted((a for axes in figure.axes for a in _data_artists(axes)), key=Artist.get_zorder)
    data += [*figure.texts, *figure.legends]
    frames = (canvas.get_width_height(), *map(_frame_key, figure.axes))
    pixels[...] = _kept(frames, partial(_draw_frames, canvas, data))
    for artist in data:
        if not isinstance(artist, Legend) or vars(artist)["_loc_real"] == _BEST:
            artist.draw(renderer)
            continue
        key = (figure.dpi, *_legend_key(artist))
        place, ink, cover = _kept(key, partial(_draw_legend, canvas, artist))
        below = pixels[place]
        below[...] = np.rint(below + (ink - below) * cover)
    return pixels


def _kept(key: Hashable, make: Callable[[], Any]) -> Any:
    if key not in _KEPT:
        _KEPT[key] = make()
        while len(_KEPT) > _MOST:
            _KEPT.popitem(last=False)
    _KEPT.move_to_end(key)
    return _KEPT[key]


def _data_artists(axes: Axes) -> list[Artist]:
    """What changes from frame to frame; the spines too, since they lie over the data."""
    artists: list[Artist | None] = [*axes.lines, *axes.collections, *axes.patches, *axes.images]
    artists += [*axes.texts, axes.get_legend()]
    artists += axes.spines.values() if axes.axison else []
    return [artist for artist in artists if artist and artist.get_visible()]


def _draw_frames(canvas: FigureCanvasAgg, data: list[Artist]) -> np.ndarray:
    for artist in data:
        artist.set_visible(False)
    canvas.draw()
    for artist in data:
        artist.set_visible(True)
    return np.asarray(canvas.buffer_rgba()).copy()


def _draw_legend(canvas: FigureCanvasAgg, legend: Legend) -> tuple[Any, np.ndarray, np.ndarray]:
    """Where it lies, its colours and the share, 0 to 1, that they cover, both (H, W, 4)."""
    renderer = RendererAgg(*canvas.get_width_height(), canvas.figure.dpi)
    legend.draw(renderer)
    pixels = np.asarray(renderer.buffer_rgba()).astype(np.float32)
    rows, columns = (np.flatnonzero(pixels[..., 3].any(axis=axis)) for axis in (1, 0))
    place = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return place, pixels[place], pixels[place][..., 3:] / 255


def _legend_key(legend: Legend) -> tuple[Hashable, ...]:
    """All that a legend shows, and where; equal keys mean equal pixels."""
    parts = legend.findobj()
    plain = repr([[v for v in vars(part).values() if isinstance(v, _PLAIN)] for part in parts])
    marks = tuple(line.get_marker() for line in legend.get_lines())
    return (legend.get_bbox_to_anchor().bounds, plain, marks)


def _frame_key(axes: Axes) -> Hashable:
    """All that the frame of the axes shows; equal keys mean equal pixels."""
    axes.apply_aspect()
    titles = tuple(axes.get_title(loc) for loc in ("left", "center", "right"))
    frame = (axes.bbox.bounds, axes.axison, axes.get_facecolor(), _text_key(axes.title), *titles)
    if not axes.axison:
        return frame
    return (*frame, _axis_key(axes.xaxis), _axis_key(axes.yaxis))


def _axis_key(axis: Axis) -> Hashable:
    ticks = list(axis.get_major_locator()())
    return (
        _text_key(axis.label),
        axis.get_scale(),
        tuple(axis.get_view_interval()),
        axis.get_visible(),
        tuple(ticks),
        tuple(axis.get_major_formatter().format_ticks(ticks)),
        type(axis.get_minor_locator()),
        tuple(sorted(map(str, axis.get_tick_params().items()))),
    )


def _text_key(text: Text) -> Hashable:
    return (text.get_text(), text.get_color(), text.get_fontsize(), text.get_visible())
