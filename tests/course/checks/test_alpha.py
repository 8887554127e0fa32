"""The checks of notebook 02: solutions pass, each known mistake gets its hint."""

import math

import pytest
import torch

from histmatch_lab.course.checks.alpha import (
    check_alpha_for_50_bins,
    check_dead_share,
    check_pull,
    check_ten_bit_range,
    measure_alpha,
)
from histmatch_lab.histogram import pixel_gradient

CHECKS = (check_dead_share, check_pull, check_alpha_for_50_bins, check_ten_bit_range)


def solution(x, edges, s):
    up = torch.sigmoid(s * (x[:, None] - edges))
    return (s * up * (1 - up)).sum(1) * (edges[1] - edges[0])


@pytest.mark.parametrize("check", CHECKS)
def test_an_untouched_exercise_is_not_answered(check):
    assert check(...).right is None
    assert check(None).right is None


def test_a_function_that_returns_nothing_is_not_answered():
    assert check_pull(lambda *_: ...).right is None


def test_the_dead_share_is_that_of_the_measured_pull():
    x = torch.linspace(0.5, 0.52, 20001, dtype=torch.float64)
    measured = float((pixel_gradient(x, 50, alpha=1000) < 0.01).double().mean())
    assert measured == pytest.approx(1 - 2 * math.log(2000) / 20, abs=0.002)
    assert check_dead_share(measured).right


@pytest.mark.parametrize(
    ("share", "hint"),
    [
        (24, "not a percentage"),
        (0.76, "does feel"),
        (0.12, "only one half"),
        (0.62, "both sides"),
        (0.0, "too small"),
        (0.4, "too large"),
        (-0.24, "too small"),
    ],
)
def test_wrong_dead_shares(share, hint):
    feedback = check_dead_share(share)
    assert feedback.right is False
    assert hint in feedback.text


def test_the_solution_of_the_pull_passes_each_time():
    assert all(check_pull(solution).right for _ in range(20))


@pytest.mark.parametrize(
    ("mistake", "hint"),
    [
        (lambda x, e, s: solution(x, e, s) / (e[1] - e[0]), "factor L"),
        (lambda x, e, s: solution(x, e, s) / s, "factor s is"),
        (lambda x, e, s: solution(x, e, s) / s / (e[1] - e[0]), "s and L"),
        (lambda x, e, s: solution(x, e, s) / len(e), "A mean"),
        (lambda x, e, s: solution(x, e, s) * (len(e) - 1) / len(e), "A mean"),
        (lambda x, e, s: -solution(x, e, s), "sign"),
        (lambda x, e, s: s * torch.sigmoid(s * (x[:, None] - e)).sum(1) * e[1], "sums sigma"),
        (lambda x, e, s: solution(x, (e[1:] + e[:-1]) / 2, s), "centres"),
        (
            lambda x, e, s: solution_terms(x, e, s).max(1).values * (e[1] - e[0]),
            "nearest edge",
        ),
        (lambda x, e, s: solution_terms(x, e, s), "Sum over the edges"),
        (lambda *_: 1.0, "Return a tensor"),
        (lambda x, *_: torch.ones_like(x), "other numbers"),
        (lambda x, e, s: solution(x, e[1:], s) * 1.01, "other numbers"),
        (lambda x, *_: x.nothing, "AttributeError"),
    ],
)
def test_wrong_pulls_get_their_hint_each_time(mistake, hint):
    for _ in range(10):
        feedback = check_pull(mistake)
        assert feedback.right is False
        assert hint in feedback.text


def solution_terms(x, edges, s):
    up = torch.sigmoid(s * (x[:, None] - edges))
    return s * up * (1 - up)


@pytest.mark.parametrize("alpha", [150, 195, 200, 300])
def test_an_alpha_between_the_two_bounds_exists(alpha):
    assert check_alpha_for_50_bins(alpha).right


@pytest.mark.parametrize(
    ("alpha", "hint"),
    [(1000, "Too sharp"), (640, "Too sharp"), (50, "too blurred"), (20, "too blurred")],
)
def test_an_alpha_beyond_a_bound_is_told_which(alpha, hint):
    feedback = check_alpha_for_50_bins(alpha)
    assert feedback.right is False
    assert hint in feedback.text


def test_nonsense_alphas_never_pass():
    assert check_alpha_for_50_bins(-200).right is False
    assert check_alpha_for_50_bins("200 or so").right is False


def test_error_and_pull_move_against_each_other():
    felt, errors = zip(*(measure_alpha(a) for a in (50.0, 200.0, 1000.0)), strict=True)
    assert felt[0] >= felt[1] > felt[2]
    assert errors[0] > errors[1] > errors[2]


@pytest.mark.parametrize(
    ("extent", "hint"),
    [
        ((0, 1), "width is 1/1024"),
        ((-0.5 / 255, 255.5 / 255), "8-bit"),
        ((-0.5 / 1024, 1 + 0.5 / 1024), "not 1/1024"),
        ((-0.5 / 1024, 1023.5 / 1024), "not 1/1024"),
        ((0.5 / 1023, 1 - 0.5 / 1023), "not shrink"),
        ((-1 / 1023, 1 + 1 / 1023), "on an edge again"),
        ((0, 1024 / 1023), "left edge"),
        ((0.1, 0.1 + 1024 / 1023), "shift"),
        ((-1, 2), "wide"),
        ((-0.000489, 1.000489), "as fractions"),
        ((-0.0005, 1.0005), "as fractions"),
        ((0.0,), "ValueError"),
    ],
)
def test_wrong_ranges(extent, hint):
    feedback = check_ten_bit_range(extent)
    assert feedback.right is False
    assert hint in feedback.text


def test_the_right_range_centres_every_ten_bit_level():
    low, high = -0.5 / 1023, 1023.5 / 1023
    assert check_ten_bit_range((low, high)).right
    inside = (torch.arange(1024, dtype=torch.float64) / 1023 - low) / (high - low) * 1024
    torch.testing.assert_close(inside, torch.arange(1024, dtype=torch.float64) + 0.5)
