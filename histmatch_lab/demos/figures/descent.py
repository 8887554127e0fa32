"""Notebook 03: gradient descent on a photograph's pixels, and on a tone curve (Eq. 5 and 6).

The length of a step is stated for the exact Earth Mover's Distance, whose gradient on a pixel is
1, 0 or -1 in units of lam K / (3 N). Where the soft loss pulls that strongly, a pixel moves by the
step's length; no pixel moves further, and one without a pull stays where it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from histmatch_lab.demos import shared, style
from histmatch_lab.demos.controls import Choice, LogSlider, Photograph, Slider, Toggle
from histmatch_lab.demos.demo import Frame, demo
from histmatch_lab.demos.shared import PAPER_ALPHA, PAPER_BINS, channel_cdfs, emd_of_cdfs, small
from histmatch_lab.histogram import bin_centers

STEPS = 60
STARTS = ("the photograph", "noise")
SIDE = 200  # pixels: a film of 60 steps within a second or two
LONGEST, SHORTEST = 0.04, 0.002  # a step's length, in intensity, from the first to the last


def step_length(step: int) -> float:
    """In intensity. It shrinks evenly, so that the last steps do not overshoot."""
    return LONGEST + (SHORTEST - LONGEST) * step / STEPS


class State(NamedTuple):
    """The picture after some steps, and both terms of Eq. 6 there.

    Attributes:
        image: (3, H, W).
        emd: L_hm, mean of the channels, in bins.
        error: L_rec, the mean squared error against the input.
        norms: of the gradients of lam * L_hm and of L_rec with respect to the pixels.
        dead: share of the values that L_hm pulls with less than a tenth of the exact EMD's force.
    """

    image: Tensor
    emd: float
    error: float
    norms: tuple[float, float]
    dead: float


def descend_pixels(
    start: Tensor,
    photo: Tensor,
    target: Tensor,
    *,
    lam: float = 1.0,
    reconstruct: bool = False,
    alpha: float = PAPER_ALPHA,
) -> Iterator[State]:
    """Gradient descent on Eq. 6 from `start`: ``STEPS + 1`` states, the start first.

    L_hm draws the pixels towards the colours of `target`, (3, any height, any width); L_rec, if
    `reconstruct` is set, holds them near `photo`, (3, H, W) like `start`.
    """
    aim = channel_cdfs(target, alpha)
    image, values = start.clone(), start.numel()
    fair = lam * PAPER_BINS / values  # the exact EMD's gradient on one value
    for step in range(STEPS + 1):
        image.requires_grad_()
        loss = emd_of_cdfs(channel_cdfs(image, alpha), aim).mean()
        (match,) = torch.autograd.grad(lam * loss, image)
        image = image.detach()
        hold = 2 * (image - photo) / values
        yield State(
            image=image,
            emd=float(loss.detach()),
            error=float((image - photo).square().mean()),
            norms=(float(match.norm()), float(hold.norm())),
            dead=float((match.abs() < shared.WEAK * fair).float().mean()),
        )
        length = step_length(step)
        total = match + hold if reconstruct else match
        # values / 2 would reach the minimum of L_rec in one step: longer ones would overshoot.
        rate = min(length / fair, values / 2) if reconstruct else length / fair
        image = (image - (rate * total).clamp(-length, length)).clamp(0, 1)


@demo(
    steps=STEPS,
    lam=LogSlider("λ", 0.001, 1e-4, 1.0, "λ = 1 is the paper's: which term wins here?"),
    reconstruct=Toggle("L_rec", True, "Off: nothing ties the pixels to the photograph."),
    alpha=LogSlider("α", 1000, 100, 1e5, "At 100 000 nearly every pixel feels nothing."),
    start=Choice("start from", "the photograph", STARTS, "Do the colours bring it back?"),
    photo=Photograph(hint="What survives of the picture, and what of its colours?"),
    target=shared.TARGET_CHOICE,
)
def descent_on_pixels(
    lam: float, reconstruct: bool, alpha: float, start: str, photo: Tensor, target: Tensor
) -> Iterator[Callable[[], Frame]]:
    """Gradient descent on the pixels, towards another photograph's colours."""
    photo, target = small(photo, SIDE), small(target, SIDE)
    noise = torch.rand(photo.shape, generator=torch.Generator().manual_seed(3))
    first = noise if start == "noise" else photo
    states: tuple[State, ...] = ()
    options: Any = {"lam": lam, "reconstruct": reconstruct, "alpha": alpha}
    for state in descend_pixels(first, photo, target, **options):
        states += (state,)
        yield partial(_pixel_frame, photo, target, states, alpha, reconstruct)


