"""What the figures of several notebooks share: controls, a photograph's numbers, the pull, axes."""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple, get_args

import torch
from matplotlib.axes import Axes
from torch import Tensor

from histmatch_lab.data.images import shrink, to_levels
from histmatch_lab.demos.controls import Choice, Photograph
from histmatch_lab.demos.style import CHANNEL_MARKS, CHANNELS, COUNTS, FAINT, OURS, filled_steps
from histmatch_lab.distances import emd
from histmatch_lab.histogram import (
    Outside,
    Range,
    bin_centers,
    bin_edges,
    hard_histogram,
    soft_cdf,
    soft_histogram,
)
from histmatch_lab.recipe import RANGES
from histmatch_lab.training.evaluation import psnr

PAPER_ALPHA, PAPER_BINS = 1000.0, 256
SEARCHED_BINS = (50, 100, 256)  # the paper's grid search, at alpha = 1000
DEAD = 0.01  # of the exact EMD's pull: less counts as none
WEAK = 0.1  # of the exact EMD's pull: with less, a pixel hardly moves
TOP = 2.2  # the strongest pull that is drawn to scale
LIGHTER, DARKER = "#E3B505", "#7A6BAF"  # half-way to the ends of the diverging map

FROM_FAR = (-8, -3, -1, 0, 1, 3, 8)  # `near` of `dense_points`
CLOSE_UP = tuple(i / 2 for i in range(-32, 33))

CHANNEL_NAMES = ("red", "green", "blue")
LEVELS = torch.arange(256, dtype=torch.float64) / 255  # the intensities of an 8-bit picture
BIN_RANGES: dict[str, Range] = {
    "0 to 1": RANGES["unit"],
    "8-bit centred": RANGES["centred"],
}

OUTSIDE_MODES = get_args(Outside)
BINS_CHOICE = Choice("K, bins", 256, (16, 50, 100, 256), "Fewer at the same α: dead zones open.")
CHANNEL_CHOICE = Choice("channel", "red", CHANNEL_NAMES, "The same settings on another channel.")
PHOTO_CHOICE = Photograph("photograph", "astronaut", "One with deep shadows, one without.")
TARGET_CHOICE = Photograph("target", "china", "Another target: the pull changes sign elsewhere.")


def channel_of(photo: Tensor, channel: str) -> Tensor:
    """One channel by its name, (3, H, W) -> (H, W)."""
    return photo[CHANNEL_NAMES.index(channel)]


@lru_cache(maxsize=64)
def count_channel(photo: Tensor, channel: str, bins: int = PAPER_BINS) -> Tensor:
    """The hard histogram of one channel, (3, H, W) -> (bins,)."""
    return hard_histogram(channel_of(photo, channel).flatten(), bins)


def levels_of(photo: Tensor, channel: str) -> Tensor:
    """The 8-bit level, 0 to 255, of each pixel of a channel, (3, H, W) -> (H, W)."""
    return torch.from_numpy(to_levels(channel_of(photo, channel))).long()


def level_shares(photo: Tensor, channel: str) -> Tensor:
    """The share of a channel's pixels at each of `LEVELS`, (3, H, W) -> (256,)."""
    counts = levels_of(photo, channel).flatten().bincount(minlength=len(LEVELS))
    return counts.double() / counts.sum()


@lru_cache(maxsize=32)
def small(photo: Tensor, max_side: int = 300) -> Tensor:
    """(3, H, W) reduced to at most `max_side` pixels a side, so that a slider stays immediate."""
    return shrink(photo, max_side)


def random_order(count: int, seed: int) -> Tensor:
    """A permutation of 0 ... count - 1, the same each time."""
    return torch.randperm(count, generator=torch.Generator().manual_seed(seed))


def bin_of(value: float, bins: int) -> int:
    """The bin of [0, 1] in which a value is counted."""
    return int(hard_histogram(torch.tensor([value]), bins).argmax())


