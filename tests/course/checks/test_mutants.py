"""Every exercise of every notebook: its solution is right, and what is made wrong of it is not."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from histmatch_lab.course.lessons import solved
from tests.course.checks.course import every_exercise, feedback_of, read, solution_of

EXERCISES = [
    pytest.param(path, exercise, id=f"{path.stem[:2]}-{exercise.answer}")
    for path, exercise in every_exercise()
]
# a bootstrap of 360 numbers for each mutant: ten seconds
SLOW = ("interval",)
FUNCTIONS = [
    pytest.param(*case.values, id=case.id, marks=[pytest.mark.slow] * (exercise.answer in SLOW))
    for case in EXERCISES
    if "def " in (exercise := case.values[1]).solution
]
VALUES = [case for case in EXERCISES if "def " not in case.values[1].solution]

SMALL = ("1 % more", "1 % less", "1 more", "1 less")
# Other answers that are right too, and why.
ALSO_RIGHT = {
    ("interval", "1 % more"): "two thousand draws leave more than that to chance",
    ("interval", "1 % less"): "two thousand draws leave more than that to chance",
    ("split_movie", "argument 0 backwards"): "one cut in time, with the test first",
    ("split_movie", "argument 1 1 % more"): "rounded to whole frames",
    ("split_movie", "argument 1 1 % less"): "rounded to whole frames",
    ("alpha_for_ninety", "1 less"): "1509 is enough, only not rounded up to tens",
    ("fair", "backwards"): "the order does not matter",
    ("fair", "off by one"): "the order does not matter",
} | {
    (answer, name): why
    for names, answer, why in ((SMALL[:2], "my_share", "a prediction, right to within 0.05"),)
    for name in names
}

CHANGES: dict[str, Callable[[Any], Any]] = {
    "negated": lambda x: -x,
    "1 % more": lambda x: 1.01 * x,
    "1 % less": lambda x: 0.99 * x,
    "1 more": lambda x: x + 1,
    "1 less": lambda x: x - 1,
    "doubled": lambda x: 2 * x,
    "halved": lambda x: x / 2,
    "0": lambda x: 0 * x,
    "not a number": lambda x: x * math.nan,
    "infinite": lambda x: x * 0 + math.inf,
}
ARRANGEMENTS: dict[str, Callable[[Tensor], Tensor]] = {
    "off by one": lambda x: x.roll(1, -1),
    "off by one, down": lambda x: x.roll(-1, -1),
    "backwards": lambda x: x.flip(-1),
    "transposed": lambda x: x.transpose(-1, -2),
    "summed": lambda x: x.sum(),
    "averaged": lambda x: x.mean(),
    "one too few": lambda x: x[..., 1:],
}


def _variants(value: Any) -> Iterator[tuple[str, Any]]:
    """What a value may be mistaken for, each with its name."""
    if isinstance(value, str):
        yield from (("empty", ""), ("longer", value + "s"), ("in capitals", value.upper()))
    elif isinstance(value, list | tuple):
        yield "backwards", value[::-1]
        yield "off by one", [*value[1:], *value[:1]]
        yield "one too few", value[1:]
        yield "empty", value[:0]
        if len(value) > 3 or all(isinstance(part, str) for part in value):
            return  # one of many numbers may be another without making a mistake
        for name, change in CHANGES.items():
            for i, part in enumerate(value):
                other = change(part) if not isinstance(part, list) else part[:-1]
                yield f"{name}, part {i}", (*value[:i], other, *value[i + 1 :])
    else:
        yield from ((name, change(value)) for name, change in CHANGES.items())
        if isinstance(value, Tensor) and value.dim() > 0:
            for name, arrange in ARRANGEMENTS.items():
                if name != "transposed" or value.dim() > 1:
                    yield name, arrange(value)


class _Recorder:
    """A function that remembers what it was asked and what it answered."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.seen: list[tuple[tuple[Any, ...], Any]] = []

    def __call__(self, *arguments: Any) -> Any:
        answer = self.function(*arguments)
        self.seen.append((arguments, answer))
        return answer


def _mutants(solution: Callable[..., Any], seen: list[Any]) -> Iterator[tuple[str, Any]]:
    """Functions with a wrong answer, or that take an argument wrongly; named."""
    arguments, answer = seen[0]
    for (name, _), index in zip(_variants(answer), itertools.count(), strict=False):
        yield name, lambda *given, i=index: _nth_variant(solution(*given), i)
    for position, argument in enumerate(arguments):
        for (name, _), index in zip(_variants(argument), itertools.count(), strict=False):

            def mistaken(*given: Any, p: int = position, i: int = index) -> Any:
                return solution(*given[:p], _nth_variant(given[p], i), *given[p + 1 :])

            yield f"argument {position} {name}", mistaken
    for first, second in itertools.combinations(range(len(arguments)), 2):

        def exchanged(*given: Any, a: int = first, b: int = second) -> Any:
            order = list(given)
            order[a], order[b] = given[b], given[a]
            return solution(*order)

        yield f"arguments {first} and {second} exchanged", exchanged
    yield "always the same", lambda *_: answer


def _nth_variant(value: Any, index: int) -> Any:
    return next(itertools.islice(_variants(value), index, None))[1]


def _same_everywhere(mutant: Callable[..., Any], seen: list[Any]) -> bool:
    """Whether a mutant answers as the solution did: then it is no mistake."""
    try:
        return all(_equal(mutant(*arguments), answer) for arguments, answer in seen)
    except Exception:
        return False


def _equal(one: Any, other: Any) -> bool:
    try:
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-9, check_dtype=False)
    except (AssertionError, TypeError, ValueError):
        return bool(isinstance(one, list | tuple | str) and one == other)
    return True


@pytest.mark.parametrize(("path", "exercise"), EXERCISES)
def test_the_solution_is_right_and_the_untouched_cell_is_not_answered(path, exercise):
    assert feedback_of(path, exercise.cell, solved(read(path))).right is True
    assert feedback_of(path, exercise.cell, read(path)).right is None


@pytest.mark.parametrize(("path", "exercise"), FUNCTIONS)
def test_no_mutant_of_a_function_passes(path, exercise):
    solution, check = solution_of(path, exercise)
    recorder = _Recorder(solution)
    assert check(recorder).right is True
    assert check(lambda *_: ...).right is None
    assert check(lambda *_: None).right is None
    tried = 0
    for name, mutant in _mutants(solution, recorder.seen):
        if (exercise.answer, name) in ALSO_RIGHT or _same_everywhere(mutant, recorder.seen):
            continue
        feedback = check(mutant)
        assert feedback.right is not True, f"{name}: {feedback}"
        tried += 1
    assert tried > 10


@pytest.mark.parametrize(("path", "exercise"), VALUES)
def test_no_other_value_passes(path, exercise):
    solution, check = solution_of(path, exercise)
    assert check(solution).right is True
    for name, value in _variants(solution):
        feedback = check(value)
        wanted = (exercise.answer, name) in ALSO_RIGHT
        assert (feedback.right is True) == wanted, f"{name}: {value}: {feedback}"


@pytest.mark.parametrize(("path", "exercise"), EXERCISES)
def test_a_check_has_something_to_say_to_mistakes(path, exercise):
    _, check = solution_of(path, exercise)
    assert all(hint.rstrip(")").endswith((".", "?")) for hint in check.hints)
    assert check.hints or exercise.check == "check_sure_gain"  # there, a name is right or not
