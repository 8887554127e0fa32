"""Answers of a learner: their functions called, their numbers and tensors taken.

`feedback.Check` turns what is raised here into feedback.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor


class NotAnswered(Exception):
    """The learner's function still returns nothing."""


class WrongKind(Exception):
    """The answer is not of the kind asked for; the message says what is wrong with it."""


def evaluate(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call the learner's function; one that still returns nothing counts as not answered."""
    result = function(*arguments)
    if result is None or result is ...:
        raise NotAnswered
    return result


@dataclass(frozen=True)
class Answers:
    """What a learner's function returns for some arguments.

    Attributes:
        asked: each tuple of arguments.
        given: the numbers that came back.
    """

    asked: Sequence[tuple[Any, ...]]
    given: Sequence[float]

    def matches_source(self, function: Callable[..., float]) -> bool:
        """Whether this function returns the same numbers, up to rounding."""
        return self.first_difference(function) is None

    def first_difference(
        self, function: Callable[..., float]
    ) -> tuple[tuple[Any, ...], float, float] | None:
        """The first arguments for which this function differs, the learner's number, and its."""
        for arguments, given in zip(self.asked, self.given, strict=True):
            truth = function(*arguments)
            if not math.isclose(given, truth, rel_tol=1e-6, abs_tol=1e-12):
                return arguments, given, truth
        return None


def answers_to(asked: Sequence[tuple[Any, ...]], function: Callable[..., Any]) -> Answers:
    """The numbers that a learner's function returns for each tuple of arguments."""
    return Answers(asked, [number(evaluate(function, *arguments)) for arguments in asked])


def fresh() -> torch.Generator:
    """Random numbers that are new each time, and leave the learner's own seed alone."""
    generator = torch.Generator()
    generator.seed()
    return generator


def number(value: Any) -> float:
    """The learner's number, also from a tensor of one; several are wrong."""
    if isinstance(value, Tensor) and value.numel() != 1:
        shape = tuple(value.shape)
        raise WrongKind(
            f"The answer must be one number, and this is a tensor of shape {shape}. Which of its "
            "numbers, or is it their sum or their mean?"
        )
    return float(value)


def tensor(value: Any, shape: tuple[int, ...], why: str) -> Tensor:
    """The learner's tensor; another type or shape is wrong."""
    found = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
    if found != tuple(shape):
        raise WrongKind(f"Return a tensor of shape {tuple(shape)}, {why}; got {found}.")
    return cast(Tensor, value)


def close(answer: float, truth: float, relative: float = 1e-4) -> bool:
    """Whether two numbers are the same up to rounding."""
    return math.isclose(answer, truth, rel_tol=relative, abs_tol=1e-9)
