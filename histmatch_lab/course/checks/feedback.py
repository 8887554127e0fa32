"""What every check is made of: answers, tables of mistakes, and feedback in words."""

import html
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from random import SystemRandom
from typing import Any

import torch
from torch import Tensor

Mistakes = Sequence[tuple[Any, str]]  # wrong answers, or tests for one, each with the hint to give

chance = SystemRandom()  # it leaves the learner's own seed alone


def rng() -> torch.Generator:
    """Random tensors that are new each time, and leave the learner's own seed alone."""
    generator = torch.Generator()
    generator.seed()
    return generator


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
        colour = {True: "#00875a", False: "#c9372c", None: "#8a7000"}[self.right]
        look = f"border-left: 6px solid {colour}; padding: .5em .9em; max-width: 46rem; "
        look += f"background: color-mix(in srgb, {colour} 14%, transparent)"
        return f'<div style="{look}"><b>{self.sign}</b> {html.escape(self.text)}</div>'


class Unclear(Exception):
    """An answer that cannot be compared with the right one: whether it is wrong, and why."""


class Check:
    """The check of one exercise: call it with the learner's answer.

    None and ... are no answer yet. A function that raises is wrong; the feedback says what it
    raised. `hints` has one for each mistake that it knows, for the lecturer's notes.
    """

    def __init__(
        self, diagnose: Callable[[Any], Feedback], mistakes: Mistakes, about: str | None = None
    ) -> None:
        self._diagnose = diagnose
        self.mistakes = mistakes
        self.hints = tuple(dict.fromkeys(hint for _, hint in mistakes))
        self.__doc__ = about or diagnose.__doc__

    def __call__(self, answer: Any) -> Feedback:
        try:
            return self._diagnose(_asking(answer) if callable(answer) else _answered(answer))
        except Unclear as unclear:
            return Feedback(*unclear.args)
        except Exception as problem:
            return Feedback(False, f"Your answer raised {type(problem).__name__}: {problem}")


def check(mistakes: Mistakes = ()) -> Callable[[Callable[[Any], Feedback]], Check]:
    """Make a check of a function that looks an answer up in this table and gives feedback."""
    return partial(Check, mistakes=mistakes)


def check_value(
    about: str, truth: float, mistakes: Mistakes, praise: str, otherwise: str, rtol: float = 1e-4
) -> Check:
    """The check of a number; `about` is its docstring."""

    def diagnose(answer: Any) -> Feedback:
        equals = partial(close, number(answer), rtol=rtol)
        return judge(equals(truth), mistakes, equals, praise, otherwise)

    return Check(diagnose, mistakes, about)


def check_function(
    about: str,
    asked: Callable[[], Sequence[tuple[Any, ...]]],
    truth: Callable[..., Any],
    mistakes: Mistakes,
    praise: str,
    otherwise: str = "For ({given}) you get {got:.4g}; it should be {truth:.4g}.",
    *,
    facts: Callable[..., tuple[Any, ...]] = lambda *given: given,
    measured: Callable[[Callable[..., Any]], Callable[..., Any]] = lambda function: function,
    returns: str = "",
    rtol: float = 1e-6,
    atol: float = 1e-9,
) -> Check:
    """The check of a function, tried on new random arguments each time; `about` is its docstring.

    Args:
        asked: makes the arguments of each call.
        truth: the right answer; it and the mistakes are functions of the `facts` of a call.
        praise, otherwise: what to say if all is right, and if no mistake fits: {given}, {got},
            {truth} and their {gap} are of the first call that went wrong, or else of the first.
        measured: makes of each function the one whose results are compared.
        returns: in words, the tensor to return, if it is not a number.
    """
    known = [(_of_arguments(one, facts), hint) for one, hint in mistakes]
    right = measured(_of_arguments(truth, facts))

    def diagnose(function: Callable[..., Any]) -> Feedback:
        calls = [_call(measured(function), given, right(*given), returns) for given in asked()]

        def made(other: Callable[..., Any]) -> bool:
            return all(close(got, measured(other)(*given), rtol, atol) for given, got, _ in calls)

        missed = [call for call in calls if not close(*call[1:], rtol, atol)]
        given, got, due = (missed or calls)[0]
        numbers = ", ".join(f"{x:.4g}" for x in given if not isinstance(x, Tensor))
        said: Any = {"given": numbers, "got": got, "truth": due, "gap": (got - due).abs().max()}
        return judge(not missed, known, made, praise.format(**said), otherwise.format(**said))

    return Check(diagnose, known, about)


