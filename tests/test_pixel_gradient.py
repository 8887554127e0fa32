"""The pull against the gradient of the library's loss, in float64."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from histmatch_lab import HistogramMatchingLoss, gradient_ripple
from histmatch_lab.histogram import pixel_gradient

# targets beyond the range are what this file is about
pytestmark = pytest.mark.filterwarnings("ignore:most values lie outside")

OUTSIDE = ("drop", "clamp", "reflect")


def gradient(x, bins, extent, **kernel):
    """-L times the loss's gradient for a picture of one pixel, its target above the range."""
    pixel = torch.full((1, 1, 1, 1), x, dtype=torch.float64, requires_grad=True)
    # A mirror would fold a target beyond the range back into it: there, the top must do.
    far = extent[1] if kernel["outside"] == "reflect" else extent[1] + 100
    HistogramMatchingLoss(bins, range=extent, **kernel)(
        pixel, torch.full_like(pixel, far)
    ).backward()
    return -pixel.grad.item() * (extent[1] - extent[0]) / bins


@settings(deadline=None, max_examples=80)
@given(
    x=st.floats(0, 0.97),
    bins=st.integers(2, 300),
    slope=st.floats(20, 5000),
    bandwidth=st.floats(0.1, 10),
    outside=st.sampled_from(OUTSIDE),
    extent=st.sampled_from([(0.0, 1.0), (-1.0, 1.0), (-0.5 / 255, 255.5 / 255)]),
)
def test_the_pull_is_the_gradient_of_the_loss(x, bins, slope, bandwidth, outside, extent):
    low, high = extent
    x = low + x * (high - low)
    kernel = {"alpha": slope * bandwidth, "bandwidth": bandwidth, "outside": outside}
    felt = pixel_gradient(torch.tensor(x, dtype=torch.float64), bins, range=extent, **kernel).item()
    scale = slope * (high - low) / bins
    assert felt == pytest.approx(gradient(x, bins, extent, **kernel), rel=2e-3, abs=1e-4 * scale)


@pytest.mark.parametrize("outside", OUTSIDE)
@pytest.mark.parametrize("units", ["bins", "intensity"])
def test_the_pull_holds_for_every_pixel_of_a_picture(outside, units):
    generator = torch.Generator().manual_seed(3)
    image = 0.1 + 0.5 * torch.rand(2, 3, 4, 5, dtype=torch.float64, generator=generator)
    image.requires_grad_()
    loss = HistogramMatchingLoss(100, alpha=300, outside=outside, units=units)
    loss(image, torch.full_like(image, 0.95)).backward()
    assert image.grad is not None
    felt = -image.grad * image.numel() / (100 if units == "bins" else 1)
    expected = pixel_gradient(image.detach(), 100, alpha=300, outside=outside)
    torch.testing.assert_close(felt, expected, rtol=2e-3, atol=1e-3)


@pytest.mark.parametrize(("bins", "alpha"), [(400, 1000), (256, 1000), (100, 1000), (50, 1000)])
def test_half_the_swing_of_the_pull_is_the_ripple(bins, alpha):
    middle = bins // 2 / bins
    x = torch.linspace(middle, middle + 1 / bins, 2001, dtype=torch.float64)
    felt = pixel_gradient(x, bins, alpha=alpha)
    swing = float(felt.max() - felt.min()) / 2
    assert swing == pytest.approx(gradient_ripple(bins, alpha=alpha), rel=1e-5)


@pytest.mark.parametrize("slope", [40, 400, 4000])
def test_the_pull_is_fair_on_average_over_a_bin(slope):
    x = torch.linspace(0.5, 0.6, 40_001, dtype=torch.float64)[:-1]
    assert pixel_gradient(x, 50, alpha=slope).mean().item() == pytest.approx(1, abs=1e-6)


def test_black_pixels_are_pulled_the_wrong_way_when_the_mass_outside_is_dropped():
    black = torch.zeros(1)
    assert pixel_gradient(black, 256).item() == pytest.approx(-1000 / 4, rel=1e-3)
    assert 0 < pixel_gradient(black, 256, outside="clamp").item() < 0.1
    assert abs(pixel_gradient(black, 256, outside="reflect").item()) < 1e-6


def test_shape_and_type_are_kept():
    for values in (torch.rand(3, 4), torch.rand(2, dtype=torch.float64), torch.rand(0)):
        felt = pixel_gradient(values, 20)
        assert (felt.shape, felt.dtype) == (values.shape, values.dtype)


@pytest.mark.parametrize(
    ("bad", "name"),
    [
        ({"alpha": 0.0}, "alpha"),
        ({"alpha": math.inf}, "alpha"),
        ({"bandwidth": -1.0}, "bandwidth"),
        ({"outside": "wrap"}, "outside"),
        ({"bins": 0}, "bins"),
        ({"range": (1.0, 0.0)}, "range"),
    ],
)
def test_bad_settings_are_named(bad, name):
    with pytest.raises(ValueError, match=name):
        pixel_gradient(torch.rand(3), **{"bins": 10, **bad})


def test_integer_values_are_refused():
    with pytest.raises(TypeError, match="values"):
        pixel_gradient(torch.arange(3))
