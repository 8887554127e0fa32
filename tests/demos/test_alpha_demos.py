"""What the figures of notebook 03 say, against float64 references computed here by other means."""

import math
import re

import numpy as np
import pytest
import torch

from histmatch_lab import bin_edges, gradient_ripple
from histmatch_lab.demos.figures import alpha, ripple
from histmatch_lab.demos.shared import (
    BIN_RANGES,
    LEVELS,
    PHOTO_CHOICE,
    dense_points,
    estimate,
    level_shares,
    levels_of,
    nice_limit,
)
from histmatch_lab.histogram import pixel_gradient
from tests.demos.reference import soft_reference


@pytest.fixture(scope="module")
def astronaut():
    return PHOTO_CHOICE.resolve("astronaut")


@pytest.mark.parametrize(("bins", "s"), [(256, 1000), (50, 1000), (100, 30)])
def test_an_estimate_is_measured_as_its_names_say(astronaut, bins, s):
    values = (levels_of(astronaut, "green").flatten() / 255).double().numpy()
    found = estimate(astronaut, "green", bins, s)
    soft = soft_reference(values, bins, s)
    counts = np.histogram(values, bins, (0, 1))[0] / len(values)
    np.testing.assert_allclose(found.soft, soft, atol=3e-6)
    assert found.leak == pytest.approx(1 - soft.sum(), abs=1e-5)
    assert found.l1 == pytest.approx(np.abs(soft - counts).sum(), abs=0.005)
    assert found.emd == pytest.approx(np.abs(np.cumsum(soft - counts)).sum(), abs=0.01)


def test_a_channel_is_seen_in_8_bit_levels():
    photo = torch.rand(3, 20, 30)
    levels = levels_of(photo, "blue")
    torch.testing.assert_close(levels.float(), (photo[2] * 255).round())
    values, counts = np.unique(levels, return_counts=True)
    shares = level_shares(photo, "blue")
    assert shares.sum().item() == pytest.approx(1)
    np.testing.assert_allclose(shares[values], counts / counts.sum())
    torch.testing.assert_close(LEVELS[values], torch.tensor(values) / 255, check_dtype=False)


def test_the_explorer_says_the_share_of_dead_pixels(astronaut):
    values = levels_of(astronaut, "red").flatten().double() / 255
    edges = torch.linspace(0, 1, 51, dtype=torch.float64)
    up = torch.sigmoid(1000 * (values[:, None] - edges[1:]))
    lost = torch.sigmoid(1000 * values)
    felt = (1000 * up * (1 - up)).sum(1) / 50 - 1000 * lost * (1 - lost)
    dead, wrong = (felt.abs() < 0.01).double().mean(), (felt <= -0.01).double().mean()
    caption = alpha.alpha_explorer(bins=50).caption
    assert f"{dead:.1%} of the pixels feel less" in caption
    assert f"{wrong:.1%} are pulled the wrong way" in caption


def test_no_bump_is_missed_however_narrow():
    for s in (1e3, 1e6, 1e8):
        x = dense_points(bin_edges(100, dtype=torch.float64), s, (0.5, 0.56))
        assert pixel_gradient(x, 100, alpha=s).max().item() == pytest.approx(s / 400, rel=1e-3)


@pytest.mark.parametrize(
    ("value", "limit"), [(0.9, 1), (1, 1), (1.1, 1.5), (0.03, 0.03), (4e-4, 5e-4), (8, 10)]
)
def test_limits_are_round_and_hold_the_value(value, limit):
    assert nice_limit(value) == pytest.approx(limit)


@pytest.mark.parametrize("step", [1.0, 2.5, 1000 / 256, 6.0])
def test_the_first_harmonic_is_the_ripple_up_to_about_six(step):
    x = 2 * math.pi**2 / step
    assert ripple.first_harmonic(step) == pytest.approx(2 * x / math.sinh(x))
    assert ripple.first_harmonic(step) == pytest.approx(gradient_ripple(1, alpha=step), rel=0.01)


def test_the_first_harmonic_fails_beyond():
    assert ripple.first_harmonic(20) < 0.7 * gradient_ripple(1, alpha=20)


def test_a_quarter_of_the_intensities_is_dead_at_50_bins():
    assert "24% of all intensities" in ripple.pull_over_a_bin(sharpness=20.0).caption


def test_only_the_third_reading_kills_nearly_all_pixels():
    dead = [float(s) for s in re.findall(r"\): ([\d.]+)%", ripple.three_readings_of_b().caption)]
    assert len(dead) == 3
    assert dead[0] == dead[1] == 0
    assert dead[2] > 90


def test_the_error_follows_alpha_and_the_ripple_alpha_over_bins(astronaut):
    errors = ripple.error_map(astronaut, "red")
    some = [ripple.GRID_BINS.index(bins) for bins in (46, 91, 256)]  # near those of the paper
    at = ripple.GRID_ALPHAS.index(1000)
    assert errors[some, at].max() < 1.3 * errors[some, at].min()
    assert (errors[:, 0] > 10 * errors[:, at]).all()
    ripples = [gradient_ripple(bins, alpha=1000) for bins in ripple.SEARCHED_BINS]
    assert ripples == sorted(ripples, reverse=True)
    assert ripples[-1] < 0.13 < 1 < ripples[-2]


def test_dropped_mass_is_what_the_black_pixels_lose(astronaut):
    caption = alpha.leak_at_the_ends().caption
    sums = dict(re.findall(r"(drop|clamp|reflect) ([\d.]+)", caption))
    black = float((astronaut[0] == 0).double().mean())
    assert float(sums["drop"]) == pytest.approx(1 - black / 2, abs=0.005)
    assert float(sums["clamp"]) == float(sums["reflect"]) == 1


def test_levels_drift_over_the_bins_unless_the_range_is_centred():
    drifting = alpha.own_share(1000, BIN_RANGES["0 to 1"])
    centred = alpha.own_share(1000, BIN_RANGES["8-bit centred"])
    assert drifting[[0, 255]].max() < 0.5 < 0.74 < drifting[128]
    assert centred.max() - centred.min() < 1e-9
    assert centred[7].item() == pytest.approx(2 / (1 + math.exp(-500 / 255)) - 1)


def test_a_comb_is_washed_out_at_the_ends_and_sharp_in_the_middle():
    def own(first):
        return int(re.findall(r"leaves (\d+)%", alpha.comb_of_levels(first=first).caption)[0])

    assert own(0) < 50 < 70 < own(128)
    assert own(240) < 60
