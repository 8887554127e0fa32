"""The loss microscope, which shows Eq. 1-5 at once on one channel of a photograph.

It grows with the course: two panels in notebook 01, five in 02, all in 03, 00 and on the site.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from matplotlib import colormaps
from matplotlib.axes import Axes
from PIL import Image
from torch import Tensor

from histmatch_lab.demos import shared, style
from histmatch_lab.demos.controls import Choice, LogSlider, Photograph, Slider
from histmatch_lab.demos.demo import Frame, demo
from histmatch_lab.demos.encoding import address, stored
from histmatch_lab.demos.lens import Lens, View, center, in_bins, lens_of, look
from histmatch_lab.demos.shared import BIN_RANGES, DARKER, LIGHTER, TOP, small
from histmatch_lab.histogram import Outside, gradient_ripple, hard_histogram

LEFT, RIGHT = ("photo", "map", "close"), ("histogram", "histograms", "cdfs", "pulls")
TWO = ("photo", "histogram")
FIVE = ("photo", "map", "histograms", "cdfs", "pulls")
PAPER = {"alpha": 1000, "bins": 256, "bandwidth": "1", "extent": "0 to 1", "outside": "drop"}
CLAMPED: Any = {"bandwidth": "1", "extent": "0 to 1", "outside": "clamp"}  # until notebook 03
REACH = 3.5  # bins to each side of the picked pixel in the close-up
DASHES = (0, (4, 2))
MARGINS = (0.65, 0.25, 0.35, 0.55)
PLATE = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}
SIDE = 300  # pixels of a picture's longer side: the page counts them anew at each move
MAP_TOP = 1.5  # the strongest pull that the map's colours show
PHOTO = Photograph(hint="Which parts are made lighter, which darker?")
CONTROLS: dict[str, Any] = {
    "alpha": LogSlider("α", 1000, 1, 1e5, "Sharper: the pull falls apart."),
    "bins": shared.BINS_CHOICE,
    "bandwidth": Choice("B, bandwidth", "1", ("1", "L / 2.5"), "Only α / B matters."),
    "extent": Choice("range of the bins", "0 to 1", tuple(BIN_RANGES), "Has each level its bin?"),
    "outside": Choice("outside the range", "drop", shared.OUTSIDE_MODES, "The pull at both ends."),
    "pixel": Slider(
        "pixel at, intensity", 0.3, 0, 1, "Close up: its share of each bin.", step=0.001
    ),
    "photo": PHOTO,
    "target": Photograph("target", "chelsea", "With itself, only one pixel is out of place."),
}


def some(*names: str) -> dict[str, Any]:
    """These of the CONTROLS."""
    return {name: CONTROLS[name] for name in names}


def in_page(
    panels: Sequence[str], fixed: Mapping[str, Any], stops: Mapping[str, Sequence[Any]]
) -> dict[str, Any]:
    """For microscope.js: what it draws, the settings without a control, the ranges, the greens.

    stops: the values of each control; of `photo` and `target` the photographs to choose from.
    """
    pictures = {}
    for name in dict.fromkeys((*stops["photo"], *stops.get("target", ()))):
        green = shared.levels_of(small(PHOTO.resolve(name), SIDE), "green")
        grey = Image.fromarray(green.byte().numpy()).convert("RGB")
        pictures[name] = address(stored(grey, "webp", lossless=True))
    return {"panels": panels, "fixed": fixed, "ranges": BIN_RANGES, "photos": pictures}


@demo(**some("alpha", "bins", "pixel", "photo"), in_page=partial(in_page, TWO, CLAMPED))
def photograph_and_histogram(alpha: float, bins: int, pixel: float, photo: Tensor) -> Frame:
    """A photograph, its histogram, and one pixel."""
    return _frame(TWO, photo, photo, lens_of(alpha, bins, **CLAMPED), pixel)


@demo(
    **some("pixel", "photo", "target"),
    in_page=partial(in_page, FIVE, {**CLAMPED, "alpha": 1000, "bins": 256}),
)
def gap_and_pull(pixel: float, photo: Tensor, target: Tensor) -> Frame:
    """The gap between two histograms, and the pull on each pixel that comes of it."""
    return _frame(FIVE, photo, target, lens_of(1000, 256, **CLAMPED), pixel)


@demo(
    **CONTROLS,
    in_page=partial(in_page, LEFT + RIGHT[1:], {}),
    presets={
        "paper": PAPER,
        "DeepHist": PAPER | {"alpha": 1, "bandwidth": "L / 2.5", "outside": "reflect"},
        "hard step": PAPER | {"bandwidth": "L / 2.5"},
        "K = 50": PAPER | {"bins": 50},
        "α = 10": PAPER | {"alpha": 10},
        "8-bit centred": PAPER | {"extent": "8-bit centred"},
    },
)
def microscope(
    alpha: float,
    bins: int,
    bandwidth: str,
    extent: str,
    outside: Outside,
    pixel: float,
    photo: Tensor,
    target: Tensor,
) -> Frame:
    """The loss microscope.

    Histogram, CDF, EMD and gradient of a photograph, and of one of its pixels.
    """
    lens = lens_of(alpha, bins, bandwidth, extent, outside)
    return _frame(LEFT + RIGHT[1:], photo, target, lens, pixel)


def _frame(panels: Sequence[str], photo: Tensor, target: Tensor, lens: Lens, x: float) -> Frame:
    """These panels, those over intensity on the right."""
    photo, target = (small(picture, SIDE) for picture in (photo, target))
    view = look(photo, target, lens, x)
    left, right = ([name for name in side if name in panels] for side in (LEFT, RIGHT))
    figure, axes = style.subplots(
        len(right),
        2,
        height=0.45 + 2.05 * len(right),
        widths=(1, 1.65),
        heights=(1.2, 1.2, 1)[: len(right)],
        gaps=(0.8, 0.45),
        margins=MARGINS,
    )
    for name, panel in zip(left, axes[::2], strict=False):
        _DRAW[name](panel, photo, view)
    for empty in axes[::2][len(left) :]:
        empty.remove()
    for name, panel in zip(right, axes[1::2], strict=True):
        _DRAW[name](panel, photo, view)
        panel.axvline(x, color=style.MARK, linestyle=":", linewidth=2)
        panel.set_xlim(0, 1)
        panel.xaxis.set_visible(name == right[-1])
    axes[-1].set(xticks=(0, 0.5, 1), xlabel="intensity")
    return Frame(figure, _caption(view, panels))


def _draw_picture(axes: Axes, photo: Tensor, view: View) -> None:
    """The picture, with a dot for the picked pixel."""
    shown = shared.levels_of(photo, "green")
    axes.imshow(shown.numpy(), cmap="gray", vmin=0, vmax=255)
    _mark(axes, photo, str(float(view.values[-1])))
    axes.set_title("The picture (green)")


def _draw_map(axes: Axes, photo: Tensor, view: View) -> None:
    """The pull on each of the pixels."""
    pull = view.pull[shared.levels_of(photo, "green")]
    axes.imshow(pull.numpy(), cmap=style.DIVERGING, vmin=-MAP_TOP, vmax=MAP_TOP)
    _mark(axes, photo, colormaps[style.DIVERGING](float(view.pull[-1] / (2 * MAP_TOP) + 0.5)))
    axes.set_title("Yellow: made lighter. Violet: darker")


def _mark(axes: Axes, photo: Tensor, fill: Any) -> None:
    row, column = center(photo)
    axes.plot(column, row, "o", color=style.MARK, markerfacecolor=fill, markersize=9, mew=2)
    axes.set(anchor="W")
    axes.set_axis_off()


def _draw_histogram(axes: Axes, _photo: Tensor, view: View) -> None:
    """Counted, soft, and the picked pixel's kernel (not to scale)."""
    lens = view.lens
    counted = view.shares @ hard_histogram(view.values[:, None], lens.bins, range=lens.range)
    wanted, alone = in_bins(view.wanted), in_bins(view.pixel)
    top = shared.nice_limit(110 * float(torch.stack([counted, wanted]).quantile(0.98, dim=1).max()))
    style.filled_steps(axes, 100 * counted, lens.edges, color=style.COUNTS, alpha=0.35)
    kernel = 0.7 * top / alone.max() * alone
    style.filled_steps(axes, kernel, lens.edges, color=style.MARK, alpha=0.4)
    style.steps(axes, 100 * in_bins(view.cdf), lens.edges, color=style.OURS, linewidth=1.3)
    shared.limit_heights(axes, top)
    axes.set_title("Histogram: counted (grey), soft (line)")


