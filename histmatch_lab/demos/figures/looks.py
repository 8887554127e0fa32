"""Notebook 06: what is the best answer, where the target may be any of three."""

from functools import lru_cache
from typing import NamedTuple

import torch
from matplotlib.axes import Axes
from torch import Tensor

from histmatch_lab.color import srgb_to_linear
from histmatch_lab.data.tasks import LOOKS, TaskPairs, apply_look
from histmatch_lab.demos import shared, style
from histmatch_lab.demos.controls import Slider
from histmatch_lab.demos.demo import Frame, demo
from histmatch_lab.demos.shared import CHANNEL_CHOICE, CHANNEL_NAMES, PAPER_BINS
from histmatch_lab.histogram import bin_centers, hard_histogram


class Answers(NamedTuple):
    """Of one channel: the CDFs of the possible targets, (looks, bins), and of the best answers.

    Attributes:
        median: (bins,), of the targets' CDFs at each intensity, which minimises the expected EMD.
        mean: (bins,), of the picture whose colours are the mean of the targets', as L2 wants it.
    """

    targets: Tensor
    median: Tensor
    mean: Tensor

    def expected(self, cdf: Tensor) -> float:
        """The EMD from the targets, each as likely, in intensity."""
        return float((cdf - self.targets).abs().sum(-1).mean() / PAPER_BINS)


@lru_cache(maxsize=16)
def pictures(picture: int) -> Tensor:
    """A test picture of "ambiguous", by its number from 1, in each of the looks: (3, 3, H, W)."""
    light = srgb_to_linear(TaskPairs("retouch").test_pairs()[picture - 1].target)
    return torch.stack([apply_look(light, look) for look in LOOKS])


def answers(looks: Tensor, channel: str) -> Answers:
    """The best answers to pictures that are all as likely, (looks, 3, H, W)."""
    everything = torch.cat([looks, looks.mean(0, keepdim=True)])
    values = everything[:, CHANNEL_NAMES.index(channel)].flatten(1).double()
    *targets, mean = hard_histogram(values, PAPER_BINS).cumsum(-1)
    stacked = torch.stack(targets)
    return Answers(stacked, stacked.median(0).values, mean)


@demo(
    channel=CHANNEL_CHOICE,
    picture=Slider("test picture", 1, 1, 24, "Is the median one of the three looks?", step=1),
)
def three_moods(channel: str, picture: int) -> Frame:
    """Three possible targets, and the best answer to all of them at once."""
    looks = pictures(picture)
    found = answers(looks, channel)
    figure, (image, cdfs, bars) = style.subplots(
        1, 3, height=3.2, widths=(1.1, 1.2, 1), gaps=(1.0, 0), margins=(0.1, 0.2, 0.4, 0.6)
    )
    style.picture(image, looks.mean(0), "The mean of the three looks")
    centers = bin_centers(PAPER_BINS)
    for target in found.targets:
        cdfs.plot(centers, target, "--", color=style.TARGET, linewidth=1.2)
    cdfs.plot(centers, found.mean, ":", color=style.OTHER, linewidth=2)
    cdfs.plot(centers, found.median, color=style.OURS, linewidth=2)
    shared.label_cdf_axes(cdfs, "CDFs; dashed: the looks")
    expected = {look: found.expected(one) for look, one in zip(LOOKS, found.targets, strict=True)}
    best = {"median": found.expected(found.median), "mean": found.expected(found.mean)}
    _draw_bars(bars, best | expected)
    others = ", ".join(f"{look} {distance:.3f}" for look, distance in expected.items())
    return Frame(
        figure,
        f"Expected EMD in {channel}, in intensity: the median CDF {best['median']:.3f}, the mean "
        f"colours {best['mean']:.3f}; to choose one look: {others}.",
    )


def _draw_bars(axes: Axes, distances: dict[str, float]) -> None:
    colours = (style.OURS, style.OTHER, *(style.TARGET for _ in LOOKS))
    places = range(len(distances), 0, -1)
    axes.barh(list(places), list(distances.values()), color=colours, height=0.6)
    axes.set_yticks(list(places), list(distances))
    axes.set(xlim=(0, 0.2), xticks=(0, 0.1, 0.2), xlabel="EMD, intensity")
    axes.set_title("Expected distance")