def _value_and_gradient(loss: Callable[[Tensor, Tensor], Any]) -> Callable[..., Tensor]:
    """Its value, then its gradient on each value of pred: infinite where no path leads there."""

    def measured(pred: Tensor, target: Tensor) -> Tensor:
        pred = pred.clone().requires_grad_()
        value = loss(pred, target)
        head = number(value).detach().reshape(1)
        path = isinstance(value, Tensor) and value.requires_grad
        found = torch.autograd.grad(value.sum(), pred, allow_unused=True)[0] if path else None
        slope = torch.full_like(pred, math.inf) if found is None else found
        return torch.cat([head, pred.numel() * slope.flatten().double()])

    return measured


# The check of a loss (pred, target) -> one number, by its value and its gradient on pred
check_loss = partial(
    check_function,
    otherwise=(
        "It is none of the known mistakes, but value or gradient differs from the right loss."
    ),
    measured=_value_and_gradient,
    rtol=1e-4,
    atol=1e-5,
)


def _of_arguments(function: Callable[..., Any], facts: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *given: function(*facts(*given))


def _call(
    function: Callable[..., Any], given: tuple[Any, ...], truth: Any, returns: str
) -> tuple[tuple[Any, ...], Tensor, Tensor]:
    """The arguments, the learner's answer to them and the right one, both of one kind and shape."""
    due = torch.as_tensor(truth, dtype=torch.float64)
    answer = function(*(x.clone() if isinstance(x, Tensor) else x for x in given))
    tensor = isinstance(answer, Tensor)
    if due.requires_grad and not tensor:
        problem = "Return a tensor, without .item() or float(): a number has no gradient."
        raise Unclear(False, problem)
    if due.dim() == 0:
        return given, number(answer), due
    found = tuple(answer.shape) if tensor else type(answer).__name__
    if found != due.shape:
        problem = f"Return a tensor of shape {tuple(due.shape)}, {returns}; got {found}."
        raise Unclear(False, problem)
    return given, answer.double(), due


def judge(
    right: bool, mistakes: Mistakes, made: Callable[[Any], bool], praise: str, otherwise: str = ""
) -> Feedback:
    """Praise if the answer is right, else the hint to the first mistake that was made."""
    hints = (hint for mistake, hint in mistakes if made(mistake))
    return Feedback(True, praise) if right else Feedback(False, next(hints, otherwise))


def _asking(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *given: _answered(function(*given))


def _answered(value: Any) -> Any:
    if value is None or value is ...:
        raise Unclear(None, "Replace the ... above and run the cell again.")
    return value


def number(value: Any) -> Tensor:
    """The learner's number, as a tensor without axes; several are wrong."""
    if not isinstance(value, Tensor):
        return torch.tensor(float(_answered(value)), dtype=torch.float64)
    if value.numel() != 1:
        problem = f"The answer must be one number, and this is a tensor of shape {(*value.shape,)}."
        raise Unclear(False, f"{problem} Which of its numbers, or is it their sum or their mean?")
    return value.double().reshape(())


def close(answer: Any, truth: Any, rtol: float = 1e-4, atol: float = 1e-9) -> bool:
    """Whether two numbers, or two tensors of one shape, are the same up to rounding.

    Where the truth has a gradient, the answer must have one too.
    """
    one, other = (torch.as_tensor(value, dtype=torch.float64) for value in (answer, truth))
    return one.requires_grad >= other.requires_grad and torch.allclose(one, other, rtol, atol)
