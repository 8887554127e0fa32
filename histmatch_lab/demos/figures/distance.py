"""Notebook 03: the Earth Mover's Distance of Eq. 5, on toy histograms and on photographs.

Unlike the paper, the soft histograms here give to the end bins what leaks out of [0, 1]
(``outside="clamp"``), so that every CDF ends at 1; erratum 5 in the notebook shows why.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from matplotlib.axes import Axes
from torch import Tensor
from torch.nn.functional import interpolate

from histmatch_lab.color import adjust_contrast, adjust_exposure, adjust_white_balance
from histmatch_lab.demos.controls import Choice, LogSlider, Photograph, Slider
from histmatch_lab.demos.demo import Frame, demo
from histmatch_lab.demos.style import (
    CHANNELS,
    COUNTS,
    DIVERGING,
    FAINT,
    OTHER,
    OURS,
    filled_steps,
    picture,
    subplots,
)
from histmatch_lab.histogram import Outside, bin_centers, bin_edges, emd, soft_cdf

BINS = 256
NAMES = ("red", "green", "blue")
LIGHTER, DARKER = "#E08214", "#8073AC"  # the ends of the diverging map
SIDE = 300  # pixels: small pictures keep a slider immediate
FAIR = 0.1  # of the exact EMD's pull: below, a pixel hardly moves
BASE = (0.2, 0.04)  # centre and width of the toy's first bump
SHIFTS = torch.linspace(0, 0.6, 61, dtype=torch.float64)

TARGET_PHOTO = Photograph(
    "target", "china", "Another target moves the CDFs apart elsewhere: the pull changes sign."
)


@lru_cache(maxsize=32)
def small(photo: Tensor, side: int = SIDE) -> Tensor:
    """(3, H, W) reduced to at most ``side`` pixels a side."""
    scale = side / max(photo.shape[1:])
    if scale >= 1:
        return photo
    size = [max(1, round(length * scale)) for length in photo.shape[1:]]
    return interpolate(photo[None], size=size, mode="bilinear", antialias=True)[0].clamp(0, 1)


@lru_cache(maxsize=32)
def target_cdfs(target: Tensor, alpha: float, outside: Outside = "clamp") -> Tensor:
    """``cdfs`` of a picture that stays while a slider moves."""
    return cdfs(target, alpha=alpha, outside=outside)


def cdfs(image: Tensor, *, alpha: float = 1000.0, outside: Outside = "clamp") -> Tensor:
    """The soft CDF of each channel, (3, H, W) -> (3, BINS)."""
    return soft_cdf(image.flatten(1), BINS, alpha=alpha, outside=outside)


def bump(center: Tensor, width: float) -> Tensor:
    """Histograms of a normal bump at each centre, (...) -> (..., BINS), float64, sum 1."""
    z = (bin_centers(BINS, dtype=torch.float64) - center[..., None]) / width
    density = torch.exp(-z.square() / 2)
    return density / density.sum(-1, keepdim=True)


@demo(
    shift=Slider(
        "moved by, intensity", 0.25, 0, 0.6, "Once the bumps are apart, one distance stops growing."
    ),
    width=Slider(
        "width, intensity", 0.04, 0.02, 0.12, "The arrows: a wider bump sends earth both ways."
    ),
)
def two_bumps(shift: float, width: float) -> Frame:
    """Two histograms, the area between their CDFs, and two distances."""
    center, base_width = BASE
    first = bump(torch.tensor(center), base_width)
    moved = bump(center + SHIFTS, width)
    second = bump(torch.tensor(center + shift), width)
    overlap_lost = _half_l1(first, second)
    distance = float(emd(first, second)) / BINS

    figure, (left, middle, right) = subplots(1, 3, height=3.3, gaps=(0.7, 0.85))
    edges = bin_edges(BINS)
    for shares, color, name in ((first, COUNTS, "one"), (second, OURS, "the other")):
        filled_steps(left, 100 * shares, edges, color=color, alpha=0.5, label=name)
    left.set(xlim=(0, 1), xticks=(0, 0.5, 1), ylim=(0, 12), yticks=(0, 6, 12), title="Histograms")
    left.set(xlabel="intensity", ylabel="% of pixels")
    left.legend(loc="upper right")

    _shade(middle, first.cumsum(0), second.cumsum(0), OURS)
    _draw_plan(middle, first, second)
    middle.set_title("CDFs: the area is the EMD")

    right.plot(SHIFTS, _half_l1(first, moved), color=COUNTS, linestyle="--", label="½ L1")
    right.plot(SHIFTS, emd(first.expand_as(moved), moved) / BINS, color=OURS, label="EMD")
    right.plot(shift, overlap_lost, "o", color=COUNTS)
    right.plot(shift, distance, "o", color=OURS)
    right.set(xlim=(-0.02, 0.62), xticks=(0, 0.3, 0.6), ylim=(0, 1.05), yticks=(0, 0.5, 1))
    right.set(xlabel="moved by, intensity", ylabel="distance", title="Two distances")
    right.legend(loc="lower right")
    caption = (
        f"Moved by {shift:.2f}: bin by bin, {overlap_lost:.1%} of the pixels are in a wrong bin "
        f"(half of L1); to put them right, the average pixel travels {distance:.3f} in intensity "
        f"(EMD), which is {distance * BINS:.1f} of {BINS} bins."
    )
    return Frame(figure, caption)


def _half_l1(p: Tensor, q: Tensor) -> Tensor:
    return (p - q).abs().sum(-1) / 2


def _shade(axes: Axes, one: Tensor, other: Tensor, color: str) -> None:
    """Two CDFs and the area between; the second is drawn in colour."""
    centers = bin_centers(BINS).numpy()
    axes.fill_between(centers, one.numpy(), other.numpy(), color=color, alpha=0.25, linewidth=0)
    axes.plot(centers, one, color=COUNTS, linestyle="--", linewidth=1.5)
    axes.plot(centers, other, color=color)
    axes.set(xlim=(0, 1), xticks=(0, 0.5, 1), ylim=(0, 1.03), yticks=(0, 0.5, 1))
    axes.set(xlabel="intensity", ylabel="share of pixels")


def _draw_plan(axes: Axes, one: Tensor, other: Tensor) -> None:
    """Arrows: at each height, the pixel of that rank travels from one CDF to the other."""
    shares = torch.linspace(0.1, 0.9, 5, dtype=torch.float64)
    centers = bin_centers(BINS, dtype=torch.float64)
    starts, ends = (centers[torch.searchsorted(p.cumsum(0), shares)] for p in (one, other))
    axes.hlines(shares, starts, ends, color=OURS, linewidth=1, zorder=1.5)
    for marker, there in ((">", ends >= starts), ("<", ends < starts)):
        axes.plot(ends[there], shares[there], marker, color=OURS, markersize=5)


@demo(
    exposure=Slider("exposure, stops", -1.0, -3, 3, "All three CDFs slide the same way.", step=0.1),
    contrast=Slider(
        "contrast", 1.0, 0, 2, "The CDFs cross: some pixels have to go up, others down.", step=0.05
    ),
    warmth=Slider(
        "warmth, stops", 0.0, -2, 2, "Red and blue move in opposite directions.", step=0.1
    ),
    photo=Photograph(hint="The same slider costs a dark photograph more than a bright one."),
    target=Photograph(
        "compared with", hint="With the photograph itself, sliders at rest mean no loss at all."
    ),
)
def adjusted_photograph(
    exposure: float, contrast: float, warmth: float, photo: Tensor, target: Tensor
) -> Frame:
    """A photograph under three sliders, and its distance from the original."""
    adjusted = adjust_white_balance(adjust_exposure(small(photo), exposure), warmth)
    adjusted = adjust_contrast(adjusted, contrast)
    wanted, got = target_cdfs(small(target), 1000.0), cdfs(adjusted)
    loss = (got - wanted).abs().sum(-1)

    figure, (before, after, bars, *curves) = subplots(
        2, 3, height=4.9, gaps=(0.6, 0.6), margins=(0.65, 0.2, 0.35, 0.6)
    )
    picture(before, small(target), "compared with this")
    picture(after, adjusted, "adjusted")
    bars.barh((2, 1, 0), loss.tolist(), color=CHANNELS, height=0.6)
    for height, value in zip((2, 1, 0), loss.tolist(), strict=True):
        inside = value > 80
        bars.text(
            value - 3 if inside else value + 3,
            height,
            f"{value:.1f}",
            ha="right" if inside else "left",
            va="center",
            color="white" if inside else "black",
        )
    bars.set(xlim=(0, 160), xticks=(0, 80, 160), ylim=(-0.6, 2.6), yticks=(2, 1, 0))
    bars.set(yticklabels=("R", "G", "B"), xlabel="EMD, bins", title="The loss, Eq. 5")
    for axes, name, color, one, other in zip(curves, NAMES, CHANNELS, wanted, got, strict=True):
        _shade(axes, one, other, color)
        axes.set(title=name, ylabel="")
    curves[0].set_ylabel("share of pixels")
    red, green, blue = loss.tolist()
    mean = float(loss.mean())
    caption = (
        f"EMD in bins: red {red:.1f}, green {green:.1f}, blue {blue:.1f}; mean {mean:.1f} of "
        f"{BINS} bins = {mean / BINS:.3f} in intensity. Dashed: compared with; in colour: adjusted."
    )
    return Frame(figure, caption)


def pull_on_pixels(
    image: Tensor, target: Tensor, *, alpha: float = 1000.0, outside: Outside = "clamp"
) -> Tensor:
    """Minus the gradient of Eq. 5 for each pixel; the exact EMD's would be 1, 0 or -1.

    image, target: (C, H, W) in [0, 1], of any two sizes. Returns the pull as (C, H, W): above 0,
    the loss makes the pixel lighter. It is -N dL/dI(p), with L in intensity (``units``), N pixels.
    """
    image = image.detach().requires_grad_()
    gap = cdfs(image, alpha=alpha, outside=outside) - cdfs(target, alpha=alpha, outside=outside)
    (gradient,) = torch.autograd.grad(gap.abs().sum() / BINS, image)
    return -gradient * image[0].numel()


def pull_along(gap: Tensor, *, alpha: float, outside: Outside) -> tuple[Tensor, Tensor]:
    """The pull on one more pixel, wherever it lies: intensities and pulls, both (M,).

    ``gap`` is CDF(image) - CDF(target), (BINS,): where it is positive, too many pixels lie below.
    """
    edges = bin_edges(BINS)
    offsets = torch.tensor([-8.0, -3, -1, 0, 1, 3, 8]) / alpha
    near = (edges[:, None] + offsets).flatten()
    points = torch.cat([near, bin_centers(BINS)]).clamp(0, 1).unique().requires_grad_()
    cdf = soft_cdf(points[:, None], BINS, alpha=alpha, outside=outside)
    (gradient,) = torch.autograd.grad((cdf @ gap.sign()).sum() / BINS, points)
    return points.detach(), -gradient


@demo(
    contrast=Slider(
        "contrast", 1.0, 0, 2, "Its own target: which way does each half have to go?", step=0.05
    ),
    alpha=LogSlider(
        "α", 1000, 100, 1e5, "The ripple grows; then white holes open: these pixels feel nothing."
    ),
    channel=Choice(
        "channel", "red", NAMES, "Each channel is pulled on its own, and often the other way."
    ),
    outside=Choice(
        "outside [0, 1]", "clamp", ("drop", "clamp", "reflect"), "The pull on pixels at exactly 0."
    ),
    photo=Photograph(hint="Which parts turn orange (lighter), which purple (darker)?"),
    target=TARGET_PHOTO,
)
def pull_on_the_photograph(
    contrast: float, alpha: float, channel: str, outside: Outside, photo: Tensor, target: Tensor
) -> Frame:
    """Which pixels the loss makes lighter, which darker."""
    index = NAMES.index(channel)
    image = adjust_contrast(small(photo), contrast)[index : index + 1]
    wanted = small(target)[index : index + 1]
    pull = pull_on_pixels(image, wanted, alpha=alpha, outside=outside)[0]
    got, aim = (cdfs(one, alpha=alpha, outside=outside)[0] for one in (image, wanted))

    figure, (left, right, below_left, below_right) = subplots(
        2, 2, height=5.8, gaps=(0.8, 0.55), margins=(0.75, 0.2, 0.35, 0.6), heights=(1.25, 1)
    )
    left.imshow(image[0].numpy(), cmap="gray", vmin=0, vmax=1)
    left.set(title=f"{channel} of the photograph")
    right.imshow(pull.numpy(), cmap=DIVERGING, vmin=-1.5, vmax=1.5)
    right.set(title="Orange: made lighter. Purple: darker")
    for axes in (left, right):
        axes.set_axis_off()
    _shade(below_left, aim, got, CHANNELS[index])
    below_left.set_title("CDF: photograph in colour, target dashed")
    points, along = pull_along(got - aim, alpha=alpha, outside=outside)
    below_right.axhline(0, color=FAINT, linewidth=1)
    for limits, color in (((0, 2.2), LIGHTER), ((-2.2, 0), DARKER)):
        curve = along.clamp(*limits).numpy()
        below_right.fill_between(points.numpy(), 0, curve, color=color, linewidth=0)
    below_right.set(xlim=(0, 1), xticks=(0, 0.5, 1), ylim=(-2.3, 2.3), yticks=(-2, -1, 0, 1, 2))
    below_right.set(
        xlabel="intensity", ylabel="pull (exact EMD: ±1)", title="The pull, by intensity"
    )
    return Frame(figure, _says_pull(channel, pull, float(emd_of(got, aim))))


def emd_of(one: Tensor, other: Tensor) -> Tensor:
    """Eq. 5 of two CDFs, in bins."""
    return (one - other).abs().sum(-1)


def _says_pull(channel: str, pull: Tensor, loss: float) -> str:
    lighter, darker = ((sign * pull > FAIR).float().mean() for sign in (1, -1))
    dead = 1 - lighter - darker
    strongest = float(pull.flatten()[pull.abs().argmax()])
    return (
        f"{channel.capitalize()}, EMD {loss:.1f} bins: {lighter:.0%} of the pixels are made "
        f"lighter, {darker:.0%} darker, and {dead:.0%} feel less than a tenth of the exact EMD's "
        f"pull. The strongest pull on any pixel is {strongest:+.1f} times the exact EMD's."
    )


@lru_cache(maxsize=8)
def _order(count: int) -> Tensor:
    return torch.randperm(count, generator=torch.Generator().manual_seed(3))


def shuffled(image: Tensor, share: float) -> Tensor:
    """(C, H, W) with that share of its pixels, picked at random, in each other's places."""
    flat = image.flatten(1)
    picked = _order(flat.shape[1])[: round(share * flat.shape[1])]
    mixed = flat.clone()
    mixed[:, picked] = flat[:, picked.roll(1)]
    return mixed.view_as(image)


