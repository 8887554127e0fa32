"""Notebook 03: the loss microscope, which shows Eq. 1-5 at once on one channel of a photograph.

Photographs are taken here as an 8-bit screen shows them, so that everything follows from 256
levels: a histogram is a mean over them, and the gradient of Eq. 5 on a pixel depends on its value
alone. One more value is the picked pixel's: the one in the centre, moved to any intensity.
"""

from __future__ import annotations

from typing import Any, NamedTuple

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
from histmatch_lab.demos.shared import (
    BIN_RANGES,
    DARKER,
    LEVELS,
    LIGHTER,
    TOP,
    level_shares,
    small,
)
from histmatch_lab.histogram import (
    Outside,
    Range,
    bin_edges,
    gradient_ripple,
    hard_histogram,
    soft_cdf,
)

PAPER = {"alpha": 1000, "bins": 256, "bandwidth": "1", "extent": "0 to 1", "outside": "drop"}
AGREE = 1e-9  # CDFs closer than this are equal but for rounding, and pull at nothing
REACH = 3.5  # bins to each side of the picked pixel in the close-up
DASHES = (0, (4, 2))
MARGINS = (0.65, 0.25, 0.35, 0.55)
PLATE = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}
SIDE = 300  # pixels of a picture's longer side: the page counts them anew at each move
MAP_TOP = 1.5  # the strongest pull that the map's colours show
PHOTO = Photograph(hint="Which parts are made lighter, which darker?")
TARGET = Photograph("target", "chelsea", "With itself, only one pixel is out of place.")


def photos() -> dict[str, Any]:
    """For microscope.js: the greens of the photographs to choose from, and the ranges."""
    names = dict.fromkeys((*PHOTO.positions, *TARGET.positions))
    green = {name: shared.levels_of(small(PHOTO.resolve(name), SIDE), "green") for name in names}
    pictures = {
        name: address(
            stored(Image.fromarray(levels.byte().numpy()).convert("RGB"), "webp", lossless=True)
        )
        for name, levels in green.items()
    }
    return {"photos": pictures, "ranges": BIN_RANGES}


class Lens(NamedTuple):
    """The settings of Eq. 5: K, the slope s = alpha / B, the range, what is done outside it."""

    bins: int
    slope: float
    range: Range
    outside: Outside

    @property
    def bin_width(self) -> float:
        low, high = self.range
        return (high - low) / self.bins

    @property
    def edges(self) -> Tensor:
        return bin_edges(self.bins, range=self.range, dtype=torch.float64)

    @property
    def options(self) -> dict[str, Any]:
        """The keyword arguments of `soft_cdf` and its like."""
        return {"alpha": self.slope, "range": self.range, "outside": self.outside}


class View(NamedTuple):
    """The green of a picture and of its target through a lens; one pixel is moved.

    Attributes:
        values, shares: (257,), the levels and the picked pixel's intensity, and the share of the
            picture's pixels at each.
        cdf, wanted: (bins,), the soft CDFs of the picture and of the target; gap: the difference.
        pixel: (bins,), the soft CDF of the picked pixel alone.
        pull: (257,), on a pixel at each of the values.
    """

    lens: Lens
    values: Tensor
    shares: Tensor
    cdf: Tensor
    wanted: Tensor
    gap: Tensor
    pixel: Tensor
    pull: Tensor

    @property
    def emd(self) -> float:
        """Eq. 5, in bins."""
        return float(self.gap.abs().sum())


def look(photo: Tensor, target: Tensor, lens: Lens, x: float) -> View:
    """A picture, its central pixel moved to x, and its target: (3, H, W) in [0, 1]."""
    values = torch.cat([LEVELS, LEVELS.new_tensor([x])])
    levels = shared.levels_of(photo, "green")
    shares = torch.cat([level_shares(photo, "green"), LEVELS.new_zeros(1)])
    shares[levels[center(photo)]] -= 1 / levels.numel()
    shares[-1] += 1 / levels.numel()
    cdfs = soft_cdf(values[:, None], lens.bins, **lens.options)
    cdf, wanted = shares @ cdfs, level_shares(target, "green") @ cdfs[:-1]
    gap = torch.where((cdf - wanted).abs() < AGREE, 0, cdf - wanted)
    pull = shared.pull_at(values, gap.sign(), **lens.options)
    return View(lens, values, shares, cdf, wanted, gap, cdfs[-1], pull)


def center(photo: Tensor) -> tuple[int, int]:
    """Row and column of the pixel that is moved."""
    return photo.shape[1] // 2, photo.shape[2] // 2


