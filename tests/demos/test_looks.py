"""Where the target may be any of three: the median CDF against all others."""

import re

import numpy as np
import torch
from scipy.stats import wasserstein_distance  # type: ignore[import-untyped]

from histmatch_lab.data.tasks import TaskPairs
from histmatch_lab.demos.figures import looks
from histmatch_lab.histogram import bin_centers


def test_the_median_cdf_minimises_the_expected_emd_and_the_mean_picture_does_not():
    found = looks.answers(looks.pictures(1), "red")
    least = found.expected(found.median)
    assert least < found.expected(found.mean)
    generator = torch.Generator().manual_seed(0)
    for _ in range(50):  # between the looks, and beside the median
        weights = torch.rand(3, 1, generator=generator, dtype=torch.float64)
        assert found.expected((weights / weights.sum() * found.targets).sum(0)) >= least
        noise = 0.02 * torch.randn(256, generator=generator, dtype=torch.float64)
        assert found.expected(found.median + noise) > least
    assert (found.median.diff() >= 0).all()
    assert abs(found.median[-1] - 1) < 1e-6


def test_the_expected_distance_is_the_mean_of_scipys():
    found, centers = looks.answers(looks.pictures(2), "blue"), bin_centers(256)
    weights = [np.diff(cdf.numpy(), prepend=0).clip(0) for cdf in (found.median, *found.targets)]
    exact = [wasserstein_distance(centers, centers, weights[0], other) for other in weights[1:]]
    assert abs(found.expected(found.median) - np.mean(exact)) < 1e-6


def test_the_looks_are_those_of_the_task():
    of_task = [pair.target for pair in TaskPairs("ambiguous").test_pairs()[:3]]
    three = looks.pictures(1)
    assert all(any(torch.equal(target, look) for look in three) for target in of_task)


def test_the_caption_says_it():
    numbers = [float(x) for x in re.findall(r" (0\.\d+)", looks.three_moods(picture=3).caption)]
    assert numbers[0] == min(numbers)
    assert len(numbers) == 5