def _draw_histograms(axes: Axes, photo: Tensor, view: View) -> None:
    """The target's as well."""
    _draw_histogram(axes, photo, view)
    wanted = 100 * in_bins(view.wanted)
    style.steps(axes, wanted, view.lens.edges, ls=DASHES, color=style.TARGET, linewidth=1.1)
    axes.set_title("Histogram: counted (grey), soft (line), target (dashed)")


def _draw_gap(axes: Axes, _photo: Tensor, view: View) -> None:
    """The area between the CDFs, in the colour of the pull that comes of it."""
    edges = view.lens.edges.numpy()
    cdf, wanted = (np.append(0, below) for below in (view.cdf, view.wanted))
    for color, there in ((LIGHTER, cdf > wanted), (DARKER, cdf < wanted)):
        axes.fill_between(edges, cdf, wanted, there, True, color=color, alpha=0.5, linewidth=0)
    axes.plot(edges, cdf, color=style.OURS, linewidth=1.5)
    axes.plot(edges, wanted, color=style.TARGET, linewidth=1.5, linestyle=DASHES)
    axes.set(ylim=(0, 1.05), yticks=(0, 0.5, 1), ylabel="share below")
    axes.set_title("CDFs: the area between is the EMD")
    text = f"EMD {view.emd:.1f} bins = {view.emd * view.lens.bin_width:.3f}"
    axes.text(0.98, 0.1, text, transform=axes.transAxes, ha="right")


