"""The first figures of notebooks 00 and 01: counted pixels, and why counts have no slope."""

from __future__ import annotations

import math
from functools import lru_cache, partial

import torch
from matplotlib.axes import Axes
from torch import Tensor

from histmatch_lab.demos import style
from histmatch_lab.demos.controls import Choice, LogSlider, Photograph, Slider
from histmatch_lab.demos.demo import Frame, demo
from histmatch_lab.histogram import bin_centers, bin_edges, emd, hard_histogram, soft_histogram

CHANNELS = ("red", "green", "blue")
PAPER_ALPHA = 1000.0


@demo(
    alpha=LogSlider(
        "α", 100.0, 10.0, 3000.0, "where the orange line leaves the grey bars and meets them again"
    ),
    photo=Photograph(hint="which photograph has tall thin bars, and where"),
)
def soft_against_counted(alpha: float, photo: Tensor) -> Frame:
    """Red, green and blue of a photograph, counted and soft."""
    counts = _counted_channels(photo)
    soft = soft_histogram(photo.flatten(1), alpha=alpha)
    figure, (image, *plots) = style.subplots(2, 2, height=5.2, gaps=(0.75, 0.8))
    style.picture(image, photo)
    roof = roof_above(float(counts.quantile(0.985)))
    for axes, name, counted, estimate in zip(plots, CHANNELS, counts, soft, strict=True):
        draw_bars(axes, counted, label="counted")
        axes.plot(bin_centers(), 100 * estimate, color=style.OURS, lw=1.5, label="soft")
        label_axes(axes, roof, name, "share of pixels, %")
    plots[0].legend(loc="upper right")
    gap = (soft - counts).abs().sum(-1)
    widest = CHANNELS[int(gap.argmax())]
    caption = (
        f"With α = {alpha:.0f}, the gaps between the soft line and the bars add up to "
        f"{100 * float(gap.mean()):.0f} % of the pixels; the widest are in {widest}. "
        f"K = 256 bins; bars that leave the frame are cut off."
    )
    return Frame(figure, caption)