@demo(
    share=Slider(
        "shuffled, %", 50, 0, 100, "One of the two distances does not move at all.", step=1
    ),
    exposure=Slider(
        "exposure, stops", 0.0, -2, 2, "This one the histogram loss does see.", step=0.1
    ),
    photo=Photograph(hint="A shuffled photograph keeps its colours, and nothing else."),
)
def shuffled_photograph(share: float, exposure: float, photo: Tensor) -> Frame:
    """A shuffled photograph and its distance from the original, with and without places."""
    original = small(photo)
    exposed = adjust_exposure(original, exposure)
    mixed = shuffled(exposed, share / 100)
    distance = float(emd_of(cdfs(mixed), cdfs(original)).mean()) / BINS
    shares = torch.linspace(0, 1, 6)
    errors = [_rms(shuffled(exposed, float(s)), original) for s in shares]
    error = _rms(mixed, original)

    figure, (left, middle, right) = subplots(
        1, 3, height=2.7, gaps=(0.6, 0.6), margins=(0.2, 0.2, 0.35, 0.6), widths=(1.2, 1.2, 1)
    )
    picture(left, original, "The original")
    picture(middle, mixed, "Shuffled")
    right.plot(100 * shares, errors, color=OTHER, linestyle="--", label="root of $L_{rec}$")
    right.axhline(distance, color=OURS, label="$L_{hm}$, intensity", clip_on=False)
    right.plot(share, error, "s", color=OTHER)
    right.plot(share, distance, "o", color=OURS, clip_on=False)
    right.set(xlim=(-2, 102), xticks=(0, 50, 100), ylim=(0, 0.8), yticks=(0, 0.4, 0.8))
    right.set(xlabel="shuffled, %", title="Two distances")
    right.legend(loc="upper left")
    caption = (
        f"{share} % of the pixels have changed places. The histogram loss against the original "
        f"is {distance:.3f} in intensity; the root of the mean squared error is {error:.3f}."
    )
    return Frame(figure, caption)


def _rms(one: Tensor, other: Tensor) -> float:
    return float((one - other).square().mean().sqrt())
