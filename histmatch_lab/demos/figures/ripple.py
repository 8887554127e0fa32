"""Notebook 03: only s L matters for the gradient (errata 3 and 4), and the price of a small one."""

import math
from collections.abc import Callable
from functools import cache, lru_cache, partial

import torch
from matplotlib.axes import Axes
from torch import Tensor

from histmatch_lab.demos import shared, style
from histmatch_lab.demos.controls import Choice, LogSlider, Slider
from histmatch_lab.demos.demo import Frame, demo
from histmatch_lab.demos.shared import DEAD, LEVELS, PAPER_ALPHA, SEARCHED_BINS
from histmatch_lab.histogram import bin_edges, gradient_ripple, pixel_gradient

SHOWN = (2.5, 3.9, 10, 20)  # s L of the dotted lines on the maps
GRID_ALPHAS = tuple(10 ** (1 + i / 6) for i in range(25))
# Rounded up: at 45, sixteen edges would fall on 8-bit levels, whose ties add an error of their own.
GRID_BINS = tuple(math.ceil(2 ** (3 + i / 2)) for i in range(13))


def first_harmonic(step: float) -> float:
    """2 X / sinh X with X = 2 pi^2 / (s L): the ripple's leading term, for s L up to about 10."""
    x = 2 * math.pi**2 / step
    return 4 * x * math.exp(-x) / -math.expm1(-2 * x)


@demo(
    sharpness=LogSlider("s L", 3.9, 1, 1000, "Where the pull between two edges sinks to zero."),
    presets={
        "K = 256": {"sharpness": 3.9},
        "K = 100": {"sharpness": 10},
        "K = 50": {"sharpness": 20},
    },
)
def pull_over_a_bin(sharpness: float) -> Frame:
    """Only s L matters: the pull between bin edges, and how far it swings."""
    # One bin left and right of an edge, in a range so wide that its ends are far.
    middle = math.ceil(40 / sharpness) + 2
    whole = (-float(middle), float(middle))
    edges = bin_edges(2 * middle, range=whole, dtype=torch.float64)
    x = shared.dense_points(edges, sharpness, (-1, 1), shared.CLOSE_UP)
    y = pixel_gradient(x, 2 * middle, alpha=sharpness, range=whole)
    dead = (x.diff() * ((y[1:] < DEAD) & (y[:-1] < DEAD))).sum() / 2  # x are dense but not even
    ripple = gradient_ripple(1, alpha=sharpness)
    figure, (near, far) = style.subplots(1, 2, height=3.4, widths=(1.15, 1))
    shared.draw_pull(near, x, y, 0, 5.5)
    near.set(xticks=(-1, 0, 1), xlabel="distance from a bin edge, in bins")
    _draw_ripple(far, sharpness, ripple)
    caption = (
        f"s L = {sharpness:.3g}: the pull goes from {y.min():.2g} to {y.max():.3g} of the fair "
        f"one, a ripple of {ripple:.3%} (first harmonic: {first_harmonic(sharpness):.3%}). "
        f"{dead:.0%} of all intensities feel less than 1 % of the fair pull."
    )
    return Frame(figure, caption)


def _draw_ripple(axes: Axes, step: float, ripple: float) -> None:
    steps = [10 ** (i / 40) for i in range(121)]
    axes.plot(steps, [gradient_ripple(1, alpha=s) for s in steps], color=style.OURS, label="exact")
    harmonic = [first_harmonic(s) for s in steps]
    axes.plot(steps, harmonic, "--", color=style.OTHER, label="2X / sinh X")
    for bins, offset in zip(SEARCHED_BINS, ((-30, 9), (-54, 2), (7, -11)), strict=True):
        at = PAPER_ALPHA / bins, gradient_ripple(bins, alpha=PAPER_ALPHA)
        axes.plot(*at, "o", color=style.COUNTS, markersize=5)
        axes.annotate(f"K = {bins}", at, offset, textcoords="offset points", fontsize=9.5)
    axes.plot(step, ripple, "o", color=style.MARK, markersize=11, fillstyle="none", mew=2.5)
    axes.set(xscale="log", yscale="log", xlim=(1, 1000), ylim=(1e-7, 1e3))
    axes.set(xticks=(1, 10, 100, 1000), yticks=(1e-6, 1e-4, 1e-2, 1, 100))
    axes.set(xlabel="s L", ylabel="ripple of the pull", title="Dots: the paper's K at α = 1000")
    axes.minorticks_off()
    axes.legend(loc="lower right")


