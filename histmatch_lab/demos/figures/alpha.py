"""Notebook 03: alpha, K and B, the ends of the range, and the levels between (errata 3 to 6).

Photographs are taken here as an 8-bit screen shows them: one of 256 levels for each pixel.
"""

from functools import partial

import torch
from matplotlib.axes import Axes
from torch import Tensor

from histmatch_lab.demos import shared, style
from histmatch_lab.demos.controls import Choice, LogSlider, Slider
from histmatch_lab.demos.demo import Frame, demo
from histmatch_lab.demos.shared import BIN_RANGES, DEAD, LEVELS
from histmatch_lab.histogram import (
    Outside,
    Range,
    bin_edges,
    hard_histogram,
    pixel_gradient,
    soft_histogram,
)

WINDOW = 0.06  # width of the close-up, in intensity
SHOWN = 6  # bins at each end
MODES = (("drop", style.OURS, "-"), ("clamp", style.OTHER, "--"), ("reflect", style.COUNTS, ":"))


@demo(
    alpha=LogSlider("α", 1000, 1, 1e6, "The bumps of the pull: when do they come apart?"),
    bins=shared.BINS_CHOICE,
    bandwidth=Choice("B, bandwidth", "1", ("1", "L / 2.5"), "α on top of L / 2.5: a hard step."),
    outside=Choice("outside [0, 1]", "drop", shared.OUTSIDE_MODES, "EMD, and the pull at black."),
    photo=shared.PHOTO_CHOICE,
    channel=shared.CHANNEL_CHOICE,
    window=Slider("window starts at", 0.3, 0.0, 0.94, "The ends behave differently."),
    presets={
        "paper": {"alpha": 1000, "bins": 256},
        "K = 50": {"alpha": 1000, "bins": 50},
        "α = 10 000": {"alpha": 10_000, "bins": 256},
        "α = 100": {"alpha": 100, "bins": 256},
    },
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
    found = shared.estimate(photo, channel, bins, slope, outside)
    pull = partial(pixel_gradient, bins=bins, alpha=slope, outside=outside)
    felt = pull(LEVELS)
    shares = shared.level_shares(photo, channel)
    dead, wrong = (float(shares[mask].sum()) for mask in (felt.abs() < DEAD, felt <= -DEAD))

    figure, (image, zoom, whole, below) = style.subplots(
        2, 2, height=5.4, widths=(1, 1.75), gaps=(0.8, 0.75), margins=(0.7, 0.3, 0.4, 0.6)
    )
    style.picture(image, photo)
    end, edges = window + WINDOW, bin_edges(bins, dtype=torch.float64)
    inside = (edges[:-1] < end) & (edges[1:] > window)
    _draw_histograms(whole, found, edges, float(found.counts.quantile(0.99)))
    whole.axvspan(window, end, fc=(style.MARK, 0.3), ec=style.MARK, linewidth=1)
    whole.set(xlim=(0, 1), xticks=(0, 0.5, 1), title="The whole channel")
    whole.text(0.97, 0.93, f"soft sum {1 - found.leak:.3f}", transform=whole.transAxes, ha="right")
    _draw_histograms(zoom, found, edges, float(found.counts[inside].max()))
    zoom.set(xlim=(window, end), title="The window: counted and soft")
    zoom.legend(loc="upper right", ncols=2)
    points = shared.dense_points(edges, slope, (window, end), shared.CLOSE_UP)
    shared.draw_pull(below, points, pull(points), -0.5, 2.5)
    caption = (
        f"K = {bins}, slope s = {slope:.4g}, s L = {slope / bins:.3g}: the soft histogram is "
        f"{found.emd:.2f} bins (EMD) and {found.l1:.3f} (L1) from the counts, and "
        f"{found.leak:.1%} of its mass leaks out of [0, 1]. "
        f"{dead:.1%} of the pixels feel less than 1 % of the fair pull"
        + (f", and {wrong:.1%} are pulled the wrong way." if wrong else ".")
    )
    return Frame(figure, caption)


def _draw_histograms(axes: Axes, found: shared.Estimate, edges: Tensor, highest: float) -> None:
    """Counts in grey, the soft histogram over them; `highest` is the share of a high bin."""
    shared.draw_counts(axes, found.counts, edges)
    style.steps(axes, 100 * found.soft, edges, color=style.OURS, linewidth=1.5, label="soft")
    shared.limit_heights(axes, 130 * highest)
    axes.set_xlabel("intensity")


@demo(
    alpha=LogSlider("α", 1000, 10, 1e5, "Does a sharper kernel stop the leak?"),
    bins=shared.BINS_CHOICE,
    photo=shared.PHOTO_CHOICE,
    channel=shared.CHANNEL_CHOICE,
    presets={f"α = {alpha:g}": {"alpha": alpha} for alpha in (1000, 10)},
)
def leak_at_the_ends(alpha: float, bins: int, photo: Tensor, channel: str) -> Frame:
    """What leaks out of [0, 1], and three ways to treat it."""
    found = {mode: shared.estimate(photo, channel, bins, alpha, mode) for mode, _, _ in MODES}
    figure, ends = style.subplots(1, 2, height=3.5, margins=(0.75, 0.2, 0.7, 0.6))
    for axes, first, left in zip(ends, (0, bins - SHOWN), (0, -SHOWN), strict=True):
        part, edges = slice(first, first + SHOWN), torch.arange(left, left + SHOWN + 1)
        counts = found["drop"].counts[part]
        shared.draw_counts(axes, counts, edges)
        for mode, colour, dash in MODES:
            soft = 100 * found[mode].soft[part]
            style.steps(axes, soft, edges, color=colour, linestyle=dash, linewidth=2, label=mode)
        axes.set_xlim(left, left + SHOWN)
        shared.limit_heights(axes, 110 * float(counts.max()))
    ends[0].set(xlabel="bins from the black end", title="Shadows")
    ends[1].set(xlabel="bins from the white end", title="Highlights")
    figure.legend(*ends[0].get_legend_handles_labels(), loc="upper center", ncols=4)
    sums = ", ".join(f"{mode} {1 - e.leak:.3f} ({e.emd:.2f} bins)" for mode, e in found.items())
    return Frame(figure, f"K = {bins}, α = {alpha:.4g}. Sum (and EMD from the counts): {sums}.")


@demo(
    first=Slider("first level", 0, 0, 240, "The comb is washed out at both ends.", step=1),
    alpha=LogSlider("α", 1000, 100, 1e5, "A sharper kernel sharpens the comb, except on an edge."),
    extent=Choice("range of the bins", "0 to 1", tuple(BIN_RANGES), "Has each level its own bin?"),
    presets={"dark end": {"first": 0}, "middle": {"first": 120}, "light end": {"first": 240}},
)
def comb_of_levels(first: int, alpha: float, extent: str) -> Frame:
    """8-bit levels drift against 256 bins: a comb of every second level."""
    used = LEVELS[first : first + 16 : 2]
    low, high = BIN_RANGES[extent]
    soft = soft_histogram(used, alpha=alpha, range=(low, high))
    counts = hard_histogram(used, range=(low, high))
    figure, (comb, drift) = style.subplots(1, 2, height=3.5, widths=(1.5, 1))
    bins = slice(max(first - 2, 0), min(first + 17, 256))
    where = torch.arange(bins.start, bins.stop + 1) - first  # so that the axis stays as it is
    shared.draw_counts(comb, counts[bins], where)
    style.steps(comb, 100 * soft[bins], where, color=style.OURS, label="soft")
    inside = 256 * (used - low) / (high - low) - first
    comb.plot(inside, torch.full_like(used, 0.4), "|", color=style.COUNTS, ms=13, label="level")
    comb.set(xlim=(-2, 17), ylim=(0, 18), yticks=(0, 5, 10, 15))
    ticks = range(0, 17, 4)
    comb.set_xticks(ticks, [" " for _ in ticks])
    comb.set(xlabel="bin", ylabel="% of pixels")
    for tick in ticks:
        comb.text(tick, -0.6, str(first + tick), ha="center", va="top")
    comb.set_title("Eight levels, every second one used")
    comb.legend(loc="upper right", ncols=3)
    own = _draw_drift(drift, alpha, extent)
    drift.axvspan(first, first + 14, color=style.MARK, alpha=0.3, linewidth=0)
    caption = (
        f"Levels {first}, {first + 2}, ... {first + 14} with α = {alpha:.4g}, range {extent}: "
        f"level {first} leaves {own[first]:.0%} of its mass in its own bin, level {first + 14} "
        f"{own[first + 14]:.0%}. Over all levels it is {own.min():.0%} to {own.max():.0%}."
    )
    return Frame(figure, caption)


def _draw_drift(axes: Axes, alpha: float, extent: str) -> Tensor:
    """The share of each level's mass in its own bin: drawn for both ranges, returned for one."""
    shares = {name: own_share(alpha, span) for name, span in BIN_RANGES.items()}
    for (name, share), dash in zip(shares.items(), ("-", "--"), strict=True):
        axes.plot(share, dash, color=style.OURS if name == extent else style.COUNTS, label=name)
    axes.set(xlim=(0, 255), xticks=(0, 64, 128, 192, 255), ylim=(0, 1.05), yticks=(0, 0.5, 1))
    axes.set(xlabel="level v of v/255", ylabel="share in its own bin")
    axes.set_title("How much of a level stays")
    axes.legend(loc="lower center", ncols=2)
    return shares[extent]


def own_share(alpha: float, span: Range) -> Tensor:
    """For each level v/255: the share of its mass in bin v of 256 over `span`, (256,)."""
    return soft_histogram(LEVELS[:, None], alpha=alpha, range=span).diagonal()
