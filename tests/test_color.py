"""Colour against the formulas of the standards, written out in float64."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from histmatch_lab.color import (
    adjust_contrast,
    adjust_exposure,
    adjust_white_balance,
    linear_to_srgb,
    luminance,
    srgb_to_linear,
    white_balance_gains,
)


def decoded(v: float) -> float:
    return v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4


def encoded(v: float) -> float:
    return 12.92 * v if v <= 0.0031308 else 1.055 * v ** (1 / 2.4) - 0.055


LEVELS = np.concatenate([np.linspace(0, 1, 4001), [0.04045, 0.0031308, 1e-30, 1.7]])


@pytest.mark.parametrize(
    ("ours", "formula"), [(srgb_to_linear, decoded), (linear_to_srgb, encoded)]
)
def test_transfer_follows_the_standard_and_is_odd(ours, formula):
    wanted = np.array([formula(v) for v in LEVELS])
    exact = ours(torch.from_numpy(LEVELS))
    np.testing.assert_allclose(exact, wanted, rtol=1e-13)
    np.testing.assert_allclose(ours(torch.from_numpy(LEVELS).float()), wanted, rtol=3e-6)
    assert torch.equal(ours(torch.from_numpy(-LEVELS)), -exact)


def test_known_values():
    middle = srgb_to_linear(torch.tensor([0.0, 0.5, 1.0], dtype=torch.float64))
    np.testing.assert_allclose(middle, [0, 0.21404114048, 1], atol=1e-11)
    assert linear_to_srgb(torch.tensor(0.18)).item() == pytest.approx(0.461356, abs=1e-6)


@given(st.floats(-2, 2))
def test_transfer_is_undone(value):
    back = linear_to_srgb(srgb_to_linear(torch.tensor(value, dtype=torch.float64)))
    assert back.item() == pytest.approx(value, abs=1e-7)  # the standard's two pieces miss by 3e-8


@pytest.mark.parametrize("transfer", [srgb_to_linear, linear_to_srgb])
def test_gradient_is_finite_and_true(transfer):
    edges = torch.tensor([0.0, -0.0, 1e-38, 0.0031308, 0.04045, 1.0, -1.0], requires_grad=True)
    (slopes,) = torch.autograd.grad(transfer(edges).sum(), edges)
    assert slopes.isfinite().all()
    assert (slopes > 0).all()
    inside = torch.tensor([0.0, 0.001, 0.02, 0.3, 0.9, -0.4], dtype=torch.float64)
    assert torch.autograd.gradcheck(transfer, inside.requires_grad_())


def test_luminance_weighs_red_green_and_blue():
    primaries = torch.eye(3, dtype=torch.float64).reshape(3, 3, 1, 1)  # a batch of three pixels
    assert luminance(primaries).flatten().tolist() == [0.2126, 0.7152, 0.0722]
    assert luminance(torch.ones(2, 5, 3, 4, 6)).shape == (2, 5, 4, 6)


@pytest.fixture
def picture():
    return torch.rand(2, 3, 6, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


ADJUSTMENTS = [(adjust_exposure, 0.0), (adjust_contrast, 1.0), (adjust_white_balance, 0.0)]


@pytest.mark.parametrize(("adjust", "neutral"), ADJUSTMENTS)
def test_neutral_setting_changes_nothing(adjust, neutral, picture):
    torch.testing.assert_close(adjust(picture, neutral), picture, atol=1e-7, rtol=0)


@pytest.mark.parametrize("adjust", [adjust for adjust, _ in ADJUSTMENTS])
@given(setting=st.floats(0, 8))
def test_result_is_a_picture_and_the_input_is_untouched(adjust, setting):
    image = torch.rand(3, 4, 4, generator=torch.Generator().manual_seed(1))
    before = image.clone()
    result = adjust(image, setting)
    assert result.shape == image.shape
    assert result.dtype == image.dtype
    assert 0 <= result.min() <= result.max() <= 1
    assert torch.equal(image, before)


@pytest.mark.parametrize(("adjust", "setting"), [
    (adjust_exposure, 3.0), (adjust_exposure, -20.0), (adjust_contrast, 2.0),
    (adjust_white_balance, -1.5),
])  # fmt: skip
def test_gradient_of_black_and_white_pixels_is_finite(adjust, setting):
    image = torch.tensor([0.0, 0.5, 1.0]).expand(3, 1, 3).clone().requires_grad_()
    (slopes,) = torch.autograd.grad(adjust(image, setting).sum(), image)
    assert slopes.isfinite().all()


def test_one_stop_doubles_the_light():
    image = torch.full((3, 1, 1), 0.4, dtype=torch.float64)
    for stops in (-2.0, 1.0):
        wanted = encoded(2**stops * decoded(0.4))
        np.testing.assert_allclose(adjust_exposure(image, stops), wanted, rtol=1e-12)
    assert adjust_exposure(image, 10.0).eq(1).all()


def test_contrast_turns_round_mid_grey():
    image = torch.tensor([0.0, 0.25, 0.5, 0.6, 1.0]).expand(3, 1, 5)
    wanted = torch.tensor([0.0, 0.0, 0.5, 0.7, 1.0]).expand(3, 1, 5)
    torch.testing.assert_close(adjust_contrast(image, 2.0), wanted)
    torch.testing.assert_close(adjust_contrast(image, 0.0), torch.full((3, 1, 5), 0.5))


@pytest.mark.parametrize("warmth", [-1.0, 0.5, 1.0])
def test_white_balance_keeps_the_luminance_of_grey(warmth):
    grey = torch.full((3, 1, 1), 0.4, dtype=torch.float64)
    light = srgb_to_linear(adjust_white_balance(grey, warmth))
    assert luminance(light).item() == pytest.approx(decoded(0.4), rel=1e-9)
    red, green, blue = light.flatten().tolist()
    assert red / blue == pytest.approx(2**warmth)
    assert red / green == pytest.approx(2 ** (warmth / 2))


@pytest.mark.parametrize("adjust", [adjust for adjust, _ in ADJUSTMENTS])
def test_bad_input_is_named(adjust, picture):
    with pytest.raises(TypeError, match=r"image must be floating point, got torch.uint8.*255"):
        adjust((picture * 255).byte(), 0.0)
    with pytest.raises(TypeError, match=r"image must be a torch\.Tensor, got ndarray"):
        adjust(picture.numpy(), 0.0)
    with pytest.raises(ValueError, match=r"image must be \(..., 3, H, W\), got \(1, 4, 4\)"):
        adjust(torch.zeros(1, 4, 4), 0.0)
    with pytest.raises(ValueError, match="must be finite, got nan"):
        adjust(picture, float("nan"))


def test_negative_contrast_is_refused(picture):
    with pytest.raises(ValueError, match="factor must be 0 or more, got -1"):
        adjust_contrast(picture, -1.0)


def test_white_balance_gains_double_the_ratio_and_keep_the_luminance():
    red, green, blue = white_balance_gains(1.0).tolist()
    assert red / blue == pytest.approx(2)
    assert red / green == pytest.approx(2**0.5)
    assert 0.2126 * red + 0.7152 * green + 0.0722 * blue == pytest.approx(1)
    with pytest.raises(ValueError, match="warmth must be finite, got nan"):
        white_balance_gains(float("nan"))
