"""The figures of notebooks 00 and 01: from counting pixels to Eq. 1-4 and Fig. 2 of the paper."""

from __future__ import annotations

import math
from functools import lru_cache, partial

import torch
from matplotlib.axes import Axes
from torch import Tensor

from histmatch_lab.demos import style
from histmatch_lab.demos.controls import Choice, LogSlider, Photograph, Slider, Toggle
from histmatch_lab.demos.demo import Frame, demo
from histmatch_lab.histogram import bin_centers, bin_edges, emd, hard_histogram, soft_histogram

CHANNELS = ("red", "green", "blue")
DEEPHIST_ALPHA = 640.0  # B = L/2.5 with alpha = 1 at K = 256: slope 640 on [0, 1]
PAPER_ALPHA = 1000.0
FEW = 20  # so many kernels can still be told apart


@demo(
    alpha=LogSlider(
        label="α",
        default=100.0,
        minimum=10.0,
        maximum=3000.0,
        look_for="where the orange line leaves the grey bars, and where it meets them again",
    ),
    photo=Photograph(look_for="which photograph has tall thin bars, and where"),
)
def soft_against_counted(alpha: float, photo: Tensor) -> Frame:
    """Red, green and blue of a photograph, counted and soft."""
    counts = _counted_channels(photo)
    soft = soft_histogram(photo.flatten(1), alpha=alpha)
    figure, (image, *plots) = style.panels(2, 2, height=5.2, gaps=(0.75, 0.8))
    style.picture(image, photo)
    roof = _roof(float(counts.quantile(0.985)))
    for axes, name, counted, estimate in zip(plots, CHANNELS, counts, soft, strict=True):
        _bars(axes, counted, label="counted")
        axes.plot(bin_centers(), 100 * estimate, color=style.OURS, lw=1.5, label="soft")
        _intensity_axis(axes, roof, f"{name}", "share of pixels, %")
    plots[0].legend(loc="upper right")
    gap = (soft - counts).abs().sum(-1)
    widest = CHANNELS[int(gap.argmax())]
    says = (
        f"With α = {alpha:.0f}, the gaps between the soft line and the bars add up to "
        f"{100 * float(gap.mean()):.0f} % of the pixels; the widest are in {widest}. "
        f"K = 256 bins; bars that leave the frame are cut off."
    )
    return Frame(figure, says)


