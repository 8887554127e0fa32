"""Notebook 07's checks: solutions pass, mistakes are named, nothing else passes."""

import math
import random

import pytest

from histmatch_lab.course.checks.own_data import check_movie_split, check_stops


def _cut(names, share):
    first = len(names) - round(len(names) * share)
    return names[:first], names[first:]


def _at_random(names, share):
    test = sorted(random.Random(0).sample(names, round(len(names) * share)))
    return sorted(set(names) - set(test)), test


def _both_ends(names, share):
    count = round(len(names) * share)
    return names[1 : len(names) - count + 1], names[:1] + names[len(names) - count + 1 :]


def test_solutions_pass():
    assert check_stops(lambda nits, white: math.log2(nits / white)).right
    assert check_movie_split(_cut).right
    assert check_movie_split(lambda names, share: _cut(names[::-1], share)).right


def test_an_unanswered_exercise_says_so_and_goes_on():
    for check in (check_stops, check_movie_split):
        assert check(...).right is None
        assert check(lambda *_: ...).right is None


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda n, w: math.log2(w / n), "other way round"),
        (lambda n, w: math.log10(n / w), "not of ten"),
        (lambda n, w: math.log(n / w), "natural logarithm"),
        (lambda n, w: n / w, "How many doublings"),
        (lambda n, w: (n - w) / w, "difference of lights"),
        (lambda n, w: 3.0, "should be"),
        (lambda n, w: math.log2(n / w) + 1, "should be"),
        (lambda n, w: math.log2(n / 100), "should be"),
    ],
)
def test_wrong_stops(answer, hint):
    feedback = check_stops(answer)
    assert feedback.right is False
    assert hint in feedback.text


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda names, share: names, "two lists"),
        (lambda names, share: (names, names[-5:]), "in both lists"),
        (lambda names, share: (names[:10], names[11:]), "hold all of them"),
        (lambda names, share: _cut(names, 1 - share), "share is that of the test"),
        (lambda names, share: (names[:-1], names[-1:]), "another number"),
        (_at_random, "Cut the movie once"),
        (_both_ends, "Cut the movie once"),
    ],
)
def test_wrong_splits(answer, hint):
    feedback = check_movie_split(answer)
    assert feedback.right is False
    assert hint in feedback.text
