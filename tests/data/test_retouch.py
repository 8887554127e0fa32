"""The experts differ as they say they do, and degradations are changes of light."""

import numpy as np
import pytest
import torch
from torch import Tensor

from histmatch_lab.color import srgb_to_linear
from histmatch_lab.data.retouch import (
    DEGRADATION,
    EXPERTS,
    LOOKS,
    _guided_filter,
    apply_random_look,
    degrade,
    retouch,
)
from histmatch_lab.data.samples import photo
from tests.data import icc

CHINA = photo("china", max_side=120)  # a pale blue sky above a dark roof
LIGHT = srgb_to_linear(CHINA)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def shuffled(image: Tensor) -> Tensor:
    order = torch.randperm(image[0].numel(), generator=seeded(1))
    return image.flatten(1)[:, order].view_as(image)


# All of them


@pytest.mark.parametrize("expert", EXPERTS)
@pytest.mark.parametrize(
    "image",
    [
        CHINA,
        torch.zeros(3, 30, 40),
        torch.ones(3, 30, 40),
        torch.full((3, 20, 20), 0.5),
        torch.tensor([1.0, 0.0, 0.0])[:, None, None].expand(3, 20, 30),
        torch.rand(3, 1, 7, generator=seeded()),
        torch.rand(3, 1, 1, generator=seeded()),
    ],
    ids=["photograph", "black", "white", "grey", "red", "a row", "a pixel"],
)
def test_result_is_a_picture_of_the_same_size(expert, image):
    before = image.clone()
    retouched = retouch(image, expert, generator=seeded())
    assert retouched.shape == image.shape
    assert retouched.dtype == torch.float32
    assert torch.isfinite(retouched).all()
    assert retouched.min() >= 0
    assert retouched.max() <= 1
    assert torch.equal(image, before)


@pytest.mark.parametrize("expert", EXPERTS)
def test_nobody_leaves_a_photograph_as_it_is_or_spoils_it(expert):
    gap = (retouch(CHINA, expert, generator=seeded()) - CHINA).abs().mean()
    assert 0.01 < gap < 0.25


@pytest.mark.parametrize("expert", EXPERTS)
def test_same_generator_gives_the_same_picture(expert):
    first = retouch(CHINA, expert, generator=seeded(3))
    assert torch.equal(first, retouch(CHINA, expert, generator=seeded(3)))


def test_experts_differ():
    results = [retouch(CHINA, expert, generator=seeded()) for expert in EXPERTS]
    for i, a in enumerate(results):
        for b in results[:i]:
            assert (a - b).abs().mean() > 0.01


# Global: a pixel's colour alone


def test_global_is_a_function_of_the_pixel():
    whole, crop = retouch(CHINA, "global"), (..., slice(20, 50), slice(10, 70))
    torch.testing.assert_close(whole[crop], retouch(CHINA[crop], "global"), rtol=0, atol=1e-6)
    torch.testing.assert_close(
        shuffled(whole), retouch(shuffled(CHINA), "global"), rtol=0, atol=1e-6
    )


def test_global_keeps_black_black_and_the_order_of_greys():
    ramp = torch.linspace(0, 1, 256).expand(3, 1, 256)
    levels = retouch(ramp, "global")[1, 0]
    assert levels[0] < 0.01
    assert levels[-1] > 0.99
    assert (levels.diff() >= 0).all()


# Adaptive: the colours of the whole frame, not their places


def test_adaptive_depends_on_the_frame_but_not_on_places():
    crop = (..., slice(0, 30), slice(60, 110))
    whole = retouch(CHINA, "adaptive")
    assert (whole[crop] - retouch(CHINA[crop], "adaptive")).abs().mean() > 0.02
    torch.testing.assert_close(
        shuffled(whole), retouch(shuffled(CHINA), "adaptive"), rtol=0, atol=1e-4
    )


@pytest.mark.parametrize(
    "gains",
    [(0.4, 0.4, 0.4), (1.0, 0.8, 0.6), (0.6, 0.8, 1.0)],
    ids=["dark", "warm", "cold"],
)
def test_adaptive_takes_back_what_the_light_did(gains):
    linear = icc.decode_srgb(CHINA.double().numpy()) * 0.8
    changed = icc.encode_srgb(linear * np.array(gains)[:, None, None])
    image, other = (torch.from_numpy(icc.encode_srgb(linear)).float(), torch.from_numpy(changed))

    def gap(expert: str) -> float:
        return float((retouch(image, expert) - retouch(other.float(), expert)).abs().mean())

    assert gap("adaptive") < 0.6 * gap("global")


# Local: places


def test_local_treats_equal_colours_differently():
    whole = retouch(CHINA, "local")
    assert (shuffled(whole) - retouch(shuffled(CHINA), "local")).abs().mean() > 0.02


def test_local_does_not_know_left_from_right():
    flipped = retouch(CHINA.flip(-1), "local")
    torch.testing.assert_close(flipped.flip(-1), retouch(CHINA, "local"), rtol=0, atol=1e-4)


