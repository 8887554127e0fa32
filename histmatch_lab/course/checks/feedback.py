"""Feedback on the answer to an exercise, and what every check is made of."""

import html
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import update_wrapper
from typing import Any

from .answers import NotAnswered, WrongKind, answered, close, number

# Each: the answer of somebody who makes the mistake, or a test for it; and the hint to give.
Mistakes = Sequence[tuple[Any, str]]


def mistakes(*answers_and_hints: Any) -> Mistakes:
    """A table from its entries one after the other: a mistake, its hint, a mistake, its hint ..."""
    return tuple(zip(answers_and_hints[::2], answers_and_hints[1::2], strict=True))


@dataclass(frozen=True)
class Feedback:
    """A check's answer; a notebook shows it as the last line of the cell."""

    right: bool | None  # None where nothing has been answered yet
    text: str

    @property
    def sign(self) -> str:
        return {True: "✓ Right.", False: "✗ Not yet.", None: "… Not answered yet."}[self.right]

    def __repr__(self) -> str:
        return f"{self.sign} {self.text}"

    def _repr_html_(self) -> str:
        """As plain text, a notebook would break the line in the midst of a word."""
        return f"<p><b>{self.sign}</b> {html.escape(self.text)}</p>"


UNANSWERED = Feedback(None, "Replace the ... above and run the cell again.")


class Check:
    """The check of one exercise: call it with the learner's answer.

    None and ... are no answer yet. A function that raises is wrong; the feedback says what it
    raised. `hints` has one for each mistake that it knows, for the lecturer's notes.
    """

    def __init__(self, diagnose: Callable[[Any], Feedback], mistakes: Mistakes) -> None:
        self._diagnose = diagnose
        self.hints = tuple(dict.fromkeys(hint for _, hint in mistakes))
        update_wrapper(self, diagnose)

    def __call__(self, answer: Any) -> Feedback:
        try:
            return self._diagnose(answered(answer))
        except NotAnswered:
            return UNANSWERED
        except WrongKind as problem:
            return wrong(str(problem))
        except Exception as problem:
            return wrong(f"Your answer raised {type(problem).__name__}: {problem}")


def check(mistakes: Mistakes = ()) -> Callable[[Callable[[Any], Feedback]], Check]:
    """Make a check of a function that looks an answer up in this table and gives feedback."""
    return lambda diagnose: Check(diagnose, mistakes)


def right(text: str) -> Feedback:
    """The answer is right; say what it shows."""
    return Feedback(True, text)


def wrong(text: str) -> Feedback:
    """The answer is wrong; say what the mistake is, in words."""
    return Feedback(False, text)


def judge(
    matches: Callable[[Any], bool], truth: Any, mistakes: Mistakes, praise: str, otherwise: str
) -> Feedback:
    """Right if the answer matches the truth, else the hint to the mistake that it matches."""
    if matches(truth):
        return right(praise)
    return wrong(hint_to(mistakes, matches) or otherwise)


def judge_numbers(
    function: Callable[..., Any],
    asked: Sequence[tuple[float, ...]],
    truth: Callable[..., float],
    mistakes: Mistakes,
    praise: str,
) -> Feedback:
    """`judge` for a function that returns a number, called with each tuple of arguments."""
    given = [number(function(*arguments)) for arguments in asked]

    def matches(other: Callable[..., float]) -> bool:
        pairs = zip(given, asked, strict=True)
        return all(close(got, other(*arguments), 1e-6) for got, arguments in pairs)

    for got, arguments in zip(given, asked, strict=True):
        if not close(got, right_one := truth(*arguments), 1e-6):
            inputs = ", ".join(f"{argument:.4g}" for argument in arguments)
            otherwise = f"For ({inputs}) you get {got:.4g}; it should be {right_one:.4g}."
            return wrong(hint_to(mistakes, matches) or otherwise)
    return right(praise)


def hint_to(mistakes: Mistakes, made: Callable[[Any], bool]) -> str | None:
    """The hint to the first mistake that was made; None if it is none of these."""
    return next((hint for mistake, hint in mistakes if made(mistake)), None)
