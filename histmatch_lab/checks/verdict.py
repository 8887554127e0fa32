"""What an exercise's check answers, and the frame that every check stands in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any


@dataclass(frozen=True)
class Verdict:
    """A check's answer; a notebook shows it as the last line of the cell.

    Attributes:
        right: True, False, or None where nothing has been answered yet.
        text: what is right, or what is wrong and where to look.
    """

    right: bool | None
    text: str

    def __repr__(self) -> str:
        sign = {True: "✓ Right.", False: "✗ Not yet.", None: "… Not answered yet."}[self.right]
        return f"{sign} {self.text}"


UNANSWERED = Verdict(None, "Replace the ... above and run the cell again.")


class _NotAnswered(Exception):
    pass


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


def check(diagnose: Callable[[Any], Verdict]) -> Callable[[Any], Verdict]:
    """Make a check of a function that takes the learner's answer and returns a Verdict.

    An answer that is None or ... is not answered yet; one that raises is wrong, and the
    learner is told what was raised.
    """

    @wraps(diagnose)
    def answer_checked(answer: Any) -> Verdict:
        if answer is None or answer is ...:
            return UNANSWERED
        try:
            return diagnose(answer)
        except _NotAnswered:
            return UNANSWERED
        except Exception as problem:
            return wrong(f"Your answer raised {type(problem).__name__}: {problem}")

    return answer_checked
