"""The tasks of the study: what each changes, what it leaves, and that chance has one source."""

import pytest
import torch

from histmatch_lab.data.own.prepared import PreparedPairs
from histmatch_lab.data.samples import data_samples_dir
from histmatch_lab.data.tasks import (
    MARGIN,
    TASKS,
    TEST_SEED,
    TaskPairs,
    misalign,
    open_pairs,
    restyle,
    spoil,
)


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(5)


def test_retouch_is_the_shipped_pairs_whole():
    pairs = TaskPairs("retouch")
    shipped = PreparedPairs(data_samples_dir() / "retouch", crop=0)
    assert len(pairs) == len(shipped) == 73
    ours, theirs = pairs.batch(3, generator()), shipped.batch(3, generator())
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))
    assert ours[0].shape == ours[1].shape == (3, 3, 192, 256)
    names = {pair.name for pair in pairs.test_pairs()}
    assert len(names) == 30
    assert not names & set(shipped.train_names)


def test_each_task_knows_its_encoding():
    assert TaskPairs("tonemap").encoding == "PQ BT.2020 to sRGB"
    assert TaskPairs("spoiled").encoding == "sRGB"


def test_whole_pictures_are_drawn_whole_or_mirrored():
    shipped = PreparedPairs(data_samples_dir() / "retouch", crop=0)
    known = [pair.input for pair in shipped.whole(shipped.train_names)]
    for picture in shipped.batch(4, generator())[0]:
        assert any(torch.equal(picture, p) or torch.equal(picture.flip(-1), p) for p in known)


def test_spoiled_changes_the_input_alone():
    spoiled, plain = TaskPairs("spoiled").test_pairs(), TaskPairs("retouch").test_pairs()
    assert [pair.name for pair in spoiled[:4]] == [f"{plain[0].name}-{v}" for v in (1, 2, 3)] + [
        f"{plain[1].name}-1"
    ]
    drawn = torch.Generator().manual_seed(TEST_SEED)
    for pair in spoiled[:3]:
        assert torch.equal(pair.target, plain[0].target)
        assert torch.equal(pair.input, spoil(*plain[0][1:], drawn)[0])


def test_ambiguous_changes_the_target_alone():
    ambiguous, plain = TaskPairs("ambiguous").test_pairs(), TaskPairs("retouch").test_pairs()
    drawn = torch.Generator().manual_seed(TEST_SEED)
    for pair in ambiguous[:3]:
        assert torch.equal(pair.input, plain[0].input)
        assert torch.equal(pair.target, restyle(*plain[0][1:], drawn)[1])


@pytest.mark.parametrize("shift", [0, 6, 12])
def test_misaligned_moves_the_target_and_nothing_else(shift):
    place = torch.arange(60 * 80).view(1, 60, 80).expand(3, -1, -1).float()
    chance = generator()
    moves = set()
    for _ in range(200):
        source, target = misalign(place, place, chance, shift=shift)
        assert source.shape == target.shape == (3, 60 - 2 * MARGIN, 80 - 2 * MARGIN)
        assert torch.equal(source, place[:, MARGIN:-MARGIN, MARGIN:-MARGIN])
        [move] = (target - source).unique().tolist()
        moves.add((round(move / 80), move - 80 * round(move / 80)))
    rows, columns = zip(*moves, strict=True)
    assert max(rows) == max(columns) == shift
    assert min(rows) == min(columns) == -shift


def test_misaligned_pairs_are_tested_aligned():
    for ours, theirs in zip(
        TaskPairs("misaligned_12").test_pairs(), TaskPairs("retouch").test_pairs(), strict=True
    ):
        assert torch.equal(ours.input, theirs.input)
        assert torch.equal(ours.target, theirs.target)


@pytest.mark.parametrize("task", TASKS)
def test_the_same_state_gives_the_same_batch(task):
    pairs = open_pairs(task, crop=0)
    first, again = pairs.batch(2, generator()), pairs.batch(2, generator())
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert all(float(side.min()) >= 0 and float(side.max()) <= 1 for side in first)
    assert eval(repr(pairs), {"TaskPairs": TaskPairs}).task == task


def test_what_is_refused():
    with pytest.raises(ValueError, match=r"^task must be one of 'tonemap'.*, got 'sepia'"):
        TaskPairs("sepia")
    with pytest.raises(ValueError, match=r"^crop must be at most the size .*256 x 192.*got 200"):
        TaskPairs("tonemap", crop=200)
