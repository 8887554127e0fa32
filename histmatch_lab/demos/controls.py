"""The controls of an interactive figure: plain descriptions, no widgets.

A control knows its range, its default and its label. `histmatch_lab.demos.live` turns it into a live
widget, into a slider on a page without a kernel, and the tests move it to its ends. Values are
what a user can type (numbers, words, a photograph's name or path); `resolve` turns such a value
into what the figure's function receives.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from histmatch_lab.data.samples import open_photo, photo_names

STOPS = 11
PHOTO_STOPS = 4
PHOTO_MAX_SIDE = 600


@dataclass(frozen=True, kw_only=True)
class Control:
    """What every control has.

    Attributes:
        label: what stands beside it, with the unit if there is one.
        default: the value to start with.
        look_for: one sentence: what the reader should watch while moving it.
    """

    label: str
    default: Any
    look_for: str = ""

    @property
    def stops(self) -> tuple[Any, ...]:
        """Values in order, from lowest to highest, with the default among them."""
        raise NotImplementedError

    def resolve(self, value: Any) -> Any:
        """Turn a user's value into the function's argument; ValueError if it is out of range."""
        raise NotImplementedError

    def text(self, value: Any) -> str:
        """The value as a reader sees it."""
        return str(value)


@dataclass(frozen=True, kw_only=True)
class Slider(Control):
    """A number between `minimum` and `maximum` in steps of `step`; whole if `step` is an int."""

    default: float
    minimum: float
    maximum: float
    step: float

    @property
    def stops(self) -> tuple[float, ...]:
        count = round((self.maximum - self.minimum) / self.step)
        stride = max(1, math.ceil(count / (STOPS - 1)))
        picks = {*range(0, count, stride), count}
        values = {self._snap(self.minimum + i * self.step) for i in picks}
        return tuple(sorted(values | {self.default}))

    def resolve(self, value: Any) -> float:
        return _number_within(self, value, self.minimum, self.maximum)

    def text(self, value: float) -> str:
        return f"{value:g}"

    def _snap(self, value: float) -> float:
        return value if isinstance(self.step, int) else round(value, 10)


@dataclass(frozen=True, kw_only=True)
class LogSlider(Control):
    """A positive number between `minimum` and `maximum`, evenly spaced in its logarithm."""

    default: float
    minimum: float
    maximum: float
    steps_per_decade: int = 20

    @property
    def stops(self) -> tuple[float, ...]:
        low, high = math.log10(self.minimum), math.log10(self.maximum)
        values = (10 ** (low + (high - low) * i / (STOPS - 1)) for i in range(STOPS))
        inner = (float(f"{value:.3g}") for value in values)
        return tuple(sorted({self.minimum, *list(inner)[1:-1], self.maximum, self.default}))

    def resolve(self, value: Any) -> float:
        # A slider on an exponent misses its own ends by a rounding error.
        return _number_within(self, value, self.minimum * (1 - 1e-9), self.maximum * (1 + 1e-9))

    def text(self, value: float) -> str:
        return f"{value:.4g}"


@dataclass(frozen=True, kw_only=True)
class Choice(Control):
    """One of a few options."""

    options: Sequence[Any]

    @property
    def stops(self) -> tuple[Any, ...]:
        return tuple(self.options)

    def resolve(self, value: Any) -> Any:
        if value not in self.options:
            raise ValueError(f"{self.label}: got {value!r}, expected one of {self.options}")
        return value


@dataclass(frozen=True, kw_only=True)
class Toggle(Control):
    """On or off."""

    default: bool = False

    @property
    def stops(self) -> tuple[bool, ...]:
        return (False, True)

    def resolve(self, value: Any) -> bool:
        if not isinstance(value, bool):
            raise ValueError(f"{self.label}: got {value!r}, expected True or False")
        return value

    def text(self, value: bool) -> str:
        return "on" if value else "off"


@dataclass(frozen=True, kw_only=True)
class Player(Control):
    """The step of a figure that unfolds in time: a slider with a play button."""

    label: str = "step"
    default: int = 0
    steps: int = 60
    look_for: str = "Play it, or go to a step by hand: what changes first, what last?"

    @property
    def stops(self) -> tuple[int, ...]:
        stride = max(1, math.ceil(self.steps / (STOPS - 1)))
        return tuple(sorted({*range(0, self.steps, stride), self.steps, self.default}))

    def resolve(self, value: Any) -> int:
        return int(_number_within(self, value, 0, self.steps))


@dataclass(frozen=True, kw_only=True)
class Photograph(Control):
    """A sample photograph's name, or a path to one's own; resolves to (3, H, W) in [0, 1].

    The picture is reduced to at most 600 pixels a side, so that a slider stays immediate.
    """

    label: str = "photograph"
    default: str = field(default_factory=lambda: photo_names()[0])
    names: tuple[str, ...] = field(default_factory=photo_names)

    @property
    def stops(self) -> tuple[str, ...]:
        names = self.names[:PHOTO_STOPS]
        return names if self.default in names else (self.default, *names)

    def all_names(self, value: str) -> tuple[str, ...]:
        """Every sample's name, and `value` first if it is a path to one's own picture."""
        return self.names if value in self.names else (value, *self.names)

    def resolve(self, value: Any) -> torch.Tensor:
        return _small_photo(value)

    def text(self, value: str) -> str:
        return value if value in self.names else Path(value).name


@lru_cache(maxsize=16)
def _small_photo(name_or_path: str) -> torch.Tensor:
    return open_photo(name_or_path, max_side=PHOTO_MAX_SIDE)


def _number_within(control: Control, value: Any, minimum: float, maximum: float) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{control.label}: got {value!r}, expected a number")
    if not minimum <= value <= maximum:
        raise ValueError(
            f"{control.label}: got {value:g}, expected a number from {minimum:g} to {maximum:g}"
        )
    return value