@demo(
    bins=Slider(
        label="bins K",
        default=32,
        minimum=2,
        maximum=256,
        step=1,
        look_for="the bars: many, low and ragged, or few, high and coarse",
    ),
    column=Slider(
        label="column, %",
        default=80,
        minimum=0,
        maximum=100,
        step=1,
        look_for="the marked bar: in which bin is the pixel under the cross?",
    ),
    row=Slider(
        label="row, %",
        default=25,
        minimum=0,
        maximum=100,
        step=1,
        look_for="the marked bar: in which bin is the pixel under the cross?",
    ),
    channel=Choice(
        label="channel",
        default="green",
        options=CHANNELS,
        look_for="the same pixel lies in another bin of each channel",
    ),
    photo=Photograph(look_for="dark pictures lean to the left, bright ones to the right"),
)
def count_pixels(bins: int, column: int, row: int, channel: str, photo: Tensor) -> Frame:
    """A photograph's pixels, counted."""
    values = _channel(photo, channel)
    y, x = ((at * (size - 1)) // 100 for at, size in zip((row, column), values.shape, strict=True))
    value = float(values[y, x])
    counts = _counts(photo, channel, bins)
    k = _bin_of(value, bins)

    figure, (image, axes) = style.panels(1, 2, height=3.4, widths=(1, 1.15), gaps=(0.75, 0))
    style.picture(image, photo)
    for draw, at in ((image.axvline, x), (image.axhline, y)):
        draw(at, color="white", lw=2.6)
        draw(at, color=style.MARK, lw=1.4)
    _bars(axes, counts)
    axes.stairs(100 * counts[k : k + 1], [k / bins, (k + 1) / bins], fill=True, color=style.MARK)
    axes.axvline(value, color=style.MARK, lw=1.4, ls=(0, (4, 3)))
    axes.plot(value, 0, "^", color=style.MARK, ms=10, clip_on=False, zorder=5)
    _intensity_axis(axes, _roof(float(counts.max())), "The counted histogram", "share of pixels, %")
    says = (
        f"Column {x}, row {y}: I(p) = {value:.4f} in the {channel} channel. That is bin k = {k} "
        f"of {bins}, from {k / bins:.4f} to {(k + 1) / bins:.4f}, which holds "
        f"{100 * float(counts[k]):.2f} % of the pixels."
    )
    return Frame(figure, says)


@demo(
    shift=Slider(
        label="brighten by",
        default=0.03,
        minimum=0.0,
        maximum=0.2,
        step=0.001,
        look_for="the two dots on the right: which one moves with every step?",
    ),
    pixels=Choice(
        label="pixels",
        default=10,
        options=(1, 10, 1000),
        look_for="do more pixels make the stairs vanish, or only smaller?",
    ),
    photo=Photograph(look_for="the stairs are there in every photograph"),
)
def brighten(shift: float, pixels: int, photo: Tensor) -> Frame:
    """A loss on counts has no slope."""
    bins, goal = 16, 0.1
    shifts, hard, soft = _staircase(photo, pixels, bins, goal)
    values = _some_pixels(photo, pixels)
    at = int((shifts - shift).abs().argmin())
    figure, (left, right) = style.panels(1, 2, height=3.3, gaps=(0.8, 0))
    moved, target = (hard_histogram(values + by, bins) for by in (shift, goal))
    _bars(left, moved, label="brightened, counted")
    left.stairs(100 * target, bin_edges(bins), color=style.TARGET, lw=1.8, label="target, counted")
    _intensity_axis(left, _roof(1.3 * float(hard_histogram(values, bins).max())), "K = 16 bins")
    left.set_ylabel("share of pixels, %")
    left.legend(loc="upper left")
    right.plot(shifts, hard, color=style.COUNTS, lw=1.8, label="counted")
    right.plot(shifts, soft, color=style.OURS, lw=1.5, label="soft")
    right.plot(shift, hard[at], "o", color=style.COUNTS, ms=8)
    right.plot(shift, soft[at], "o", color=style.OURS, ms=8)
    right.set(xlim=(0, 0.2), ylim=(0, 2.5), xlabel="brighten by", ylabel="distance, bins")
    right.set_xticks((0, 0.05, 0.1, 0.15, 0.2))
    right.set_title("Distance to the target (Eq. 5)")
    right.legend(loc="upper right")
    before, after = max(at - 1, 0), min(at + 1, len(shifts) - 1)
    step = float(shifts[after] - shifts[before])
    jump = float(hard[after] - hard[before])
    slope = float(soft[after] - soft[before]) / step
    counted = "no slope here" if abs(jump) < 1e-6 else f"a jump of {jump:+.2f} bins right here"
    says = (
        f"{pixels} pixel{'s' * (pixels > 1)}, brightened by {shift:.3f}: the counts are "
        f"{float(hard[at]):.2f} bins away from the target and have {counted}; the soft histogram "
        f"is {float(soft[at]):.2f} bins away, with a slope of {slope:+.0f} bins per unit of "
        "intensity."
    )
    return Frame(figure, says)


@demo(
    pixels=LogSlider(
        label="pixels",
        default=10.0,
        minimum=1.0,
        maximum=360_000.0,
        steps_per_decade=10,
        look_for="single bumps that grow together into one curve",
    ),
    alpha=LogSlider(
        label="α",
        default=60.0,
        minimum=20.0,
        maximum=1000.0,
        look_for="narrow bumps follow every bar, wide ones smooth them away",
    ),
    photo=Photograph(look_for="how many pixels it takes until the curve looks like the bars"),
)
def build_kde(pixels: float, alpha: float, photo: Tensor) -> Frame:
    """A density, built one pixel at a time."""
    values, order = _shuffled(photo)
    count = min(round(pixels), len(values))
    at = bin_centers(512)
    density = 512 * soft_histogram(values[:count], 512, alpha=alpha)
    counts = 256 * _counts(photo, "green", 256)

    figure, (image, axes) = style.panels(1, 2, height=3.4, widths=(1, 1.35), gaps=(0.75, 0))
    picked = torch.zeros(values.shape, dtype=torch.bool)
    picked[order[:count]] = True
    height, width = photo.shape[1:]
    style.picture(image, torch.where(picked.view(height, width), photo, 0.3 * photo + 0.6))
    axes.stairs(counts, bin_edges(256), fill=True, color=style.FAINT, label="all pixels, counted")
    if count <= FEW:
        image.plot(order[:count] % width, order[:count] // width, "o", color=style.MARK, mec="w")
        for value in values[:count]:
            axes.plot(at, _kernel(at, value, alpha) / count, color=style.MARK, lw=1.0, zorder=3)
        axes.plot(values[:count], torch.zeros(count), "|", color=style.MARK, ms=14, mew=2)
    axes.plot(at, density, color=style.OURS, lw=2.6, label="sum of the kernels")
    roof = max(float(density.max()), float(counts.quantile(0.985)))
    _intensity_axis(axes, _roof(roof) / 100, "Eq. 1: one bump for each pixel", "density")
    axes.legend(loc="upper right")
    few = "1 pixel: its" if count == 1 else f"{count:,} pixels: their"
    says = (
        f"{few} green value{'s' * (count > 1)} and the density of Eq. 1, with α = {alpha:.0f} and "
        f"B = 1. Each bump is {alpha / 4 / count:.3g} high; the area under their sum within "
        f"[0, 1] is {float(density.mean()):.3f}."
    )
    return Frame(figure, says)


@demo(
    value=Slider(
        label="value I(p)",
        default=0.43,
        minimum=0.0,
        maximum=1.0,
        step=0.01,
        look_for="the bars hand over to each other; what happens at 0 and at 1?",
    ),
    alpha=LogSlider(
        label="α",
        default=50.0,
        minimum=5.0,
        maximum=1000.0,
        look_for="how many bins get a share of one pixel",
    ),
    bins=Slider(
        label="bins K",
        default=10,
        minimum=2,
        maximum=32,
        step=1,
        look_for="narrow bins cut the same bump into more pieces",
    ),
)
def share_a_pixel(value: float, alpha: float, bins: int) -> Frame:
    """One pixel, shared among bins."""
    edges = bin_edges(bins)
    shares = soft_histogram(torch.tensor([value]), bins, alpha=alpha)
    figure, (top, bottom) = style.panels(2, 1, height=4.4, gaps=(0, 0.4))
    at = torch.linspace(0, 1, 1001)
    height = _kernel(at, value, alpha)
    top.plot(at, height, color=style.MARK)
    own = _bin_of(value, bins)
    inside = (at >= edges[own]) & (at <= edges[own + 1])
    top.fill_between(at, height, color=style.MARK, alpha=0.15, lw=0)
    top.fill_between(at[inside], height[inside], color=style.MARK, alpha=0.45, lw=0)
    top.vlines(edges, 0, 1e4, color=style.FAINT, lw=0.8)
    _intensity_axis(top, _roof(alpha / 4) / 100, "Eq. 1 and 2: the kernel of one pixel", "density")
    top.xaxis.set_visible(False)
    bottom.stairs(shares, edges, fill=True, color=style.OURS)
    bottom.vlines(edges, 0, 2, color=style.FAINT, lw=0.8)
    bottom.plot(value, 0, "^", color=style.MARK, ms=11, clip_on=False, zorder=5)
    _intensity_axis(bottom, 1.05, "Eq. 3: the area over each bin", "P(k)")
    says = (
        f"I(p) = {value:.2f} lies in bin k = {own}, which gets {100 * float(shares[own]):.1f} % of "
        f"the pixel. {int((shares > 0.01).sum())} of {bins} bins get more than 1 % of it, and "
        f"{100 * (1 - float(shares.sum())):.1f} % falls outside [0, 1]."
    )
    return Frame(figure, says)


@demo(
    centre=Slider(
        label="window at",
        default=0.75,
        minimum=0.1,
        maximum=0.9,
        step=0.01,
        look_for="spikes and gaps: there the two kernels differ most",
    ),
    width=Choice(
        label="window, bins",
        default=40,
        options=(16, 40, 100),
        look_for="from far, the two kernels look the same",
    ),
    channel=Choice(
        label="channel",
        default="green",
        options=CHANNELS,
        look_for="which channel has the tallest spikes",
    ),
    stretched=Toggle(
        label="stretch contrast",
        look_for="an 8-bit contrast stretch leaves gaps between the bars; who fills them?",
    ),
    photo=Photograph(look_for="whether the paper's kernel is closer to the bars in every picture"),
)
def figure_2(centre: float, width: int, channel: str, stretched: bool, photo: Tensor) -> Frame:
    """Fig. 2 of the paper on a photograph: counts, DeepHist's kernel, the paper's kernel."""
    counts, deephist, paper = _three_histograms(photo, channel, stretched)
    first = min(max(round(256 * centre) - width // 2, 0), 256 - width)
    window = slice(first, first + width)
    low, high = first / 256, (first + width) / 256

    figure, (whole, zoom) = style.panels(2, 1, height=5.2, heights=(1, 1.9), gaps=(0, 0.95))
    _bars(whole, counts)
    whole.axvspan(low, high, color=style.MARK, alpha=0.25, lw=0)
    _intensity_axis(whole, _roof(float(counts.quantile(0.985))), "The whole histogram", "share, %")
    edges, centres = torch.arange(width + 1), torch.arange(width) + 0.5
    zoom.stairs(100 * counts[window], edges, fill=True, color=style.FAINT, label="counted")
    for estimate, colour, mark, label in (
        (deephist, style.OTHER, "s--", "DeepHist: B = L/2.5, α = 1"),
        (paper, style.OURS, "o-", "the paper: B = 1, α = 1000"),
    ):
        zoom.plot(centres, 100 * estimate[window], mark, color=colour, lw=1.3, ms=4, label=label)
    zoom.set(xlim=(0, width), ylim=(0, _roof(1.2 * float(counts[window].max()))))
    zoom.set(xlabel="bin, from the left end of the window", ylabel="share of pixels, %")
    zoom.set_title("The window")
    zoom.legend(loc="upper right", ncols=3)
    gaps = [float((p - counts).abs().sum()) for p in (deephist, paper)]
    moves = [float(emd(p, counts)) for p in (deephist, paper)]
    says = (
        f"Window: intensity {low:.3f} to {high:.3f}. Against the counts of the {channel} channel, "
        f"L1 is {gaps[0]:.3f} for DeepHist's kernel and {gaps[1]:.3f} for the paper's; "
        f"EMD is {moves[0]:.3f} and {moves[1]:.3f} bins."
    )
    return Frame(figure, says)


def _channel(photo: Tensor, name: str) -> Tensor:
    return photo[CHANNELS.index(name)]


def _bin_of(value: float, bins: int) -> int:
    return int(hard_histogram(torch.tensor([value]), bins).argmax())


def _kernel(at: Tensor, value: Tensor | float, alpha: float) -> Tensor:
    """The derivative of sigma(alpha z) at z = at - value."""
    rise = torch.sigmoid(alpha * (at - value))
    return alpha * rise * (1 - rise)


def _bars(axes: Axes, shares: Tensor, label: str | None = None) -> None:
    axes.stairs(100 * shares, bin_edges(len(shares)), fill=True, color=style.FAINT, label=label)


def _intensity_axis(axes: Axes, roof: float, title: str, ylabel: str = "") -> None:
    axes.set(xlim=(0, 1), ylim=(0, roof), xlabel="intensity", ylabel=ylabel)
    axes.set_xticks((0, 0.25, 0.5, 0.75, 1))
    axes.set_title(title)


def _roof(share: float) -> float:
    """An upper limit in percent, on a coarse ladder: few limits, so that frames stay cached."""
    wanted = max(112 * share, 1e-6)
    unit = 10 ** math.floor(math.log10(wanted))
    return next(step * unit for step in (1, 1.5, 2, 3, 5, 7, 10) if step * unit >= wanted)


@lru_cache(maxsize=64)
def _counts(photo: Tensor, channel: str, bins: int) -> Tensor:
    return hard_histogram(_channel(photo, channel).flatten(), bins)


@lru_cache(maxsize=16)
def _counted_channels(photo: Tensor) -> Tensor:
    return hard_histogram(photo.flatten(1))


@lru_cache(maxsize=16)
def _shuffled(photo: Tensor) -> tuple[Tensor, Tensor]:
    """The green values in an order that never changes, and that order."""
    order = torch.randperm(photo[1].numel(), generator=torch.Generator().manual_seed(0))
    return photo[1].flatten()[order], order


def _some_pixels(photo: Tensor, pixels: int) -> Tensor:
    return _shuffled(photo)[0][:pixels]


@lru_cache(maxsize=16)
def _staircase(photo: Tensor, pixels: int, bins: int, goal: float) -> tuple[Tensor, ...]:
    """Shifts from 0 to 0.2, and at each the distance to the target, counted and soft."""
    values = _some_pixels(photo, pixels)
    shifts = torch.linspace(0, 0.2, 801)
    moved = values + shifts[:, None]
    # As steep in units of a bin as the paper's alpha = 1000 at K = 256.
    soft = partial(soft_histogram, alpha=PAPER_ALPHA * bins / 256, outside="clamp")
    estimates = (hard_histogram, soft)
    pairs = ((f(moved, bins), f(values + goal, bins)) for f in estimates)
    return shifts, *(emd(p, q.expand_as(p)) for p, q in pairs)


@lru_cache(maxsize=16)
def _three_histograms(photo: Tensor, channel: str, stretched: bool) -> tuple[Tensor, ...]:
    """Counts, DeepHist's and the paper's soft histogram; what leaves [0, 1] is folded back."""
    values = _channel(photo, channel).flatten()
    if stretched:
        values = ((values - 0.2) / 0.6).clamp(0, 1).mul(255).round() / 255
    return (
        hard_histogram(values),
        *(
            soft_histogram(values, alpha=alpha, outside="reflect")
            for alpha in (DEEPHIST_ALPHA, PAPER_ALPHA)
        ),
    )
