"""Notebook 03's demos against scipy, float64 formulas and autograd; the descents descend."""

import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import wasserstein_distance  # type: ignore[import-untyped]

from histmatch_lab import HistogramMatchingLoss, bin_edges
from histmatch_lab.data.samples import photo
from histmatch_lab.demos.figures import descent, distance
from histmatch_lab.demos.figures.descent import STEPS, descend, descend_curve, tone_curve
from histmatch_lab.demos.shared import channel_cdfs, dense_points, pull_at, small


@pytest.fixture(scope="module")
def coffee():
    return photo("coffee", max_side=80)


@pytest.fixture(scope="module")
def china():
    return photo("china", max_side=90)


def _number(pattern, text):
    return float(re.search(pattern, text).group(1))


@settings(max_examples=20, deadline=None)
@given(st.floats(0, 0.6), st.floats(0.02, 0.12))
def test_the_toys_distance_is_scipys(shift, width):
    caption = distance.two_bumps(shift=round(shift, 2), width=round(width, 2)).caption
    centers = (torch.arange(256, dtype=torch.float64) + 0.5) / 256
    first = torch.exp(-((centers - 0.2) ** 2) / (2 * 0.04**2))
    second = torch.exp(-((centers - 0.2 - round(shift, 2)) ** 2) / (2 * round(width, 2) ** 2))
    expected = wasserstein_distance(centers, centers, first, second)
    assert _number(r"travels ([\d.]+) in", caption) == pytest.approx(expected, abs=6e-4)
    assert _number(r"which is ([\d.]+) of", caption) == pytest.approx(256 * expected, abs=0.06)


def test_the_toys_l1_saturates_and_its_emd_does_not():
    near, far = (distance.two_bumps(shift=shift).caption for shift in (0.4, 0.6))
    assert _number(r"bin, ([\d.]+)%", near) == _number(r"bin, ([\d.]+)%", far) == 100
    gained = _number(r"travels ([\d.]+)", far) - _number(r"travels ([\d.]+)", near)
    assert gained == pytest.approx(0.2, abs=2e-3)


def test_the_photographs_loss_is_that_of_its_pixels():
    caption = distance.adjusted_photograph(photo="coffee", target="china", exposure=0.0).caption
    pixels, others = (small(photo(name)) for name in ("coffee", "china"))
    for name, values, reference in zip(("red", "green", "blue"), pixels, others, strict=True):
        exact = wasserstein_distance(values.flatten(), reference.flatten())
        assert _number(rf"{name} ([\d.]+)", caption) == pytest.approx(256 * exact, abs=0.3)


def test_sliders_at_rest_cost_nothing():
    caption = distance.adjusted_photograph(exposure=0.0).caption
    assert _number(r"mean ([\d.]+) of", caption) == 0


