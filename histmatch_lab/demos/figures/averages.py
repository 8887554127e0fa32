"""Notebook 03: a single pixel feels the ripple of the pull, the mean over many pixels hardly."""

import math
from functools import lru_cache
from typing import NamedTuple

import torch
from matplotlib.axes import Axes
from torch import Tensor

from histmatch_lab.color import adjust_exposure
from histmatch_lab.demos import shared, style
from histmatch_lab.demos.controls import Choice, LogSlider, Photograph
from histmatch_lab.demos.demo import Frame, demo
from histmatch_lab.demos.shared import DEAD, PAPER_BINS

KNOTS, MANY = 16, 500  # of a tone curve; a knot with fewer pixels than MANY is left out
FLOATS, LEVELS = "floats", "8-bit levels"
TOP = 4.9  # stronger pulls are drawn here


class Felt(NamedTuple):
    """The pull on each pixel, its mean on each knot, and how many pixels a knot averages."""

    pixels: Tensor
    knots: Tensor
    counts: Tensor


@demo(
    sharpness=LogSlider("s L", 20, 1, 2500, "Single pixels scatter more and more. And the knots?"),
    values=Choice(
        "values", FLOATS, (FLOATS, LEVELS), "Rounded values repeat: do means still help?"
    ),
    photo=Photograph(hint="A knot with fewer pixels is less steady."),
    presets={f"s L = {step}": {"sharpness": step} for step in (20, 2500)},
)
def one_against_many(sharpness: float, values: str, photo: Tensor) -> Frame:
    """The pull on single pixels, and its mean on the knots of a tone curve."""
    pixels = prediction(photo, values)
    felt = on_knots(pixels, pull_far_from_ends(pixels, sharpness))
    many = felt.counts >= MANY
    figure, (left, right) = style.subplots(1, 2, height=3.6, widths=(1.3, 1))
    _draw_pulls(left, pixels, felt)
    _draw_errors(right, photo, values)
    right.axvline(sharpness, color=style.MARK, linewidth=1.5, linestyle="-.")
    caption = (
        f"s L = {sharpness:.4g}, {values}: single pixels feel from {felt.pixels.min():.2g} to "
        f"{felt.pixels.max():.3g} times the fair pull, and "
        f"{(felt.pixels < DEAD).double().mean():.0%} of them less than 1 % of it. The means on the "
        f"knots go from {felt.knots[many].min():.2f} to {felt.knots[many].max():.2f}; a knot has "
        f"about {felt.counts[many].median():,.0f} pixels."
    )
    return Frame(figure, caption)


def prediction(photo: Tensor, values: str) -> Tensor:
    """Red, a little darker, as a network gives it or rounded as in a file: (N,)."""
    pixels = adjust_exposure(shared.small(photo), -0.3)[0].flatten().double()
    return pixels if values == FLOATS else (255 * pixels).round() / 255


def pull_far_from_ends(pixels: Tensor, sharpness: float) -> Tensor:
    """The pull on each pixel, (N,) -> (N,), of 256 bins that go on beyond 0 and 1."""
    reach = math.ceil(20 / sharpness) + 1
    place = pixels * PAPER_BINS % 1
    bumps = (shared.kernel(place + edge, sharpness) for edge in range(-reach, reach))
    return sum(bumps, torch.zeros_like(pixels))


def on_knots(pixels: Tensor, pull: Tensor) -> Felt:
    """What the knots of an even tone curve feel: a pixel acts on the two beside it."""
    place = pixels * (KNOTS - 1)
    left = place.long().clamp(max=KNOTS - 2)
    weights = torch.stack([left + 1 - place, place - left])
    beside = torch.stack([left, left + 1]).flatten()
    none = pull.new_zeros(KNOTS)
    counts = none.index_add(0, beside, weights.flatten())
    sums = none.index_add(0, beside, (weights * pull).flatten())
    return Felt(pull, sums / counts.clamp(min=1e-9), counts)


def _draw_pulls(axes: Axes, pixels: Tensor, felt: Felt) -> None:
    some = shared.random_order(len(pixels), seed=0)[:1500]
    dots = felt.pixels[some].clamp(max=TOP)
    axes.plot(pixels[some], dots, ".", color=style.COUNTS, alpha=0.6, markersize=3, label="a pixel")
    axes.axhline(1, color=style.COUNTS, linewidth=1, linestyle="--")
    many = felt.counts >= MANY
    places = torch.linspace(0, 1, KNOTS)[many]
    means = felt.knots[many].clamp(max=TOP)
    axes.plot(places, means, "o-", color=style.OURS, label="the mean on a knot")
    axes.set(xlim=(0, 1), xticks=(0, 0.5, 1), ylim=(-0.1, 5), yticks=range(6), xlabel="intensity")
    axes.set(ylabel="pull (fair: 1)", title="One pixel, and thousands on a knot")
    axes.legend(frameon=True, framealpha=0.9, edgecolor="none", markerscale=1.5, loc="upper right")


@lru_cache(maxsize=8)
def _errors(photo: Tensor, values: str) -> tuple[list[float], Tensor, Tensor, float]:
    """Over s L: how far a pixel's pull and a knot's mean are from 1; the pixels of a knot."""
    pixels, steps = prediction(photo, values), [10 ** (i / 8) for i in range(28)]
    felt = [on_knots(pixels, pull_far_from_ends(pixels, step)) for step in steps]
    counts = felt[0].counts
    alone = torch.stack([(one.pixels - 1).square().mean().sqrt() for one in felt])
    means = torch.stack([one.knots[counts >= MANY] for one in felt])
    return steps, alone, (means - 1).square().mean(1).sqrt(), float(counts[counts >= MANY].median())


def _draw_errors(axes: Axes, photo: Tensor, values: str) -> None:
    steps, alone, together, pixels = _errors(photo, values)
    rule = [math.sqrt(step / (6 * pixels)) for step in steps]
    axes.plot(steps, alone, "--", color=style.COUNTS, label="a pixel")
    axes.plot(steps, together, color=style.OURS, label="a knot")
    axes.plot(steps, rule, ":", color=style.OTHER, linewidth=1.2, label=r"$\sqrt{s L / 6n}$")
    axes.set(xscale="log", yscale="log", xlim=(1, 2500), ylim=(1e-3, 100))
    axes.set(xticks=(1, 10, 100, 1000), yticks=(1e-3, 1e-2, 0.1, 1, 10, 100))
    axes.set(xlabel="s L", ylabel="root mean square", title="How far the pull is from 1")
    axes.minorticks_off()
    axes.legend(loc="upper left")
