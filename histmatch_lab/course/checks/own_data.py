"""Checks of the exercises in notebook 07, on light and on splitting movies."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch

from .answers import answers_to, evaluate, fresh
from .feedback import Feedback, Mistakes, check, hint_to, mistakes, right, wrong

_FACTORS = "Stops count factors; a difference of lights has none."
_NEGATIVE = "A light darker than white has a negative number."
STOPS_MISTAKES: Mistakes = (
    (
        lambda nits, white: math.log2(white / nits),
        "The other way round: a light above white has a positive number.",
    ),
    (lambda nits, white: math.log10(nits / white), "A stop is a factor of two, not of ten."),
    (
        lambda nits, white: math.log(nits / white),
        "That is the natural logarithm; a stop is a factor of two.",
    ),
    (lambda nits, white: nits / white, "That is the factor. How many doublings is it?"),
    (lambda nits, white: (nits - white) / white, _FACTORS),
    (lambda nits, white: nits - white, _FACTORS),
    (lambda nits, white: abs(math.log2(nits / white)), _NEGATIVE),
    (lambda nits, white: max(0.0, math.log2(nits / white)), _NEGATIVE),
)


def _stops(nits: float, white: float) -> float:
    return math.log2(nits / white)


@check(STOPS_MISTAKES)
def check_stops(stops_above: Callable[[float, float], Any]) -> Feedback:
    """`stops_above(nits, white)`: how many stops a light is above the white of a screen."""
    white = 100 + 200 * float(torch.rand((), generator=fresh()))
    asked = [(nits, white) for nits in (800.0, 25.0, 1000.0)]
    answers = answers_to(asked, stops_above)
    if not (difference := answers.first_difference(_stops)):
        return right(
            "A stop doubles the light, whatever it was: stops are its logarithm to base 2."
        )
    if hint := hint_to(STOPS_MISTAKES, answers.matches_source):
        return wrong(hint)
    (nits, _), got, truth = difference
    return wrong(f"stops_above({nits:g}, {white:.4g}) is {got:.4g}; it should be {truth:.4g}.")


# Of the frames' names, those to train on, those to test on, and how many the test should have.
SPLIT_MISTAKES = mistakes(
    lambda names, train, test, count: set(train) & set(test),
    "Train and test are mixed: a frame is in both lists, and whoever trains on it knows the "
    "answer.",
    lambda names, train, test, count: sorted(train + test) != names,
    "Each frame belongs in one of the lists; yours do not hold all of them once.",
    lambda names, train, test, count: len(train) == count != len(test),
    "The share is that of the test.",
    lambda names, train, test, count: len(test) != count,
    "The test should hold the share test_share of the frames; yours holds another number.",
    lambda names, train, test, count: max(train) > min(test) and max(test) > min(train),
    "Some frames to test on lie between frames to train on, from which they hardly differ. Cut "
    "the movie once.",
)


@check(SPLIT_MISTAKES)
def check_movie_split(split: Callable[[Sequence[str], float], Any]) -> Feedback:
    """`split(names, test_share)`: two lists, to train on and to test on, of a movie's frames."""
    generator = fresh()
    frames = 8 * int(torch.randint(4, 10, (), generator=generator))
    share = int(torch.randint(1, 4, (), generator=generator)) / 8  # exact in binary
    names = [f"{40 * frame:07d}" for frame in range(frames)]
    answer = evaluate(split, list(names), share)
    if not isinstance(answer, tuple | list) or len(answer) != 2:
        return wrong("Return two lists: the names to train on, and those to test on.")
    train, test = (list(side) for side in answer)
    count = round(frames * share)
    if hint := hint_to(SPLIT_MISTAKES, lambda is_so: is_so(names, train, test, count)):
        return wrong(hint)
    if max(test) < min(train):
        return right("Cut in time, the test first. (The paper tests on the end of each movie.)")
    return right("One cut in time: hardly a test frame has a twin among those trained on.")
