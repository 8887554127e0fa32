"""How good is an enhanced picture? The numbers behind Fig. 5 and 6, and how sure they are."""

import csv
import io
import math
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from skimage.color import deltaE_ciede2000, rgb2lab
from skimage.metrics import structural_similarity
from torch import Tensor

from histmatch_lab._checks import check_same_shape
from histmatch_lab._files import write_whole
from histmatch_lab.data.pairs import Pair
from histmatch_lab.distances import emd
from histmatch_lab.histogram import hard_histogram

Predict = Callable[[Tensor], Tensor]  # (B, 3, H, W) -> (B, 3, H, W)
GREYS = 256
BEST_PSNR = 100.0  # of a picture against itself, instead of infinity


class Score(NamedTuple):
    """How near a prediction came to the target of one picture, both clamped to [0, 1].

    Attributes:
        picture: the pair's name.
        psnr: in dB, of all channels together, peak 1, at most 100.
        ssim: structural similarity of the channels (Wang et al. 2004), at most 1.
        ciede2000: mean colour difference; about 2 is just visible.
        emd_red, emd_green, emd_blue: Earth Mover's Distance of the counted histograms, in
            intensity (Eq. 5 times L).
        excess: over-enhancement: by what share contrast and colourfulness exceed the target's, the
            mean of both, each 0 where they do not. Contrast is the standard deviation of L* and
            colourfulness the mean chroma, in CIELAB.
    """

    picture: str
    psnr: float
    ssim: float
    ciede2000: float
    emd_red: float
    emd_green: float
    emd_blue: float
    excess: float = math.nan

    @property
    def emd(self) -> float:
        """The mean over the channels."""
        return (self.emd_red + self.emd_green + self.emd_blue) / 3


