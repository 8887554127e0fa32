"""Notebook 03: gradient descent on a photograph's pixels, and on a tone curve (Eq. 5 and 6).

Steps are measured against the exact Earth Mover's Distance, whose gradient on each pixel is 1, 0
or -1 in units of lam K / (3 N): where the soft loss pulls as hard as that, a pixel moves by the
step's length; no pixel ever moves further, and one that feels nothing stays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import torch
from matplotlib.axes import Axes
from torch import Tensor

from histmatch_lab.demos.controls import Choice, LogSlider, Photograph, Slider, Toggle
from histmatch_lab.demos.demo import Frame, demo
from histmatch_lab.demos.figures.distance import BINS, FAIR, TARGET_PHOTO, cdfs, emd_of, small
from histmatch_lab.demos.style import (
    CHANNEL_MARKS,
    CHANNEL_WIDTHS,
    CHANNELS,
    COUNTS,
    FAINT,
    OTHER,
    OURS,
    picture,
    subplots,
)
from histmatch_lab.histogram import bin_centers

STEPS = 60
SIDE = 200  # pixels: a film of 60 steps within a second or two
LONGEST, SHORTEST = 0.04, 0.002  # a step's length, in intensity, from the first to the last


def step_length(step: int) -> float:
    """In intensity; it shrinks evenly, so that the last steps do not overshoot."""
    return LONGEST + (SHORTEST - LONGEST) * step / STEPS


@dataclass(frozen=True)
class State:
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
    alpha: float = 1000.0,
) -> Iterator[State]:
    """Gradient descent on Eq. 6 from `start`, (3, H, W): ``STEPS + 1`` states, the start first.

    L_hm draws towards the colours of `target`, of any size; L_rec, if there, holds the pixels
    near `photo`, of the size of `start`.
    """
    aim = cdfs(target, alpha=alpha)
    image, values = start.clone(), start.numel()
    fair = lam * BINS / values  # the exact EMD's gradient on one value
    for step in range(STEPS + 1):
        image.requires_grad_()
        loss = emd_of(cdfs(image, alpha=alpha), aim).mean()
        (match,) = torch.autograd.grad(lam * loss, image)
        image = image.detach()
        hold = 2 * (image - photo) / values
        yield State(
            image=image,
            emd=float(loss.detach()),
            error=float((image - photo).square().mean()),
            norms=(float(match.norm()), float(hold.norm())),
            dead=float((match.abs() < FAIR * fair).float().mean()),
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
    alpha=LogSlider("α", 1000, 100, 1e5, "At 100 000 nearly every pixel feels nothing: it stalls."),
    start=Choice(
        "start from", "the photograph", ("the photograph", "noise"), "Do the colours bring it back?"
    ),
    photo=Photograph(hint="What survives of the picture, and what of its colours?"),
    target=TARGET_PHOTO,
)
def descent_on_pixels(
    lam: float, reconstruct: bool, alpha: float, start: str, photo: Tensor, target: Tensor
) -> Iterator[Callable[[], Frame]]:
    """Gradient descent on the pixels, towards another photograph's colours."""
    photo, target = small(photo, SIDE), small(target, SIDE)
    noise = torch.rand(photo.shape, generator=torch.Generator().manual_seed(3))
    first = noise if start == "noise" else photo
    states: list[State] = []
    for state in descend_pixels(
        first, photo, target, lam=lam, reconstruct=reconstruct, alpha=alpha
    ):
        states.append(state)
        yield partial(_pixel_frame, photo, target, tuple(states), alpha, reconstruct)


