"""Checks of the exercises in notebook 07, on light and on splitting films."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from histmatch_lab.checks.verdict import Verdict, ask, check, right, wrong


@check
def check_stops(stops_above: Callable[[float, float], Any]) -> Verdict:
    """`stops_above(nits, white)`: how many stops a light is above the white of a screen."""
    for nits, white in ((800.0, 100.0), (25.0, 100.0), (1000.0, 203.0)):
        got = float(ask(stops_above, nits, white))
        wanted = math.log2(nits / white)
        if math.isclose(got, wanted, rel_tol=1e-6):
            continue
        asked = f"stops_above({nits:g}, {white:g})"
        for mistaken, hint in (
            (-wanted, "The other way round: a light above white has a positive number."),
            (math.log10(nits / white), "A stop is a factor of two, not of ten."),
            (math.log(nits / white), "That is the natural logarithm; a stop is a factor of two."),
            (nits / white, "That is the factor. How many doublings is it?"),
            ((nits - white) / white, "Stops count factors; a difference of lights has none."),
        ):
            if math.isclose(got, mistaken, rel_tol=1e-6):
                return wrong(hint)
        return wrong(f"{asked} is {got:.4g}; it should be {wanted:.4g}.")
    return right("A stop doubles the light, whatever it was: stops are its logarithm to base 2.")


@check
def check_film_split(split: Callable[[Sequence[str], float], Any]) -> Verdict:
    """`split(names, test_share)`: two lists, to train on and to test on, of a film's frames."""
    names = [f"{number:07d}" for number in range(0, 2000, 40)]
    answer = ask(split, names, 0.2)
    if not isinstance(answer, tuple | list) or len(answer) != 2:
        return wrong("Return two lists: the names to train on, and those to test on.")
    train, test = (list(side) for side in answer)
    if set(train) & set(test):
        return wrong("A frame is in both lists: whoever trains on it knows the answer.")
    if sorted(train + test) != names:
        return wrong("Each frame belongs in one of the lists; yours do not hold all of them once.")
    if len(train) == 10 and len(test) == 40:
        return wrong("The share is that of the test.")
    if len(test) != 10:
        return wrong(f"A fifth of 50 frames is 10; your test has {len(test)}.")
    if max(test) < min(train):
        return right("Cut in time, the test first. (The paper tests on the end of each film.)")
    if max(train) > min(test):
        return wrong(
            "Some frames to test on lie between frames to train on, from which they hardly differ. "
            "Cut the film once."
        )
    return right("One cut in time: hardly a test frame has a twin among those trained on.")
