"""The first figures of notebooks 00 and 01: counted pixels, and why counts have no slope."""

from functools import lru_cache, partial

import torch
from matplotlib.axes import Axes
from torch import Tensor

from histmatch_lab.demos import shared, style
from histmatch_lab.demos.controls import Choice, LogSlider, Photograph, Slider
from histmatch_lab.demos.demo import Frame, demo
from histmatch_lab.distances import emd
from histmatch_lab.histogram import bin_centers, bin_edges, hard_histogram, soft_histogram

FEW_BINS = 16  # of the figure on brightening
GOAL = 0.1  # its target: brighter by so much


@demo(
    alpha=LogSlider("α", 100.0, 10.0, 3000.0, "where the orange line leaves the grey bars"),
    photo=Photograph(hint="which photograph has tall thin bars, and where"),
)
def soft_against_counted(alpha: float, photo: Tensor) -> Frame:
    """Red, green and blue of a photograph, counted and soft."""
    names = shared.CHANNEL_NAMES
    counts = torch.stack([shared.count_channel(photo, name) for name in names])
    soft = soft_histogram(photo.flatten(1), alpha=alpha)
    figure, (image, *plots) = style.subplots(2, 2, height=5.2, gaps=(0.75, 0.8))
    style.picture(image, photo)
    top = 100 * float(counts.quantile(0.985))
    for axes, name, counted, estimate in zip(plots, names, counts, soft, strict=True):
        shared.draw_counts(axes, counted)
        axes.plot(bin_centers(), 100 * estimate, color=style.OURS, lw=1.5, label="soft")
        shared.label_axes(axes, top, name, "share of pixels, %")
    plots[0].legend(loc="upper right")
    gap = (soft - counts).abs().sum(-1)
    caption = (
        f"With α = {alpha:.0f}, the gaps between the soft line and the bars add up to "
        f"{100 * float(gap.mean()):.0f} % of the pixels; the widest are in "
        f"{names[int(gap.argmax())]}. K = 256 bins; bars that leave the frame are cut off."
    )
    return Frame(figure, caption)


