"""Notebook 02: the Earth Mover's Distance of Eq. 5, on toy histograms and on photographs.

Unlike the paper, the soft histograms here give to the end bins what leaks out of [0, 1]
(``outside="clamp"``), so that every CDF ends at 1; erratum 5 in notebook 03 shows why.
"""

import torch
from matplotlib.axes import Axes
from torch import Tensor
from torch.nn.functional import mse_loss

from histmatch_lab.color import adjust_contrast, adjust_exposure, adjust_white_balance
from histmatch_lab.demos import shared, style
from histmatch_lab.demos.controls import Choice, LogSlider, Photograph, Slider
from histmatch_lab.demos.demo import Frame, demo
from histmatch_lab.demos.shared import CHANNEL_NAMES, PAPER_BINS, channel_cdfs, emd_of_cdfs, small
from histmatch_lab.distances import emd
from histmatch_lab.histogram import Outside, bin_centers, bin_edges

CENTER, WIDTH = 0.2, 0.04  # of the toy's first bump
SHIFTS = torch.linspace(0, 0.6, 61, dtype=torch.float64)


def bump(center: Tensor, width: float) -> Tensor:
    """Histograms of a normal bump at each centre, (...) -> (..., 256), float64, sum 1."""
    z = (bin_centers(dtype=torch.float64) - center[..., None]) / width
    density = torch.exp(-z.square() / 2)
    return density / density.sum(-1, keepdim=True)


@demo(
    shift=Slider("moved by, intensity", 0.25, 0, 0.6, "Once apart, one distance stops growing."),
    width=Slider("width, intensity", 0.04, 0.02, 0.12, "A wider bump sends earth both ways."),
    presets={
        "apart": {"shift": 0.3, "width": 0.04},
        "further apart": {"shift": 0.6, "width": 0.04},
        "only wider": {"shift": 0.0, "width": 0.12},
    },
)
def two_bumps(shift: float, width: float) -> Frame:
    """Two histograms, the area between their CDFs, and two distances."""
    first = bump(torch.tensor(CENTER), WIDTH)
    second = bump(torch.tensor(CENTER + shift), width)
    overlap_lost = (first - second).abs().sum() / 2
    distance = float(emd(first, second)) / PAPER_BINS

    figure, (left, middle, right) = style.subplots(1, 3, height=3.3, gaps=(0.7, 0.85))
    edges = bin_edges()
    for shares, color, name in ((first, style.COUNTS, "one"), (second, style.OURS, "the other")):
        style.filled_steps(left, 100 * shares, edges, color=color, alpha=0.5, label=name)
    left.set(xlim=(0, 1), xticks=(0, 0.5, 1), ylim=(0, 12), yticks=(0, 6, 12), title="Histograms")
    left.set(xlabel="intensity", ylabel="% of pixels")
    left.legend(loc="upper right")

    _shade(middle, first.cumsum(0), second.cumsum(0), style.OURS)
    _draw_plan(middle, first, second)
    shared.label_cdf_axes(middle, "CDFs: the area is the EMD")

    _draw_distances(right, first, width)
    right.plot(shift, overlap_lost, "o", color=style.COUNTS)
    right.plot(shift, distance, "o", color=style.OURS)
    caption = (
        f"Moved by {shift:.2f}: bin by bin, {overlap_lost:.1%} of the pixels are in a wrong bin "
        f"(half of L1); to put them right, the average pixel travels {distance:.3f} in intensity "
        f"(EMD), which is {distance * PAPER_BINS:.1f} of {PAPER_BINS} bins."
    )
    return Frame(figure, caption)


def _draw_distances(axes: Axes, first: Tensor, width: float) -> None:
    """Both distances from the first bump to one at each of SHIFTS."""
    moved = bump(CENTER + SHIFTS, width)
    half_l1 = (first - moved).abs().sum(-1) / 2
    axes.plot(SHIFTS, half_l1, color=style.COUNTS, linestyle="--", label="½ L1")
    distances = emd(first.expand_as(moved), moved) / PAPER_BINS
    axes.plot(SHIFTS, distances, color=style.OURS, label="EMD")
    axes.set(xlim=(-0.02, 0.62), xticks=(0, 0.3, 0.6), ylim=(0, 1.05), yticks=(0, 0.5, 1))
    axes.set(xlabel="moved by, intensity", ylabel="distance", title="Two distances")
    axes.legend(loc="lower right")


def _shade(axes: Axes, one: Tensor, other: Tensor, color: str) -> None:
    """Two CDFs and the area between; the second is drawn in colour."""
    centers = bin_centers().numpy()
    axes.fill_between(centers, one.numpy(), other.numpy(), color=color, alpha=0.25, linewidth=0)
    axes.plot(centers, one, color=style.COUNTS, linestyle="--", linewidth=1.5)
    axes.plot(centers, other, color=color)