def _draw_pull(axes: Axes, _photo: Tensor, view: View) -> None:
    """The pull on a pixel at every intensity, and on the picked one."""
    points = shared.dense_points(view.lens.edges, view.lens.slope)
    along = shared.pull_at(points, view.gap.sign(), **view.lens.options)
    shared.fill_pull(axes, points, along, linewidth=0.8)  # an outline keeps narrow bumps visible
    x, felt = float(view.values[-1]), float(view.pull[-1])
    dot: Any = {"color": style.MARK, "mec": "white", "zorder": 3, "clip_on": False}
    axes.plot(x, max(-TOP, min(felt, TOP)), "o", **dot)
    text = f"on the pixel: {felt:+.2f}"
    axes.text(0.98, 0.85, text, transform=axes.transAxes, ha="right", bbox=PLATE)
    axes.set(ylim=(-TOP - 0.1, TOP + 0.1), yticks=(-1, 0, 1))
    axes.set(ylabel="pull (exact: ±1)", title="The pull on a pixel there")


def _draw_close_up(axes: Axes, _photo: Tensor, view: View) -> None:
    """The picked pixel's kernel, its share of each bin, and what each edge adds to its pull."""
    lens = view.lens
    step = lens.slope * lens.bin_width
    places = (lens.edges - view.values[-1]) / lens.bin_width
    near = torch.nonzero(places.abs() < REACH + 1)[:, 0]
    shares = in_bins(view.pixel)[near[:-1]]
    style.filled_steps(axes, shares, places[near], color=style.MARK, alpha=0.4)
    row = torch.linspace(-REACH, REACH, 501, dtype=torch.float64)
    axes.plot(row.numpy(), shared.kernel(row, step).numpy(), color=style.MARK, linewidth=1.5)
    near = near[near > 0]  # the CDF starts at the first edge
    heights = shared.kernel(places[near], step)
    for color, sign in ((LIGHTER, 1), (DARKER, -1)):
        some = view.gap[near - 1].sign() == sign
        axes.vlines(places[near][some].numpy(), 0, heights[some].numpy(), color=color, lw=3)
    axes.set(xlim=(-REACH, REACH), ylim=(0, 1.15), yticks=(0, 0.5, 1))
    axes.set(xlabel="bins from the pixel", ylabel="share, pull", title="The pixel, close up")


_DRAW = {
    "photo": _draw_picture,
    "map": _draw_map,
    "close": _draw_close_up,
    "histogram": _draw_histogram,
    "histograms": _draw_histograms,
    "cdfs": _draw_gap,
    "pulls": _draw_pull,
}


def _caption(view: View, panels: Sequence[str]) -> str:
    lens, felt, x = view.lens, float(view.pull[-1]), float(view.values[-1])
    if "cdfs" not in panels:
        alone = in_bins(view.pixel)
        return (
            f"K = {lens.bins} bins: the pixel at {x:.3f} leaves at most {alone.max():.0%} of "
            f"itself in one bin, and more than 1% in each of {int((alone > 0.01).sum())}."
        )
    ripple = gradient_ripple(lens.bins, alpha=lens.slope, range=lens.range)
    uneven = f"Ripple {ripple:,.0%}; " if "close" in panels else ""
    dead = float(view.shares[view.pull.abs() < shared.WEAK].sum())
    feels = "no pull" if abs(felt) < 0.005 else f"a pull of {felt:+.2f}"
    return (
        f"EMD {view.emd:.1f} of {lens.bins} bins = {view.emd * lens.bin_width:.3f} in intensity. "
        f"{uneven}{dead:.0%} of the pixels feel less than a tenth of the exact EMD's "
        f"pull. The pixel at {x:.3f} feels {feels}."
    )
