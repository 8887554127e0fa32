"""Notebook 05: pictures of a training run, and of what it learned."""

from collections.abc import Callable, Sequence
from functools import partial
from statistics import fmean

import torch
from matplotlib.axes import Axes
from torch import Tensor

from histmatch_lab.data.pairs import Pair
from histmatch_lab.data.tasks import TaskPairs
from histmatch_lab.demos import style
from histmatch_lab.demos.controls import Choice, Slider
from histmatch_lab.demos.demo import Frame, demo
from histmatch_lab.demos.shared import decibels, draw_dots, smooth_histograms, tone_axes
from histmatch_lab.demos.style import gallery, styled
from histmatch_lab.hdrnet import Network
from histmatch_lab.recipe import TERM_LABELS
from histmatch_lab.training.evaluation import Predict, channel_emds
from histmatch_lab.training.loop import Step

LOOKS = ((style.OTHER, "-"), (style.OURS, "--"), (style.COUNTS, ":"), (style.TARGET, "-."))


def training_so_far(network: Network, pair: Pair) -> Callable[[Sequence[Step]], Frame]:
    """What draws a training's steps: what the network makes of one test picture now, beside its
    target, their histograms, the terms of the loss, and the PSNR of the batches.
    """
    return partial(_draw_training, network, pair)


@styled
def _draw_training(network: Network, pair: Pair, history: Sequence[Step]) -> Frame:
    network.eval()
    with torch.no_grad():
        image = pair.input[None].to(next(network.parameters()).device)
        output = network(image)[0].float().cpu().clamp(0, 1)
    network.train()
    step, better = history[-1], decibels(output, pair.target)
    figure, (now, aim, histograms, losses, batches, rest) = style.subplots(
        2, 3, height=5.3, gaps=(0.75, 0.95), margins=(0.75, 0.2, 0.35, 0.6)
    )
    style.picture(now, output, f"{pair.name} now: {better:.1f} dB")
    style.picture(aim, pair.target, "Its target")
    _draw_histograms(histograms, output, pair.target, "Histograms; dotted: target")
    steps = [s.number for s in history]
    for name, (colour, dash) in zip(step.terms, LOOKS, strict=False):
        values = _running_mean([s.terms[name] for s in history])
        losses.plot(steps, values, dash, color=colour, label=TERM_LABELS.get(name, name))
    losses.set(yscale="log", ylim=(1e-3, 1), title="Terms of the loss, before λ")
    losses.legend(loc="upper right", ncols=2)
    batches.plot(steps, [s.psnr for s in history], color=style.COUNTS, alpha=0.6, lw=1)
    batches.plot(steps, _running_mean([s.psnr for s in history]), color=style.OURS)
    batches.set(title="PSNR of the batch, dB")
    for axes in (losses, batches):
        axes.set(xlim=(1, max(2, step.of)), xlabel="step")
    draw_dots(rest, pair.target, output)
    tone_axes(rest, xlabel="intensity of the target", title="Dots: the output's pixels")
    said = f"Step {step.number} of {step.of}: {step}. {pair.name}, never trained on"
    return Frame(figure, f"{said}: {better:.1f} dB.")


@styled
@torch.no_grad()
def before_and_after(predict: Predict, pairs: Sequence[Pair]) -> Frame:
    """Input, output and target of a few test pictures, with their PSNR."""
    images, rows = [], []
    for pair in pairs:
        output = predict(pair.input[None])[0]
        before, after = decibels(pair.input, pair.target), decibels(output, pair.target)
        images += [(f"{pair.name}, input: {before:.1f} dB", pair.input)]
        images += [(f"output: {after:.1f} dB", output), ("target", pair.target)]
        rows.append(f"{pair.name}: {before:.1f} to {after:.1f} dB")
    figure, _ = gallery(images, 3, 2.2)
    return Frame(figure, f"PSNR from input to output: {'; '.join(rows)}.")


@demo(
    side=Choice("side of the crop, pixels", 64, (32, 64, 96, 128, 192), "192 is the whole height."),
    across=Slider("crop, across", 0.2, 0, 1, "Sky, wall, window: each is another histogram."),
    picture=Slider("test picture", 3, 1, 24, "Is it different where all is alike?", step=1),
)
def crop_against_whole(side: int, across: float, picture: int) -> Frame:
    """The histograms of a crop and of its whole picture."""
    name, _, target = TaskPairs("tonemap").test_pairs()[picture - 1]
    height, width = target.shape[1:]
    top, left = (height - side) // 2, round(across * (width - side))
    crop = target[:, top : top + side, left : left + side]
    figure, (whole, histograms) = style.subplots(1, 2, height=3.2, gaps=(0.6, 0))
    style.picture(whole, target, f"{name}, and a crop")
    box = (left, left + side, left + side, left, left), (top, top, top + side, top + side, top)
    whole.plot(*box, color=style.MARK, linewidth=2.5)
    _draw_histograms(histograms, crop, target, "Solid: the crop; dotted: the whole")
    gap = float(channel_emds(crop, target).mean())
    return Frame(
        figure, f"The crop's histogram is {gap:.3f} in intensity from the picture's (EMD)."
    )


def _draw_histograms(axes: Axes, solid: Tensor, dotted: Tensor, title: str) -> None:
    for image, dash in ((solid, "-"), (dotted, ":")):
        centers, shares = smooth_histograms(image)
        for share, colour, width in zip(shares, style.CHANNELS, style.CHANNEL_WIDTHS, strict=True):
            axes.plot(centers, share, dash, color=colour, linewidth=width)
    axes.set(xlim=(0, 1), xticks=(0, 0.5, 1), ylim=(0, 0.08), yticks=())
    axes.set(xlabel="intensity", title=title)


def _running_mean(values: Sequence[float], width: int = 25) -> list[float]:
    return [fmean(values[max(0, end - width) : end]) for end in range(1, len(values) + 1)]
