"""The controls of an interactive figure: plain descriptions, no widgets.

    Slider("contrast", 1.0, 0.0, 2.0, "The CDFs cross.", step=0.05)
    LogSlider("α", 1000, 1, 1e6, "When do the bumps come apart?")
    Choice("channel", "red", ("red", "green", "blue"), "The same settings on another channel.")
    Photograph("target", "china", "Another target moves the CDFs apart elsewhere.")

A control knows its label, its default and its range; the last words are a hint, one sentence on
what the reader should watch while moving it. `histmatch_lab.demos.live` turns it into a live
widget, `histmatch_lab.demos.page` into a slider on a page without a kernel, and the tests move it
to its ends. Values are what a user can type (numbers, words, a photograph's name or path);
`resolve` turns such a value into what the figure's function receives.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from histmatch_lab.data.samples import open_photo, photo_names

POSITIONS = 11
PHOTO_POSITIONS = 4
PHOTO_MAX_SIDE = 600


class Control:
    """What every control has.

    Attributes:
        label: what stands beside it, with the unit if there is one.
        default: the value to start with.
        hint: one sentence: what the reader should watch while moving it.
    """

    label: Any
    default: Any
    hint: Any

    @property
    def positions(self) -> tuple[Any, ...]:
        """Values in order, from lowest to highest, with the default among them."""
        raise NotImplementedError

    def resolve(self, value: Any) -> Any:
        """Turn a user's value into the function's argument; ValueError if it is out of range."""
        raise NotImplementedError

    def text(self, value: Any) -> str:
        """The value as a reader sees it."""
        return str(value)


@dataclass(frozen=True)
class Slider(Control):
    """A number between `minimum` and `maximum` in steps of `step`; whole if `step` is an int."""

    label: str
    default: float
    minimum: float
    maximum: float
    hint: str = ""
    step: float = 0.01

    @property
    def positions(self) -> tuple[float, ...]:
        count = round((self.maximum - self.minimum) / self.step)
        stride = max(1, math.ceil(count / (POSITIONS - 1)))
        picks = {*range(0, count, stride), count}
        values = {self._snap(self.minimum + i * self.step) for i in picks}
        return tuple(sorted(values | {self.default}))

    def resolve(self, value: Any) -> float:
        return _number_within(self, value, self.minimum, self.maximum)

    def text(self, value: float) -> str:
        return f"{value:g}"

    def _snap(self, value: float) -> float:
        return value if isinstance(self.step, int) else round(value, 10)


@dataclass(frozen=True)
class LogSlider(Control):
    """A positive number between `minimum` and `maximum`, evenly spaced in its logarithm."""

    label: str
    default: float
    minimum: float
    maximum: float
    hint: str = ""

    @property
    def positions(self) -> tuple[float, ...]:
        low, high = math.log10(self.minimum), math.log10(self.maximum)
        values = (10 ** (low + (high - low) * i / (POSITIONS - 1)) for i in range(POSITIONS))
        inner = (float(f"{value:.3g}") for value in values)
        return tuple(sorted({self.minimum, *list(inner)[1:-1], self.maximum, self.default}))

    def resolve(self, value: Any) -> float:
        # A slider on an exponent misses its own ends by a rounding error.
        return _number_within(self, value, self.minimum * (1 - 1e-9), self.maximum * (1 + 1e-9))

    def text(self, value: float) -> str:
        return f"{value:.4g}"


@dataclass(frozen=True)
class Choice(Control):
    """One of a few options."""

    label: str
    default: Any
    options: Sequence[Any]
    hint: str = ""

    @property
    def positions(self) -> tuple[Any, ...]:
        return tuple(self.options)

    def resolve(self, value: Any) -> Any:
        if value not in self.options:
            raise ValueError(f"{self.label} must be one of {self.options}, got {value!r}")
        return value


@dataclass(frozen=True)
class Toggle(Control):
    """On or off."""

    label: str
    default: bool = False
    hint: str = ""

    @property
    def positions(self) -> tuple[bool, ...]:
        return (False, True)

    def resolve(self, value: Any) -> bool:
        if not isinstance(value, bool):
            raise ValueError(f"{self.label} must be True or False, got {value!r}")
        return value

    def text(self, value: bool) -> str:
        return "on" if value else "off"


@dataclass(frozen=True)
class Photograph(Control):
    """A sample photograph's name, or a path to one's own; resolves to (3, H, W) in [0, 1].

    The picture is reduced to at most 600 pixels a side, so that a slider stays immediate.
    `names` are the samples to choose from; all of them, if it is empty.
    """

    label: str = "photograph"
    default: str = "coffee"
    hint: str = ""
    names: tuple[str, ...] = ()

    @property
    def positions(self) -> tuple[str, ...]:
        names = self._samples[:PHOTO_POSITIONS]
        return names if self.default in names else (self.default, *names)

    def options(self, value: str) -> tuple[str, ...]:
        """Every sample's name, and `value` first if it is a path to one's own picture."""
        return self._samples if value in self._samples else (value, *self._samples)

    def resolve(self, value: Any) -> torch.Tensor:
        return _small_photo(value)

    def text(self, value: str) -> str:
        return value if value in self._samples else Path(value).name

    @property
    def _samples(self) -> tuple[str, ...]:
        # Looked up only when a figure is drawn: demos import without the photographs.
        return self.names or photo_names()


@lru_cache(maxsize=16)
def _small_photo(name_or_path: str) -> torch.Tensor:
    return open_photo(name_or_path, max_side=PHOTO_MAX_SIDE)


def _number_within(control: Control, value: Any, minimum: float, maximum: float) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{control.label} must be a number, got {value!r}")
    if not minimum <= value <= maximum:
        raise ValueError(
            f"{control.label} must be a number from {minimum:g} to {maximum:g}, got {value:g}"
        )
    return value
