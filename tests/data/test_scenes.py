"""Pairs are aligned, drawn from the generator alone, and test photographs are never trained on."""

from typing import Any

import numpy as np
import pytest
import torch

import histmatch_lab.data.scenes as scenes
from histmatch_lab.data.pairs import PairSource
from histmatch_lab.data.retouch import EXPERTS, retouch
from histmatch_lab.data.samples import credit, photo, photo_names
from histmatch_lab.data.scenes import TEST_NAMES, TEST_VARIANTS, TRAIN_NAMES, ScenePairs
from tests.data import icc


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# The split


def test_no_photograph_is_on_both_sides_or_twice():
    names = TRAIN_NAMES + TEST_NAMES
    assert len(set(names)) == len(names)
    thumbnails = [photo(name)[:, ::8, ::8] for name in names]
    for i, a in enumerate(thumbnails):
        for b in thumbnails[:i]:
            assert a.shape != b.shape or (a - b).abs().mean() > 0.02


def test_split_takes_every_natural_photograph():
    assert set(photo_names()) - set(TRAIN_NAMES + TEST_NAMES) == {"retina", "hubble_deep_field"}
    assert all(credit(name) for name in TRAIN_NAMES + TEST_NAMES)


# Batches


@pytest.fixture(scope="module", params=EXPERTS)
def pairs(request: Any) -> PairSource:
    return ScenePairs(request.param, crop=48)


def test_batch_is_as_the_protocol_says(pairs):
    assert len(pairs) == len(TRAIN_NAMES)
    for side in pairs.batch(5, seeded()):
        assert side.shape == (5, 3, 48, 48)
        assert side.dtype == torch.float32
        assert side.is_contiguous()
        assert side.min() >= 0
        assert side.max() <= 1
        assert side.std() > 0.1


def test_batch_comes_from_the_generator_alone(pairs):
    torch.manual_seed(1)
    first = pairs.batch(3, seeded(7))
    torch.manual_seed(2)
    other = ScenePairs(pairs.expert, crop=48).batch(3, seeded(7))
    third = pairs.batch(3, seeded(8))
    for one, same, different in zip(first, other, third, strict=True):
        assert torch.equal(one, same)
        assert not torch.equal(one, different)


def test_batch_may_be_drawn_piece_by_piece(pairs):
    whole, generator = pairs.batch(4, seeded(3)), seeded(3)
    pieces = zip(pairs.batch(1, generator), pairs.batch(3, generator), strict=True)
    for side, piece in zip(whole, pieces, strict=True):
        assert torch.equal(side, torch.cat(piece))


def test_changing_a_batch_does_not_change_the_next(pairs):
    first = pairs.batch(2, seeded(3))
    kept = [side.clone() for side in first]
    for side in first:
        side.zero_()
    for side, again in zip(kept, pairs.batch(2, seeded(3)), strict=True):
        assert torch.equal(side, again)


def test_input_and_target_show_the_same_window():
    """For "global" both are functions of the same pixel, so a cubic in its colour explains them."""
    inputs, targets = ScenePairs("global", crop=64).batch(12, seeded())
    for x, y in zip(inputs.double().flatten(2).numpy(), targets.double().numpy(), strict=True):
        r, g, b = x
        terms = [
            r**i * g**j * b**k for i in range(4) for j in range(4 - i) for k in range(4 - i - j)
        ]
        design = np.stack(terms, axis=1)

        def unexplained(target: np.ndarray, design: np.ndarray = design) -> float:
            wanted = target.reshape(3, -1).T
            fitted = design @ np.linalg.lstsq(design, wanted, rcond=None)[0]
            return float(np.sqrt(np.mean((fitted - wanted) ** 2)))

        assert unexplained(y) < 0.03
        assert unexplained(y) < 0.5 * min(unexplained(y[..., ::-1]), unexplained(np.roll(y, 2, 1)))


def test_target_is_retouched_whole_before_it_is_cropped():
    """A window of the frame that "local" made, flipped or not, and not "local" on the window."""
    crop, frames = 32, []
    for name in TRAIN_NAMES:
        image = photo(name)
        size = [round(side * 36 / min(image.shape[1:])) for side in image.shape[1:]]
        small = torch.nn.functional.interpolate(
            image[None], size, mode="bilinear", align_corners=False, antialias=True
        )
        frames.append(retouch(small[0].clamp(0, 1), "local"))
    windows = torch.cat(
        [frame.unfold(1, crop, 1).unfold(2, crop, 1).flatten(1, 2) for frame in frames], dim=1
    )
    _, targets = ScenePairs("local", crop=crop).batch(6, seeded(2))
    for target in targets:
        gaps = [
            (windows - shown[:, None]).abs().amax(dim=(0, 2, 3)).min() for shown in both(target)
        ]
        assert min(gaps) < 1e-5


