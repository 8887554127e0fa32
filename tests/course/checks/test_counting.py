"""Each known mistake gets its hint, the solution passes, and a wrong answer never does."""

import math

import pytest
import torch

from histmatch_lab.course.checks.counting import (
    check_alpha_for_ninety,
    check_area_as_printed,
    check_bin_center,
    check_kernel,
    check_most_clipped,
    check_soft_bin,
)
from histmatch_lab.data.samples import photo_names

sigma = torch.sigmoid
CHECKS = [
    check_alpha_for_ninety,
    check_area_as_printed,
    check_bin_center,
    check_kernel,
    check_most_clipped,
    check_soft_bin,
]


@pytest.mark.parametrize("check", CHECKS)
def test_an_untouched_exercise_is_not_answered(check):
    assert check(...).right is None
    assert check(None).right is None


@pytest.mark.parametrize("check", [check_kernel, check_soft_bin])
def test_a_function_that_returns_nothing_yet_is_not_answered(check):
    assert check(lambda *_: ...).right is None


@pytest.mark.parametrize("check", [check_kernel, check_soft_bin])
def test_a_function_that_raises_is_told_what(check):
    def broken(*_):
        raise ZeroDivisionError("by zero")

    feedback = check(broken)
    assert feedback.right is False
    assert "ZeroDivisionError: by zero" in feedback.text


@pytest.mark.parametrize(
    ("check", "answer"),
    [
        (check_most_clipped, "astronaut"),
        (check_bin_center, 0.31),
        (check_area_as_printed, 0.001),
        (check_alpha_for_ninety, 1510),
        (check_alpha_for_ninety, 4 * 256 * math.atanh(0.9)),
        (check_kernel, lambda z: sigma(z) * (1 - sigma(z))),
        (check_kernel, lambda z: torch.exp(-z) / (1 + torch.exp(-z)) ** 2),
        (check_soft_bin, lambda v, a, b, s: (sigma(s * (v - a)) - sigma(s * (v - b))).mean()),
        (check_soft_bin, lambda v, a, b, s: (sigma(s * (b - v)) - sigma(s * (a - v))).mean()),
    ],
)
def test_the_solution_is_right(check, answer):
    assert check(answer).right is True


@pytest.mark.parametrize("name", [name for name in photo_names() if name != "astronaut"])
def test_another_photograph_is_wrong_and_its_share_is_told(name):
    feedback = check_most_clipped(name)
    assert feedback.right is False
    assert f"of the values of {name}" in feedback.text


def test_the_dahlia_leads_in_pixels_only():
    assert "at least one channel" in check_most_clipped("flower").text
    assert "There is no photograph" in check_most_clipped("dahlia").text


@pytest.mark.parametrize(
    ("check", "answer", "hint"),
    [
        (check_bin_center, 15, "number of the bin"),
        (check_bin_center, 0.30, "left edge"),
        (check_bin_center, 0.32, "right edge"),
        (check_bin_center, 0.33, "counts from 0"),
        (check_bin_center, -0.69, "erratum 2"),
        (check_bin_center, 15.5, "counted in bins"),
        (check_bin_center, 0.317, "value of the pixel"),
        (check_bin_center, 0.5, "First L = 1/K"),
        (check_area_as_printed, 1, "should have area 1"),
        (check_area_as_printed, 1000, "other way round"),
        (check_area_as_printed, 0.25, "height of the kernel"),
        (check_area_as_printed, 0.5, "How long is a piece"),
        (check_alpha_for_ninety, 1000, "too little"),
        (check_alpha_for_ninety, 5000, "More than asked"),
        (check_alpha_for_ninety, 754, "once too often"),
        (check_alpha_for_ninety, 1125, "both edges"),
        (check_alpha_for_ninety, -1500, "too little"),
        (check_alpha_for_ninety, "many", "raised TypeError"),
        (check_kernel, sigma, "sigma(z) itself"),
        (check_kernel, lambda z: 1 - sigma(z), "One factor"),
        (check_kernel, lambda z: sigma(z) * (sigma(z) - 1), "sign"),
        (check_kernel, lambda z: 4 * sigma(z) * (1 - sigma(z)), "area is 4"),
        (check_kernel, lambda z: torch.exp(-z * z / 2) / math.sqrt(2 * math.pi), "Gaussian"),
        (check_kernel, torch.zeros_like, "differ"),
        (check_kernel, lambda z: (sigma(z) * (1 - sigma(z))).sum(), "shape (200,)"),
        (check_kernel, lambda _: 0.25, "got float"),
    ],
)
def test_a_known_mistake_gets_its_hint(check, answer, hint):
    feedback = check(answer)
    assert feedback.right is False
    assert hint in feedback.text


def _share(v, a, b, s):
    return sigma(s * (v - a)) - sigma(s * (v - b))


def _density(v, a, b, s):
    rise = sigma(s * (v - (a + b) / 2))
    return s * rise * (1 - rise)


@pytest.mark.parametrize(
    ("soft_bin", "hint"),
    [
        (lambda v, a, b, s: _share(v, a, b, s).sum(), "sum over the pixels"),
        (lambda v, a, b, s: -_share(v, a, b, s).mean(), "sign is turned"),
        (lambda v, a, b, s: _share(v, a, b, s).mean().detach(), "detached"),
        (lambda v, a, b, s: _share(v, a, b, s).mean().item(), "without .item()"),
        (lambda v, a, b, s: _share(v, a, b, s), "must be one number"),
        (lambda v, a, b, _: ((v >= a) & (v < b)).double().mean(), "hard count"),
        (lambda v, a, b, s: _density(v, a, b, s).mean(), "density at the centre"),
        (lambda v, a, b, s: _density(v, a, b, s).mean() * (b - a), "density times width"),
        (lambda v, a, b, s: _share(v, a, b, s).mean() / s, "erratum 1"),
        (lambda v, a, b, s: _share(v, a, b, s).mean() / (b - a), "divided by the width"),
        (lambda v, a, _, s: sigma(s * (v - a)).mean(), "above the lower edge"),
        (lambda v, _, b, s: sigma(s * (b - v)).mean(), "CDF"),
        (lambda v, a, b, _: _share(v, a, b, 1.0).mean(), "slope is missing"),
        (lambda v, a, b, s: _share(v, a + 0.01, b + 0.01, s).mean(), "For each pixel"),
        (lambda v, a, b, s: _share(v, a, b, 1.01 * s).mean(), "For each pixel"),
        (lambda v, *_: v.mean(), "For each pixel"),
    ],
)
def test_a_known_mistake_in_one_bin_gets_its_hint(soft_bin, hint):
    feedback = check_soft_bin(soft_bin)
    assert feedback.right is False
    assert hint in feedback.text


def test_a_check_leaves_the_learners_seed_alone():
    torch.manual_seed(3)
    wanted = torch.rand(2)
    torch.manual_seed(3)
    check_kernel(sigma)
    check_soft_bin(lambda v, *_: v.mean())
    assert torch.equal(torch.rand(2), wanted)


def test_a_constant_does_not_pass_twice():
    """The input is fresh each time, so a learned-by-heart number is wrong."""
    seen = []

    def remember(v, a, b, s):
        seen.append(_share(v, a, b, s).mean())
        return seen[0]

    assert check_soft_bin(remember).right is True
    assert check_soft_bin(remember).right is False
