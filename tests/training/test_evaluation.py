"""The measures against their definitions and other libraries; the bootstrap against theory."""

import csv
import math

import numpy as np
import pytest
import scipy.stats  # type: ignore[import-untyped]
import torch

from histmatch_lab.color import linear_to_srgb
from histmatch_lab.data.pairs import Pair
from histmatch_lab.training.baselines import clahe, histogram_oracle
from histmatch_lab.training.evaluation import (
    Score,
    evaluate,
    paired_bootstrap,
    psnr,
    score,
    summarize,
    tone_curve,
    write_table,
)


@pytest.fixture
def pair() -> Pair:
    g = torch.Generator().manual_seed(1)
    target = torch.rand(3, 40, 50, generator=g)
    return Pair("noise-1", (target * 0.7 + 0.1 * torch.rand(3, 40, 50, generator=g)), target)


def test_psnr_is_its_definition_after_clamping(pair):
    pred = torch.stack([pair.input, pair.target + 2.0])
    got = psnr(pred, torch.stack([pair.target] * 2))
    for value, image in zip(got, pred.double(), strict=True):
        error = ((image.clamp(0, 1) - pair.target.double()) ** 2).mean().item()
        assert value.item() == pytest.approx(10 * math.log10(1 / error), abs=1e-4)
    assert psnr(pair.target[None], pair.target[None]).item() == pytest.approx(100)


def test_emd_is_the_wasserstein_distance_of_8_bit_levels():
    levels = torch.randint(256, (3, 30, 30), generator=torch.Generator().manual_seed(2)) / 255
    other = (levels * 0.5 * 255).round() / 255
    got = score("x", levels, other)
    for value, a, b in zip(got[4:7], levels, other, strict=True):
        wanted = scipy.stats.wasserstein_distance(a.flatten().numpy(), b.flatten().numpy())
        assert value == pytest.approx(wanted * 255 / 256, abs=1e-6)
    assert got.emd == pytest.approx(sum(got[4:7]) / 3)


def test_a_picture_equals_itself(pair):
    same = score("x", pair.target, pair.target)
    assert same.ssim == pytest.approx(1)
    assert same.ciede2000 == pytest.approx(0, abs=1e-6)
    assert same.emd == 0


def test_ciede2000_of_a_known_pair():
    # from the table of Sharma, Wu and Dalal 2005 through sRGB greys: black to white is 100
    black, white = torch.zeros(3, 8, 8), torch.ones(3, 8, 8)
    assert score("x", black, white).ciede2000 == pytest.approx(100, abs=0.01)


def test_excess_is_contrast_and_colour_beyond_the_targets():
    """Greys of two levels: L* is known, and so is how much further apart a picture has them."""

    def checks(low: float, high: float) -> torch.Tensor:
        levels = torch.tensor([low, high])[torch.arange(64) % 2].view(1, 8, 8)
        return (((levels + 16) / 116) ** 3).expand(3, -1, -1)  # from L* to light

    near, far = (linear_to_srgb(checks(*ends)).double() for ends in ((40, 60), (35, 65)))
    assert score("x", far, near).excess == pytest.approx((1.5 - 1) / 2, abs=0.01)
    assert score("x", near, far).excess == 0
    grey = torch.full((3, 8, 8), 0.5)
    assert score("x", far, grey).excess == pytest.approx((15 - 1) / 2, abs=0.1)  # at least 1 of L*
    pale, vivid = (
        torch.tensor([0.5 + c, 0.5, 0.5 - c]).view(3, 1, 1).expand(3, 8, 8) for c in (0.1, 0.2)
    )
    assert score("x", vivid, pale).excess == pytest.approx(0.5, abs=0.05)


def test_evaluate_names_the_pictures_and_sums_up(pair):
    scores = evaluate(lambda image: image, [pair, pair._replace(name="noise-2")])
    assert [s.picture for s in scores] == ["noise-1", "noise-2"]
    decibels = [30.0, 10.0, 20.0]
    rows = [Score(str(i), d, 0.5, 4.0, 0.1, 0.2, 0.3) for i, d in enumerate(decibels)]
    got = summarize(rows)
    assert got.psnr == pytest.approx(20)
    assert got.psnr_p5 == pytest.approx(np.percentile(decibels, 5))
    assert got.emd == pytest.approx(0.2)
    with pytest.raises(ValueError, match="scores"):
        summarize([])