@demo(
    bins=Choice("K, bins", 256, SEARCHED_BINS[::-1], "DeepHist's bumps widen with the bins."),
    photo=shared.PHOTO_CHOICE,
    channel=shared.CHANNEL_CHOICE,
    window=Slider("window starts at", 0.5, 0.02, 0.92, "How levels (dots) lie against the edges."),
)
def three_readings_of_b(bins: int, photo: Tensor, channel: str, window: float) -> Frame:
    """B is never given: the kernel's step and the pull under three readings of the paper."""
    readings = (
        ("DeepHist: α = 1, B = L / 2.5", 2.5 * bins, style.OTHER, "--", "s"),
        ("α = 1000, B = 1", 1000.0, style.OURS, "-", "o"),
        ("α = 1000, B = L / 2.5", 2500.0 * bins, style.COUNTS, ":", "^"),
    )
    margins = (0.75, 0.35, 0.7, 0.6)
    figure, (step, felt) = style.subplots(1, 2, height=3.5, widths=(1, 1.6), margins=margins)
    offsets = torch.linspace(-0.01, 0.01, 801, dtype=torch.float64)
    shares, end = shared.level_shares(photo, channel), window + 0.03
    shown = (window <= LEVELS) & (end >= LEVELS) & (shares > 0)
    inside, sizes = LEVELS[shown], 10_000 * shares[shown]
    edges = bin_edges(bins, dtype=torch.float64)
    x = shared.dense_points(edges, 2500.0 * bins, (window, end), shared.CLOSE_UP)
    parts = []
    for name, slope, colour, dash, mark in readings:
        step.plot(offsets, (slope * offsets).sigmoid(), dash, color=colour)
        pull = partial(pixel_gradient, bins=bins, alpha=slope, outside="clamp")
        y, dots = (pull(at).clamp(-10, 10) for at in (x, inside))
        felt.plot(x, y, dash, color=colour, label=name, linewidth=1.6)
        felt.scatter(inside, dots, sizes, color=colour, marker=mark, zorder=3)
        parts.append(f"{name} (s = {slope:.6g}): {_dead_share(photo, channel, slope, bins):.1%}")
    step.set(xlim=(-0.01, 0.01), xticks=(-0.01, 0, 0.01), ylim=(0, 1), yticks=(0, 0.5, 1))
    step.set(xlabel="intensity − edge", ylabel="σ(s (x − e))", title="The step at an edge")
    felt.set(xlim=(window, end), ylim=(-0.1, 2.5), yticks=(0, 1, 2), xlabel="intensity")
    title = "The pull; dots: the levels, large where many pixels are"
    felt.set(ylabel="pull (fair: 1)", title=title)
    figure.legend(*felt.get_legend_handles_labels(), loc="upper center", ncols=3)
    caption = f"K = {bins}. Pixels that feel less than 1 % of the fair pull: {'; '.join(parts)}."
    return Frame(figure, caption)


def _dead_share(photo: Tensor, channel: str, alpha: float, bins: int) -> float:
    """The share of a channel's pixels that feel less than 1 % of the fair pull, ends clamped."""
    felt = pixel_gradient(LEVELS, bins, alpha=alpha, outside="clamp")
    return float(shared.level_shares(photo, channel)[felt < DEAD].sum())


def _grid(value: Callable[[float, int], float]) -> Tensor:
    """The value at each alpha and K, over (GRID_BINS, GRID_ALPHAS)."""
    rows = [[value(alpha, bins) for alpha in GRID_ALPHAS] for bins in GRID_BINS]
    return torch.tensor(rows, dtype=torch.float64)


@lru_cache(maxsize=4)
def error_map(photo: Tensor, channel: str) -> Tensor:
    """`_error` over (GRID_BINS, GRID_ALPHAS)."""
    return _grid(partial(_error, photo, channel))


@cache
def ripple_map() -> Tensor:
    """The ripple of the pull over (GRID_BINS, GRID_ALPHAS)."""
    return _grid(lambda alpha, bins: gradient_ripple(bins, alpha=alpha))


