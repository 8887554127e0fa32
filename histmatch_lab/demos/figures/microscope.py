"""Notebook 03: the loss microscope, which shows Eq. 1-5 at once on one channel of a photograph.

Photographs are taken here as an 8-bit screen shows them, so that everything follows from 256
levels: a histogram is a mean over them, and the gradient of Eq. 5 on a pixel depends on its value
alone. One more value is the picked pixel's: the one in the centre, moved to any intensity.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from matplotlib import colormaps
from matplotlib.axes import Axes
from torch import Tensor

from histmatch_lab.demos.controls import Choice, LogSlider, Photograph, Slider
from histmatch_lab.demos.demo import Frame, demo
from histmatch_lab.demos.figures.alpha import BINS, nice
from histmatch_lab.demos.figures.distance import DARKER, FAIR, LIGHTER
from histmatch_lab.demos.figures.ends import CENTRED
from histmatch_lab.demos.style import (
    COUNTS,
    DIVERGING,
    FAINT,
    MARK,
    OURS,
    TARGET,
    filled_steps,
    steps,
    subplots,
)
from histmatch_lab.histogram import (
    Outside,
    Range,
    bin_edges,
    gradient_ripple,
    hard_histogram,
    soft_cdf,
)

LEVELS = torch.arange(256, dtype=torch.float64) / 255
RANGES: dict[str, Range] = {"0 to 1": (0.0, 1.0), "8-bit centred": CENTRED}
PAPER = {"alpha": 1000, "bins": 256, "bandwidth": "1", "extent": "0 to 1", "outside": "drop"}
AGREE = 1e-9  # CDFs closer than this are equal but for rounding, and pull at nothing
REACH = 3.5  # bins to each side of the picked pixel in the close-up
DASHES = (0, (4, 2))
PLATE = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}
SIDE = 300  # pixels shown of a picture's longer side
MAP_TOP = 1.5  # the strongest pull that the map's colours tell
TOP = 2.2  # a stronger pull is drawn as this


class Lens(NamedTuple):
    """What the loss looks through: K, the slope s = alpha / B, the range, what is done outside."""

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

    def cdfs(self, values: Tensor) -> Tensor:
        """The soft CDF of each value alone, (M,) -> (M, bins)."""
        bins, slope, span, outside = self
        return soft_cdf(values[:, None], bins, alpha=slope, range=span, outside=outside)

    def pull(self, values: Tensor, sign: Tensor) -> Tensor:
        """Minus the gradient of Eq. 5 on a pixel at each value; the exact EMD's is 1, 0 or -1.

        sign: of CDF(picture) - CDF(target), (bins,). For N pixels it is -N dL/dI(p), with L in
        intensity.
        """
        values = values.clone().requires_grad_()
        weighted = (self.cdfs(values) @ sign).sum() * self.bin_width
        return -torch.autograd.grad(weighted, values)[0]


class View(NamedTuple):
    """A picture and its target through a lens, one channel of both.

    Attributes:
        values, shares: (257,), the levels and the picked pixel's intensity, and the share of the
            picture's pixels at each.
        cdf, wanted: (bins,), the soft CDFs of the picture and of the target.
        pixel: (bins,), the soft CDF of the picked pixel alone.
    """

    values: Tensor
    shares: Tensor
    cdf: Tensor
    wanted: Tensor
    pixel: Tensor

    @property
    def gap(self) -> Tensor:
        gap = self.cdf - self.wanted
        return torch.where(gap.abs() < AGREE, 0, gap)

    @property
    def emd(self) -> float:
        """Eq. 5, in bins."""
        return float(self.gap.abs().sum())


def look(photo: Tensor, target: Tensor, lens: Lens, x: float) -> View:
    """The green of a picture, its central pixel moved to x, and of its target through a lens.

    photo, target: (3, H, W) in [0, 1], of any two sizes.
    """
    values = torch.cat([LEVELS, LEVELS.new_tensor([x])])
    moved = green(photo)[center(photo)]
    shares = torch.cat([level_shares(photo), LEVELS.new_zeros(1)])
    shares[moved] -= 1 / green(photo).numel()
    shares[-1] += 1 / green(photo).numel()
    cdfs = lens.cdfs(values)
    return View(values, shares, shares @ cdfs, level_shares(target) @ cdfs[:-1], cdfs[-1])


@lru_cache(maxsize=16)
def green(photo: Tensor) -> Tensor:
    """The 8-bit level of each pixel, (3, H, W) -> (H, W)."""
    return photo[1].mul(255).round().long()


@lru_cache(maxsize=16)
def level_shares(photo: Tensor) -> Tensor:
    """The share of the pixels at each of the 256 levels."""
    counts = green(photo).flatten().bincount(minlength=len(LEVELS))
    return counts.double() / counts.sum()


def center(photo: Tensor) -> tuple[int, int]:
    """Row and column of the pixel that is moved."""
    return photo.shape[1] // 2, photo.shape[2] // 2


@demo(
    alpha=LogSlider(
        "α", 1000, 1, 1e5, "Sharper: the soft histogram nears the counts, and the pull falls apart."
    ),
    bins=BINS,
    bandwidth=Choice(
        "B, bandwidth", "1", ("1", "L / 2.5"), "Only α / B matters: L / 2.5 needs another α."
    ),
    extent=Choice(
        "range of the bins", "0 to 1", tuple(RANGES), "Does each level have a bin of its own?"
    ),
    outside=Choice(
        "outside the range", "drop", ("drop", "clamp", "reflect"), "The pull at both ends."
    ),
    pixel=Slider(
        "pixel at, intensity", 0.3, 0, 1, "Close up: how it moves from bin to bin.", step=0.001
    ),
    photo=Photograph(hint="Which parts are made lighter, which darker?"),
    target=Photograph(
        "target", "chelsea", "With the photograph itself, only the picked pixel is out of place."
    ),
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
    lens = lens_of(alpha, bins, bandwidth, extent, outside)
    view = look(photo, target, lens, pixel)
    pull = lens.pull(view.values, view.gap.sign())

    figure, (left, heights, map_, cdfs, close, pulls) = subplots(
        3,
        2,
        height=6.6,
        widths=(1, 1.65),
        heights=(1.2, 1.2, 1),
        gaps=(0.8, 0.45),
        margins=(0.65, 0.25, 0.35, 0.55),
    )
    _draw_pictures(left, map_, photo, pixel, pull)
    _draw_histograms(heights, view, lens)
    _draw_gap(cdfs, view, lens)
    _draw_pull(pulls, view, lens, float(pull[-1]))
    _draw_close_up(close, view, lens)
    for axes in (heights, cdfs, pulls):
        axes.axvline(pixel, color=MARK, linestyle=":", linewidth=2)
        axes.set_xlim(0, 1)
    pulls.set_xticks((0, 0.5, 1))
    return Frame(figure, _caption(view, lens, pull))


def lens_of(alpha: float, bins: int, bandwidth: str, extent: str, outside: Outside) -> Lens:
    """The lens that the controls' values stand for."""
    lens = Lens(bins, alpha, RANGES[extent], outside)
    return lens if bandwidth == "1" else lens._replace(slope=2.5 * alpha / lens.bin_width)


