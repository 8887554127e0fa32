"""The kernels of notebook 01: Eq. 1-4, from one pixel to Fig. 2 of the paper."""

from functools import lru_cache

import torch
from torch import Tensor

from histmatch_lab.data.images import to_levels
from histmatch_lab.demos import shared, style
from histmatch_lab.demos.controls import Choice, LogSlider, Photograph, Slider, Toggle
from histmatch_lab.demos.demo import Frame, demo
from histmatch_lab.distances import emd
from histmatch_lab.histogram import bin_centers, bin_edges, hard_histogram, soft_histogram

DEEPHIST_ALPHA = 640.0  # B = L/2.5 with alpha = 1 at K = 256: slope 640 on [0, 1]
FEW = 20  # so many kernels can still be told apart


@demo(
    pixels=LogSlider("pixels", 10.0, 1.0, 360_000.0, "single bumps that grow into one curve"),
    alpha=LogSlider("α", 60.0, 20.0, 1000.0, "narrow bumps follow every bar, wide ones smooth it"),
    photo=Photograph(hint="how many pixels it takes until the curve looks like the bars"),
)
def build_kde(pixels: float, alpha: float, photo: Tensor) -> Frame:
    """A density, built one pixel at a time."""
    green = shared.channel_of(photo, "green").flatten()
    count = min(round(pixels), len(green))
    picked = shared.random_order(len(green), seed=0)[:count]
    values = green[picked]
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
    highest = 100 * float(counts.quantile(0.985))
    shared.label_axes(whole, highest, "The whole histogram", "share, %")
    edges, centres = torch.arange(width + 1), torch.arange(width) + 0.5
    shared.draw_counts(zoom, counts[window], edges)
    for estimate, colour, mark, label in (
        (deephist, style.OTHER, "s--", "DeepHist: B = L/2.5, α = 1"),
        (paper, style.OURS, "o-", "the paper: B = 1, α = 1000"),
    ):
        zoom.plot(centres, 100 * estimate[window], mark, color=colour, lw=1.3, ms=4, label=label)
    highest = 134 * float(counts[window].max())
    shared.limit_heights(zoom, highest, "share of pixels, %", shared.FINE)
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