def _draw_plan(axes: Axes, one: Tensor, other: Tensor) -> None:
    """Arrows: at each height, the pixel of that rank travels from one CDF to the other."""
    shares = torch.linspace(0.1, 0.9, 5, dtype=torch.float64)
    centers = bin_centers(dtype=torch.float64)
    starts, ends = (centers[torch.searchsorted(p.cumsum(0), shares)] for p in (one, other))
    axes.hlines(shares, starts, ends, color=style.OURS, linewidth=1, zorder=1.5)
    for marker, there in ((">", ends >= starts), ("<", ends < starts)):
        axes.plot(ends[there], shares[there], marker, color=style.OURS, markersize=5)


@demo(
    exposure=Slider("exposure, stops", -1.0, -3, 3, "All three CDFs slide the same way.", step=0.1),
    contrast=Slider("contrast", 1.0, 0, 2, "The CDFs cross: some go up, others down.", step=0.05),
    warmth=Slider("warmth, stops", 0.0, -2, 2, "Red and blue move apart, green hardly.", step=0.1),
    photo=Photograph(hint="The same slider costs a dark photograph more than a bright one."),
    target=Photograph("compared with", hint="With itself, sliders at rest mean no loss."),
    presets={
        "at rest": {"exposure": 0.0, "contrast": 1.0, "warmth": 0.0},
        "warmer": {"exposure": 0.0, "contrast": 1.0, "warmth": 1.0},
        "half the contrast": {"exposure": 0.0, "contrast": 0.5, "warmth": 0.0},
    },
)
def adjusted_photograph(
    exposure: float, contrast: float, warmth: float, photo: Tensor, target: Tensor
) -> Frame:
    """A photograph under three sliders, and its distance from the original."""
    adjusted = adjust_white_balance(adjust_exposure(small(photo), exposure), warmth)
    adjusted = adjust_contrast(adjusted, contrast)
    wanted, got = channel_cdfs(small(target)), channel_cdfs(adjusted)
    loss = emd_of_cdfs(got, wanted)

    figure, (before, after, bars, *curves) = style.subplots(
        2, 3, height=5.2, gaps=(0.6, 0.9), margins=(0.65, 0.2, 0.35, 0.6)
    )
    style.picture(before, small(target), "compared with this")
    style.picture(after, adjusted, "adjusted")
    _draw_losses(bars, loss.tolist())
    looks = zip(curves, CHANNEL_NAMES, style.CHANNELS, wanted, got, strict=True)
    for axes, name, color, one, other in looks:
        _shade(axes, one, other, color)
        shared.label_cdf_axes(axes, name, ylabel="share of pixels" if name == "red" else "")
    red, green, blue = loss.tolist()
    mean = float(loss.mean())
    caption = (
        f"EMD in bins: red {red:.1f}, green {green:.1f}, blue {blue:.1f}; mean {mean:.1f} of "
        f"{PAPER_BINS} bins = {mean / PAPER_BINS:.3f} in intensity. Dashed: compared with; in "
        "colour: adjusted."
    )
    return Frame(figure, caption)


def _draw_losses(axes: Axes, losses: list[float]) -> None:
    """A bar for each channel; its number stands within a long one, beside a short one."""
    axes.barh((2, 1, 0), losses, color=style.CHANNELS, height=0.6)
    for y, loss in zip((2, 1, 0), losses, strict=True):
        shift, side, ink = (-3, "right", "white") if loss > 80 else (3, "left", "black")
        axes.text(loss + shift, y, f"{loss:.1f}", ha=side, va="center", color=ink)
    axes.set_yticks((2, 1, 0), ("R", "G", "B"))
    axes.set(xlim=(0, 160), xticks=(0, 80, 160), ylim=(-0.6, 2.6))
    axes.set(xlabel="EMD, bins", title="The loss, Eq. 5")


def pull_on_pixels(
    image: Tensor, target: Tensor, *, alpha: float = 1000.0, outside: Outside = "clamp"
) -> Tensor:
    """The pull of Eq. 5 on each pixel (see `shared.pull_at`), (C, H, W) -> (C, H, W).

    image, target: in [0, 1], of any two sizes.
    """
    image = image.detach().requires_grad_()
    got, aim = (channel_cdfs(one, alpha, outside) for one in (image, target))
    (gradient,) = torch.autograd.grad(emd_of_cdfs(got, aim).sum() / PAPER_BINS, image)
    return -gradient * image[0].numel()