@demo(
    alpha=LogSlider("α", 1000, 1, 1e5, "Sharper: nearer to the counts, but the pull falls apart."),
    bins=shared.BINS_CHOICE,
    bandwidth=Choice("B, bandwidth", "1", ("1", "L / 2.5"), "Only α / B matters."),
    extent=Choice("range of the bins", "0 to 1", tuple(BIN_RANGES), "Has each level its own bin?"),
    outside=Choice("outside the range", "drop", shared.OUTSIDE_MODES, "The pull at both ends."),
    pixel=Slider("pixel at, intensity", 0.3, 0, 1, "Close up: its share of each bin.", step=0.001),
    photo=PHOTO,
    target=TARGET,
    photos=photos,
    presets={
        "paper": PAPER,
        "DeepHist": PAPER | {"alpha": 1, "bandwidth": "L / 2.5", "outside": "reflect"},
        "hard step": PAPER | {"bandwidth": "L / 2.5"},
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
    photo, target = (small(picture, SIDE) for picture in (photo, target))
    view = look(photo, target, lens_of(alpha, bins, bandwidth, extent, outside), pixel)
    figure, (left, heights, map_, cdfs, close, pulls) = style.subplots(
        3, 2, height=6.6, widths=(1, 1.65), heights=(1.2, 1.2, 1), gaps=(0.8, 0.45), margins=MARGINS
    )
    _draw_pictures(left, map_, photo, view)
    _draw_histograms(heights, view)
    _draw_gap(cdfs, view)
    _draw_pull(pulls, view)
    _draw_close_up(close, view)
    for axes in (heights, cdfs, pulls):
        axes.axvline(pixel, color=style.MARK, linestyle=":", linewidth=2)
        axes.set_xlim(0, 1)
    for axes in (heights, cdfs):
        axes.xaxis.set_visible(False)
    pulls.set_xticks((0, 0.5, 1))
    return Frame(figure, _caption(view))


def lens_of(alpha: float, bins: int, bandwidth: str, extent: str, outside: Outside) -> Lens:
    """The lens that the controls' values stand for."""
    lens = Lens(bins, alpha, BIN_RANGES[extent], outside)
    return lens if bandwidth == "1" else lens._replace(slope=2.5 * alpha / lens.bin_width)


def _draw_pictures(left: Axes, right: Axes, photo: Tensor, view: View) -> None:
    """The picture and the pull on each of its pixels; a dot for the picked one."""
    shown = shared.levels_of(photo, "green")
    x, felt = float(view.values[-1]), float(view.pull[-1] / (2 * MAP_TOP) + 0.5)
    row, column = center(photo)
    left.imshow(shown.numpy(), cmap="gray", vmin=0, vmax=255)
    right.imshow(view.pull[shown].numpy(), cmap=style.DIVERGING, vmin=-MAP_TOP, vmax=MAP_TOP)
    for axes, fill in ((left, str(x)), (right, colormaps[style.DIVERGING](felt))):
        axes.plot(column, row, "o", color=style.MARK, markerfacecolor=fill, markersize=9, mew=2)
        axes.set(anchor="W")
        axes.set_axis_off()
    left.set_title("The picture (green)")
    right.set_title("Yellow: made lighter. Violet: darker")


def _draw_histograms(axes: Axes, view: View) -> None:
    """Counted, soft, the target's, and the picked pixel's kernel (not to scale)."""
    lens = view.lens
    counted = view.shares @ hard_histogram(view.values[:, None], lens.bins, range=lens.range)
    wanted, alone = in_bins(view.wanted), in_bins(view.pixel)
    top = shared.nice_limit(110 * float(torch.stack([counted, wanted]).quantile(0.98, dim=1).max()))
    style.filled_steps(axes, 100 * counted, lens.edges, color=style.COUNTS, alpha=0.35)
    kernel = 0.7 * top / alone.max() * alone
    style.filled_steps(axes, kernel, lens.edges, color=style.MARK, alpha=0.4)
    style.steps(axes, 100 * in_bins(view.cdf), lens.edges, color=style.OURS, linewidth=1.3)
    style.steps(axes, 100 * wanted, lens.edges, ls=DASHES, color=style.TARGET, linewidth=1.1)
    axes.set(ylim=(0, top), yticks=(0, top / 2, top), ylabel="% of pixels")
    axes.set_title("Histogram: counted (grey), soft (line), target (dashed)")


def _draw_gap(axes: Axes, view: View) -> None:
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


def _draw_pull(axes: Axes, view: View) -> None:
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
    axes.set(xlabel="intensity", ylabel="pull (exact: ±1)", title="The pull on a pixel there")


def _draw_close_up(axes: Axes, view: View) -> None:
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


def in_bins(cdf: Tensor) -> Tensor:
    """The histogram of a CDF."""
    return cdf.diff(prepend=cdf.new_zeros(1))


def _caption(view: View) -> str:
    lens, felt = view.lens, float(view.pull[-1])
    ripple = gradient_ripple(lens.bins, alpha=lens.slope, range=lens.range)
    dead = float(view.shares[view.pull.abs() < shared.WEAK].sum())
    feels = "no pull" if abs(felt) < 0.005 else f"a pull of {felt:+.2f}"
    return (
        f"EMD {view.emd:.1f} of {lens.bins} bins = {view.emd * lens.bin_width:.3f} in intensity. "
        f"Ripple {ripple:,.0%}; {dead:.0%} of the pixels feel less than a tenth of the exact EMD's "
        f"pull. The pixel at {float(view.values[-1]):.3f} feels {feels}."
    )
