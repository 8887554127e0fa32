"""What an exercise's check answers, and the frame that every check stands in."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import update_wrapper
from typing import Any

import torch
from torch import Tensor

# Each: what somebody who makes the mistake answers (or how to tell it), and the hint to it.
Mistakes = Sequence[tuple[Any, str]]


@dataclass(frozen=True)
class Verdict:
    """A check's answer; a notebook shows it as the last line of the cell.

    Attributes:
        right: True, False, or None where nothing has been answered yet.
        text: what is right, or what is wrong and where to look.
    """

    right: bool | None
    text: str

    @property
    def sign(self) -> str:
        return {True: "✓ Right.", False: "✗ Not yet.", None: "… Not answered yet."}[self.right]

    def __repr__(self) -> str:
        return f"{self.sign} {self.text}"

    def _repr_html_(self) -> str:
        """As plain text, a notebook would break the line in the midst of a word."""
        return f"<p><b>{self.sign}</b> {html.escape(self.text)}</p>"


UNANSWERED = Verdict(None, "Replace the ... above and run the cell again.")


class _NotAnswered(Exception):
    pass


class _NotOneNumber(Exception):
    pass


class Check:
    """The check of one exercise: call it with the learner's answer.

    An answer that is None or ... is not answered yet; one that raises is wrong, and the
    learner is told what was raised.

    Attributes:
        hints: what it says to each of the mistakes that it knows, for the lecturer's notes.
    """

    def __init__(self, diagnose: Callable[[Any], Verdict], mistakes: Mistakes) -> None:
        self._diagnose = diagnose
        self.hints = tuple(dict.fromkeys(hint for _, hint in mistakes))
        update_wrapper(self, diagnose)

    def __call__(self, answer: Any) -> Verdict:
        if answer is None or answer is ...:
            return UNANSWERED
        try:
            return self._diagnose(answer)
        except _NotAnswered:
            return UNANSWERED
        except _NotOneNumber as problem:
            return wrong(str(problem))
        except Exception as problem:
            return wrong(f"Your answer raised {type(problem).__name__}: {problem}")


def check(mistakes: Mistakes = ()) -> Callable[[Callable[[Any], Verdict]], Check]:
    """Make a check of a function that takes the learner's answer and returns a Verdict.

    Args:
        mistakes: the table in which that function looks a wrong answer up.
    """
    return lambda diagnose: Check(diagnose, mistakes)


def right(text: str) -> Verdict:
    """The answer is right; say what it shows."""
    return Verdict(True, text)


def wrong(text: str) -> Verdict:
    """The answer is wrong; say what the mistake is, in words."""
    return Verdict(False, text)


def ask(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call the learner's function; one that still returns nothing counts as not answered."""
    result = function(*arguments)
    if result is None or result is ...:
        raise _NotAnswered
    return result


@dataclass(frozen=True)
class Answers:
    """What a learner's function says to some questions.

    Attributes:
        asked: each question, a tuple of arguments.
        given: the numbers that came back.
    """

    asked: Sequence[tuple[Any, ...]]
    given: Sequence[float]

    def are_from(self, function: Callable[..., float]) -> bool:
        """Whether this function says the same, up to rounding."""
        return not list(self._unlike(function))

    def first_unlike(self, function: Callable[..., float]) -> tuple[tuple[Any, ...], float, float]:
        """The first question to which it says something else, what was given, and what it says."""
        return next(self._unlike(function))

    def _unlike(
        self, function: Callable[..., float]
    ) -> Iterator[tuple[tuple[Any, ...], float, float]]:
        for question, given in zip(self.asked, self.given, strict=True):
            truth = function(*question)
            if not math.isclose(given, truth, rel_tol=1e-6, abs_tol=1e-12):
                yield question, given, truth


def answers_to(asked: Sequence[tuple[Any, ...]], function: Callable[..., Any]) -> Answers:
    """Ask a learner's function for a number, again and again."""
    return Answers(asked, [number(ask(function, *question)) for question in asked])


def hint_to(mistakes: Mistakes, made: Callable[[Any], bool]) -> str | None:
    """The hint to the first mistake that was made; None if it is none of these."""
    return next((hint for mistake, hint in mistakes if made(mistake)), None)


def fresh() -> torch.Generator:
    """Random numbers that are new each time, and leave the learner's own seed alone."""
    generator = torch.Generator()
    generator.seed()
    return generator


def number(value: Any) -> float:
    """The learner's number, also one in a tensor; several are wrong, and the learner is told."""
    if isinstance(value, Tensor) and value.numel() != 1:
        shape = tuple(value.shape)
        raise _NotOneNumber(
            f"One number is wanted, and this is a tensor of shape {shape}. Which of its numbers, "
            "or is it their sum or their mean?"
        )
    return float(value)


def close(answer: float, truth: float, relative: float = 1e-4) -> bool:
    """Whether two numbers are the same up to rounding."""
    return math.isclose(answer, truth, rel_tol=relative, abs_tol=1e-9)