def both(image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return image, image.flip(-1)


def test_photographs_windows_and_flips_are_all_drawn(monkeypatch):
    """With photographs whose red says which it is, green which column and blue which row."""
    height, width = 36, 40

    def marked(name: str) -> torch.Tensor:
        red = torch.tensor(TRAIN_NAMES.index(name) / len(TRAIN_NAMES)).expand(height, width)
        green = (torch.arange(width) / width).expand(height, width)
        blue = (torch.arange(height) / height)[:, None].expand(height, width)
        return torch.stack([red, green, blue])

    monkeypatch.setattr(scenes, "photo", marked)
    monkeypatch.setattr(scenes, "retouch", lambda image, _: image)
    monkeypatch.setattr(scenes, "degrade", lambda light, _: light)
    light, targets = ScenePairs("global", crop=32).batch(300, seeded())
    np.testing.assert_allclose(light, icc.decode_srgb(targets.double().numpy()), atol=1e-6)

    drawn = (targets[:, 0, 0, 0] * len(TRAIN_NAMES)).round()
    assert torch.bincount(drawn.long(), minlength=len(TRAIN_NAMES)).min() > 3
    left = (targets[:, 1].amin(dim=(1, 2)) * width).round()
    assert left.unique().tolist() == list(range(width - 32 + 1))
    top = (targets[:, 2].amin(dim=(1, 2)) * height).round()
    assert top.unique().tolist() == list(range(height - 32 + 1))
    flipped = targets[:, 1, 0, 0] > targets[:, 1, 0, -1]
    assert 0.4 < flipped.float().mean() < 0.6


# Whole pictures to test on


@pytest.fixture
def few(monkeypatch):
    """Three photographs of the test set: all ten take ten seconds."""
    monkeypatch.setattr(scenes, "TEST_NAMES", TEST_NAMES[:3])
    return TEST_NAMES[:3]


def test_test_pairs_are_whole_pictures_of_the_test_set(few):
    pairs = ScenePairs("adaptive").test_pairs()
    assert len({pair.name for pair in pairs}) == len(pairs) == TEST_VARIANTS * len(few)
    for index, pair in enumerate(pairs):
        name = few[index // TEST_VARIANTS]
        assert pair.name.startswith(name)
        assert pair.input.shape == pair.target.shape == photo(name).shape
        for image in (pair.input, pair.target):
            assert image.dtype == torch.float32
            assert image.min() >= 0
            assert image.max() <= 1
        assert torch.equal(pair.target, retouch(photo(name), "adaptive"))


@pytest.mark.usefixtures("few")
def test_test_pairs_stay_the_same_and_share_their_inputs():
    first, again = ScenePairs("global"), ScenePairs("global", crop=32)
    again.batch(2, seeded())
    for a, b, c in zip(
        first.test_pairs(),
        again.test_pairs(),
        ScenePairs("ambiguous").test_pairs(),
        strict=True,
    ):
        assert torch.equal(a.input, b.input)
        assert torch.equal(a.target, b.target)
        assert torch.equal(a.input, c.input)
        assert not torch.equal(a.target, c.target)


def test_only_ambiguous_differs_for_the_same_photograph(few):
    def differing(expert: str) -> int:
        pairs = ScenePairs(expert).test_pairs()
        firsts = [pair for pair in pairs[::TEST_VARIANTS] for _ in range(TEST_VARIANTS)]
        return sum(
            not torch.equal(first.target, pair.target)
            for first, pair in zip(firsts, pairs, strict=True)
        )

    assert differing("global") == 0
    assert differing("ambiguous") > len(few) // 2


def test_inputs_want_mending_but_are_no_wrecks():
    for pair in ScenePairs("global").test_pairs():
        error = (pair.input.double() - pair.target.double()).square().mean()
        assert 9 < -10 * float(error.log10()) < 30


def test_inputs_are_degraded_in_linear_light():
    """It scales and mixes light: one 3x3 matrix undoes it wherever nothing was clipped."""
    for pair in ScenePairs("global").test_pairs()[::7]:
        photograph = photo(pair.name.rsplit("-", 1)[0])[:, ::8, ::8].double().numpy()
        clean = icc.decode_srgb(photograph).reshape(3, -1)
        low, high = float(pair.input.min()), 1 - float(pair.input.min())
        x = pair.input[:, ::8, ::8].double().numpy().reshape(3, -1)
        fits = ((x > low + 0.02) & (x < high - 0.02)).all(axis=0)
        assert fits.mean() > 0.2
        for contrast in np.linspace(0.6, 0.9, 61):
            light = icc.decode_srgb(np.clip(0.5 + (x[:, fits] - 0.5) / contrast, 0, 1))
            matrix = np.linalg.lstsq(clean[:, fits].T, light.T, rcond=None)[0]
            left = np.abs(clean[:, fits].T @ matrix - light.T).mean()
            if left < 2e-3:
                break
        else:
            pytest.fail(f"{pair.name}: no contrast between 0.6 and 0.9 leaves a 3x3 matrix")


# Bad arguments


def test_unknown_expert_and_tiny_crop_are_refused():
    with pytest.raises(ValueError, match="expert must be one of 'global'"):
        ScenePairs("expert C")
    with pytest.raises(ValueError, match="crop must be at least 16 pixels, got 8"):
        ScenePairs(crop=8)
    number: Any = 100.5
    with pytest.raises(TypeError):
        ScenePairs(crop=number)
