"""Figures to pixels, fast enough for a dragged slider.

Most of the time that matplotlib needs goes into text: tick labels, axis labels, titles. They
seldom change while a slider moves. So the frame of the axes is drawn once and kept as pixels,
under a key made of everything it shows; a redraw copies it and draws only the data over it. The
result equals a full draw pixel for pixel (a contract test holds each demo against it).
"""

from collections import OrderedDict
from collections.abc import Hashable

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from histmatch_lab.demos.style import DPI

_BACKDROPS: OrderedDict[Hashable, np.ndarray] = OrderedDict()
_BACKDROPS_KEPT = 16


def draw(figure: Figure, scale: float = 1.0) -> np.ndarray:
    """The figure as (H, W, 3) uint8, the axes' frames taken from the cache where possible.

    scale: pixels for each of the figure's at `style.DPI`.
    """
    figure.dpi = scale * DPI
    canvas = FigureCanvasAgg(figure)
    renderer = canvas.get_renderer()
    pixels = np.asarray(renderer.buffer_rgba())
    data = sorted((a for axes in figure.axes for a in _data_artists(axes)), key=Artist.get_zorder)
    data += [*figure.texts, *figure.legends]
    key = (canvas.get_width_height(), *map(_frame_key, figure.axes))
    if key not in _BACKDROPS:
        _BACKDROPS[key] = _draw_frames(canvas, data)
        while len(_BACKDROPS) > _BACKDROPS_KEPT:
            _BACKDROPS.popitem(last=False)
    _BACKDROPS.move_to_end(key)
    pixels[...] = _BACKDROPS[key]
    for artist in data:
        artist.draw(renderer)
    return pixels[..., :3].copy()


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
