"""Figures to pixels, fast enough for a dragged slider.

Most of the time that matplotlib needs goes into text: tick labels, axis labels, titles. They
seldom change while a slider moves. So the frame of the axes is drawn once and kept as pixels,
under a key made of everything it shows; a redraw copies it and draws only the data over it. The
result equals a full draw pixel for pixel (a contract test holds each demo against it).
"""

from __future__ import annotations

import io
from collections import OrderedDict
from collections.abc import Hashable
from textwrap import fill

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import FixedLocator, LogFormatter, NullFormatter, ScalarFormatter
from PIL import Image

from histmatch_lab.demos.demo import Frame
from histmatch_lab.demos.style import DPI, WIDTH

_BACKDROPS: OrderedDict[Hashable, np.ndarray] = OrderedDict()
_BACKDROPS_KEPT = 32
_NO_DITHER = Image.Dither.NONE


def draw(figure: Figure) -> np.ndarray:
    """The figure as (H, W, 3) uint8, the axes' frames taken from the cache where possible."""
    canvas = FigureCanvasAgg(figure)
    renderer = canvas.get_renderer()
    pixels = np.asarray(renderer.buffer_rgba())
    data = sorted((a for axes in figure.axes for a in _data_artists(axes)), key=Artist.get_zorder)
    key = (canvas.get_width_height(), *map(_frame_key, figure.axes))
    if key not in _BACKDROPS:
        _BACKDROPS[key] = _draw_frames(canvas, data)
        while len(_BACKDROPS) > _BACKDROPS_KEPT:
            _BACKDROPS.popitem(last=False)
    _BACKDROPS.move_to_end(key)
    pixels[...] = _BACKDROPS[key]
    for artist in (*data, *figure.texts, *figure.legends):
        artist.draw(renderer)
    return pixels[..., :3].copy()


def encode(figure: Figure) -> tuple[bytes, str]:
    """The figure for a live widget: (bytes, "png"), or "jpeg" where it holds a photograph."""
    image = Image.fromarray(draw(figure))
    buffer = io.BytesIO()
    if _holds_photograph(figure):
        image.save(buffer, "jpeg", quality=88, subsampling=0)
        return buffer.getvalue(), "jpeg"
    image.save(buffer, "png", compress_level=1)
    return buffer.getvalue(), "png"


def encode_small(pixels: np.ndarray, backdrop: np.ndarray | None = None) -> bytes:
    """Pixels, (H, W, 3) uint8, as a WebP of few bytes, for a page that carries many.

    Blocks that equal the backdrop's are left transparent, to be laid over it. Whole blocks, since a
    lossy picture's lines bleed into the block around them. Of two encodings the smaller is taken:
    64 colours without loss (lines) or a lossy one (photographs).

    Raises:
        ValueError: the two are not of one size.
    """
    if backdrop is not None and pixels.shape != backdrop.shape:
        raise ValueError(
            f"pixels must have the backdrop's shape {backdrop.shape}, got {pixels.shape}"
        )
    everything = np.full(pixels.shape[:2], True)
    new = everything if backdrop is None else _whole_blocks((pixels != backdrop).any(axis=-1))
    few = Image.fromarray(pixels).quantize(64, method=Image.Quantize.FASTOCTREE, dither=_NO_DITHER)
    lines, photograph = io.BytesIO(), io.BytesIO()
    _where(new, np.asarray(few.convert("RGB"))).save(lines, "webp", lossless=True, quality=75)
    _where(new, pixels).save(photograph, "webp", quality=50)
    return min(lines.getvalue(), photograph.getvalue(), key=len)


def _whole_blocks(seen: np.ndarray, side: int = 8) -> np.ndarray:
    """The same, (H, W), grown to all of each block in which something is seen."""
    height, width = seen.shape
    padded = np.pad(seen, ((0, -height % side), (0, -width % side)))
    blocks = padded.reshape(padded.shape[0] // side, side, -1, side).any(axis=(1, 3))
    return blocks.repeat(side, axis=0).repeat(side, axis=1)[:height, :width]


def _where(seen: np.ndarray, pixels: np.ndarray) -> Image.Image:
    shown = np.dstack([pixels, np.full(pixels.shape[:2], 255, np.uint8)])
    return Image.fromarray(shown * seen[..., None])


def still(frame: Frame) -> bytes:
    """The frame as a PNG with its caption below."""
    image = Image.fromarray(np.concatenate([draw(frame.figure), _caption_pixels(frame.caption)]))
    buffer = io.BytesIO()
    # 256 colours, rare saturated ones among them, mixed in dots so that gradients stay smooth
    palette = image.quantize(256, method=Image.Quantize.FASTOCTREE)
    image.quantize(palette=palette).save(buffer, "png", optimize=True)
    return buffer.getvalue()


def _data_artists(axes: Axes) -> list[Artist]:
    """What changes from frame to frame; the spines too, since they lie over the data."""
    legend = axes.get_legend()
    artists = (
        *axes.lines,
        *axes.collections,
        *axes.patches,
        *axes.images,
        *axes.texts,
        *axes.artists,
        *axes.tables,
        *([legend] if legend else []),
        *(axes.spines.values() if axes.axison else []),
    )
    return [artist for artist in artists if artist.get_visible()]


def _draw_frames(canvas: FigureCanvasAgg, data: list[Artist]) -> np.ndarray:
    figure = canvas.figure
    hidden = [*data, *figure.texts, *figure.legends]
    for artist in hidden:
        artist.set_visible(False)
    canvas.draw()
    for artist in hidden:
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
    locator, formatter = axis.get_major_locator(), axis.get_major_formatter()
    # Automatic ticks follow from the limits alone; others are told apart by what they print.
    automatic = isinstance(formatter, ScalarFormatter | LogFormatter | NullFormatter)
    ticks = tuple(locator()) if isinstance(locator, FixedLocator) else type(locator)
    return (
        _text_key(axis.label),
        axis.get_scale(),
        tuple(axis.get_view_interval()),
        axis.get_visible(),
        ticks,
        type(formatter) if automatic else tuple(formatter.format_ticks(list(locator()))),
        type(axis.get_minor_locator()),
        tuple(sorted(map(str, axis.get_tick_params().items()))),
    )


def _text_key(text: Text) -> Hashable:
    return (text.get_text(), text.get_color(), text.get_fontsize(), text.get_visible())


def _holds_photograph(figure: Figure) -> bool:
    return any(axes.images for axes in figure.axes)


def _caption_pixels(text: str) -> np.ndarray:
    lines = fill(text, width=108)
    height = 0.2 + 0.19 * (lines.count("\n") + 1)
    figure = Figure(figsize=(WIDTH, height), dpi=DPI, facecolor="white")
    figure.text(0.02, 0.95, lines, va="top", fontsize=10.5, color="#333333", linespacing=1.35)
    return draw(figure)
