"""Answers of a learner, taken as numbers or tensors, and random inputs to try them on.

`feedback.Check` turns what is raised here into feedback.
"""

import math
from random import SystemRandom
from typing import Any, cast

import torch
from torch import Tensor

chance = SystemRandom()  # it leaves the learner's own seed alone


class NotAnswered(Exception):
    """The learner's value, or what their function returns, is still None or `...`."""


class WrongKind(Exception):
    """The answer is not of the kind asked for; the message says what is wrong with it."""


def answered(value: Any) -> Any:
    """The value as it is, if it is an answer at all."""
    if value is None or value is ...:
        raise NotAnswered
    return value


def number(value: Any) -> float:
    """The learner's number, also from a tensor of one; several are wrong."""
    if isinstance(value, Tensor) and value.numel() != 1:
        raise WrongKind(
            f"The answer must be one number, and this is a tensor of shape {tuple(value.shape)}. "
            "Which of its numbers, or is it their sum or their mean?"
        )
    return float(answered(value))


def tensor(value: Any, shape: tuple[int, ...], why: str) -> Tensor:
    """The learner's tensor; another type or shape is wrong."""
    found = tuple(value.shape) if isinstance(value, Tensor) else type(answered(value)).__name__
    if found != tuple(shape):
        raise WrongKind(f"Return a tensor of shape {tuple(shape)}, {why}; got {found}.")
    return cast(Tensor, value)


def close(answer: float, truth: float, relative: float = 1e-4) -> bool:
    """Whether two numbers are the same up to rounding."""
    return math.isclose(answer, truth, rel_tol=relative, abs_tol=1e-9)


def fresh() -> torch.Generator:
    """Random tensors that are new each time, and leave the learner's own seed alone."""
    generator = torch.Generator()
    generator.seed()
    return generator
