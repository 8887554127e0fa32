"""Notebook 03: gradient descent on a photograph's pixels, and on a tone curve (Eq. 5 and 6).

The length of a step is stated for the exact Earth Mover's Distance, whose gradient on a pixel is
1, 0 or -1 in units of lam K / (3 N). Where the soft loss pulls that strongly, a pixel moves by the
step's length; no pixel moves further, and one without a pull stays where it is.
"""

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
        values: what is moved, the pixels or the knots of a curve; and `image`, (3, H, W).
        emd: L_hm, mean of the channels, in bins.
        error: L_rec, the mean squared error against the input.
        norms: of the gradients of lam * L_hm with respect to the values, of L_rec to the pixels.
        dead: share of the values that L_hm pulls with less than a tenth of the exact EMD's force.
    """

    values: Tensor
    image: Tensor
    emd: float
    error: float
    norms: tuple[float, float]
    dead: float


def descend(
    values: Tensor,
    photo: Tensor,
    target: Tensor,
    *,
    lam: float = 1.0,
    reconstruct: bool = False,
    alpha: float = PAPER_ALPHA,
    render: Callable[[Tensor], Tensor] = torch.Tensor.clone,
    settle: Callable[[Tensor], Tensor] = torch.Tensor.clone,
    pixels: Tensor | float = 1.0,
) -> Iterator[State]:
    """Gradient descent on Eq. 6 from `values`: ``STEPS + 1`` states, the start first.

    L_hm draws the pixels towards the colours of `target`, (3, any, any); L_rec, if `reconstruct`,
    holds them near `photo`, (3, H, W). The values are the pixels themselves, or `render` makes
    those from them, `pixels` of them from each; `settle` is applied after each step.
    """
    aim, count = channel_cdfs(target, alpha), photo.numel()
    fair = lam * PAPER_BINS / count  # the exact EMD's gradient on one pixel
    for step in range(STEPS + 1):
        values = values.clone().requires_grad_()
        image = render(values)
        loss = emd_of_cdfs(channel_cdfs(image, alpha), aim).mean()
        (match,) = torch.autograd.grad(lam * loss, values)
        image = image.detach()
        hold = 2 * (image - photo) / count
        yield State(
            values.detach(),
            image,
            emd=float(loss.detach()),
            error=float((image - photo).square().mean()),
            norms=(float(match.norm()), float(hold.norm())),
            dead=float((match.abs() < shared.WEAK * fair * pixels).float().mean()),
        )
        length = step_length(step)
        move = length / fair * match / pixels
        if reconstruct:  # a rate of count / 2 would reach the minimum of L_rec: not beyond it
            move = min(length / fair, count / 2) * (match + hold)
        values = settle((values.detach() - move.clamp(-length, length)).clamp(0, 1))


@demo(
    steps=STEPS,
    lam=LogSlider("λ", 0.001, 1e-4, 1.0, "λ = 1 is the paper's: which term wins here?"),
    reconstruct=Toggle("L_rec", True, "Off: nothing ties the pixels to the photograph."),
    alpha=LogSlider("α", 1000, 100, 1e5, "At 100 000 nearly every pixel feels nothing."),
    start=Choice("start from", "the photograph", STARTS, "Do the colours bring it back?"),
    photo=Photograph(hint="What survives of the picture, and what of its colours?"),
    target=shared.TARGET_CHOICE,
    presets={
        "λ = 0.001": {"lam": 0.001, "reconstruct": True, "start": STARTS[0]},
        "λ = 1": {"lam": 1.0, "reconstruct": True, "start": STARTS[0]},
        "from noise": {"lam": 0.001, "reconstruct": False, "start": STARTS[1]},
        "from noise, with L_rec": {"lam": 0.001, "reconstruct": True, "start": STARTS[1]},
    },
)
def descent_on_pixels(
    lam: float, reconstruct: bool, alpha: float, start: str, photo: Tensor, target: Tensor
) -> Iterator[Callable[[], Frame]]:
    """Gradient descent on the pixels, towards another photograph's colours."""
    photo, target = small(photo, SIDE), small(target, SIDE)
    noise = torch.rand(photo.shape, generator=torch.Generator().manual_seed(3))
    first = noise if start == "noise" else photo
    states: tuple[State, ...] = ()
    for state in descend(first, photo, target, lam=lam, reconstruct=reconstruct, alpha=alpha):
        states += (state,)
        yield partial(_pixel_frame, photo, target, states, alpha, reconstruct)


def _pixel_frame(
    photo: Tensor, target: Tensor, states: tuple[State, ...], alpha: float, reconstruct: bool
) -> Frame:
    now, step = states[-1], len(states) - 1
    pictures = {"The photograph": photo, "Now": now.image}
    figure, (curves, losses, norms) = _axes_below(pictures, target)
    _draw_cdfs(curves, channel_cdfs(now.image, alpha), channel_cdfs(target, alpha))
    distances = [state.emd / PAPER_BINS for state in states]
    errors = [state.error**0.5 for state in states]
    _draw_history(
        losses, "Distances, in intensity", {"$L_{hm}$": distances, "root of $L_{rec}$": errors}
    )
    losses.set(ylim=(0, 0.8), yticks=(0, 0.4, 0.8))
    lines = {r"of $\lambda L_{hm}$": [state.norms[0] for state in states]}
    if reconstruct:
        lines["of $L_{rec}$"] = [max(state.norms[1], 1e-6) for state in states]
    _draw_history(norms, "Norms of the gradients", lines)
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