def _error(photo: Tensor, channel: str, alpha: float, bins: int) -> float:
    """EMD of the soft histogram from the counts, in 8-bit levels.

    In levels, since bins of different K are of different size (erratum 7); with the ends clamped,
    since what leaks there (erratum 5) would hide the rest.
    """
    return shared.estimate(photo, channel, bins, alpha, "clamp").emd * 255 / bins


@demo(
    alpha=LogSlider("α", 1000, 10, 1e5, "Right: a smaller error, and a larger ripple."),
    bins=Slider("K, bins", 256, 8, 512, "Down: more ripple, hardly another error.", step=1),
    photo=shared.PHOTO_CHOICE,
    channel=shared.CHANNEL_CHOICE,
    presets={
        **{f"K = {bins}": {"alpha": 1000, "bins": bins} for bins in SEARCHED_BINS[::-1]},
        "K = 50, α = 195": {"alpha": 195, "bins": 50},
    },
)
def error_against_evenness(alpha: float, bins: int, photo: Tensor, channel: str) -> Frame:
    """The error follows α, the ripple follows α / K."""
    figure, (left, right) = style.subplots(1, 2, height=4.2, margins=(0.75, 0.3, 0.4, 0.6))
    errors = error_map(photo, channel)
    _draw_map(left, errors, 0.03, 10)
    levels = (0.1, 0.3, 1, 3)
    left.contour(GRID_ALPHAS, GRID_BINS, errors, levels, colors="white", linewidths=1, zorder=1.5)
    for level, place in zip(levels, _crossings(errors, levels), strict=True):
        height = 120 if level == levels[0] else 330  # where no dotted line runs
        left.text(place, height, f" {level:g}", color="white", fontsize=9.5)
    left.set_title("Error, in 8-bit levels")
    _draw_map(right, ripple_map(), 0.01, 10)
    right.set_title("Ripple of the pull")
    for axes in (left, right):
        for step in SHOWN:
            axes.plot((8 * step, 512 * step), (8, 512), ":", color="white", linewidth=1.2)
        axes.plot([PAPER_ALPHA] * 3, SEARCHED_BINS, "o", color="white", markersize=6)
        axes.plot(alpha, bins, "o", color=style.MARK, markersize=13, fillstyle="none", mew=3)
    named = [f"s L = {step:g}: {gradient_ripple(1, alpha=step):.0%}" for step in SHOWN]
    text = "\n".join(["dotted, left to right:", *named])
    right.text(0.03, 0.96, text, color="white", va="top", transform=right.transAxes, fontsize=9.5)
    caption = (
        f"α = {alpha:.4g}, K = {bins}, s L = {alpha / bins:.3g}: the histogram errs by "
        f"{_error(photo, channel, alpha, bins):.3f} 8-bit levels, the pull ripples by "
        f"{gradient_ripple(bins, alpha=alpha):.1%}, and "
        f"{_dead_share(photo, channel, alpha, bins):.1%} of the pixels feel less than 1 % of the "
        "fair pull (ends clamped)."
    )
    return Frame(figure, caption)


def _crossings(errors: Tensor, levels: tuple[float, ...]) -> list[float]:
    """The alpha at which the error for 363 bins falls to each level."""
    return [next(a for a, e in zip(GRID_ALPHAS, errors[-2], strict=True) if e < x) for x in levels]


def _draw_map(axes: Axes, values: Tensor, lowest: float, highest: float) -> None:
    """Values over (GRID_BINS, GRID_ALPHAS) in colours of their logarithm."""
    axes.set(xscale="log", yscale="log", xlim=(10, 1e5), ylim=(8, 512))
    shares = ((values / lowest).log() / math.log(highest / lowest)).clamp(0, 1)
    alphas, bins = 10 ** (1 / 12), 2 ** (1 / 4)  # half a step of the grid
    style.smooth_map(axes, shares, (10 / alphas, 1e5 * alphas, 8 / bins, 512 * bins))
    axes.set(xlabel="α (with B = 1)", ylabel="K, bins", yticks=(16, 50, 100, 256))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.set_xticks((10, 100, 1000, 1e4, 1e5))
    axes.minorticks_off()
