"""Notebook 05: pictures of a training run, and of what it learned."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from matplotlib.axes import Axes
from torch import Tensor

from histmatch_lab.data.pairs import Pair
from histmatch_lab.demos.demo import Frame
from histmatch_lab.demos.shared import decibels, smooth_histograms, tone_axes
from histmatch_lab.demos.style import (
    CHANNEL_MARKS,
    CHANNEL_WIDTHS,
    CHANNELS,
    COUNTS,
    FAINT,
    OTHER,
    OURS,
    PICTURES,
    TARGET,
    picture,
    styled,
    subplots,
)
from histmatch_lab.training.evaluation import Predict
from histmatch_lab.training.loop import Step

DASHES = ("-", "--", ":", "-.")


@styled
def training_so_far(history: Sequence[Step]) -> Frame:
    """The last batch's first picture, its histograms, the terms of the loss and the PSNR."""
    step = history[-1]
    pred, target = step.pred[0].float().cpu(), step.target[0].float().cpu()
    figure, (now, aim, histograms, losses, decibels, rest) = subplots(
        2, 3, height=5.3, gaps=(0.75, 0.95), margins=(0.75, 0.2, 0.35, 0.6)
    )
    picture(now, pred, "Output now")
    picture(aim, target, "Its target")
    _draw_histograms(histograms, pred, target)
    steps = [s.number for s in history]
    for name, colour, dash in zip(step.terms, (OTHER, OURS, COUNTS, TARGET), DASHES, strict=False):
        values = _running_mean([s.terms[name] for s in history])
        losses.plot(steps, values, dash, color=colour, label=name)
    losses.set(yscale="log", ylim=(1e-3, 1), title="Terms of the loss, before λ")
    losses.legend(loc="upper right", ncols=2)
    decibels.plot(steps, [s.psnr for s in history], color=FAINT, linewidth=1)
    decibels.plot(steps, _running_mean([s.psnr for s in history]), color=OURS)
    decibels.set(title="PSNR of the batch, dB")
    for axes in (losses, decibels):
        axes.set(xlim=(1, max(2, step.of)), xlabel="step")
    _draw_dots(rest, pred, target)
    return Frame(figure, f"Step {step.number} of {step.of}: {step}.")


@styled
@torch.no_grad()
def before_and_after(predict: Predict, pairs: Sequence[Pair]) -> Frame:
    """Input, output and target of a few test pictures, with their PSNR."""
    count = len(pairs)
    figure, axes = subplots(count, 3, height=2.2 * count, margins=PICTURES, gaps=(0.15, 0.35))
    rows = []
    for index, pair in enumerate(pairs):
        output = predict(pair.input[None])[0]
        before, after = decibels(pair.input, pair.target), decibels(output, pair.target)
        left, middle, right = axes[3 * index : 3 * index + 3]
        picture(left, pair.input, f"{pair.name}, input: {before:.1f} dB")
        picture(middle, output, f"output: {after:.1f} dB")
        picture(right, pair.target, "target")
        rows.append(f"{pair.name}: {before:.1f} to {after:.1f} dB")
    return Frame(figure, f"PSNR from input to output: {'; '.join(rows)}.")


def _draw_histograms(axes: Axes, pred: Tensor, target: Tensor) -> None:
    for image, dash in ((pred, "-"), (target, ":")):
        centers, shares = smooth_histograms(image)
        for share, colour, width in zip(shares, CHANNELS, CHANNEL_WIDTHS, strict=True):
            axes.plot(centers, share, dash, color=colour, linewidth=width)
    axes.set(xlim=(0, 1), xticks=(0, 0.5, 1), ylim=(0, 0.08), yticks=())
    axes.set(xlabel="intensity", title="Histograms; dotted: target")


def _draw_dots(axes: Axes, pred: Tensor, target: Tensor) -> None:
    every = slice(None, None, 1 + target[0].numel() // 800)
    for channel, (colour, mark) in enumerate(zip(CHANNELS, CHANNEL_MARKS, strict=True)):
        x, y = target[channel].flatten()[every], pred[channel].flatten()[every]
        label = "RGB"[channel]
        axes.plot(x, y, mark, color=colour, markersize=3, markeredgewidth=0.5, label=label)
    axes.legend(loc="lower right")
    tone_axes(axes, xlabel="intensity of the target", title="Each dot: a pixel of the output")


def _running_mean(values: Sequence[float], width: int = 25) -> Tensor:
    sums = torch.cat([torch.zeros(1, dtype=torch.float64), torch.tensor(values).double().cumsum(0)])
    ends = torch.arange(1, len(values) + 1)
    starts = (ends - width).clamp(min=0)
    return (sums[ends] - sums[starts]) / (ends - starts)