def _axes_below(pictures: dict[str, Tensor], target: Tensor) -> tuple[Figure, list[Axes]]:
    margins, gaps = (0.75, 0.2, 0.35, 0.6), (0.75, 0.6)
    figure, axes = style.subplots(2, 3, height=4.9, margins=margins, gaps=gaps)
    style.pictures(axes, [*pictures.items(), ("The target of the colours", target)])
    return figure, axes[3:]


def _draw_history(axes: Axes, title: str, lines: dict[str, list[float]]) -> None:
    """Lines over the steps so far, each by its label."""
    looks = ((style.OURS, "-", "o"), (style.OTHER, "--", "s"))
    for (label, values), (color, dash, mark) in zip(lines.items(), looks, strict=False):
        axes.plot(values, dash, color=color, label=label)
        axes.plot(len(values) - 1, values[-1], mark, color=color, clip_on=False)
    axes.set(xlim=(0, STEPS), xticks=(0, STEPS // 2, STEPS), xlabel="step", title=title)
    axes.legend(loc="upper right")


def tone_curve(photo: Tensor, knots: Tensor) -> Tensor:
    """A photograph under a curve per channel through even knots, (3, H, W), (3, n) -> (3, H, W)."""
    place = photo.flatten(1) * (knots.shape[1] - 1)
    left = place.long().clamp(max=knots.shape[1] - 2)
    heights = torch.lerp(knots.gather(1, left), knots.gather(1, left + 1), place - left)
    return heights.view_as(photo)


def descend_curve(
    photo: Tensor,
    target: Tensor,
    *,
    count: int = 16,
    rising: bool = True,
    alpha: float = PAPER_ALPHA,
) -> Iterator[State]:
    """Gradient descent on Eq. 5 over the `count` knots of a tone curve, at first the identity.

    A knot moves by the mean pull on the pixels that depend on it. With `rising`, no knot lies
    below the one before it.
    """
    knots = torch.linspace(0, 1, count).repeat(3, 1).requires_grad_()
    render, settle = partial(tone_curve, photo), _rising if rising else torch.Tensor.clone
    (pixels,) = torch.autograd.grad(render(knots).sum(), knots)
    options: Any = {"alpha": alpha, "pixels": pixels.clamp(min=1)}
    return descend(knots.detach(), photo, target, render=render, settle=settle, **options)


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
    presets={f"α = {alpha}": {"alpha": alpha} for alpha in (1000, 5000)},
)
def descent_on_a_curve(
    alpha: float, count: int, rising: bool, photo: Tensor, target: Tensor
) -> Iterator[Callable[[], Frame]]:
    """The same descent on every pixel and on one tone curve per channel."""
    photo, target = small(photo, SIDE), small(target, SIDE)
    pixels = descend(photo, photo, target, alpha=alpha)
    curve = descend_curve(photo, target, count=count, rising=rising, alpha=alpha)
    history: tuple[tuple[State, State], ...] = ()
    for both in zip(pixels, curve, strict=True):
        history += (both,)
        yield partial(_curve_frame, photo, target, history, rising)


def _curve_frame(
    photo: Tensor, target: Tensor, history: tuple[tuple[State, State], ...], rising: bool
) -> Frame:
    free, curve = history[-1]
    kind = "A rising curve per channel" if rising else "A free curve per channel"
    pictures = {"Each pixel free": free.image, kind: curve.image}
    figure, (dots, lines, losses) = _axes_below(pictures, target)
    shared.draw_dots(dots, photo, free.image)
    shared.tone_axes(dots, margin=0.03, xlabel="intensity before", ylabel="intensity now")
    dots.set_title("Each dot: a pixel")
    _draw_curves(lines, curve.values)
    of_pixels, of_curve = ([both[i].emd for both in history] for i in (0, 1))
    _draw_history(losses, "$L_{hm}$, bins", {"curve": of_curve, "pixels": of_pixels})
    losses.set(ylim=(0, 100), yticks=(0, 50, 100))
    caption = (
        f"Step {len(history) - 1} of {STEPS}, from {of_pixels[0]:.1f} bins. Each pixel on its own: "
        f"{free.emd:.1f} bins left, and neighbouring pixels differ "
        f"{_contrast(photo, free.image):.1f} times as much as in the photograph. "
        f"{curve.values.shape[1]} knots per channel: {curve.emd:.1f} bins left, "
        f"{_contrast(photo, curve.image):.1f} times as much."
    )
    return Frame(figure, caption)


def _draw_curves(axes: Axes, knots: Tensor) -> None:
    places = torch.linspace(0, 1, knots.shape[1])
    looks = zip(knots, "RGB", style.CHANNELS, style.CHANNEL_WIDTHS, strict=True)
    for heights, name, color, width in looks:
        axes.plot(places, heights, ".-", color=color, linewidth=width, label=name)
    shared.tone_axes(axes, margin=0.03, xlabel="intensity before", title="The curves")
    axes.legend(loc="lower right")


def _contrast(before: Tensor, after: Tensor) -> float:
    """The mean difference between neighbouring pixels, against the photograph's."""
    now, then = (image.diff(dim=-1).abs().mean() for image in (after, before))
    return float(now / then.clamp(min=1e-6))
