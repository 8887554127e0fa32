"""Notebook 02: alpha, K and B, estimation error against usable gradient (Eq. 1-5, errata 3 and 4).

Photographs are taken here as an 8-bit screen shows them: one of 256 levels for each pixel.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import torch
from matplotlib.axes import Axes
from torch import Tensor

from histmatch_lab.demos.controls import Choice, LogSlider, Photograph, Slider
from histmatch_lab.demos.demo import Frame, demo
from histmatch_lab.demos.style import (
    COUNTS,
    FAINT,
    MARK,
    OURS,
    filled_steps,
    picture,
    steps,
    subplots,
)
from histmatch_lab.histogram import (
    Outside,
    bin_edges,
    emd,
    hard_histogram,
    pixel_gradient,
    soft_histogram,
)

DEAD = 0.01  # of the fair pull: less than this counts as none
WINDOW = 0.06

ALPHA = LogSlider("α", 1000, 1, 1e6, "The bumps of the pull: when do they come apart?")
BINS = Choice("K, bins", 256, (16, 50, 100, 256), "Fewer bins at the same α: the dead zones open.")
PHOTO = Photograph("photograph", "astronaut", "A picture with deep shadows, and one without.")
CHANNEL = Choice(
    "channel", "red", ("red", "green", "blue"), "The same settings on another channel."
)


class Estimate(NamedTuple):
    """The counted and the soft histogram of one channel, both (bins,)."""

    counts: Tensor
    soft: Tensor

    @property
    def emd(self) -> float:
        """In bins."""
        return float(emd(self.soft, self.counts))

    @property
    def l1(self) -> float:
        return float((self.soft - self.counts).abs().sum())

    @property
    def leak(self) -> float:
        """The share of the soft histogram's mass that is in no bin."""
        return 1 - float(self.soft.double().sum())


@lru_cache(maxsize=16)
def pixels(photo: Tensor, channel: str) -> Tensor:
    """One channel of a photograph, rounded to 8-bit levels v/255: (3, H, W) -> (N,)."""
    index = ("red", "green", "blue").index(channel)
    return photo[index].flatten().mul(255).round().div(255)


@lru_cache(maxsize=16)
def levels(photo: Tensor, channel: str) -> tuple[Tensor, Tensor]:
    """The levels that occur in a channel, and the share of the pixels at each."""
    values, counts = pixels(photo, channel).unique(return_counts=True)
    return values.double(), counts.double() / counts.sum()


@lru_cache(maxsize=64)
def estimate(
    photo: Tensor, channel: str, bins: int, slope: float, outside: Outside = "drop"
) -> Estimate:
    """What counting and the soft histogram with s = `slope` say about a channel."""
    # A histogram is a mean over pixels, and there are only 256 different ones.
    values, shares = levels(photo, channel)
    soft = soft_histogram(values[:, None], bins, alpha=slope, outside=outside)
    return Estimate(shares @ hard_histogram(values[:, None], bins), shares @ soft)


def share_where(photo: Tensor, channel: str, mask: Tensor) -> float:
    """The share of the pixels whose level is in `mask`, one truth value for each of `levels`."""
    return float(levels(photo, channel)[1][mask].sum())


