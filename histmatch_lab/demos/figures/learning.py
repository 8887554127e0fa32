"""Notebook 05: pictures of a training run, and of what it learned."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

import torch
from matplotlib.axes import Axes
from torch import Tensor

from histmatch_lab.data.pairs import Pair
from histmatch_lab.demos import style
from histmatch_lab.demos.demo import Frame
from histmatch_lab.demos.shared import decibels, draw_dots, smooth_histograms, tone_axes
from histmatch_lab.demos.style import gallery, styled
from histmatch_lab.training.evaluation import Predict
from histmatch_lab.training.loop import Step

LOOKS = ((style.OTHER, "-"), (style.OURS, "--"), (style.COUNTS, ":"), (style.TARGET, "-."))


@styled
def training_so_far(history: Sequence[Step]) -> Frame:
    """The last batch's first picture, its histograms, the terms of the loss and the PSNR."""
    step = history[-1]
    pred, target = step.pred[0].float().cpu(), step.target[0].float().cpu()
    figure, (now, aim, histograms, losses, decibels, rest) = style.subplots(
        2, 3, height=5.3, gaps=(0.75, 0.95), margins=(0.75, 0.2, 0.35, 0.6)
    )
    style.picture(now, pred, "Output now")
    style.picture(aim, target, "Its target")
    _draw_histograms(histograms, pred, target)
    steps = [s.number for s in history]
    for name, (colour, dash) in zip(step.terms, LOOKS, strict=False):
        values = _running_mean([s.terms[name] for s in history])
        losses.plot(steps, values, dash, color=colour, label=name)
    losses.set(yscale="log", ylim=(1e-3, 1), title="Terms of the loss, before λ")
    losses.legend(loc="upper right", ncols=2)
    decibels.plot(steps, [s.psnr for s in history], color=style.FAINT, linewidth=1)
    decibels.plot(steps, _running_mean([s.psnr for s in history]), color=style.OURS)
    decibels.set(title="PSNR of the batch, dB")
    for axes in (losses, decibels):
        axes.set(xlim=(1, max(2, step.of)), xlabel="step")
    draw_dots(rest, target, pred)
    tone_axes(rest, xlabel="intensity of the target", title="Each dot: a pixel of the output")
    return Frame(figure, f"Step {step.number} of {step.of}: {step}.")


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


def _draw_histograms(axes: Axes, pred: Tensor, target: Tensor) -> None:
    for image, dash in ((pred, "-"), (target, ":")):
        centers, shares = smooth_histograms(image)
        for share, colour, width in zip(shares, style.CHANNELS, style.CHANNEL_WIDTHS, strict=True):
            axes.plot(centers, share, dash, color=colour, linewidth=width)
    axes.set(xlim=(0, 1), xticks=(0, 0.5, 1), ylim=(0, 0.08), yticks=())
    axes.set(xlabel="intensity", title="Histograms; dotted: target")


def _running_mean(values: Sequence[float], width: int = 25) -> list[float]:
    return [fmean(values[max(0, end - width) : end]) for end in range(1, len(values) + 1)]
