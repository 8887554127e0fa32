"""Prepared pairs: what is written is what training and evaluation get."""

import json

import imagecodecs
import numpy as np
import pytest
import torch

from histmatch_lab import EnhancementLoss, HDRNet, seed_everything
from histmatch_lab.data.images import to_levels
from histmatch_lab.data.own.prepared import (
    PreparedPairs,
    pair_path,
    read_head,
    to_float,
    write_pair,
)
from histmatch_lab.recipe import Preset
from histmatch_lab.training.evaluation import evaluate
from histmatch_lab.training.loop import train

GENERATOR = np.random.default_rng(0)


def _random(dtype, height=40, width=50):
    return GENERATOR.integers(0, np.iinfo(dtype).max, (3, height, width), dtype, endpoint=True)


@pytest.fixture
def folder(tmp_path):
    """Three training pairs and two to test on, 8 bits in and 16 out."""
    pairs = []
    for number in range(5):
        name = f"ordner/größe {number}"
        write_pair(tmp_path, name, _random(np.uint8), _random(np.uint16), {"sources": "[]"})
        split = "train" if number < 3 else "test"
        pairs.append({"name": name, "split": split, "height": 40, "width": 50})
    (tmp_path / "manifest.json").write_text(json.dumps({"pairs": pairs}))
    return tmp_path


def test_every_level_survives():
    for bits in (8, 16):
        every = torch.arange(2**bits, dtype=torch.float64) / (2**bits - 1)
        kept = to_levels(every.float(), bits)
        assert kept.tolist() == list(range(2**bits))
        again = to_float(torch.from_numpy(kept))
        torch.testing.assert_close(again, every.float(), rtol=0, atol=1e-7)


def test_levels_are_clamped():
    assert to_levels(torch.tensor([-1.0, 0.5, 2.0]), 8).tolist() == [0, 128, 255]


def test_the_test_set_is_whole_and_read_when_it_is_asked_for(folder):
    pairs = PreparedPairs(folder, crop=32).test_pairs()
    assert [pair.name for pair in pairs] == ["ordner/größe 3", "ordner/größe 4"]
    assert pairs[0].input.shape == (3, 40, 50)
    assert pairs[0].input.dtype == torch.float32
    assert len(pairs[1:]) == 1
    pair_path(folder, "ordner/größe 4").unlink()
    with pytest.raises(FileNotFoundError):
        pairs[1]


@pytest.mark.parametrize("device", [None, "cpu"])
def test_crops_are_squares_of_the_pictures_or_their_mirrors(folder, device):
    source = PreparedPairs(folder, crop=32, device=device)
    assert len(source) == 3
    whole = [PreparedPairs(folder, crop=32, device="cpu")._held[i] for i in range(3)]
    inputs, targets = source.batch(20, torch.Generator().manual_seed(1))
    assert inputs.shape == targets.shape == (20, 3, 32, 32)
    mirrored = 0
    for before, after in zip(inputs, targets, strict=True):
        places = [
            (number, flip, top, left)
            for number, (picture, _) in enumerate(whole)
            for flip in (False, True)
            for top in range(9)
            for left in range(19)
            if torch.equal(before, _cut(picture, top, left, flip))
        ]
        assert len(places) == 1
        number, flip, top, left = places[0]
        assert torch.equal(after, _cut(whole[number][1], top, left, flip))
        mirrored += flip
    assert 2 < mirrored < 18


def _cut(picture, top, left, flip):
    square = to_float(picture[:, top : top + 32, left : left + 32])
    return square.flip(-1) if flip else square


def test_the_batch_is_the_same_from_files_and_from_memory(folder):
    first, second = (
        PreparedPairs(folder, crop=16, device=device).batch(8, torch.Generator().manual_seed(3))
        for device in (None, "cpu")
    )
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1], second[1])


def test_a_network_trains_on_them_and_is_scored(folder):
    seed_everything(0)
    pairs = PreparedPairs(folder, crop=32)
    network = HDRNet(low_resolution=32, width=4, hidden=(8,), grid_size=8, depth=4)
    steps = list(train(network, pairs, EnhancementLoss("l2"), Preset(2, 3, 1e-3, 1e-3)))
    assert len(steps) == 2
    scores = evaluate(network, pairs.test_pairs())
    assert [score.picture for score in scores] == ["ordner/größe 3", "ordner/größe 4"]


def test_what_cannot_be_trained_on_is_refused(folder, tmp_path_factory):
    with pytest.raises(
        ValueError, match="crop must be at most the size of ordner/größe 0, 50 x 40 pixels, got 41"
    ):
        PreparedPairs(folder, crop=41)
    with pytest.raises(FileNotFoundError, match="histmatch-lab prepare"):
        PreparedPairs(tmp_path_factory.mktemp("empty"))
    manifest = {"pairs": [{"name": "a", "split": "test", "height": 40, "width": 50}]}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ValueError, match="no training pairs"):
        PreparedPairs(folder)


def test_a_pair_of_two_sizes_is_not_written(tmp_path):
    with pytest.raises(ValueError, match="input and target must have the same shape"):
        write_pair(tmp_path, "a", _random(np.uint8), _random(np.uint8, 41), {})
    assert not any(tmp_path.rglob("*.safetensors"))


def test_a_damaged_file_has_no_head(folder):
    path = pair_path(folder, "ordner/größe 0")
    assert read_head(path)["width"] == 50
    path.write_bytes(path.read_bytes()[:5000])
    assert not read_head(path)
    path.write_bytes(b"")
    assert not read_head(path)


def test_pictures_that_a_manifest_names_are_pairs_too(tmp_path):
    levels = {"input/a.png": _random(np.uint16), "target/a.png": _random(np.uint8)}
    for file, pixels in levels.items():
        (tmp_path / file).parent.mkdir()
        (tmp_path / file).write_bytes(imagecodecs.png_encode(np.moveaxis(pixels, 0, -1).copy()))
    pairs = [{"name": "a", "split": s, "height": 40, "width": 50} for s in ("train", "test")]
    files = {"input": "input/{name}.png", "target": "target/{name}.png"}
    (tmp_path / "manifest.json").write_text(json.dumps({"pairs": pairs, "files": files}))
    source = PreparedPairs(tmp_path, crop=40)
    pair = source.test_pairs()[0]
    for side, pixels in zip((pair.input, pair.target), levels.values(), strict=True):
        assert torch.equal(side, to_float(torch.from_numpy(pixels)))
    inputs, targets = source.batch(2, torch.Generator().manual_seed(0))
    assert inputs.shape == targets.shape == (2, 3, 40, 40)
    again = source.batch(2, torch.Generator().manual_seed(0))
    assert torch.equal(inputs, again[0])