def test_the_bootstrap_interval_is_as_wide_as_theory_says():
    g = torch.Generator().manual_seed(3)
    gaps = torch.randn(400, generator=g).double().numpy() * 2 + 1
    groups = [str(i) for i in range(400)]
    got = paired_bootstrap(gaps, np.zeros(400), groups, [0] * 400, generator=g)
    error = gaps.std() / math.sqrt(400)
    assert got.mean == pytest.approx(gaps.mean())
    assert (got.high - got.low) / 2 == pytest.approx(1.96 * error, rel=0.05)


def test_the_bootstrap_is_for_other_trainings_too():
    """Gaps that depend on the scene and on the seed: both kinds of chance widen the interval."""
    g = torch.Generator().manual_seed(5)
    scenes, seeds = torch.randn(40, 1, generator=g), 2 * torch.randn(1, 20, generator=g)
    gaps = (scenes + seeds).flatten().double().numpy()
    places = list(np.ndindex(40, 20))
    got = paired_bootstrap(
        gaps,
        np.zeros(800),
        [str(scene) for scene, _ in places],
        [seed for _, seed in places],
        generator=g,
    )
    error = math.hypot(
        float(scenes.std(unbiased=False)) / math.sqrt(40),
        float(seeds.std(unbiased=False)) / math.sqrt(20),
    )
    assert got.mean == pytest.approx(gaps.mean())
    assert (got.high - got.low) / 2 == pytest.approx(1.96 * error, rel=0.05)


def test_the_bootstrap_draws_groups_whole():
    """Ten copies of each picture tell no more than one: the interval must stay as wide."""
    g = torch.Generator().manual_seed(4)
    gaps = np.asarray(torch.randn(40, generator=g).double())
    groups = [str(i) for i in range(40)]
    once = paired_bootstrap(gaps, np.zeros(40), groups, [0] * 40, generator=g)
    tenfold = paired_bootstrap(
        np.tile(gaps, 10), np.zeros(400), groups * 10, [0] * 400, generator=g
    )
    assert tenfold.high - tenfold.low == pytest.approx(once.high - once.low, rel=0.1)
    with pytest.raises(ValueError, match="groups"):
        paired_bootstrap([1.0], [1.0], ["a", "b"], [0], generator=g)
    with pytest.raises(ValueError, match="two different"):
        paired_bootstrap([1.0, 2.0], [1.0, 3.0], ["a", "a"], [0, 1], generator=g)


def test_the_tone_curve_of_a_gamma_is_that_gamma():
    curve = tone_curve(lambda image: image**2)
    torch.testing.assert_close(curve, torch.linspace(0, 1, 256).square().expand(3, -1))


def test_a_table_is_written_whole(tmp_path):
    write_table(tmp_path / "t.csv", [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}])
    with (tmp_path / "t.csv").open(newline="") as file:
        assert list(csv.DictReader(file)) == [{"a": "1", "b": "x"}, {"a": "2", "b": "y"}]
    with pytest.raises(ValueError, match="rows"):
        write_table(tmp_path / "u.csv", [])
    with pytest.raises(ValueError, match="dict contains fields"):
        write_table(tmp_path / "t.csv", [{"a": 1}, {"c": 2}])
    assert "x" in (tmp_path / "t.csv").read_text()


def test_the_oracle_has_the_targets_histogram_and_clahe_spreads_a_flat_picture(pair):
    matched = histogram_oracle(pair.input, pair.target)
    assert score("x", matched, pair.target).emd < 0.003
    flat = 0.4 + 0.1 * torch.rand(3, 64, 64, generator=torch.Generator().manual_seed(5))
    spread = clahe(flat)
    assert spread.shape == flat.shape
    assert spread.dtype == flat.dtype
    assert 0 <= spread.min() <= spread.max() <= 1
    assert spread.std() > 1.2 * flat.std()