def _pixel_frame(
    photo: Tensor, target: Tensor, states: tuple[State, ...], alpha: float, reconstruct: bool
) -> Frame:
    now, step = states[-1], len(states) - 1
    figure, (left, middle, right, curves, losses, norms) = _six_axes()
    style.picture(left, photo, "The photograph")
    style.picture(middle, now.image, "Now")
    style.picture(right, target, "The target of the colours")
    _draw_cdfs(curves, channel_cdfs(now.image, alpha), channel_cdfs(target, alpha))
    distances = [state.emd / PAPER_BINS for state in states]
    errors = [state.error**0.5 for state in states]
    losses.plot(distances, color=style.OURS, label="$L_{hm}$, intensity")
    losses.plot(errors, color=style.OTHER, linestyle="--", label="root of $L_{rec}$")
    losses.plot(step, distances[-1], "o", color=style.OURS, clip_on=False)
    _label_steps(losses, "Distances")
    losses.set(ylim=(0, 0.8), yticks=(0, 0.4, 0.8))
    norms.plot([state.norms[0] for state in states], color=style.OURS, label=r"of $\lambda L_{hm}$")
    if reconstruct:
        holds = [max(state.norms[1], 1e-9) for state in states]
        norms.plot(holds, color=style.OTHER, linestyle="--", label="of $L_{rec}$")
    norms.plot(step, now.norms[0], "o", color=style.OURS, clip_on=False)
    _label_steps(norms, "Norms of the gradients")
    norms.set(yscale="log", ylim=(1e-6, 10), yticks=(1e-6, 1e-3, 1))
    caption = (
        f"Step {step} of {STEPS}: the colours are {now.emd:.1f} bins ({distances[-1]:.3f} in "
        f"intensity) from the target's, at the start {states[0].emd:.1f}; the pixels are "
        f"{errors[-1]:.3f} (root mean square) from the photograph. {now.dead:.0%} of the values "
        f"feel less than a tenth of the exact EMD's pull."
    )
    return Frame(figure, caption)


def _draw_cdfs(axes: Axes, got: Tensor, aim: Tensor) -> None:
    centers = bin_centers().numpy()
    for color, width, name, one, other in zip(
        style.CHANNELS, style.CHANNEL_WIDTHS, "RGB", got.numpy(), aim.numpy(), strict=True
    ):
        axes.fill_between(centers, one, other, color=color, alpha=0.2, linewidth=0)
        axes.plot(centers, one, color=color, linewidth=width, label=name)
        axes.plot(centers, other, color=color, linestyle=":", linewidth=width)
    axes.legend(loc="lower right")
    shared.label_cdf_axes(axes, "CDFs; dotted: target")


def _six_axes() -> tuple[Figure, list[Axes]]:
    return style.subplots(2, 3, height=4.9, gaps=(0.75, 0.6), margins=(0.75, 0.2, 0.35, 0.6))