@demo(
    contrast=Slider("contrast", 1.0, 0, 2, "Which way does each half have to go?", step=0.05),
    alpha=LogSlider("α", 1000, 100, 1e5, "The ripple grows, then white holes open."),
    channel=Choice("channel", "red", CHANNEL_NAMES, "Another is often pulled the other way."),
    outside=Choice("outside [0, 1]", "clamp", shared.OUTSIDE_MODES, "The pull at exactly 0."),
    photo=Photograph(hint="Which parts turn yellow (lighter), which violet (darker)?"),
    target=shared.TARGET_CHOICE,
    presets={"α = 1000": {"alpha": 1000}, "α = 100 000": {"alpha": 100_000}},
)
def pull_on_the_photograph(
    contrast: float, alpha: float, channel: str, outside: Outside, photo: Tensor, target: Tensor
) -> Frame:
    """Which pixels the loss makes lighter, which darker."""
    index = CHANNEL_NAMES.index(channel)
    image = adjust_contrast(small(photo), contrast)[index : index + 1]
    wanted = small(target)[index : index + 1]
    pull = pull_on_pixels(image, wanted, alpha=alpha, outside=outside)[0]
    got, aim = (channel_cdfs(one, alpha, outside)[0] for one in (image, wanted))

    figure, (left, right, below_left, below_right) = style.subplots(
        2, 2, height=5.8, gaps=(0.8, 0.55), margins=(0.75, 0.2, 0.35, 0.6), heights=(1.25, 1)
    )
    style.picture(left, image.expand(3, -1, -1), f"{channel} of the photograph")
    right.imshow(pull.numpy(), cmap=style.DIVERGING, vmin=-1.5, vmax=1.5)
    right.set(title="Yellow: made lighter. Violet: darker")
    right.set_axis_off()
    _shade(below_left, aim, got, style.CHANNELS[index])
    shared.label_cdf_axes(below_left, "CDF: photograph in colour, target dashed")
    points = shared.dense_points(bin_edges(), alpha)
    along = shared.pull_at(points, (got - aim).sign(), alpha=alpha, outside=outside)
    shared.fill_pull(below_right, points, along, linewidth=0)
    below_right.set(xlim=(0, 1), xticks=(0, 0.5, 1), ylim=(-2.3, 2.3), yticks=(-2, -1, 0, 1, 2))
    below_right.set(xlabel="intensity", ylabel="pull (exact: ±1)", title="The pull, by intensity")
    return Frame(figure, _pull_caption(channel, pull, float(emd_of_cdfs(got, aim))))


def _pull_caption(channel: str, pull: Tensor, loss: float) -> str:
    lighter, darker = ((sign * pull > shared.WEAK).float().mean() for sign in (1, -1))
    dead = 1 - lighter - darker
    strongest = float(pull.flatten()[pull.abs().argmax()])
    return (
        f"{channel.capitalize()}, EMD {loss:.1f} bins: {lighter:.0%} of the pixels are made "
        f"lighter, {darker:.0%} darker, and {dead:.0%} feel less than a tenth of the exact EMD's "
        f"pull. The strongest pull on any pixel is {strongest:+.1f} times the exact EMD's."
    )


def shuffled(image: Tensor, share: float) -> Tensor:
    """(C, H, W) with that share of its pixels, picked at random, in each other's places."""
    flat = image.flatten(1)
    picked = shared.random_order(flat.shape[1], seed=3)[: round(share * flat.shape[1])]
    mixed = flat.clone()
    mixed[:, picked] = flat[:, picked.roll(1)]
    return mixed.view_as(image)


@demo(
    share=Slider("shuffled, %", 50, 0, 100, "One of the distances does not move.", step=1),
    exposure=Slider("exposure, stops", 0.0, -2, 2, "This one the loss does see.", step=0.1),
    photo=Photograph(hint="A shuffled photograph keeps its colours, and nothing else."),
    presets={
        "all pixels": {"share": 100, "exposure": 0.0},
        "all pixels, darker": {"share": 100, "exposure": -1.0},
    },
)
def shuffled_photograph(share: float, exposure: float, photo: Tensor) -> Frame:
    """A shuffled photograph and its distance from the original, with and without places."""
    original = small(photo)
    exposed = adjust_exposure(original, exposure)
    mixed = shuffled(exposed, share / 100)
    distance = float(emd_of_cdfs(channel_cdfs(mixed), channel_cdfs(original)).mean()) / PAPER_BINS
    shares = torch.linspace(0, 1, 6)
    errors = [mse_loss(shuffled(exposed, float(s)), original).sqrt() for s in shares]
    error = float(mse_loss(mixed, original).sqrt())

    figure, (left, middle, right) = style.subplots(
        1, 3, height=2.7, gaps=(0.6, 0.6), margins=(0.2, 0.2, 0.35, 0.6), widths=(1.2, 1.2, 1)
    )
    style.picture(left, original, "The original")
    style.picture(middle, mixed, "Shuffled")
    right.plot(100 * shares, errors, color=style.OTHER, linestyle="--", label="root of $L_{rec}$")
    right.axhline(distance, color=style.OURS, label="$L_{hm}$, intensity", clip_on=False)
    right.plot(share, error, "s", color=style.OTHER)
    right.plot(share, distance, "o", color=style.OURS, clip_on=False)
    right.set(xlim=(-2, 102), xticks=(0, 50, 100), ylim=(0, 0.8), yticks=(0, 0.4, 0.8))
    right.set(xlabel="shuffled, %", title="Two distances, in intensity")
    right.legend(loc="upper left")
    caption = (
        f"{share} % of the pixels have changed places. The histogram loss against the original "
        f"is {distance:.3f} in intensity; the root of the mean squared error is {error:.3f}."
    )
    return Frame(figure, caption)
