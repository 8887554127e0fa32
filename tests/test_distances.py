"""Eq. 5 between histograms, and the exact distance of samples, against scipy and POT."""

import numpy as np
import ot  # type: ignore[import-untyped]
import pytest
import scipy.stats  # type: ignore[import-untyped]
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from histmatch_lab import emd, hard_histogram, wasserstein_1d


@settings(deadline=None)
@given(seed=st.integers(0, 2**32 - 1), bins=st.integers(1, 300))
def test_emd_is_the_wasserstein_distance(seed, bins):
    g = torch.Generator().manual_seed(seed)
    p, q = torch.rand(2, bins, dtype=torch.float64, generator=g) + 1e-3
    p, q = p / p.sum(), q / q.sum()
    places = np.arange(bins)
    wanted = scipy.stats.wasserstein_distance(places, places, p.numpy(), q.numpy())
    assert emd(p, q).item() == pytest.approx(wanted, abs=1e-9)
    plan = ot.wasserstein_1d(places.astype(float), places.astype(float), p.numpy(), q.numpy())
    assert emd(p, q).item() == pytest.approx(float(plan), abs=1e-9)


def test_emd_shapes_and_refusals():
    p = torch.rand(2, 3, 8)
    assert emd(p, p).tolist() == [[0.0] * 3] * 2
    with pytest.raises(ValueError, match=r"p and q .* \(2, 3, 8\) and \(8,\)"):
        emd(p, p[0, 0])
    with pytest.raises(TypeError, match="q must be floating point"):
        emd(p, p.long())
    with pytest.raises(ValueError, match="bins on their last axis"):
        emd(torch.tensor(1.0), torch.tensor(1.0))


@pytest.mark.parametrize("sizes", [(1, 1), (1, 7), (6, 4), (9, 9), (100, 37), (64, 1000)])
@pytest.mark.parametrize("ties", [False, True])
def test_wasserstein_is_scipys(sizes, ties):
    g = torch.Generator().manual_seed(sum(sizes))
    p, q = (torch.randn(2, 3, size, generator=g, dtype=torch.float64) for size in sizes)
    if ties:
        p, q = p.round(), q.round()
    expected = [
        scipy.stats.wasserstein_distance(a, b)
        for a, b in zip(p.flatten(0, 1).numpy(), q.flatten(0, 1).numpy(), strict=True)
    ]
    assert wasserstein_1d(p, q).flatten().tolist() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("size", [5, 7])
def test_gradient_of_wasserstein(size):
    g = torch.Generator().manual_seed(3)
    p = torch.rand(2, 5, generator=g, dtype=torch.float64, requires_grad=True)
    q = torch.rand(2, size, generator=g, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(wasserstein_1d, (p, q))


def test_wasserstein_of_8_bit_levels_is_eq_5_of_their_counts():
    g = torch.Generator().manual_seed(4)
    p, q = torch.randint(0, 256, (2, 3, 999), generator=g) / 255
    levels = (-0.5 / 255, 255.5 / 255)
    counted = emd(*(hard_histogram(side, 256, range=levels) for side in (p, q))) / 255
    assert wasserstein_1d(p, q).tolist() == pytest.approx(counted.tolist(), abs=1e-6)


def test_wasserstein_broadcasts_and_refuses():
    p, q = torch.rand(2, 3, 8), torch.rand(8)
    assert wasserstein_1d(p, q).shape == (2, 3)
    assert wasserstein_1d(p.half(), q).dtype == torch.float32
    for bad, problem in ((q.long(), TypeError), (q[:0], ValueError), (q * torch.nan, ValueError)):
        with pytest.raises(problem, match=r"^q must"):
            wasserstein_1d(p, bad)