def _label_steps(axes: Axes, title: str) -> None:
    axes.set(xlim=(0, STEPS), xticks=(0, STEPS // 2, STEPS), xlabel="step", title=title)
    axes.legend(loc="upper right")


class ToneCurves:
    """One tone curve per channel through evenly spaced knots, applied to one photograph.

    Attributes:
        knots: (3, n), the height of each knot; at first the identity.
        pixels: (3, n), how many pixels depend on each knot, at least 1.
    """

    def __init__(self, photo: Tensor, count: int) -> None:
        self.knots = torch.linspace(0, 1, count).repeat(3, 1)
        place = photo.flatten(1) * (count - 1)
        self._left = place.long().clamp(max=count - 2)
        self._part = place - self._left
        self._shape = photo.shape
        pixels = torch.zeros_like(self.knots)
        pixels.scatter_add_(1, self._left, 1 - self._part)
        pixels.scatter_add_(1, self._left + 1, self._part)
        self.pixels = pixels.clamp(min=1)

    def apply(self, knots: Tensor) -> Tensor:
        """The photograph under the curves through `knots`, (3, n) -> (3, H, W)."""
        left, right = knots.gather(1, self._left), knots.gather(1, self._left + 1)
        return torch.lerp(left, right, self._part).view(self._shape)


def descend_curve(
    photo: Tensor,
    target: Tensor,
    *,
    count: int = 16,
    rising: bool = True,
    alpha: float = PAPER_ALPHA,
) -> Iterator[tuple[Tensor, Tensor, float]]:
    """Gradient descent on Eq. 5 over a tone curve: knots (3, count), picture, EMD in bins.

    There are ``STEPS + 1`` of them, the start first. A knot moves by the mean pull on the pixels
    that depend on it. With `rising`, no knot lies below the one before it.
    """
    aim = channel_cdfs(target, alpha)
    curves = ToneCurves(photo, count)
    fair = PAPER_BINS / photo.numel()
    for step in range(STEPS + 1):
        knots = curves.knots.requires_grad_()
        image = curves.apply(knots)
        loss = emd_of_cdfs(channel_cdfs(image, alpha), aim).mean()
        (gradient,) = torch.autograd.grad(loss, knots)
        knots = knots.detach()
        yield knots, image.detach(), float(loss.detach())
        length = step_length(step)
        move = (length / fair * gradient / curves.pixels).clamp(-length, length)
        curves.knots = (knots - move).clamp(0, 1)
        if rising:
            curves.knots = _rising(curves.knots)


def _rising(knots: Tensor) -> Tensor:
    """The nearest rising heights: the mean of the running maximum and the running minimum."""
    lowest_ahead = knots.flip(1).cummin(1).values.flip(1)
    return (knots.cummax(1).values + lowest_ahead) / 2


@demo(
    steps=STEPS,
    alpha=LogSlider("α", 1000, 100, 1e5, "Sharper kernels hurt the pixels. And the curve?"),
    count=Slider("knots per curve", 16, 2, 64, "Few knots: how near can the colours come?", step=1),
    rising=Toggle("only rising curves", True, "Off: light pixels may get darker than dark ones."),
    photo=Photograph(hint="Smooth areas: on the left they break up first."),
    target=shared.TARGET_CHOICE,
)
def descent_on_a_curve(
    alpha: float, count: int, rising: bool, photo: Tensor, target: Tensor
) -> Iterator[Callable[[], Frame]]:
    """The same descent on every pixel and on one tone curve per channel."""
    photo, target = small(photo, SIDE), small(target, SIDE)
    pixels = descend_pixels(photo, photo, target, alpha=alpha)
    curve = descend_curve(photo, target, count=count, rising=rising, alpha=alpha)
    history: tuple[tuple[float, float], ...] = ()
    for free, (knots, image, loss) in zip(pixels, curve, strict=True):
        history += ((free.emd, loss),)
        yield partial(_curve_frame, photo, target, free.image, image, knots, history, rising)


def _curve_frame(
    photo: Tensor,
    target: Tensor,
    free: Tensor,
    curved: Tensor,
    knots: Tensor,
    history: tuple[tuple[float, float], ...],
    rising: bool,
) -> Frame:
    step, count = len(history) - 1, knots.shape[1]
    figure, (left, middle, right, dots, lines, losses) = _six_axes()
    style.picture(left, free, "Each pixel free")
    style.picture(middle, curved, f"A {'rising' if rising else 'free'} curve per channel")
    style.picture(right, target, "The target of the colours")
    _draw_mappings(dots, lines, photo, free, knots)
    pixel_losses, curve_losses = zip(*history, strict=True)
    losses.plot(pixel_losses, color=style.COUNTS, linestyle="--", label="pixels")
    losses.plot(curve_losses, color=style.OURS, label="curve")
    losses.plot((step, step), history[-1], "o", color=style.OURS, clip_on=False)
    _label_steps(losses, "$L_{hm}$, bins")
    losses.set(ylim=(0, 100), yticks=(0, 50, 100))
    caption = (
        f"Step {step} of {STEPS}, from {pixel_losses[0]:.1f} bins. Each pixel on its own: "
        f"{pixel_losses[-1]:.1f} bins left, and neighbouring pixels differ "
        f"{_contrast(photo, free):.1f} times as much as in the photograph. {count} knots per "
        f"channel: {curve_losses[-1]:.1f} bins left, {_contrast(photo, curved):.1f} times as much."
    )
    return Frame(figure, caption)


def _draw_mappings(dots: Axes, lines: Axes, photo: Tensor, free: Tensor, knots: Tensor) -> None:
    """Intensity now over intensity before: of each free pixel, and along the curves."""
    every = slice(None, None, 1 + photo[0].numel() // 1000)
    places = torch.linspace(0, 1, knots.shape[1])
    looks = zip("RGB", style.CHANNELS, style.CHANNEL_MARKS, style.CHANNEL_WIDTHS, strict=True)
    for (name, color, mark, width), *channel in zip(looks, photo, free, knots, strict=True):
        before, now, heights = (values.flatten() for values in channel)
        look: Any = {"color": color, "label": name}
        dots.plot(before[every], now[every], mark, markersize=3, markeredgewidth=0.5, **look)
        lines.plot(places, heights, ".-", linewidth=width, **look)
    for axes in (dots, lines):
        shared.tone_axes(axes, margin=0.03, xlabel="intensity before")
        axes.legend(loc="lower right")
    dots.set(ylabel="intensity now", title="Each dot: a pixel")
    lines.set(title="The curves")


def _contrast(before: Tensor, after: Tensor) -> float:
    """The mean difference between neighbouring pixels, against the photograph's."""
    now, then = (image.diff(dim=-1).abs().mean() for image in (after, before))
    return float(now / then.clamp(min=1e-6))