@demo(
    bins=Slider(
        "bins K", 32, 2, 256, "the bars: many, low and ragged, or few, high and coarse", step=1
    ),
    column=Slider(
        "column, %", 80, 0, 100, "the marked bar: which bin has the pixel under the cross?", step=1
    ),
    row=Slider(
        "row, %", 25, 0, 100, "the marked bar: which bin has the pixel under the cross?", step=1
    ),
    channel=Choice(
        "channel", "green", CHANNELS, "the same pixel lies in another bin of each channel"
    ),
    photo=Photograph(hint="dark pictures lean to the left, bright ones to the right"),
)
def count_pixels(bins: int, column: int, row: int, channel: str, photo: Tensor) -> Frame:
    """A photograph's pixels, counted."""
    values = channel_values(photo, channel)
    y, x = ((at * (size - 1)) // 100 for at, size in zip((row, column), values.shape, strict=True))
    value = float(values[y, x])
    counts = count_channel(photo, channel, bins)
    k = bin_of(value, bins)

    figure, (image, axes) = style.subplots(1, 2, height=3.4, widths=(1, 1.15), gaps=(0.75, 0))
    style.picture(image, photo)
    for draw, at in ((image.axvline, x), (image.axhline, y)):
        draw(at, color="white", lw=2.6)
        draw(at, color=style.MARK, lw=1.4)
    draw_bars(axes, counts)
    style.filled_steps(axes, 100 * counts[k : k + 1], [k / bins, (k + 1) / bins], color=style.MARK)
    axes.axvline(value, color=style.MARK, lw=1.4, ls=(0, (4, 3)))
    axes.plot(value, 0, "^", color=style.MARK, ms=10, clip_on=False, zorder=5)
    label_axes(axes, roof_above(float(counts.max())), "The counted histogram", "share of pixels, %")
    caption = (
        f"Column {x}, row {y}: I(p) = {value:.4f} in the {channel} channel. That is bin k = {k} "
        f"of {bins}, from {k / bins:.4f} to {(k + 1) / bins:.4f}, which holds "
        f"{100 * float(counts[k]):.2f} % of the pixels."
    )
    return Frame(figure, caption)


@demo(
    shift=Slider(
        "brighten by", 0.03, 0, 0.2, "the two dots: which moves with every step?", step=0.001
    ),
    pixels=Choice(
        "pixels", 10, (1, 10, 1000), "do more pixels make the stairs vanish, or only smaller?"
    ),
    photo=Photograph(hint="the stairs are there in every photograph"),
)
def brighten(shift: float, pixels: int, photo: Tensor) -> Frame:
    """A loss on counts has no slope."""
    bins, goal = 16, 0.1
    shifts, hard, soft = _staircase(photo, pixels, bins, goal)
    values = shuffled_green(photo)[0][:pixels]
    at = int((shifts - shift).abs().argmin())
    figure, (left, right) = style.subplots(1, 2, height=3.3, gaps=(0.8, 0))
    moved, target = (hard_histogram(values + by, bins) for by in (shift, goal))
    draw_bars(left, moved, label="brightened, counted")
    style.steps(
        left, 100 * target, bin_edges(bins), color=style.TARGET, lw=1.8, label="target, counted"
    )
    label_axes(left, roof_above(1.3 * float(hard_histogram(values, bins).max())), "K = 16 bins")
    left.set_ylabel("share of pixels, %")
    left.legend(loc="upper left")
    right.plot(shifts, hard, color=style.COUNTS, lw=1.8, label="counted")
    right.plot(shifts, soft, color=style.OURS, lw=1.5, label="soft")
    right.plot(shift, hard[at], "o", color=style.COUNTS, ms=11)
    right.plot(shift, soft[at], "o", color=style.OURS, ms=7)
    right.set(xlim=(0, 0.2), ylim=(0, 2.5), xlabel="brighten by", ylabel="distance, bins")
    right.set_xticks((0, 0.05, 0.1, 0.15, 0.2))
    right.set_title("Distance to the target (Eq. 5)")
    right.legend(loc="upper right")
    before, after = max(at - 1, 0), min(at + 1, len(shifts) - 1)
    step = float(shifts[after] - shifts[before])
    jump = float(hard[after] - hard[before])
    slope = float(soft[after] - soft[before]) / step
    counted = "no slope here" if abs(jump) < 1e-6 else f"a jump of {jump:+.2f} bins right here"
    caption = (
        f"{len(values)} pixel{'s' * (len(values) > 1)}, brightened by {shift:.3f}: the counts are "
        f"{float(hard[at]):.2f} bins away from the target and have {counted}; the soft histogram "
        f"is {float(soft[at]):.2f} bins away, with a slope of {slope:+.0f} bins per unit of "
        "intensity."
    )
    return Frame(figure, caption)


def channel_values(photo: Tensor, name: str) -> Tensor:
    return photo[CHANNELS.index(name)]


def bin_of(value: float, bins: int) -> int:
    return int(hard_histogram(torch.tensor([value]), bins).argmax())


def draw_bars(axes: Axes, shares: Tensor, label: str | None = None) -> None:
    edges = bin_edges(len(shares))
    style.filled_steps(axes, 100 * shares, edges, color=style.FAINT, label=label)


def label_axes(axes: Axes, roof: float, title: str, ylabel: str = "") -> None:
    axes.set(xlim=(0, 1), ylim=(0, roof), xlabel="intensity", ylabel=ylabel)
    axes.set(xticks=(0, 0.25, 0.5, 0.75, 1), yticks=(0, roof / 2, roof), title=title)


def roof_above(share: float) -> float:
    """An upper limit in percent, on a coarse ladder: few limits, so that frames stay cached."""
    wanted = max(112 * share, 1e-6)
    unit = 10 ** math.floor(math.log10(wanted))
    return next(step * unit for step in (1, 1.5, 2, 3, 5, 7, 10) if step * unit >= wanted)


@lru_cache(maxsize=64)
def count_channel(photo: Tensor, channel: str, bins: int) -> Tensor:
    return hard_histogram(channel_values(photo, channel).flatten(), bins)


@lru_cache(maxsize=16)
def _counted_channels(photo: Tensor) -> Tensor:
    return hard_histogram(photo.flatten(1))


@lru_cache(maxsize=16)
def shuffled_green(photo: Tensor) -> tuple[Tensor, Tensor]:
    """The green values in an order that never changes, and that order."""
    order = torch.randperm(photo[1].numel(), generator=torch.Generator().manual_seed(0))
    return photo[1].flatten()[order], order


@lru_cache(maxsize=16)
def _staircase(photo: Tensor, pixels: int, bins: int, goal: float) -> tuple[Tensor, ...]:
    """Shifts from 0 to 0.2, and at each the distance to the target, counted and soft."""
    values = shuffled_green(photo)[0][:pixels]
    shifts = torch.linspace(0, 0.2, 801)
    moved = values + shifts[:, None]
    # As steep in units of a bin as the paper's alpha = 1000 at K = 256.
    soft = partial(soft_histogram, alpha=PAPER_ALPHA * bins / 256, outside="clamp")
    estimates = (hard_histogram, soft)
    pairs = ((f(moved, bins), f(values + goal, bins)) for f in estimates)
    return shifts, *(emd(p, q.expand_as(p)) for p, q in pairs)