@demo(
    alpha=ALPHA,
    bins=BINS,
    bandwidth=Choice(
        "B, bandwidth", "1", ("1", "L / 2.5"), "α on top of DeepHist's B = L / 2.5: a hard step."
    ),
    outside=Choice(
        "outside [0, 1]", "drop", ("drop", "clamp", "reflect"), "The pull at the black end."
    ),
    photo=PHOTO,
    channel=CHANNEL,
    window=Slider(
        "window starts at", 0.3, 0, 0.94, "The ends of the range differ from the middle."
    ),
)
def alpha_explorer(
    alpha: float,
    bins: int,
    bandwidth: str,
    outside: Outside,
    photo: Tensor,
    channel: str,
    window: float,
) -> Frame:
    """Alpha explorer: the histogram's error above, the pull on each pixel below."""
    slope = alpha if bandwidth == "1" else alpha * 2.5 * bins
    found = estimate(photo, channel, bins, slope, outside)
    felt = pixel_gradient(levels(photo, channel)[0], bins, alpha=slope, outside=outside)
    dead = share_where(photo, channel, felt.abs() < DEAD)
    wrong = share_where(photo, channel, felt <= -DEAD)

    figure, (top_left, zoom, whole, below) = subplots(
        2, 2, height=5.4, widths=(1, 1.75), gaps=(0.8, 0.75), margins=(0.7, 0.3, 0.4, 0.6)
    )
    picture(top_left, photo)
    edges = bin_edges(bins)
    draw_histograms(whole, found, edges, nice(1.3 * float(found.counts.quantile(0.99))))
    whole.axvspan(window, window + WINDOW, fc=(MARK, 0.3), ec=MARK, linewidth=1)
    whole.set(xlim=(0, 1), xticks=(0, 0.5, 1), title="The whole channel")
    whole.text(0.97, 0.93, f"soft sum {1 - found.leak:.3f}", transform=whole.transAxes, ha="right")
    inside = (edges[:-1] < window + WINDOW) & (edges[1:] > window)
    draw_histograms(zoom, found, edges, nice(1.3 * float(found.counts[inside].max())))
    zoom.set(xlim=(window, window + WINDOW), title="The window: counted and soft")
    zoom.legend(loc="upper right", ncols=2)
    _draw_pull(below, window, bins, slope, outside)
    caption = (
        f"K = {bins}, slope s = {slope:.4g}, s L = {slope / bins:.3g}: the soft histogram is "
        f"{found.emd:.2f} bins (EMD) and {found.l1:.3f} (L1) from the counts, and "
        f"{found.leak:.1%} of its mass leaks out of [0, 1]. "
        f"{dead:.1%} of the pixels feel less than 1 % of the fair pull"
        + (f", and {wrong:.1%} are pulled the wrong way." if wrong else ".")
    )
    return Frame(figure, caption)


def draw_histograms(axes: Axes, found: Estimate, edges: Tensor, limit: float) -> None:
    """Counts in grey, the soft histogram over it; `limit` is the top of the axis as a share."""
    percent = 100 * limit
    filled_steps(axes, 100 * found.counts, edges, color=COUNTS, alpha=0.4, label="counted")
    steps(axes, 100 * found.soft, edges, color=OURS, linewidth=1.5, label="soft")
    axes.set(ylim=(0, percent), yticks=(0, percent / 2, percent))
    axes.set(xlabel="intensity", ylabel="% of pixels")


def _draw_pull(axes: Axes, window: float, bins: int, slope: float, outside: Outside) -> None:
    x = points_between(window, window + WINDOW, bins, slope)
    y = pixel_gradient(x, bins, alpha=slope, outside=outside)
    dead = (y.abs() < DEAD).numpy()
    axes.fill_between(x.numpy(), -0.5, 2.5, where=dead, color=FAINT, alpha=0.6, linewidth=0)
    axes.axhline(1, color=COUNTS, linewidth=1, linestyle="--")
    axes.plot(x, y.clamp(-10, 10), color=OURS)
    axes.set(xlim=(window, window + WINDOW), ylim=(-0.5, 2.5), yticks=(0, 1, 2))
    axes.set(xlabel="intensity", ylabel="pull (fair: 1)", title="The pull on a pixel; grey: none")


def points_between(low: float, high: float, bins: int, slope: float, width: float = 1.0) -> Tensor:
    """Points that miss no bump, however narrow: an even row, and a close one at each edge.

    The bins share the range (0, width).
    """
    even = torch.linspace(low, high, 500, dtype=torch.float64)
    edges = bin_edges(bins, range=(0, width), dtype=torch.float64)
    near = edges[(edges > low - 20 / slope) & (edges < high + 20 / slope), None]
    close = near + torch.linspace(-16, 16, 65, dtype=torch.float64) / slope
    points = torch.cat([even, close.flatten()]).sort().values
    return points[(points >= low) & (points <= high)]


def nice(value: float) -> float:
    """The next of 1, 2, 3, 5 times a power of ten: limits, and so the frame, seldom change."""
    power = 10 ** math.floor(math.log10(max(value, 1e-6)))
    return next(n * power for n in (1, 2, 3, 5, 10) if n * power >= value * (1 - 1e-9))