def _pixel_frame(
    photo: Tensor, target: Tensor, states: tuple[State, ...], alpha: float, reconstruct: bool
) -> Frame:
    now, step = states[-1], len(states) - 1
    figure, (left, middle, right, curves, losses, norms) = subplots(
        2, 3, height=4.9, gaps=(0.75, 0.6), margins=(0.75, 0.2, 0.35, 0.6)
    )
    picture(left, photo, "The photograph")
    picture(middle, now.image, "Now")
    picture(right, target, "The target of the colours")
    _draw_cdfs(curves, cdfs(now.image, alpha=alpha), cdfs(target, alpha=alpha))
    steps = range(step + 1)
    losses.plot(steps, [s.emd / BINS for s in states], color=OURS, label="$L_{hm}$, intensity")
    held = [s.error**0.5 for s in states]
    losses.plot(steps, held, color=OTHER, linestyle="--", label="root of $L_{rec}$")
    _step_axis(losses, "Distances")
    losses.set(ylim=(0, 0.8), yticks=(0, 0.4, 0.8))
    pairs = [(match, max(hold, 1e-9)) for match, hold in (s.norms for s in states)]
    norms.plot(steps, [match for match, _ in pairs], color=OURS, label=r"of $\lambda L_{hm}$")
    if reconstruct:
        holds = [hold for _, hold in pairs]
        norms.plot(steps, holds, color=OTHER, linestyle="--", label="of $L_{rec}$")
    _step_axis(norms, "Norms of the gradients")
    norms.set(yscale="log", ylim=(1e-6, 10), yticks=(1e-6, 1e-3, 1))
    losses.plot(step, now.emd / BINS, "o", color=OURS, clip_on=False)
    norms.plot(step, now.norms[0], "o", color=OURS, clip_on=False)
    caption = (
        f"Step {step} of {STEPS}: the colours are {now.emd:.1f} bins ({now.emd / BINS:.3f} in "
        f"intensity) from the target's, at the start {states[0].emd:.1f}; the pixels are "
        f"{held[-1]:.3f} (root mean square) from the photograph. {now.dead:.0%} of the values "
        f"feel less than a tenth of the exact EMD's pull."
    )
    return Frame(figure, caption)


def _draw_cdfs(axes: Axes, got: Tensor, aim: Tensor) -> None:
    centers = bin_centers(BINS).numpy()
    for color, width, name, one, other in zip(
        CHANNELS, CHANNEL_WIDTHS, "RGB", got.numpy(), aim.numpy(), strict=True
    ):
        axes.fill_between(centers, one, other, color=color, alpha=0.2, linewidth=0)
        axes.plot(centers, one, color=color, linewidth=width, label=name)
        axes.plot(centers, other, color=color, linestyle=":", linewidth=width)
    axes.legend(loc="lower right")
    axes.set(xlim=(0, 1), xticks=(0, 0.5, 1), ylim=(0, 1.03), yticks=(0, 0.5, 1))
    axes.set(xlabel="intensity", ylabel="share of pixels", title="CDFs; dotted: target")


