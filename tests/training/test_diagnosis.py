"""Each model explains what it was made for, and the table tells the ladder of experts."""

import math

import pytest
import torch
from torch import Tensor

from histmatch_lab.data import scenes
from histmatch_lab.data.pairs import Pair
from histmatch_lab.data.samples import photo
from histmatch_lab.training.diagnosis import expert_ladder, explained

CLEAN = [photo(name, max_side=240) for name in ("coffee", "china", "stream")]


def pairs_of(targets: list[Tensor]) -> list[Pair]:
    return [Pair(str(i), x, y) for i, (x, y) in enumerate(zip(CLEAN, targets, strict=True))]


def test_input_is_the_mean_of_each_picture_s_psnr():
    pairs = pairs_of([(x + 0.1 * (i + 1)).clamp(0, 1) for i, x in enumerate(CLEAN)])
    wanted = 0.0
    for pair in pairs:
        x, y = pair.input[:, ::3, ::3].double(), pair.target[:, ::3, ::3].double()
        wanted -= 10 * math.log10(((x - y) ** 2).mean()) / len(pairs)
    assert explained(pairs).input == pytest.approx(wanted, abs=1e-3)


def test_unchanged_pictures_are_explained_by_everything():
    assert min(explained(pairs_of(CLEAN))) > 45


def test_one_curve_for_all():
    table = explained(pairs_of([x**0.6 for x in CLEAN]))
    assert table.input < 25
    assert min(table.shared_curve, table.curve) > 45


def test_a_curve_per_picture():
    table = explained(pairs_of([x**gamma for x, gamma in zip(CLEAN, (0.5, 1, 2), strict=True)]))
    assert table.shared_curve < 25
    assert table.curve > 45


def test_a_map_of_colours_that_is_no_curve():
    swapped = [0.5 * x + 0.5 * x.roll(1, dims=0) ** 3 for x in CLEAN]
    table = explained(pairs_of(swapped))
    assert table.curve < 35
    assert table.colour_map > 80


def test_light_that_differs_from_place_to_place():
    lit = [x * torch.linspace(1, 0.2, x.shape[2]) for x in CLEAN]
    table = explained(pairs_of(lit))
    assert table.colour_map < 25
    assert table.bilateral_grid > 38


def test_light_that_differs_from_tone_to_tone():
    """Above and below mid-grey different affine maps, which no cubic follows."""

    def split(x: Tensor) -> Tensor:
        grey = (0.2126 * x[0] + 0.7152 * x[1] + 0.0722 * x[2])[None]
        return x + 0.5 * (grey - 0.45).abs() - 0.15

    table = explained(pairs_of([split(x).clamp(0, 1) for x in CLEAN]))
    assert table.bilateral_grid > 40


@pytest.mark.parametrize("count", [2, pytest.param(10, marks=pytest.mark.slow)])
def test_table_tells_the_ladder_of_experts(monkeypatch, count):
    monkeypatch.setattr(scenes, "TEST_NAMES", scenes.TEST_NAMES[:count])
    rows = dict(expert_ladder())
    assert list(rows) == ["global", "adaptive", "local", "ambiguous"]
    for row in rows.values():
        assert row.input < row.shared_curve < row.curve < row.colour_map
    for expert in ("global", "adaptive", "ambiguous"):
        assert rows[expert].colour_map > 40
    assert rows["local"].colour_map < 35
    assert rows["local"].bilateral_grid > rows["local"].colour_map + 5
    assert rows["ambiguous"].curve > rows["ambiguous"].shared_curve + 8


def test_no_pairs_are_refused():
    with pytest.raises(ValueError, match="pairs must hold at least one"):
        explained([])
