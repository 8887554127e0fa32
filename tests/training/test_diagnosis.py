"""Each model explains what it was made for, and the table tells what the tasks ask."""

import math

import pytest
import torch
from torch import Tensor

from histmatch_lab.data.pairs import Pair
from histmatch_lab.data.samples import photo
from histmatch_lab.training.diagnosis import explained, task_ladder

CLEAN = [photo(name, max_side=240) for name in ("coffee", "china", "flower")]


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


@pytest.mark.slow
def test_table_tells_what_the_tasks_ask():
    rows = dict(task_ladder())
    for row in rows.values():
        assert row.input < row.shared_curve < row.curve < row.bilateral_grid
    assert rows["spoiled"].input < rows["retouch"].input - 4
    assert rows["tonemap"].curve > rows["tonemap"].shared_curve + 15  # another one for each scene
    for name in ("spoiled", "ambiguous"):
        assert rows[name].curve > rows[name].shared_curve + 10  # which the input does not tell


def test_no_pairs_are_refused():
    with pytest.raises(ValueError, match="pairs must hold at least one"):
        explained([])
