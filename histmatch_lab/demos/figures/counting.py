"""Notebooks 00 and 01: counted pixels, why counts have no slope, and the kernels of Eq. 1-4."""

from functools import lru_cache, partial

import torch
from matplotlib.axes import Axes
from torch import Tensor

from histmatch_lab.data.images import to_levels
from histmatch_lab.demos import shared, style
from histmatch_lab.demos.controls import Choice, LogSlider, Photograph, Slider, Toggle
from histmatch_lab.demos.demo import Frame, demo
from histmatch_lab.distances import emd
from histmatch_lab.histogram import bin_centers, bin_edges, hard_histogram, soft_histogram

DEEPHIST_ALPHA = 640.0  # B = L/2.5 with alpha = 1 at K = 256: slope 640 on [0, 1]
FEW = 20  # so many kernels can still be told apart
FEW_BINS = 16  # of the figure on brightening
GOAL = 0.1  # its target: brighter by so much


@demo(
    alpha=LogSlider("α", 100.0, 10.0, 3000.0, "where the orange line leaves the grey bars"),
    photo=Photograph(hint="which photograph has tall thin bars, and where"),
    presets={"α = 100": {"alpha": 100.0}, "α = 1000": {"alpha": 1000.0}},
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
        shared.label_axes(axes, top, name)
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
    presets={f"K = {bins}": {"bins": bins} for bins in (32, 64, 200, 256)},
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
    shared.label_axes(axes, 100 * float(counts.max()), "The counted histogram")
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
    right.plot(shifts, soft, color=style.OURS, lw=1.5, label="soft, α = 62.5")
    right.plot(shift, hard[at], "o", color=style.COUNTS, ms=11)
    right.plot(shift, soft[at], "o", color=style.OURS, ms=7)
    right.set(
        xlim=(0, 0.2), ylim=(0, 2.5), xlabel="brighten by, intensity", ylabel="distance, bins"
    )
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
    shared.label_axes(axes, 130 * float(before.max()), "K = 16 bins")
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


@demo(
    pixels=LogSlider("pixels", 10.0, 1.0, 360_000.0, "single bumps that grow into one curve"),
    alpha=LogSlider("α", 60.0, 20.0, 1000.0, "narrow bumps follow every bar, wide ones smooth it"),
    photo=Photograph(hint="how many pixels it takes until the curve looks like the bars"),
    presets={
        "1 pixel": {"pixels": 1.0},
        "all pixels": {"pixels": 360_000.0},
        "all, α = 1000": {"pixels": 360_000.0, "alpha": 1000.0},
    },
)
def build_kde(pixels: float, alpha: float, photo: Tensor) -> Frame:
    """A density, built one pixel at a time."""
    green = shared.channel_of(photo, "green").flatten()
    picked = shared.random_order(len(green), seed=0)[: round(pixels)]
    values, count = green[picked], len(picked)
    at = bin_centers(512)
    density = 512 * soft_histogram(values, 512, alpha=alpha)
    counts = 256 * shared.count_channel(photo, "green")

    figure, (image, axes) = style.subplots(1, 2, height=3.4, widths=(1, 1.35), gaps=(0.75, 0))
    height, width = photo.shape[1:]
    shown = torch.zeros_like(green, dtype=torch.bool).index_fill(0, picked, True)
    style.picture(image, torch.where(shown.view(height, width), photo, 0.3 * photo + 0.6))
    style.filled_steps(axes, counts, bin_edges(256), color=style.FAINT, label="all pixels, counted")
    if count <= FEW:
        image.plot(picked % width, picked // width, "o", color=style.MARK, mec="w")
        for value in values:
            bump = shared.kernel(at - value, alpha) / count
            axes.plot(at, bump, color=style.MARK, lw=1.0, zorder=3)
        axes.plot(values, torch.zeros(count), "|", color=style.MARK, ms=14, mew=2)
    axes.plot(at, density, color=style.OURS, lw=2.6, label="sum of the kernels")
    highest = max(float(density.max()), float(counts.quantile(0.985)))
    shared.label_axes(axes, highest, "Eq. 1: one bump for each pixel", "density")
    axes.legend(loc="upper right")
    few = "1 pixel: its" if count == 1 else f"{count:,} pixels: their"
    caption = (
        f"{few} green value{'s' * (count > 1)} and their density (Eq. 1, its lost factor "
        f"restored), with α = {alpha:.0f} and B = 1. Each bump is {alpha / 4 / count:.3g} high; "
        f"the area under their sum within [0, 1] is {float(density.mean()):.3f}."
    )
    return Frame(figure, caption)


@demo(
    value=Slider("value I(p)", 0.43, 0.0, 1.0, "the bars hand over; what happens at 0 and at 1?"),
    alpha=LogSlider("α", 50.0, 5.0, 1000.0, "how many bins get a share of one pixel"),
    bins=Slider("bins K", 10, 2, 32, "narrow bins cut the same bump into more pieces", step=1),
    presets={
        "on an edge": {"value": 0.4, "bins": 10},
        "in a middle": {"value": 0.45, "bins": 10},
        "at 0": {"value": 0.0},
    },
)
def share_a_pixel(value: float, alpha: float, bins: int) -> Frame:
    """One pixel, shared among bins."""
    edges = bin_edges(bins)
    shares = soft_histogram(torch.tensor([value]), bins, alpha=alpha)
    figure, (top, bottom) = style.subplots(2, 1, height=4.4, gaps=(0, 0.4))
    at = torch.linspace(0, 1, 1001)
    height = shared.kernel(at - value, alpha)
    top.plot(at, height, color=style.MARK)
    own = shared.bin_of(value, bins)
    inside = (at >= edges[own]) & (at <= edges[own + 1])
    top.fill_between(at.numpy(), height.numpy(), color=style.MARK, alpha=0.15, lw=0)
    top.fill_between(at[inside].numpy(), height[inside].numpy(), color=style.MARK, alpha=0.45, lw=0)
    top.vlines(edges, 0, 1e4, color=style.FAINT, lw=0.8)
    shared.label_axes(top, alpha / 4, "Eq. 1 and 2: the kernel of one pixel", "density")
    top.xaxis.set_visible(False)
    style.filled_steps(bottom, shares, edges, color=style.OURS)
    bottom.vlines(edges, 0, 2, color=style.FAINT, lw=0.8)
    bottom.plot(value, 0, "^", color=style.MARK, ms=11, clip_on=False, zorder=5)
    shared.label_axes(bottom, 0.8, "Eq. 3: the area over each bin", "P(k)")
    caption = (
        f"I(p) = {value:.2f} lies in bin k = {own}, which gets {100 * float(shares[own]):.1f} % of "
        f"the pixel. {int((shares > 0.01).sum())} of {bins} bins get more than 1 % of it, and "
        f"{max(0.0, 100 * (1 - float(shares.sum()))):.1f} % falls outside [0, 1]."
    )
    return Frame(figure, caption)


@demo(
    centre=Slider("window at", 0.75, 0.1, 0.9, "spikes and gaps: there the kernels differ most"),
    width=Choice("window, bins", 40, (16, 40, 100), "from far, the two kernels look the same"),
    channel=Choice("channel", "green", shared.CHANNEL_NAMES, "which one has the tallest spikes"),
    stretched=Toggle("stretch contrast", hint="it leaves gaps between the bars; who fills them?"),
    photo=Photograph(hint="is the paper's kernel closer to the bars in every picture?"),
    presets={
        "as it is": {"stretched": False},
        "contrast stretched": {"stretched": True},
        "right end": {"stretched": False, "centre": 0.9},
    },
)
def figure_2(centre: float, width: int, channel: str, stretched: bool, photo: Tensor) -> Frame:
    """Fig. 2 of the paper on a photograph: counts, DeepHist's kernel, the paper's kernel."""
    counts, deephist, paper = _three_histograms(photo, channel, stretched)
    first = min(max(round(256 * centre) - width // 2, 0), 256 - width)
    window = slice(first, first + width)
    low, high = first / 256, (first + width) / 256

    figure, (whole, zoom) = style.subplots(2, 1, height=5.2, heights=(1, 1.9), gaps=(0, 0.95))
    shared.draw_counts(whole, counts)
    whole.axvspan(low, high, fc=(style.MARK, 0.25), ec=style.MARK, lw=1)
    shared.label_axes(whole, 100 * float(counts.quantile(0.985)), "The whole histogram")
    edges, centres = torch.arange(width + 1), torch.arange(width) + 0.5
    shared.draw_counts(zoom, counts[window], edges)
    for estimate, colour, mark, label in (
        (deephist, style.OTHER, "s--", "DeepHist: B = L/2.5, α = 1"),
        (paper, style.OURS, "o-", "the paper: B = 1, α = 1000"),
    ):
        zoom.plot(centres, 100 * estimate[window], mark, color=colour, lw=1.3, ms=4, label=label)
    shared.limit_heights(zoom, 134 * float(counts[window].max()))
    zoom.set(xlim=(0, width), xlabel="bin, from the left end of the window", title="The window")
    zoom.legend(loc="upper right", ncols=3)
    gaps = [float((p - counts).abs().sum()) for p in (deephist, paper)]
    moves = [float(emd(p, counts)) for p in (deephist, paper)]
    caption = (
        f"Window: intensity {low:.3f} to {high:.3f}. Against the counts of the {channel} channel, "
        f"L1 is {gaps[0]:.3f} for DeepHist's kernel and {gaps[1]:.3f} for the paper's; "
        f"EMD is {moves[0]:.3f} and {moves[1]:.3f} bins."
    )
    return Frame(figure, caption)


@lru_cache(maxsize=16)
def _three_histograms(photo: Tensor, channel: str, stretched: bool) -> tuple[Tensor, ...]:
    """Counts, DeepHist's and the paper's soft histogram; what leaves [0, 1] is folded back."""
    values = shared.channel_of(photo, channel).flatten()
    if stretched:
        values = torch.from_numpy(to_levels((values - 0.2) / 0.6)) / 255
    slopes = (DEEPHIST_ALPHA, shared.PAPER_ALPHA)
    soft = (soft_histogram(values, alpha=slope, outside="reflect") for slope in slopes)
    return hard_histogram(values), *soft
