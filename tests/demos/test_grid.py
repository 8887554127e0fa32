"""What notebook 04 says of its figures."""

import torch

from histmatch_lab.demos.figures.grid import PHOTO as CONTROL
from histmatch_lab.demos.figures.grid import (
    _pulls,
    _target,
    hover_matrix,
    matrix_at_a_pixel,
    taken_apart,
)

PICTURE = CONTROL.resolve("china")


def test_the_parts_make_the_output():
    parts = taken_apart(PICTURE)
    matrix = parts.coefficients.unflatten(0, (3, 4))
    wanted = torch.einsum("rchw,chw->rhw", matrix[:, :3], PICTURE) + matrix[:, 3]
    torch.testing.assert_close(parts.output, wanted, atol=1e-5, rtol=1e-5)


def test_shuffling_the_target_moves_the_pull_of_l2_only():
    target, elsewhere = (_target(PICTURE, shuffled) for shuffled in (False, True))
    assert (target - PICTURE).abs().mean() > 0.05
    assert not torch.equal(target, elsewhere)
    assert torch.equal(target.flatten(1).sort().values, elsewhere.flatten(1).sort().values)
    for loss, same in (("histmatch", True), ("l2", False)):
        before, after = (_pulls(loss, PICTURE, shuffled)[0] for shuffled in (False, True))
        changed = float((before - after).norm() / before.norm())
        assert (changed < 1e-3) is same, loss


def test_the_tone_curves_go_through_what_a_grey_pixel_becomes():
    grey = torch.full((3, 32, 32), 0.4)
    frame = matrix_at_a_pixel.__wrapped__(0.5, 0.5, grey)
    tone = frame.figure.axes[2]
    became = taken_apart(grey).output[:, 16, 16]
    for line, value in zip(tone.lines[:3], became, strict=True):
        x, y = line.get_data()
        at = torch.as_tensor(y)[(torch.as_tensor(x) - 0.4).abs().argmin()]
        assert abs(float(at) - float(value)) < 0.03


def test_the_hover_map_is_small_and_holds_the_matrices():
    figure = hover_matrix("china")
    numbers = figure.data[0].customdata
    assert len(numbers[0][0]) == 16
    assert len(figure.to_json()) < 600_000