class Estimate(NamedTuple):
    """A channel's counted and soft histogram, (bins,), how far apart they are, and what leaks."""

    counts: Tensor
    soft: Tensor
    emd: float  # in bins
    l1: float
    leak: float  # the share of the soft histogram's mass that is in no bin


@lru_cache(maxsize=64)
def estimate(
    photo: Tensor, channel: str, bins: int, slope: float, outside: Outside = "drop"
) -> Estimate:
    """A channel's 8-bit levels counted, and their soft histogram with s = `slope`."""
    # A histogram is a mean over pixels, and there are only 256 different ones. In float32 first, as
    # in a photograph: a level on an edge then counts in the bin above for every K.
    shares, levels = level_shares(photo, channel), LEVELS.float().double()[:, None]
    counts = shares @ hard_histogram(levels, bins)
    soft = shares @ soft_histogram(levels, bins, alpha=slope, outside=outside)
    l1 = float((soft - counts).abs().sum())
    return Estimate(counts, soft, float(emd(soft, counts)), l1, 1 - float(soft.sum()))


def kernel(z: Tensor, slope: float) -> Tensor:
    """Eq. 2 at a distance z from the pixel: d/dz sigma(slope z), whose integral is 1."""
    return slope * (slope * z).sigmoid() * (-slope * z).sigmoid()


def channel_cdfs(image: Tensor, alpha: float = PAPER_ALPHA, outside: Outside = "clamp") -> Tensor:
    """The soft CDF of each channel with the paper's 256 bins, (C, H, W) -> (C, 256)."""
    return soft_cdf(image.flatten(1), PAPER_BINS, alpha=alpha, outside=outside)


def emd_of_cdfs(one: Tensor, other: Tensor) -> Tensor:
    """Eq. 5 in bins, (..., bins), (..., bins) -> (...)."""
    return (one - other).abs().sum(-1)


def pull_at(
    values: Tensor, sign: Tensor, *, alpha: float, outside: Outside, range: Range = (0.0, 1.0)
) -> Tensor:
    """Minus the gradient of Eq. 5 on a pixel at each of `values`, (M,) -> (M,).

    For N pixels it is -N dL/dI(p) with L in intensity: above 0 the loss makes the pixel lighter,
    and the exact EMD's pull is 1, 0 or -1. `sign` is that of CDF(picture) - CDF(target), (bins,);
    where it is 1 everywhere, this is `pixel_gradient`.
    """
    values = values.detach().requires_grad_()
    cdf = soft_cdf(values[:, None], len(sign), alpha=alpha, range=range, outside=outside)
    loss = (cdf @ sign).sum() * (range[1] - range[0]) / len(sign)
    return -torch.autograd.grad(loss, values)[0]


def dense_points(
    edges: Tensor, slope: float, span: Range = (0.0, 1.0), near: Sequence[float] = FROM_FAR
) -> Tensor:
    """Points of `span` that miss no bump of the pull, however narrow.

    near: where to look around an edge, in units of 1 / slope.
    """
    low, high = span
    middles = (edges[1:] + edges[:-1]) / 2
    offsets = edges.new_tensor(near) / slope
    offsets = offsets[offsets.abs() < (edges[1] - edges[0]) / 2]
    even = torch.linspace(low, high, 400, dtype=edges.dtype)
    points = torch.cat([even, middles, (edges[:, None] + offsets).flatten()]).unique()
    return points[(points >= low) & (points <= high)]


def nice_limit(value: float) -> float:
    """The next round number not below `value`: axes whose limits seldom change stay cached.

    >>> nice_limit(0.42), nice_limit(12)
    (0.5, 15.0)
    """
    power = 10 ** math.floor(math.log10(max(value, 1e-6)))
    return next(n * power for n in (1, 1.5, 2, 3, 5, 7, 10) if n * power >= value * (1 - 1e-9))


def draw_counts(axes: Axes, shares: Tensor, edges: Tensor | None = None) -> None:
    """A counted histogram in light grey, in percent of the pixels; over [0, 1] if not told else."""
    edges = bin_edges(len(shares)) if edges is None else edges
    filled_steps(axes, 100 * shares, edges, color=FAINT, label="counted")


