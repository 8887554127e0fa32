"""Frames to bytes: for a live widget, for a page of many pictures, for a still with its caption."""

import base64
import io
from pathlib import Path
from textwrap import fill
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader
from markupsafe import Markup
from matplotlib.figure import Figure
from PIL import Image

from histmatch_lab.demos.demo import Frame
from histmatch_lab.demos.render import draw, draw_rgbx
from histmatch_lab.demos.style import WIDTH

LINES = 4096  # colours at most of a picture without photographs
FAST = {"method": 2}  # of 6: half the time of WebP's default, 5 % more bytes
SHARP = 2.0  # of stored pictures: two pixels for one of CSS
STYLE = Path(__file__).with_name("figure.css").read_text(encoding="utf-8")
_FILES = Environment(
    loader=PackageLoader(__package__, "."), autoescape=True, trim_blocks=True, lstrip_blocks=True
)


def encode(figure: Figure, scale: float = 1.0) -> bytes:
    """For a live widget: a JPEG, with every pixel's colour, for thin lines have it.

    Lines, too: as a PNG they take five times as long.
    """
    pixels = draw_rgbx(figure, scale)
    height, width, _ = pixels.shape
    image = Image.frombuffer("RGBX", (width, height), pixels, "raw", "RGBX", 0, 1)
    return stored(image, "jpeg", quality=92, subsampling=0)


def still(frame: Frame, *, ident: str = "", note: str = "", data: Markup | str = "") -> str:
    """The frame as HTML, sharp, with its caption as text; without a script, and asking for nothing.

    ident: of its element; note: a line below the caption; data: JSON for page.js, if it is to come
    to life on a page.
    """
    return _FILES.get_template("still.html.j2").render(
        source=address(encode_small(frame.drawn(SHARP))),
        style=STYLE,
        size=[round(100 * side) for side in frame.figure.get_size_inches()],
        night=night(frame.figure),
        caption=frame.caption,
        ident=ident,
        note=note,
        data=data,
    )


def address(webp: bytes) -> str:
    """The picture as a URL that holds all of it."""
    return f"data:image/webp;base64,{base64.b64encode(webp).decode()}"


def night(figure: Figure) -> str:
    """The figure without its photographs and maps, as CSS's polygon: what a dark theme darkens.

    It reaches into the padding round the picture, for an edge may lie between two pixels.
    """
    near, far = "-1px", "calc(100% + 1px)"
    corners = [f"{near} {near}, {far} {near}, {far} {far}, {near} {far}, {near} {near}"]
    for axes in figure.axes:
        # not axes.findobj, for which each axis would make its ticks
        if not axes.images:
            continue
        axes.apply_aspect()
        left, low, right, high = (100 * x for x in axes.get_position().extents)
        box = ((left, low), (right, low), (right, high), (left, high), (left, low))
        corners += [", ".join(f"{x:.2f}% {100 - y:.2f}%" for x, y in box), f"{near} {near}"]
    return f"polygon(evenodd, {', '.join(corners)}) content-box"


def stored(image: Image.Image, kind: str, **options: Any) -> bytes:
    """The bytes of an image file of that kind."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def captioned(frame: Frame) -> Image.Image:
    """The frame as a picture with its caption below."""
    lines = fill(frame.caption, width=108)
    height = 0.2 + 0.19 * (lines.count("\n") + 1)
    below = Figure(figsize=(WIDTH, height), facecolor="white")
    below.text(0.02, 0.95, lines, va="top", fontsize=10.5, color="#333333", linespacing=1.35)
    return Image.fromarray(np.concatenate([frame.drawn(), draw(below)]))


def encode_small(pixels: np.ndarray, backdrop: np.ndarray | None = None) -> bytes:
    """Pixels, (H, W, 3) uint8, as a WebP of few bytes, for a page that carries many.

    Blocks that equal the backdrop's are left transparent, to be laid over it; a backdrop of another
    size is not seen below. Whole blocks, since a lossy picture's lines bleed into the block around
    them. Lines are stored without loss in 64 colours, photographs with, a part of few colours
    beside a photograph as is smaller.
    """
    if backdrop is None or pixels.shape != backdrop.shape:
        same = np.full(pixels.shape[:2], False)
    else:
        same = _same_blocks(pixels, backdrop)
    image = Image.fromarray(pixels)
    shown = _without(same, image)
    photograph = image.getcolors(LINES) is None
    lossy = [stored(shown, "webp", quality=15, **FAST)] if photograph else []
    if photograph and shown.getcolors(LINES) is None:
        return lossy[0]
    few = image.quantize(64, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    lines = _without(same, few)
    return min([*lossy, stored(lines, "webp", lossless=True, quality=75, **FAST)], key=len)


def _same_blocks(pixels: np.ndarray, backdrop: np.ndarray, side: int = 8) -> np.ndarray:
    """Where they are equal, (H, W), in the whole of a block."""
    differ = pixels != backdrop
    height, width = differ.shape[:2]
    padding = ((0, -height % side), (0, -width % side))
    # the channels one by one: numpy's any along so short an axis is six times slower
    padded = np.pad(differ[..., 0] | differ[..., 1] | differ[..., 2], padding)
    blocks = padded.reshape(padded.shape[0] // side, side, -1, side).any(axis=(1, 3))
    return ~blocks.repeat(side, axis=0).repeat(side, axis=1)[:height, :width]


def _without(same: np.ndarray, image: Image.Image) -> Image.Image:
    """The picture, transparent there."""
    shown = image.convert("RGBA")
    shown.paste((0, 0, 0, 0), mask=Image.fromarray(same))
    return shown