def _draw_pictures(left: Axes, right: Axes, photo: Tensor, x: float, pull: Tensor) -> None:
    """The picture and the pull on each of its pixels; a dot for the picked one."""
    stride = math.ceil(max(photo.shape) / SIDE)
    shown = green(photo)[::stride, ::stride]
    felt = float(pull[-1] / (2 * MAP_TOP) + 0.5)
    row, column = (side // stride for side in center(photo))
    left.imshow(shown.numpy(), cmap="gray", vmin=0, vmax=255)
    right.imshow(pull[shown].numpy(), cmap=DIVERGING, vmin=-MAP_TOP, vmax=MAP_TOP)
    for axes, fill in ((left, str(x)), (right, colormaps[DIVERGING](felt))):
        axes.plot(column, row, "o", color=MARK, markerfacecolor=fill, markersize=9, mew=2)
        axes.set(anchor="W")
        axes.set_axis_off()
    left.set_title("The picture (green)")
    right.set_title("Orange: made lighter. Purple: darker")


def _draw_histograms(axes: Axes, view: View, lens: Lens) -> None:
    """Counted, soft, the target's, and the picked pixel's kernel (not to scale)."""
    counted = view.shares @ hard_histogram(view.values[:, None], lens.bins, range=lens.range)
    wanted, alone = in_bins(view.wanted), in_bins(view.pixel)
    top = nice(110 * float(torch.stack([counted, wanted]).quantile(0.98, dim=1).max()))
    filled_steps(axes, 100 * counted, lens.edges, color=COUNTS, alpha=0.35)
    filled_steps(axes, 0.7 * top / alone.max() * alone, lens.edges, color=MARK, alpha=0.4)
    steps(axes, 100 * in_bins(view.cdf), lens.edges, color=OURS, linewidth=1.3)
    steps(axes, 100 * wanted, lens.edges, ls=DASHES, color=TARGET, linewidth=1.1)
    axes.set(ylim=(0, top), yticks=(0, top / 2, top), ylabel="% of pixels")
    axes.set_title("Histogram: counted (grey), soft (line), target (dashed)")
    axes.xaxis.set_visible(False)


def _draw_gap(axes: Axes, view: View, lens: Lens) -> None:
    """The area between the CDFs, in the colour of the pull that comes of it."""
    edges = lens.edges.numpy()
    cdf, wanted = (np.append(0, below) for below in (view.cdf, view.wanted))
    for color, there in ((LIGHTER, cdf > wanted), (DARKER, cdf < wanted)):
        axes.fill_between(edges, cdf, wanted, there, True, color=color, alpha=0.5, linewidth=0)
    axes.plot(edges, cdf, color=OURS, linewidth=1.5)
    axes.plot(edges, wanted, color=TARGET, linewidth=1.5, linestyle=DASHES)
    axes.set(ylim=(0, 1.05), yticks=(0, 0.5, 1), ylabel="share below")
    axes.set_title("CDFs: the area between is the EMD")
    caption = f"EMD {view.emd:.1f} bins = {view.emd * lens.bin_width:.3f}"
    axes.text(0.98, 0.1, caption, transform=axes.transAxes, ha="right")
    axes.xaxis.set_visible(False)


def _draw_pull(axes: Axes, view: View, lens: Lens, felt: float) -> None:
    """The pull on a pixel at every intensity, and on the picked one."""
    points = fine_row(lens)
    along = lens.pull(points, view.gap.sign()).clamp(-TOP, TOP).numpy()
    axes.fill_between(points.numpy(), along.clip(min=0), color=LIGHTER, linewidth=0.8)
    axes.fill_between(points.numpy(), along.clip(max=0), color=DARKER, linewidth=0.8)
    axes.axhline(0, color=FAINT, linewidth=1)
    x = float(view.values[-1])
    axes.plot(x, max(-TOP, min(felt, TOP)), "o", color=MARK, mec="white", zorder=3, clip_on=False)
    axes.text(
        0.98, 0.85, f"on the pixel: {felt:+.2f}", transform=axes.transAxes, ha="right", bbox=PLATE
    )
    axes.set(ylim=(-TOP - 0.1, TOP + 0.1), yticks=(-1, 0, 1))
    axes.set(xlabel="intensity", ylabel="pull (exact: ±1)", title="The pull on a pixel there")


def _draw_close_up(axes: Axes, view: View, lens: Lens) -> None:
    """The picked pixel's kernel, its share of each bin, and what each edge adds to its pull."""
    step = lens.slope * lens.bin_width
    places = (lens.edges - view.values[-1]) / lens.bin_width
    near = torch.nonzero(places.abs() < REACH + 1)[:, 0]
    shares = in_bins(view.pixel)[near[:-1]]
    filled_steps(axes, shares, places[near], color=MARK, alpha=0.4)
    row = torch.linspace(-REACH, REACH, 501, dtype=torch.float64)
    axes.plot(row.numpy(), kernel(step, row).numpy(), color=MARK, linewidth=1.5)
    near = near[near > 0]  # the CDF starts at the first edge
    heights = kernel(step, places[near])
    for color, sign in ((LIGHTER, 1), (DARKER, -1)):
        some = view.gap[near - 1].sign() == sign
        axes.vlines(places[near][some].numpy(), 0, heights[some].numpy(), color=color, lw=3)
    axes.set(xlim=(-REACH, REACH), ylim=(0, 1.15), yticks=(0, 0.5, 1))
    axes.set(xlabel="bins from the pixel", ylabel="share, pull", title="The pixel, close up")


def in_bins(cdf: Tensor) -> Tensor:
    """The histogram of a CDF."""
    return cdf.diff(prepend=cdf.new_zeros(1))


def fine_row(lens: Lens) -> Tensor:
    """Intensities that miss no bump of the pull, however narrow."""
    offsets = LEVELS.new_tensor([-8, -3, -1, 0, 1, 3, 8]) / lens.slope
    offsets = offsets[offsets.abs() < lens.bin_width / 2]
    near = (lens.edges[:, None] + offsets).flatten()
    middles = (lens.edges[1:] + lens.edges[:-1]) / 2
    return torch.cat([near, middles]).clamp(0, 1).unique()


def kernel(step: float, places: Tensor) -> Tensor:
    """Eq. 2, for s L = step, at so many bins from the pixel; its integral is 1."""
    return step * (step * places).sigmoid() * (-step * places).sigmoid()


def _caption(view: View, lens: Lens, pull: Tensor) -> str:
    loss, felt = view.emd, float(pull[-1])
    ripple = gradient_ripple(lens.bins, alpha=lens.slope, range=lens.range)
    dead = float(view.shares[pull.abs() < FAIR].sum())
    feels = "no pull" if abs(felt) < 0.005 else f"a pull of {felt:+.2f}"
    return (
        f"EMD {loss:.1f} of {lens.bins} bins = {loss * lens.bin_width:.3f} in intensity. "
        f"Ripple {ripple:,.0%}; {dead:.0%} of the pixels feel less than a tenth of the exact EMD's "
        f"pull. The pixel at {float(view.values[-1]):.3f} feels {feels}."
    )