@pytest.mark.parametrize("alpha", [100, 1000, 5000])
@pytest.mark.parametrize("outside", ["drop", "clamp", "reflect"])
def test_the_pull_is_the_losss_gradient(coffee, alpha, outside):
    image = coffee.double().requires_grad_()
    darker = (0.6 * coffee).double()
    loss = HistogramMatchingLoss(alpha=alpha, outside=outside, units="intensity")
    (gradient,) = torch.autograd.grad(loss(image[None], darker[None]), image)
    expected = -3 * coffee[0].numel() * gradient  # the loss is a mean of three channels

    pull = distance.pull_on_pixels(coffee.double(), darker, alpha=alpha, outside=outside)
    torch.testing.assert_close(pull, expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("outside", ["drop", "clamp", "reflect"])
def test_the_profile_is_the_pull_at_each_intensity(coffee, china, outside):
    images = coffee[:1], china[:1]
    gap = channel_cdfs(images[0], outside=outside) - channel_cdfs(images[1], outside=outside)
    points = dense_points(bin_edges(), 1000.0)
    along = pull_at(points, gap[0].sign(), alpha=1000.0, outside=outside)

    # The edge e_{k+1} enters entry k of the CDF; with "drop", e_0 enters every entry.
    signs = gap[0].sign().double()
    slopes = 1000 * _sigmoid_slope(1000 * (torch.arange(257) / 256 - points[:, None]).double())
    expected = slopes[:, 1:] @ signs
    if outside == "drop":
        expected -= slopes[:, 0] * signs.sum()
    where = points < 0.98  # where the upper end makes no difference
    if outside == "reflect":
        where &= points > 0.02
        assert along[[0, -1]].abs().max() < 1e-3, "at a mirror nothing pulls"
    assert where.sum() > 1000
    torch.testing.assert_close(along.double()[where], expected[where] / 256, rtol=1e-3, atol=2e-3)


def _sigmoid_slope(z):
    return z.sigmoid() * (-z).sigmoid()


def test_less_contrast_pulls_light_pixels_up_and_dark_ones_down(coffee):
    grey = 0.5 + 0.5 * (coffee - 0.5)
    pull = distance.pull_on_pixels(grey, coffee)
    for channel, values in zip(pull, grey, strict=True):
        light, dark = channel[values > 0.6], channel[values < 0.4]
        assert (light > 0.5).float().mean() > 0.95
        assert (dark < -0.5).float().mean() > 0.95


def test_dropping_pulls_black_pixels_beyond_measure_and_clamping_does_not():
    astronaut = photo("astronaut", max_side=150)
    black = astronaut == 0
    dropped, clamped = (
        distance.pull_on_pixels(astronaut, photo("china"), outside=outside)[black].abs().max()
        for outside in ("drop", "clamp")
    )
    assert dropped > 50
    assert clamped < 1.5


def test_shuffling_moves_pixels_and_keeps_them(coffee):
    for share in (0, 0.5, 1):
        mixed = distance.shuffled(coffee, share)
        moved = (mixed != coffee).any(0).float().mean()
        assert moved == pytest.approx(share, abs=0.03)
        assert _sorted_colours(mixed) == _sorted_colours(coffee)


def _sorted_colours(image):
    return sorted(map(tuple, image.flatten(1).T.tolist()))


@pytest.mark.parametrize("share", [0, 30, 100])
def test_the_histogram_loss_does_not_see_a_shuffle(share):
    mixed, still = (
        distance.shuffled_photograph(share=n, exposure=-1.0).caption for n in (share, 0)
    )
    matched, squared = r"original is ([\d.]+) in", r"squared error is ([\d.]+)\."
    assert _number(matched, mixed) == _number(matched, still) > 0.05
    assert (_number(squared, mixed) > _number(squared, still)) == (share > 0)


@pytest.mark.parametrize(("alpha", "left"), [(100, 0.05), (1000, 0.05), (5000, 0.6)])
def test_descent_on_pixels_lowers_the_loss(coffee, china, alpha, left):
    states = list(descend(coffee, coffee, china, alpha=alpha))
    assert len(states) == STEPS + 1
    assert states[-1].emd < left * states[0].emd


def test_descent_stalls_where_the_kernel_is_too_sharp(coffee, china):
    first, *_, last = descend(coffee, coffee, china, alpha=1e5)
    assert first.dead > 0.9
    assert last.emd > 0.95 * first.emd


def test_no_pixel_moves_further_than_a_step(coffee, china):
    for lam, alpha in ((1e-4, 1000), (1.0, 1e5)):
        states = descend(coffee, coffee, china, lam=lam, reconstruct=True, alpha=alpha)
        images = torch.stack([state.image for state in states])
        moves = images.diff(dim=0).abs().flatten(1).amax(1)
        lengths = torch.tensor([descent.step_length(step) for step in range(STEPS)])
        assert (moves <= lengths + 1e-6).all()
        assert images.min() >= 0
        assert images.max() <= 1


def test_equal_values_move_together_without_reconstruction(coffee, china):
    coarse = (coffee * 31).round() / 31
    *_, last = descend(coarse, coarse, china)
    for before, after in zip(coarse, last.image, strict=True):
        for value in before.unique():
            group = after[before == value]
            assert group.max() - group.min() < 1e-5


def test_reconstruction_brings_the_photograph_back_from_noise(coffee, china):
    noise = torch.rand(coffee.shape, generator=torch.Generator().manual_seed(0))
    ends = []
    for reconstruct in (True, False):
        *_, last = descend(noise, coffee, china, lam=1e-3, reconstruct=reconstruct)
        ends.append(last)
    held, free = ends
    assert held.error**0.5 < 0.15
    assert free.error**0.5 > 0.3
    assert free.emd < 2


def test_the_weight_decides_between_the_two_terms(coffee, china):
    ends = []
    for lam in (1e-4, 1e-3, 1e-2):
        *_, last = descend(coffee, coffee, china, lam=lam, reconstruct=True)
        ends.append(last)
    assert ends[0].emd > ends[1].emd > ends[2].emd
    assert ends[0].error < ends[1].error < ends[2].error
    # Where both pull alike, free pixels have come to rest (2 |I - I_0| = lam K).
    match, hold = ends[1].norms
    assert hold == pytest.approx(match, rel=0.2)


@pytest.mark.parametrize("alpha", [100, 1000, 1e5])
@pytest.mark.parametrize("rising", [True, False])
def test_descent_on_a_curve_lowers_the_loss_even_with_a_sharp_kernel(coffee, china, alpha, rising):
    steps = list(descend_curve(coffee, china, rising=rising, alpha=alpha))
    losses = [step.emd for step in steps]
    knots = steps[-1].values
    assert losses[-1] < 0.15 * losses[0]
    assert knots.min() >= 0
    assert knots.max() <= 1
    if rising:
        assert (knots.diff(dim=1) >= 0).all()


def test_a_curve_through_the_identity_changes_nothing(coffee):
    for count in (2, 16, 64):
        knots = torch.linspace(0, 1, count).repeat(3, 1)
        torch.testing.assert_close(tone_curve(coffee, knots), coffee, rtol=0, atol=1e-6)
        squared = tone_curve(coffee, knots.square())
        assert (squared - coffee.square()).abs().max() < 0.26 / (count - 1) ** 2 + 1e-6


def test_films_are_the_same_each_time():
    for film in (descent.descent_on_pixels, descent.descent_on_a_curve):
        again = [film(photo="chelsea", step=3).caption for _ in range(2)]
        film(step=1)
        film(photo="coffee", target="flower", step=1)
        assert film(photo="chelsea", step=3).caption == again[0] == again[1]
        assert "Step 3 of 60" in again[0]
