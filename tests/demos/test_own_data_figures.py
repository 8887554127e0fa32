"""Notebook 07's figures of pairs."""

import numpy as np
import pytest
import torch

from histmatch_lab.data.pairs import Pair
from histmatch_lab.demos.figures.own_data import contact_sheet


def _pair(name, before, after):
    return Pair(name, torch.full((3, 8, 12), before), torch.full((3, 8, 12), after))


def test_the_contact_sheet_shows_five_pairs_each_above_its_target():
    pairs = [_pair(f"pair {n}", 0.1 * n, 0.1 * n + 0.05 * n) for n in range(1, 7)]
    frame = contact_sheet(pairs)
    axes = frame.figure.axes
    assert len(axes) == 10
    assert [a.get_title("left") for a in axes[:5]] == [f"pair {n}, input" for n in range(1, 6)]
    for column, pair in enumerate(pairs[:5]):
        for row, image in enumerate((pair.input, pair.target)):
            shown = axes[5 * row + column].images[0].get_array()
            np.testing.assert_allclose(np.asarray(shown), image.movedim(0, -1) * 255, atol=0.51)
    changes = ", ".join(f"pair {n} {0.05 * n:.2f}" for n in range(1, 6))
    assert frame.caption == f"Mean change from input to target, in intensity: {changes}."


@pytest.mark.parametrize("count", [1, 3])
def test_a_contact_sheet_of_fewer_pairs_has_no_empty_places(count):
    frame = contact_sheet([_pair(f"{n}", 0.2, 0.4) for n in range(count)])
    assert all(axes.images for axes in frame.figure.axes)
    assert len(frame.figure.axes) == 2 * count
