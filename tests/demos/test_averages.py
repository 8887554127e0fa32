"""What the figure of the single pixel and the mean says, against computations by other means."""

import re

import pytest
import torch

from histmatch_lab.data.samples import photo
from histmatch_lab.demos.figures.averages import (
    FLOATS,
    KNOTS,
    LEVELS,
    MANY,
    on_knots,
    one_against_many,
    prediction,
    pull_far_from_ends,
)
from histmatch_lab.histogram import pixel_gradient

PIXELS = torch.rand(4000, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("sharpness", [1, 3.9, 20, 2500])
def test_the_pull_is_the_librarys_where_the_ends_are_far(sharpness):
    bins, middle = 256 * 3, PIXELS[:200]
    library = pixel_gradient(middle, bins, alpha=256 * sharpness, range=(-1.0, 2.0))
    torch.testing.assert_close(pull_far_from_ends(middle, sharpness), library, rtol=1e-6, atol=1e-6)


def test_a_knot_averages_the_pixels_beside_it_by_their_distance():
    pull = pull_far_from_ends(PIXELS, 20)
    felt = on_knots(PIXELS, pull)
    tents = (1 - (PIXELS[:, None] * (KNOTS - 1) - torch.arange(KNOTS)).abs()).clamp(min=0)
    torch.testing.assert_close(felt.counts, tents.sum(0))
    torch.testing.assert_close(felt.knots, (tents * pull[:, None]).sum(0) / tents.sum(0))


def test_single_pixels_scatter_by_the_rule_and_means_do_not():
    even = torch.arange(256_000, dtype=torch.float64) / 256_000
    for sharpness in (20, 200):
        pull = pull_far_from_ends(even, sharpness)
        assert float(pull.var()) == pytest.approx(sharpness / 6 - 1, rel=1e-3)
    felt = on_knots(PIXELS, pull_far_from_ends(PIXELS, 20))
    assert (felt.knots - 1).abs().max() < 0.5 < felt.pixels.sub(1).abs().median()


@pytest.mark.parametrize(("values", "together"), [(FLOATS, True), (LEVELS, False)])
def test_rounded_values_are_not_averaged_away(values, together):
    pixels = prediction(photo("coffee"), values)
    felt = on_knots(pixels, pull_far_from_ends(pixels, 20))
    near = (felt.knots[felt.counts >= MANY] - 1).abs() < 0.1
    assert bool(near.all()) == together
    caption = one_against_many(photo="coffee", values=values).caption
    low, high = map(float, re.search(r"knots go from ([\d.]+) to ([\d.]+)", caption).groups())
    assert (low > 0.9 and high < 1.1) == together
