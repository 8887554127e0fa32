"""The exercises of notebook 06: mistakes get their hints, solutions pass."""

import random

import numpy as np
import pytest

from histmatch_lab.course.checks.compare import check_best_emd, check_interval, check_paper_lam
from histmatch_lab.results.tables import recipes, seed_means


def interval(gaps, groups):
    """The notebook's solution."""
    generator = np.random.default_rng(0)
    names = sorted(set(groups))
    by_group = [[g for g, group in zip(gaps, groups, strict=True) if group == n] for n in names]
    means = [
        np.mean([g for i in generator.integers(len(names), size=len(names)) for g in by_group[i]])
        for _ in range(2000)
    ]
    return np.percentile(means, (2.5, 97.5))


def singly(gaps, _groups):
    draws = random.Random(0)
    means = [np.mean(draws.choices(gaps, k=len(gaps))) for _ in range(2000)]
    return np.percentile(means, (2.5, 97.5))


def best():
    return min(recipes(), key=lambda name: np.mean(seed_means("ambiguous", name, "emd")))


def test_the_solutions_are_right():
    assert check_paper_lam(lambda lam, bins: lam / bins).right
    assert check_interval(interval).right
    assert check_best_emd(best()).right
    for check in (check_paper_lam, check_interval, check_best_emd):
        assert check(...).right is None


@pytest.mark.parametrize(
    ("check", "answer", "hint"),
    [
        (check_paper_lam, lambda lam, bins: lam * bins, "other way"),
        (check_paper_lam, lambda lam, bins: lam, "erratum 7"),
        (check_paper_lam, lambda lam, bins: lam / 256, "K is not always 256"),
        (check_paper_lam, lambda lam, bins: lam / (bins - 1), "K bins share"),
        (check_paper_lam, lambda lam, bins: lam / bins**2, ", 50) you get"),
        (check_best_emd, "l2", "the smallest is"),
        (check_best_emd, "l3", "one of the names"),
        (check_interval, singly, "draw photographs"),
        (
            check_interval,
            lambda gaps, groups: np.mean(gaps) + 1.96 * np.std(gaps) * np.array([-1, 1]),
            "mean of each",
        ),
        (check_interval, lambda gaps, groups: np.percentile(gaps, (2.5, 97.5)), "mean of each"),
        (
            check_interval,
            lambda gaps, groups: np.mean(gaps) + (interval(gaps, groups) - np.mean(gaps)) / 1.96,
            "one standard deviation",
        ),
        (check_interval, lambda gaps, groups: interval(gaps, groups) * np.nan, "around the mean"),
        (check_interval, lambda gaps, groups: np.mean(gaps) + np.array([-0.6, 0.6]), "half width"),
        (check_interval, lambda gaps, groups: (9, 10), "around the mean"),
        (check_interval, lambda gaps, groups: (1, -1), "above"),
    ],
)
def test_a_mistake_gets_its_hint(check, answer, hint):
    feedback = check(answer)
    assert feedback.right is False
    assert hint in feedback.text
