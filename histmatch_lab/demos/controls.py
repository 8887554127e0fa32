"""The controls of an interactive figure: plain descriptions, no widgets.

    Slider("contrast", 1.0, 0.0, 2.0, "The CDFs cross.", step=0.05)
    LogSlider("α", 1000, 1, 1e6, "When do the bumps come apart?")
    Choice("channel", "red", ("red", "green", "blue"), "The same settings on another channel.")
    Photograph("target", "china", "Another target moves the CDFs apart elsewhere.")

A control has a label (with the unit), a default, and a hint: one sentence on what the reader should
watch while moving it. Its `positions` are values in order, from lowest to highest, the default
among them. Values are what a user can type (numbers, words, a photograph's name or path): `resolve`
turns one into what the figure's function receives, or raises a ValueError if it is out of range,
and `text` is how a reader sees it.
"""

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


@dataclass(frozen=True)
class _Number:
    label: str
    default: float
    minimum: float
    maximum: float
    hint: str = ""

    def resolve(self, value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"{self.label} must be a number, got {value!r}")
        # A slider on an exponent misses its own ends by a rounding error.
        at_an_end = math.isclose(value, self.minimum) or math.isclose(value, self.maximum)
        if not (at_an_end or self.minimum <= value <= self.maximum):
            raise ValueError(
                f"{self.label} must be a number from {self.minimum:g} to {self.maximum:g}, "
                f"got {value:g}"
            )
        return value

    def text(self, value: float) -> str:
        """As a person would write it.

        >>> [Slider("x", 1, 0, 10).text(value) for value in (0.001, 0.5, 10.0, 199526.2)]
        ['0.001', '0.5', '10', '199,500']
        """
        return f"{float(f'{value:.4g}'):,.10g}"


@dataclass(frozen=True)
class Slider(_Number):
    """A number between `minimum` and `maximum` in steps of `step`; whole if `step` is an int."""

    step: float = 0.01

    @property
    def positions(self) -> tuple[float, ...]:
        grid = self.stops()
        stride = max(1, math.ceil((len(grid) - 1) / (POSITIONS - 1)))
        return tuple(sorted({*grid[::stride], grid[-1], self.default}))

    def stops(self) -> tuple[float, ...]:
        """The values of a slider."""
        count = round((self.maximum - self.minimum) / self.step)
        # Sums of steps of 0.1 miss its multiples by rounding errors; whole numbers stay whole.
        return tuple(round(self.minimum + i * self.step, 10) for i in range(count + 1))


@dataclass(frozen=True)
class LogSlider(_Number):
    """A positive number between `minimum` and `maximum`, evenly spaced in its logarithm."""

    @property
    def positions(self) -> tuple[float, ...]:
        low, high = math.log10(self.minimum), math.log10(self.maximum)
        inner = (low + (high - low) * i / (POSITIONS - 1) for i in range(1, POSITIONS - 1))
        values = {float(f"{10**exponent:.3g}") for exponent in inner}
        return tuple(sorted(values | {self.minimum, self.maximum, self.default}))

    def stops(self, *more: float) -> tuple[float, ...]:
        """The values of a slider, twenty a decade, and these among them."""
        first, last = (round(20 * math.log10(end)) for end in (self.minimum, self.maximum))
        values = {float(f"{10 ** (i / 20):.3g}") for i in range(first, last + 1)}
        inside = {value for value in values if self.minimum < value < self.maximum}
        return tuple(sorted(inside | {self.minimum, self.maximum, self.default, *more}))


@dataclass(frozen=True)
class Choice:
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

    def text(self, value: Any) -> str:
        return str(value)


@dataclass(frozen=True)
class Toggle:
    """On or off."""

    label: str
    default: bool = False
    hint: str = ""

    @property
    def positions(self) -> tuple[bool, ...]:
        return (False, True)

    def resolve(self, value: Any) -> Any:
        if not isinstance(value, bool):
            raise ValueError(f"{self.label} must be True or False, got {value!r}")
        return value

    def text(self, value: bool) -> str:
        return "on" if value else "off"


@dataclass(frozen=True)
class Photograph:
    """A sample photograph's name, or a path to one's own; resolves to (3, H, W) in [0, 1].

    It is at most 600 pixels a side, so that a slider stays immediate.
    """

    label: str = "photograph"
    default: str = "coffee"
    hint: str = ""

    @property
    def positions(self) -> tuple[str, ...]:
        names = photo_names()[:PHOTO_POSITIONS]
        return names if self.default in names else (self.default, *names)

    def options(self, value: str) -> tuple[str, ...]:
        """Every sample's name, and `value` first if it is a path to one's own picture."""
        names = photo_names()
        return names if value in names else (value, *names)

    def resolve(self, value: Any) -> torch.Tensor:
        return _small_photo(value)

    def text(self, value: str) -> str:
        return Path(value).name


Control = Slider | LogSlider | Choice | Toggle | Photograph


def stops_of(control: Control, value: Any) -> list[Any]:
    """Where its widget can stand, in order; `value` is one of them."""
    if isinstance(control, Slider | LogSlider):
        return sorted({*control.stops(), value})
    # a picture of one's own is none of the positions
    return list(dict.fromkeys((*control.positions, value)))


@lru_cache(maxsize=16)
def _small_photo(name_or_path: str) -> torch.Tensor:
    return open_photo(name_or_path, max_side=PHOTO_MAX_SIDE)
