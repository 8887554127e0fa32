"""Checks of the exercises in notebook 07, on light and on splitting movies."""

from collections.abc import Callable, Sequence
from math import log, log2, log10
from typing import Any

from .feedback import Feedback, chance, check, check_function, judge, mistakes

_FACTORS = "Stops count factors; a difference of lights has none."
_NEGATIVE = "A light darker than white has a negative number."
check_stops = check_function(
    "`stops_above(nits, white)`: how many stops a light is above the white of a screen.",
    lambda: [(nits, chance.uniform(100, 300)) for nits in (800, 25, 1000)],
    lambda nits, white: log2(nits / white),
    (
        (lambda nits, white: log2(white / nits), "The other way round: above white is positive."),
        (lambda nits, white: log10(nits / white), "A stop is a factor of two, not of ten."),
        (lambda nits, white: log(nits / white), "A natural logarithm; a stop is a factor of two."),
        (lambda nits, white: nits / white, "That is the factor. How many doublings is it?"),
        (lambda nits, white: (nits - white) / white, _FACTORS),
        (lambda nits, white: nits - white, _FACTORS),
        (lambda nits, white: abs(log2(nits / white)), _NEGATIVE),
        (lambda nits, white: max(0.0, log2(nits / white)), _NEGATIVE),
    ),
    "A stop doubles the light, whatever it was: stops are its logarithm to base 2.",
)

# Of the frames' names, those to train on, those to test on, and how many the test should have.
SPLIT_MISTAKES = mistakes(
    lambda names, train, test, count: set(train) & set(test),
    "Train and test are mixed: a frame is in both lists, so its answer is known.",
    lambda names, train, test, count: sorted(train + test) != names,
    "Each frame belongs in one of the lists; yours do not hold all of them once.",
    lambda names, train, test, count: len(train) == count != len(test),
    "The share is that of the test.",
    lambda names, train, test, count: len(test) != count,
    "The test should hold the share test_share of the frames; yours holds another number.",
    lambda names, train, test, count: max(train) > min(test) and max(test) > min(train),
    "Test frames lie between training frames that hardly differ from them. Cut the movie once.",
)


@check(SPLIT_MISTAKES)
def check_movie_split(split: Callable[[Sequence[str], float], Any]) -> Feedback:
    """`split(names, test_share)`: two lists, to train on and to test on, of a movie's frames."""
    frames, share = 8 * chance.randrange(4, 10), chance.randrange(1, 4) / 8  # exact in binary
    names = [f"{40 * frame:07d}" for frame in range(frames)]
    answer = split(list(names), share)
    if not isinstance(answer, tuple | list) or len(answer) != 2:
        return Feedback(False, "Return two lists: the names to train on, and those to test on.")
    train, test = (list(side) for side in answer)
    count = round(frames * share)

    def made(is_so: Callable[..., Any]) -> bool:
        return bool(is_so(names, train, test, count))

    if any(made(mistake) for mistake, _ in SPLIT_MISTAKES):
        return judge(False, SPLIT_MISTAKES, made, "")
    if max(test) < min(train):
        return Feedback(True, "Cut in time, the test first. (The paper tests on each movie's end.)")
    return Feedback(True, "One cut in time: hardly a test frame has a twin among the others.")