def _step_axis(axes: Axes, title: str) -> None:
    axes.set(xlim=(0, STEPS), xticks=(0, STEPS // 2, STEPS), xlabel="step", title=title)
    axes.legend(loc="upper right")


class ToneCurves:
    """One tone curve per channel through evenly spaced knots, applied to one photograph.

    Attributes:
        knots: (3, n), the height of each knot; at first the identity.
    """

    def __init__(self, photo: Tensor, count: int) -> None:
        self.knots = torch.linspace(0, 1, count).repeat(3, 1)
        place = photo.flatten(1) * (count - 1)
        self._left = place.long().clamp(max=count - 2)
        self._part = place - self._left
        self._shape = photo.shape
        share = torch.zeros_like(self.knots)
        share.scatter_add_(1, self._left, 1 - self._part)
        share.scatter_add_(1, self._left + 1, self._part)
        self.share = share.clamp(min=1)  # how many pixels hang on each knot

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
    alpha: float = 1000.0,
) -> Iterator[tuple[Tensor, Tensor, float]]:
    """Gradient descent on Eq. 5 over a tone curve: knots (3, count), picture, EMD in bins.

    A knot moves by the mean pull on the pixels that hang on it; `rising` keeps each curve from
    turning back: a knot never lies below the one before it.
    """
    aim = cdfs(target, alpha=alpha)
    curves = ToneCurves(photo, count)
    fair = BINS / photo.numel()
    for step in range(STEPS + 1):
        knots = curves.knots.requires_grad_()
        image = curves.apply(knots)
        loss = emd_of(cdfs(image, alpha=alpha), aim).mean()
        (gradient,) = torch.autograd.grad(loss, knots)
        knots = knots.detach()
        yield knots, image.detach(), float(loss.detach())
        length = step_length(step)
        move = (length / fair * gradient / curves.share).clamp(-length, length)
        curves.knots = (knots - move).clamp(0, 1)
        if rising:
            curves.knots = _rising(curves.knots)


def _rising(knots: Tensor) -> Tensor:
    """Half way between the least rising curve above and the greatest below."""
    below = knots.flip(1).cummin(1).values.flip(1)
    return (knots.cummax(1).values + below) / 2


@demo(
    steps=STEPS,
    alpha=LogSlider(
        "α", 1000, 100, 1e5, "Sharper kernels hurt the pixels. Do they hurt the curve?"
    ),
    count=Slider("knots per curve", 16, 2, 64, "Few knots: how near can the colours come?", step=1),
    rising=Toggle(
        "only rising curves", True, "Off: light pixels may end up darker than dark ones."
    ),
    photo=Photograph(hint="Smooth areas: on the left they break up first."),
    target=TARGET_PHOTO,
)
def descent_on_a_curve(
    alpha: float, count: int, rising: bool, photo: Tensor, target: Tensor
) -> Iterator[Callable[[], Frame]]:
    """The same descent on every pixel and on one tone curve per channel."""
    photo, target = small(photo, SIDE), small(target, SIDE)
    pixels = descend_pixels(photo, photo, target, alpha=alpha)
    curve = descend_curve(photo, target, count=count, rising=rising, alpha=alpha)
    history: list[tuple[float, float]] = []
    for state, (knots, image, loss) in zip(pixels, curve, strict=True):
        history.append((state.emd, loss))
        past = tuple(history)
        yield partial(_curve_frame, photo, target, state.image, image, knots, past, rising)


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
    figure, (left, middle, right, dots, lines, losses) = subplots(
        2, 3, height=4.9, gaps=(0.75, 0.6), margins=(0.75, 0.2, 0.35, 0.6)
    )
    picture(left, free, "Each pixel free")
    kind = "rising" if rising else "free"
    picture(middle, curved, f"A {kind} curve per channel")
    picture(right, target, "The target of the colours")
    every = slice(None, None, 1 + photo[0].numel() // 1000)
    places = torch.linspace(0, 1, count)
    kinds = zip("RGB", CHANNELS, CHANNEL_MARKS, CHANNEL_WIDTHS, photo, free, knots, strict=True)
    for name, color, mark, width, before, after, heights in kinds:
        place = (before.flatten()[every], after.flatten()[every])
        dots.plot(*place, mark, color=color, markersize=3, markeredgewidth=0.5, label=name)
        lines.plot(places, heights, ".-", color=color, linewidth=width, label=name)
    for axes in (dots, lines):
        axes.plot((0, 1), (0, 1), color=FAINT, linewidth=1, zorder=1)
        axes.set(xlim=(0, 1), xticks=(0, 0.5, 1), ylim=(-0.03, 1.03), yticks=(0, 0.5, 1))
        axes.set(xlabel="intensity before")
        axes.legend(loc="lower right")
    dots.set(ylabel="intensity now", title="Each dot: a pixel")
    lines.set(title="The curves")
    steps = range(step + 1)
    losses.plot(steps, [p for p, _ in history], color=COUNTS, linestyle="--", label="pixels")
    losses.plot(steps, [c for _, c in history], color=OURS, label="curve")
    losses.plot((step, step), history[-1], "o", color=OURS, clip_on=False)
    _step_axis(losses, "$L_{hm}$, bins")
    losses.set(ylim=(0, 100), yticks=(0, 50, 100))
    pixel_loss, curve_loss = history[-1]
    caption = (
        f"Step {step} of {STEPS}, from {history[0][0]:.1f} bins. Each pixel on its own: "
        f"{pixel_loss:.1f} bins left, and neighbouring pixels differ {_contrast(photo, free):.1f} "
        f"times as much as in the photograph. {count} knots per channel: {curve_loss:.1f} bins "
        f"left, {_contrast(photo, curved):.1f} times as much."
    )
    return Frame(figure, caption)


def _contrast(before: Tensor, after: Tensor) -> float:
    """The mean difference between neighbouring pixels, against the photograph's."""
    now, then = (image.diff(dim=-1).abs().mean() for image in (after, before))
    return float(now / then.clamp(min=1e-6))