@demo(
    bins=Slider("bins K", 32, 2, 256, "the bars: low and ragged, or high and coarse", step=1),
    column=Slider("column, %", 80, 0, 100, "in which bin is the pixel under the cross?", step=1),
    row=Slider("row, %", 25, 0, 100, "in which bin is the pixel under the cross?", step=1),
    channel=Choice("channel", "green", shared.CHANNEL_NAMES, "the same pixel is in another bin"),
    photo=Photograph(hint="dark pictures lean to the left, bright ones to the right"),
)
def count_pixels(bins: int, column: int, row: int, channel: str, photo: Tensor) -> Frame:
    """A photograph's pixels, counted."""
    values = shared.channel_of(photo, channel)
    y, x = ((at * (size - 1)) // 100 for at, size in zip((row, column), values.shape, strict=True))
    value = float(values[y, x])
    counts = shared.count_channel(photo, channel, bins)
    k = shared.bin_of(value, bins)

    figure, (image, axes) = style.subplots(1, 2, height=3.4, widths=(1, 1.15), gaps=(0.75, 0))
    style.picture(image, photo)
    for line, at in ((image.axvline, x), (image.axhline, y)):
        line(at, color="white", lw=2.6)
        line(at, color=style.MARK, lw=1.4)
    shared.draw_counts(axes, counts)
    style.filled_steps(axes, 100 * counts[k : k + 1], [k / bins, (k + 1) / bins], color=style.MARK)
    axes.axvline(value, color=style.MARK, lw=1.4, ls=(0, (4, 3)))
    axes.plot(value, 0, "^", color=style.MARK, ms=10, clip_on=False, zorder=5)
    highest = 100 * float(counts.max())
    shared.label_axes(axes, highest, "The counted histogram", "share of pixels, %")
    caption = (
        f"Column {x}, row {y}: I(p) = {value:.4f} in the {channel} channel. That is bin k = {k} "
        f"of {bins}, from {k / bins:.4f} to {(k + 1) / bins:.4f}, which holds "
        f"{100 * float(counts[k]):.2f} % of the pixels."
    )
    return Frame(figure, caption)


@demo(
    shift=Slider("brighten by", 0.03, 0.0, 0.2, "which dot moves with every step?", step=0.001),
    pixels=Choice("pixels", 10, (1, 10, 1000), "do the stairs vanish, or only get smaller?"),
    photo=Photograph(hint="the stairs are there in every photograph"),
)
def brighten(shift: float, pixels: int, photo: Tensor) -> Frame:
    """A loss on counts has no slope."""
    values = _random_greens(photo, pixels)
    shifts, hard, soft = _staircase(photo, pixels)
    at = int((shifts - shift).abs().argmin())
    figure, (left, right) = style.subplots(1, 2, height=3.3, gaps=(0.8, 0))
    _draw_brightened(left, values, shift)
    right.plot(shifts, hard, color=style.COUNTS, lw=1.8, label="counted")
    right.plot(shifts, soft, color=style.OURS, lw=1.5, label="soft")
    right.plot(shift, hard[at], "o", color=style.COUNTS, ms=11)
    right.plot(shift, soft[at], "o", color=style.OURS, ms=7)
    right.set(xlim=(0, 0.2), ylim=(0, 2.5), xlabel="brighten by", ylabel="distance, bins")
    right.set(xticks=(0, 0.05, 0.1, 0.15, 0.2), title="Distance to the target (Eq. 5)")
    right.legend(loc="upper right")
    before, after = max(at - 1, 0), min(at + 1, len(shifts) - 1)
    jump = float(hard[after] - hard[before])
    slope = float((soft[after] - soft[before]) / (shifts[after] - shifts[before]))
    counted = "no slope here" if abs(jump) < 1e-6 else f"a jump of {jump:+.2f} bins right here"
    caption = (
        f"{len(values)} pixel{'s' * (len(values) > 1)}, brightened by {shift:.3f}: the counts are "
        f"{float(hard[at]):.2f} bins away from the target and have {counted}; the soft histogram "
        f"is {float(soft[at]):.2f} bins away, with a slope of {slope:+.0f} bins per unit of "
        "intensity."
    )
    return Frame(figure, caption)


def _draw_brightened(axes: Axes, values: Tensor, shift: float) -> None:
    before, now, target = (hard_histogram(values + by, FEW_BINS) for by in (0.0, shift, GOAL))
    shared.draw_counts(axes, now)
    style.steps(axes, 100 * target, bin_edges(FEW_BINS), color=style.TARGET, label="target")
    shared.label_axes(axes, 130 * float(before.max()), "K = 16 bins", "share of pixels, %")
    axes.legend(loc="upper left")


def _random_greens(photo: Tensor, pixels: int) -> Tensor:
    """The green values of so many pixels, picked at random."""
    green = shared.channel_of(photo, "green").flatten()
    return green[shared.random_order(len(green), seed=0)[:pixels]]


@lru_cache(maxsize=16)
def _staircase(photo: Tensor, pixels: int) -> tuple[Tensor, ...]:
    """Shifts from 0 to 0.2, and at each the distance to the target, counted and soft."""
    values = _random_greens(photo, pixels)
    shifts = torch.linspace(0, 0.2, 801)
    # As steep in units of a bin as the paper's alpha = 1000 at K = 256.
    alpha = shared.PAPER_ALPHA * FEW_BINS / shared.PAPER_BINS
    soft = partial(soft_histogram, alpha=alpha, outside="clamp")
    pairs = (
        (histogram(values + shifts[:, None], FEW_BINS), histogram(values + GOAL, FEW_BINS))
        for histogram in (hard_histogram, soft)
    )
    return shifts, *(emd(p, q.expand_as(p)) for p, q in pairs)