def psnr(pred: Tensor, target: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of each picture in dB: (B, 3, H, W) twice -> (B,).

    The prediction is clamped to [0, 1] first. At most 100 dB. Raises ValueError for images that
    differ in shape.

    >>> black = torch.zeros(1, 3, 4, 4)
    >>> round(psnr(black, black + 0.1).item(), 3)
    20.0
    """
    check_same_shape("pred and target", pred, target)
    error = (pred.clamp(0, 1) - target).square().flatten(1).mean(1)
    return -10 * error.clamp(min=10 ** (-BEST_PSNR / 10)).log10()


def channel_emds(pred: Tensor, target: Tensor) -> Tensor:
    """Earth Mover's Distance of each channel's counted histogram, in intensity (Eq. 5 times L).

    (3, H, W) in [0, 1] twice -> (3,); the pictures may differ in size.
    """
    counts = (hard_histogram(image.flatten(1), GREYS) for image in (pred, target))
    return emd(*counts) / GREYS


def score(picture: str, pred: Tensor, target: Tensor) -> Score:
    """All measures of one picture, (3, H, W) twice; ValueError if the shapes differ."""
    check_same_shape("pred and target", pred, target)
    pred, target = pred.detach().cpu().clamp(0, 1), target.cpu()
    ours, theirs = (image.movedim(0, -1).numpy() for image in (pred, target))
    lab = [rgb2lab(image) for image in (ours, theirs)]
    red, green, blue = channel_emds(pred, target).tolist()
    return Score(
        picture,
        psnr=float(psnr(pred[None], target[None])),
        ssim=float(structural_similarity(ours, theirs, channel_axis=-1, data_range=1.0)),
        ciede2000=float(deltaE_ciede2000(*lab).mean()),
        emd_red=red,
        emd_green=green,
        emd_blue=blue,
        excess=_excess(*lab),
    )


def _excess(ours: np.ndarray, theirs: np.ndarray) -> float:
    def contrast_and_colour(lab: np.ndarray) -> np.ndarray:
        return np.array([lab[..., 0].std(), np.hypot(lab[..., 1], lab[..., 2]).mean()])

    least = 1.0  # of 100: below, a picture is flat or grey, and a ratio says nothing
    ratio = contrast_and_colour(ours) / contrast_and_colour(theirs).clip(least)
    return float((ratio - 1).clip(0).mean())


@torch.no_grad()
def evaluate(predict: Predict, pairs: Iterable[Pair]) -> list[Score]:
    """The scores of a model, or any function of a picture, on whole pairs."""
    return [score(p.name, predict(p.input[None])[0], p.target) for p in pairs]


class Summary(NamedTuple):
    """Means over pictures, and the 5th percentile of the PSNR (the black cross of Fig. 6)."""

    psnr: float
    psnr_p5: float
    ssim: float
    ciede2000: float
    emd: float
    excess: float = math.nan


def summarize(scores: Sequence[Score]) -> Summary:
    """Raises ValueError if there are none."""
    if not scores:
        raise ValueError("scores must hold at least one, got none")
    means = {
        name: float(np.mean([getattr(score, name) for score in scores]))
        for name in ("psnr", "ssim", "ciede2000", "emd", "excess")
    }
    return Summary(**means, psnr_p5=float(np.percentile([score.psnr for score in scores], 5)))


class Difference(NamedTuple):
    """A mean difference and the interval that holds it with 95 % confidence.

    >>> print(Difference(0.214, -0.05, 0.48))
    +0.21 [-0.05, +0.48]
    """

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:+.2f} [{self.low:+.2f}, {self.high:+.2f}]"


def paired_bootstrap(
    ours: Sequence[float] | np.ndarray,
    theirs: Sequence[float] | np.ndarray,
    groups: Sequence[str],
    seeds: Sequence[int],
    *,
    generator: torch.Generator,
    resamples: int = 5000,
) -> Difference:
    """ours - theirs on the same pictures: the mean, and its percentile bootstrap interval.

    Drawn again and again are groups, each with all that belongs to it, such as a scene with its
    views, and seeds, each a training: the interval is for other scenes and other trainings (the
    crossed bootstrap of Owen 2007). To draw pictures singly would make it too narrow, as they are
    not independent of each other. A single seed is always drawn, so that the interval is for that
    training. Raises ValueError for lengths that differ or under two groups.
    """
    if not len(ours) == len(theirs) == len(groups) == len(seeds):
        raise ValueError(
            f"ours, theirs, groups and seeds must be of one length, got {len(ours)}, "
            f"{len(theirs)}, {len(groups)} and {len(seeds)}"
        )
    if len(set(groups)) < 2:
        raise ValueError(f"groups must hold at least two different ones, got {sorted(set(groups))}")
    gaps, weights = np.subtract(ours, theirs), np.ones((resamples, len(ours)), np.float32)
    for labels in (groups, seeds):
        names, index = np.unique(labels, return_inverse=True)
        drawn = torch.randint(len(names), (resamples, len(names)), generator=generator)
        times = torch.zeros(drawn.shape).scatter_add_(1, drawn, torch.ones(drawn.shape))
        weights *= times.numpy()[:, index]
    means = weights @ gaps / weights.sum(1)
    low, high = np.percentile(means[np.isfinite(means)], (2.5, 97.5))
    return Difference(float(gaps.mean()), float(low), float(high))


@torch.no_grad()
def tone_curve(predict: Predict) -> Tensor:
    """Fig. 5: what a model makes of each grey from black to white, (3, 256).

    The paper does not show its synthetic test image. In this one the greys go from left to right;
    the result is the mean of each column.
    """
    ramp = torch.linspace(0, 1, GREYS).expand(1, 3, GREYS, GREYS).contiguous()
    return predict(ramp)[0].mean(1)


def colour_cast(curve: Tensor) -> float:
    """How far the channels of a tone curve (3, side) part, on average; 0 if greys stay grey.

    >>> colour_cast(tone_curve(lambda image: image))
    0.0
    """
    return float((curve.amax(0) - curve.amin(0)).mean())


def write_table(path: str | os.PathLike[str], rows: Sequence[dict[str, Any]]) -> None:
    """Write rows as CSV, an observation a row, the columns of the first; whole or not at all."""
    if not rows:
        raise ValueError("rows must hold at least one, got none")
    text = io.StringIO()
    table = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    write_whole(Path(path), text.getvalue().encode())


def read_table(path: str | os.PathLike[str]) -> list[dict[str, str]]:
    """The rows of a CSV file with a head, as `write_table` writes it."""
    with Path(path).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
