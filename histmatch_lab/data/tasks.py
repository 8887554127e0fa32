"""The tasks of the study: the shipped pairs, as they are or with one thing made harder.

"tonemap" is the paper's HDR -> SDR (PQ, BT.2020 -> sRGB by pfstmo_mantiuk08), "tonemap_reinhard02"
the same scenes by another operator; "retouch" is its raw -> expert (a photograph -> RawTherapee).
From retouch come, with one thing changed each:

- "spoiled": the input is badly taken first, so that the flaw must be guessed;
- "ambiguous": the target takes one of three looks at random, which the input does not tell;
- "misaligned_0", "_6", "_12": in training the target is shifted at random by up to so many pixels.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from histmatch_lab._checks import check_option
from histmatch_lab.color import (
    LUMINANCE_WEIGHTS,
    adjust_contrast,
    linear_to_srgb,
    srgb_to_linear,
    white_balance_gains,
)
from histmatch_lab.data.own.prepared import MANIFEST, PreparedPairs
from histmatch_lab.data.pairs import Pair, PairSource, draw_index
from histmatch_lab.data.samples import data_samples_dir

TEST_SEED = 2022
MARGIN = 12  # pixels: no task shifts by more
# stops, warmth, saturation and contrast: between which values a degradation is drawn
DEGRADATION = ((-1.5, 0.5), (-0.8, 0.8), (0.5, 0.9), (0.6, 0.9))
LOOKS = {  # the same four
    "airy": (0.6, 0.3, 0.95, 0.92),
    "moody": (-0.7, -0.35, 0.8, 1.1),
    "vivid": (0.0, 0.0, 1.2, 1.15),
}

Change = Callable[[Tensor, Tensor, torch.Generator], tuple[Tensor, Tensor]]


class Task(NamedTuple):
    """Where the pairs are, what happens to each in training, and how often to each in the test."""

    folder: str
    change: Change | None = None
    test_variants: int = 0  # 0: the pair as it is


def spoil(source: Tensor, target: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """The input badly taken first: exposure, cast, pale colours, flat contrast; (3, H, W) both.

    How much of each comes from the generator alone, and no pixel depends on another: a crop is
    spoiled as it would be in its frame.
    """
    low, high = torch.tensor(DEGRADATION, dtype=torch.float64).unbind(dim=1)
    drawn = torch.rand(len(DEGRADATION), generator=generator, dtype=torch.float64)
    return _develop(srgb_to_linear(source), *(low + (high - low) * drawn).tolist()), target


def restyle(source: Tensor, target: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """The target with one of LOOKS at random, a function of a pixel's colour; (3, H, W) both."""
    look = list(LOOKS)[draw_index(len(LOOKS), generator)]
    return source, apply_look(srgb_to_linear(target), look)


def misalign(
    source: Tensor, target: Tensor, generator: torch.Generator, *, shift: int
) -> tuple[Tensor, Tensor]:
    """(3, H, W) both: the middle of the input, less MARGIN, and as much of the target from up to
    `shift` pixels beside it."""
    middle = source[:, MARGIN:-MARGIN, MARGIN:-MARGIN]
    height, width = middle.shape[1:]
    top, left = (MARGIN - shift + draw_index(2 * shift + 1, generator) for _ in range(2))
    return middle, target[:, top : top + height, left : left + width]


def apply_look(light: Tensor, look: str) -> Tensor:
    """One of LOOKS: (3, H, W) in linear light becomes display-encoded values in [0, 1]."""
    return _develop(light, *LOOKS[look])


def _develop(
    light: Tensor, stops: float, warmth: float, saturation: float, contrast: float
) -> Tensor:
    """Exposure, white balance and saturation as one 3x3 matrix, then encoding, then contrast."""
    gains = 2**stops * white_balance_gains(warmth)
    grey = torch.tensor(LUMINANCE_WEIGHTS, dtype=torch.float64).expand(3, 3)
    matrix = (saturation * torch.eye(3, dtype=torch.float64) + (1 - saturation) * grey) * gains
    changed = torch.einsum("ij,jhw->ihw", matrix.to(light), light)
    return adjust_contrast(linear_to_srgb(changed.clamp(0, 1)), contrast)


TASKS = {
    "tonemap": Task("tonemap"),
    "tonemap_reinhard02": Task("tonemap_reinhard02"),
    "retouch": Task("retouch"),
    "spoiled": Task("retouch", spoil, test_variants=3),
    "ambiguous": Task("retouch", restyle, test_variants=3),
    **{f"misaligned_{s}": Task("retouch", partial(misalign, shift=s)) for s in (0, 6, MARGIN)},
}


class TaskPairs(PreparedPairs):
    """The pairs of one of `TASKS`, of whole frames unless there is a crop.

    `train_names` and `test_names` are its pictures'; views of a scene are "SCENE-0", "SCENE-1" ...
    Raises ValueError for an unknown task, or a crop larger than the pictures.

    >>> pairs = TaskPairs("retouch")
    >>> source, target = pairs.batch(2, torch.Generator().manual_seed(0))
    >>> source.shape
    torch.Size([2, 3, 192, 256])
    """

    def __init__(self, task: str, *, crop: int = 0) -> None:
        check_option("task", task, TASKS)
        self.task, (folder, self._change, self._variants) = task, TASKS[task]
        super().__init__(data_samples_dir() / folder, crop=crop)

    def __repr__(self) -> str:
        return f"TaskPairs({self.task!r}, crop={self.crop})"

    def batch(self, size: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """As `PairSource.batch`; pictures, crops, mirrorings and changes are independent."""
        sources, targets = super().batch(size, generator)
        if self._change is None:
            return sources, targets
        changed = [self._change(*p, generator) for p in zip(sources, targets, strict=True)]
        sources, targets = (torch.stack(side) for side in zip(*changed, strict=True))
        return sources, targets

    def test_pairs(self) -> Sequence[Pair]:
        """The test pictures, whole; where chance changes them several times: "NAME-1", "NAME-2"."""
        pairs = super().test_pairs()
        if self._change is None or not self._variants:
            return pairs
        generator = torch.Generator().manual_seed(TEST_SEED)
        return [
            Pair(f"{name}-{variant}", *self._change(source, target, generator))
            for name, source, target in pairs
            for variant in range(1, self._variants + 1)
        ]


def open_pairs(data: str, crop: int) -> PairSource:
    """The pairs of a task, or those in a folder.

    Args:
        data: one of `TASKS`, or a folder that `histmatch-lab prepare` wrote.
        crop: side of the square training crops, in pixels; 0 for whole frames.

    Raises:
        ValueError: `data` is neither; a training picture is smaller than the crop.
    """
    if data in TASKS:
        return TaskPairs(data, crop=crop)
    try:
        return PreparedPairs(data, crop=crop)
    except FileNotFoundError:
        raise ValueError(
            f"data must be one of {', '.join(TASKS)}, or a folder with a {MANIFEST}, as "
            f"`histmatch-lab prepare` writes one, got {data!r}"
        ) from None
