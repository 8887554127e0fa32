"""Degradations are changes of light; a random look is one of three, the same at every place."""

import numpy as np
import torch
from torch import Tensor

from histmatch_lab.color import srgb_to_linear
from histmatch_lab.data.samples import photo
from histmatch_lab.data.tasks import DEGRADATION, LOOKS, restyle, spoil
from tests.data import icc

PHOTO = photo("china", max_side=120)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def shuffled(image: Tensor) -> Tensor:
    order = torch.randperm(image[0].numel(), generator=seeded(1))
    return image.flatten(1)[:, order].view_as(image)


def spoiled(image: Tensor, generator: torch.Generator) -> Tensor:
    changed, target = spoil(image, image, generator)
    assert target is image
    return changed


def restyled(image: Tensor, generator: torch.Generator) -> Tensor:
    source, changed = restyle(image, image, generator)
    assert source is image
    return changed


def test_each_look_is_taken():
    generator = seeded()
    taken = [restyled(PHOTO, generator) for _ in range(30)]
    different = torch.stack(taken).flatten(1).unique(dim=0)
    assert len(different) == len(LOOKS)
    for i, a in enumerate(different):
        for b in different[:i]:
            assert (a - b).abs().mean() > 0.05


def test_a_look_is_a_function_of_the_pixel():
    look = restyled(PHOTO, seeded(4))
    assert torch.equal(look, restyled(PHOTO, seeded(4)))
    torch.testing.assert_close(
        shuffled(look), restyled(shuffled(PHOTO), seeded(4)), rtol=0, atol=1e-6
    )


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
        light = srgb_to_linear(PHOTO).double().numpy() * gains[:, None, None]
        grey = np.tensordot(weights, light, 1)
        pale = np.clip(grey + saturation * (light - grey), 0, 1)
        wanted = 0.5 + contrast * (icc.encode_srgb(pale) - 0.5)
        np.testing.assert_allclose(spoiled(PHOTO, seeded(seed)), wanted, atol=2e-6)


def test_crop_degrades_as_in_its_frame_and_draws_as_much():
    crop = (..., slice(20, 50), slice(10, 70))
    one, other = seeded(5), seeded(5)
    torch.testing.assert_close(spoiled(PHOTO, one)[crop], spoiled(PHOTO[crop], other))
    assert torch.equal(one.get_state(), other.get_state())


def test_degradations_differ_from_draw_to_draw():
    generator = seeded()
    inputs = torch.stack([spoiled(PHOTO, generator) for _ in range(20)])
    assert inputs.min() >= 0
    assert inputs.max() <= 1
    assert inputs.mean(dim=(1, 2, 3)).std() > 0.05