def draw_pull(axes: Axes, x: Tensor, y: Tensor, low: float, high: float) -> None:
    """The pull y on a pixel at x, from x's first to its last; grey where there is none."""
    dead = (y.abs() < DEAD).numpy()
    axes.fill_between(x.numpy(), low, high, where=dead, color=FAINT, alpha=0.6, linewidth=0)
    axes.axhline(1, color=COUNTS, linewidth=1, linestyle="--")
    axes.plot(x, y.clamp(-20, 20), color=OURS)
    axes.set(xlim=(float(x[0]), float(x[-1])), ylim=(low, high), yticks=range(int(high) + 1))
    axes.set(xlabel="intensity", ylabel="pull (fair: 1)", title="The pull on a pixel; grey: none")


def fill_pull(axes: Axes, x: Tensor, y: Tensor, linewidth: float) -> None:
    """The pull y on a pixel at x, in the colour of its sign; a stronger one is drawn as `TOP`."""
    for low, high, color in ((0, TOP, LIGHTER), (-TOP, 0, DARKER)):
        axes.fill_between(x.numpy(), y.clamp(low, high).numpy(), color=color, linewidth=linewidth)
    axes.axhline(0, color=FAINT, linewidth=1)


def limit_heights(axes: Axes, highest: float, ylabel: str = "% of pixels") -> None:
    """Heights from 0 to a round limit not below `highest`, with a tick in the middle."""
    top = nice_limit(highest)
    axes.set(ylim=(0, top), yticks=(0, top / 2, top), ylabel=ylabel)


def label_axes(axes: Axes, highest: float, title: str, ylabel: str = "% of pixels") -> None:
    """The axes of a histogram over intensity, up to a round limit above `highest`."""
    axes.set(xlim=(0, 1), xticks=(0, 0.25, 0.5, 0.75, 1), xlabel="intensity", title=title)
    limit_heights(axes, 1.12 * highest, ylabel)


def label_cdf_axes(axes: Axes, title: str = "", ylabel: str = "share of pixels") -> None:
    """The axes of CDFs over intensity."""
    axes.set(xlim=(0, 1), xticks=(0, 0.5, 1), ylim=(0, 1.03), yticks=(0, 0.5, 1))
    axes.set(xlabel="intensity", ylabel=ylabel, title=title)


def decibels(image: Tensor, target: Tensor) -> float:
    """The PSNR of one picture, (3, H, W)."""
    return float(psnr(image[None], target[None]))


def smooth_histograms(image: Tensor) -> tuple[Tensor, Tensor]:
    """Centres, (64,), and shares, (3, 64), of a picture: smooth enough to be compared by eye."""
    shares = soft_histogram(image.flatten(1), 64, alpha=150.0, outside="clamp")
    return bin_centers(64), shares


def tone_axes(axes: Axes, *, margin: float = 0.05, **labels: Any) -> None:
    """Axes from intensity to intensity, with the diagonal where nothing changes."""
    axes.plot((0, 1), (0, 1), color=FAINT, linewidth=1, zorder=1)
    axes.set(xlim=(0, 1), xticks=(0, 0.5, 1), ylim=(-margin, 1 + margin), yticks=(0, 0.5, 1))
    axes.set(**labels)


def draw_dots(axes: Axes, x: Tensor, y: Tensor) -> None:
    """About 1000 of a picture's pixels, (3, H, W): y over x, a colour and a mark per channel."""
    every = slice(None, None, 1 + x[0].numel() // 1000)
    for one, other, name, color, mark in zip(x, y, "RGB", CHANNELS, CHANNEL_MARKS, strict=True):
        pixels = one.flatten()[every], other.flatten()[every]
        axes.plot(*pixels, mark, color=color, markersize=3, markeredgewidth=0.5, label=name)
    axes.legend(loc="lower right")