def test_local_darkens_the_corners():
    grey = retouch(torch.full((3, 60, 90), 0.5), "local")[1]
    assert grey[0, 0] < grey[30, 0] < grey[30, 45] - 0.05


def test_local_deepens_a_blue_sky_and_nothing_below():
    blue = torch.tensor([0.4, 0.55, 0.8])[:, None, None].expand(3, 60, 80)
    both = torch.stack([retouch(blue, "local"), retouch(blue, "adaptive")])
    change = both.mean(1)[0] - both.mean(1)[1]
    sky, ground = change[15, 40], change[44, 40]  # equally far from the middle
    assert sky < ground - 0.03


def test_local_evens_out_light_between_large_areas():
    """Dodge and burn: a bright and a dark half come closer than "adaptive" leaves them."""
    halves = torch.full((3, 60, 80), 0.25)
    halves[..., 40:] = 0.7

    def step(expert: str) -> float:
        retouched = retouch(halves, expert)[1, 30]
        return float(retouched[60] - retouched[20])

    assert step("local") < step("adaptive") - 0.05


def test_guided_filter_is_he_sun_and_tang():
    values, guide = torch.rand(2, 26, 31, generator=seeded(), dtype=torch.float64).unbind()
    radius, softness = 2, 0.1

    def box(x: np.ndarray) -> np.ndarray:
        around = np.pad(x, radius, mode="reflect")
        size = 2 * radius + 1
        return np.array(
            [[around[i : i + size, j : j + size].mean() for j in range(31)] for i in range(26)]
        )

    p, i = values.numpy(), guide.numpy()
    a = (box(i * p) - box(i) * box(p)) / (box(i * i) - box(i) ** 2 + softness**2)
    wanted = box(a) * i + box(box(p) - a * box(i))
    np.testing.assert_allclose(_guided_filter(values, guide, softness), wanted, atol=1e-12)


# Undecided: what the input does not tell


def test_ambiguous_takes_each_of_its_looks():
    generator = seeded()
    taken = [retouch(CHINA, "ambiguous", generator=generator) for _ in range(30)]
    different = torch.stack(taken).flatten(1).unique(dim=0)
    assert len(different) == len(LOOKS)
    for i, a in enumerate(different):
        for b in different[:i]:
            assert (a - b).abs().mean() > 0.05


def test_ambiguous_is_adaptive_and_then_a_function_of_the_pixel():
    light = srgb_to_linear(retouch(CHINA, "adaptive"))
    look = apply_random_look(light, seeded(4))
    assert torch.equal(look, retouch(CHINA, "ambiguous", generator=seeded(4)))
    torch.testing.assert_close(
        shuffled(look), apply_random_look(shuffled(light), seeded(4)), rtol=0, atol=1e-6
    )


def test_ambiguous_needs_a_generator():
    with pytest.raises(ValueError, match="generator must be given"):
        retouch(CHINA, "ambiguous")


@pytest.mark.parametrize("expert", ["Local", "", "expert C"])
def test_unknown_expert_is_named(expert):
    with pytest.raises(ValueError, match=f"expert must be one of 'global', .* got '{expert}'"):
        retouch(CHINA, expert)


@pytest.mark.parametrize("shape", [(20, 20), (1, 3, 20, 20), (4, 20, 20)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(ValueError, match=r"image must be \(3, H, W\), got"):
        retouch(torch.rand(shape), "local")


# Flaws


def test_degradations_are_changes_of_light_then_of_contrast():
    """In float64 from the definitions: light is scaled, mixed with its grey, encoded, flattened."""
    weights = np.array([0.2126, 0.7152, 0.0722])
    for seed in range(5):
        drawn = torch.rand(4, generator=seeded(seed), dtype=torch.float64).numpy()
        stops, warmth, saturation, contrast = (
            low + (high - low) * share
            for (low, high), share in zip(DEGRADATION, drawn, strict=True)
        )
        gains = np.array([2 ** (warmth / 2), 1, 2 ** (-warmth / 2)])
        gains *= 2**stops / (gains @ weights)
        light = LIGHT.double().numpy() * gains[:, None, None]
        grey = np.tensordot(weights, light, 1)
        pale = np.clip(grey + saturation * (light - grey), 0, 1)
        wanted = 0.5 + contrast * (icc.encode_srgb(pale) - 0.5)
        np.testing.assert_allclose(degrade(LIGHT, seeded(seed)), wanted, atol=2e-6)


def test_crop_degrades_as_in_its_frame_and_draws_as_much():
    crop = (..., slice(20, 50), slice(10, 70))
    one, other = seeded(5), seeded(5)
    torch.testing.assert_close(degrade(LIGHT, one)[crop], degrade(LIGHT[crop], other))
    assert torch.equal(one.get_state(), other.get_state())


def test_degradations_differ_from_draw_to_draw():
    generator = seeded()
    inputs = torch.stack([degrade(LIGHT, generator) for _ in range(20)])
    assert inputs.min() >= 0
    assert inputs.max() <= 1
    assert inputs.mean(dim=(1, 2, 3)).std() > 0.05
