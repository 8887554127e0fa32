"""The exercises of notebook 05: mistakes get their hints, solutions pass."""

import math

import pytest

from histmatch_lab.course.checks.learning import check_psnr, check_rate, check_split


def psnr_by_hand(pred, target):
    return -10 * (pred.clamp(0, 1) - target).square().mean().log10()


def rate_at(step, of, first, last):
    return first * (last / first) ** (step / (of - 1))


def error(pred, target):
    return (pred.clamp(0, 1) - target).square().mean()


def test_the_solutions_are_right():
    assert check_psnr(psnr_by_hand).right
    assert check_rate(rate_at).right
    assert check_split(["chelsea", "astronaut", "stream"]).right
    for check in (check_psnr, check_rate, check_split):
        assert check(...).right is None


@pytest.mark.parametrize(
    ("check", "answer", "hint"),
    [
        (check_psnr, lambda p, t: -10 * (p - t).square().mean().log10(), "Clamp"),
        (check_psnr, lambda p, t: -20 * error(p, t).log10(), "root"),
        (check_psnr, lambda p, t: 10 * error(p, t).log10(), "sign"),
        (check_psnr, lambda p, t: -10 * error(p, t).log(), "log10"),
        (check_psnr, lambda p, t: 10 * (255**2 / error(p, t)).log10(), "255"),
        (check_psnr, lambda p, t: -10 * error(p, t).sqrt().log10(), "20"),
        (check_psnr, error, "decibels"),
        (
            check_psnr,
            lambda p, t: -10 * (p.clamp(0, 1) - t).square().sum().log10(),
            "sum of squares",
        ),
        (check_psnr, lambda p, t: 20.0, "should be"),
        (check_rate, lambda s, n, a, b: a + (b - a) * s / (n - 1), "same factor"),
        (check_rate, lambda s, n, a, b: a + (b - a) * s / n, "same factor"),
        (check_rate, lambda s, n, a, b: a * (b / a) ** (s / n), "of - 1"),
        (check_rate, lambda s, n, a, b: b * (a / b) ** (s / (n - 1)), "backwards"),
        (check_rate, lambda s, n, a, b: a * math.exp(-s / (n - 1)), "base"),
        (check_rate, lambda s, n, a, b: 2 * a, "should be"),
        (check_split, ["coffee", "chelsea"], "trained on"),
        (check_split, ["nobody"], "no photograph"),
        (check_split, "chelsea", "list"),
        (check_split, 3, "list"),
        (check_split, [], "Name three"),
        (check_split, ["chelsea", "chelsea", "astronaut"], "Name three"),
    ],
)
def test_a_mistake_gets_its_hint(check, answer, hint):
    feedback = check(answer)
    assert feedback.right is False
    assert hint in feedback.text
