"""Copies of MIT-Adobe FiveK in every layout, in the small, from real raw files, TIFFs and JPEGs."""

import json
import sys
from functools import partial

import numpy as np
import pytest
import tifffile
import torch
from imagecodecs import cms_profile

from histmatch_lab.color import srgb_to_linear
from histmatch_lab.data.images import ImageError, resize
from histmatch_lab.data.own.fivek import fivek_source, read_expert_tiff
from histmatch_lab.data.own.prepared import PreparedPairs, read_manifest
from histmatch_lab.data.raw import develop
from histmatch_lab.training.evaluation import psnr
from tests.command import run
from tests.data.files import (
    BAYER,
    X_TRANS,
    levels,
    picture,
    write_dng,
    write_pictures,
    write_prophoto_tiff,
)

NAMES = [f"a{n:04d}-cam_{n}" for n in range(1, 7)]


_prepare = partial(run, "prepare", "fivek")


def _archive(root, *, expert="c", raw="raw_photos"):
    for number, name in enumerate(NAMES):
        folder = "HQa1to700" if number % 2 else "HQa1400to2100"
        write_dng(root / raw / folder / "photos" / f"{name}.dng", srgb_to_linear(picture(number)))
        write_prophoto_tiff(root / f"tiff16_{expert}" / f"{name}.tif", picture(number + 7))


def _both(folder):
    pairs = PreparedPairs(folder, crop=16)
    return {pair.name: pair for pair in pairs.whole(_names(folder))}


def _read(reader, path):
    return reader(path, path.read_bytes())


def _names(folder):
    return [pair["name"] for pair in read_manifest(folder)["pairs"]]


def _decibels(got, wanted):
    return float(psnr(got[None], wanted[None]))


def test_the_original_archive(tmp_path):
    root = tmp_path / "fivek_dataset"
    _archive(root)
    (root / "filesAdobe.txt").write_text("\n".join([*NAMES[:3], "a4999-gone", ""]))
    (root / "filesAdobeMIT.txt").write_text("\n".join(NAMES[3:]))
    output = _prepare(tmp_path, tmp_path / "out", code=1)
    assert "recognised: raw_photos with tiff16_c" in output
    assert "6 inputs, 6 targets, 6 pairs" in output
    assert "a4999-gone: listed, but not there" in output
    for number, pair in enumerate(_both(tmp_path / "out").values()):
        assert _decibels(pair.input, picture(number)) > 40
        assert _decibels(pair.target, picture(number + 7)) > 80
    manifest = read_manifest(tmp_path / "out")
    assert (manifest["layout"], manifest["expert"]) == ("raw_photos with tiff16_c", "c")
    assert "LibRaw" in manifest["input"]
    assert manifest["short_side"] == 480
    assert [pair["split"] for pair in manifest["pairs"]].count("test") == 1


def test_another_expert(tmp_path):
    _archive(tmp_path)
    _archive(tmp_path, expert="a")
    _prepare(tmp_path, tmp_path / "out", "--expert", "a")
    assert read_manifest(tmp_path / "out")["expert"] == "a"
    output = _prepare(tmp_path, tmp_path / "other", "--expert", "e", code=2)
    assert "or output, got raw_photos, tiff16_a, tiff16_c" in output


@pytest.mark.parametrize("as_list", [False, True])
def test_the_indexed_package(tmp_path, as_list):
    root = tmp_path / "MITAboveFiveK"
    _archive(root / "processed", raw="../raw")
    parts = {"training": NAMES[:3], "validation": NAMES[3:4], "testing": NAMES[4:]}
    for part, names in parts.items():
        index = [{"basename": n} for n in names] if as_list else {n: {"id": 1} for n in names}
        (root / f"{part}.json").write_text(json.dumps(index))
    assert "recognised: raw with tiff16_c" in _prepare(tmp_path, tmp_path / "out")
    assert PreparedPairs(tmp_path / "out", crop=16).test_names == NAMES[4:]
    (root / "testing.json").write_text("{oh")
    assert "testing.json is no index" in _prepare(tmp_path, tmp_path / "other", code=2)


def test_the_480p_set(tmp_path):
    for side in ("input", "expertC"):
        write_pictures(tmp_path / side / "JPG" / "480p", [f"{n}.jpg" for n in NAMES])
    not_read = tmp_path / "input/PNG/480p_16bits_XYZ_WB"
    write_pictures(not_read, [f"{n}.png" for n in NAMES], bits=16)
    (tmp_path / "train_input.txt").write_text("\n".join(NAMES[:2]))  # no newline at its end
    (tmp_path / "train_label.txt").write_text("\n".join(NAMES[2:4]) + "\n")
    (tmp_path / "test.txt").write_text("\r\n".join(NAMES[4:]) + "\r\n")
    assert "recognised: input with expertC" in _prepare(tmp_path, tmp_path / "out")
    pairs = PreparedPairs(tmp_path / "out", crop=16)
    assert (pairs.train_names, pairs.test_names) == (NAMES[:4], NAMES[4:])
    assert pairs.manifest["split"] == "as it comes with the copy"
    _prepare(tmp_path, tmp_path / "drawn", "--split", "paper")
    assert len(PreparedPairs(tmp_path / "drawn", crop=16).test_names) == 1
    with pytest.raises(ValueError, match="tiff16_a or expertA or output, got expertC, input"):
        fivek_source(tmp_path, expert="a")


def test_a_file_list(tmp_path):
    for side in ("input", "output"):
        write_pictures(tmp_path / side, [f"{n}.png" for n in NAMES], bits=16)
    (tmp_path / "filelist.txt").write_text("\n".join(f"{n}.png" for n in NAMES[:5]))
    assert "recognised: input with output" in _prepare(tmp_path, tmp_path / "out")
    assert sorted(_names(tmp_path / "out")) == NAMES[:5]


def test_train_and_eval(tmp_path):
    for side, names in (("train", NAMES[:4]), ("eval", NAMES[:2])):
        for number, name in enumerate(names):
            light = srgb_to_linear(picture(number))
            write_dng(tmp_path / side / "input" / f"{name}.dng", light)
        write_pictures(tmp_path / side / "output", [f"{n}.jpg" for n in names])
    _prepare(tmp_path, tmp_path / "out")
    pairs = PreparedPairs(tmp_path / "out", crop=16)
    assert len(pairs.train_names) == 4
    assert pairs.test_names == [f"eval/{n}" for n in NAMES[:2]]


def test_no_copy_of_fivek(tmp_path):
    (tmp_path / "holiday").mkdir()
    output = _prepare(tmp_path, tmp_path / "out", code=2)
    assert (
        "in a folder raw_photos or raw or input, and in tiff16_c or expertC or output, got holiday"
        in output
    )


def test_missing_partners_and_damage(tmp_path):
    _archive(tmp_path)
    (tmp_path / "tiff16_c" / f"{NAMES[0]}.tif").unlink()
    raw = sorted((tmp_path / "raw_photos").rglob("*.dng"))
    by_name = {path.stem: path for path in raw}
    by_name[NAMES[1]].unlink()
    by_name[NAMES[2]].write_bytes(by_name[NAMES[2]].read_bytes()[:300])
    damaged = tmp_path / "tiff16_c" / f"{NAMES[3]}.tif"
    damaged.write_bytes(damaged.read_bytes()[:500])
    by_name[NAMES[4]].write_text("no raw file")
    _prepare(tmp_path, tmp_path / "out", code=1)
    skipped = {s["name"]: s["why"] for s in read_manifest(tmp_path / "out")["skipped"]}
    assert list(skipped) == NAMES[:5]
    assert skipped[NAMES[0]] == "its target is missing"
    assert skipped[NAMES[1]] == "its input is missing"
    assert "cannot be developed" in skipped[NAMES[2]]
    assert "cannot be read" in skipped[NAMES[3]]
    assert "cannot be developed" in skipped[NAMES[4]]
    assert _names(tmp_path / "out") == NAMES[5:]


def test_large_photographs_become_480p(tmp_path):
    big = picture(1, 1000, 1500)
    write_dng(tmp_path / "raw_photos/HQa1to700/photos/a.dng", srgb_to_linear(big), margin=6)
    write_prophoto_tiff(tmp_path / "tiff16_c/a.tif", resize(big, (992, 1488)))
    write_dng(tmp_path / "raw_photos/HQa1to700/photos/b.dng", srgb_to_linear(big))
    write_prophoto_tiff(tmp_path / "tiff16_c/b.tif", picture(1, 1000, 1400))
    output = _prepare(tmp_path, tmp_path / "out", code=1)
    assert "b: the input has 750 x 500, its target 1400 x 1000 pixels" in output
    [pair] = _both(tmp_path / "out").values()
    assert pair.input.shape == pair.target.shape == (3, 480, 720)
    assert _decibels(pair.input, resize(big, (480, 720))) > 40
    assert _decibels(pair.target, resize(big, (480, 720))) > 50


@pytest.mark.parametrize("sensor", [BAYER, X_TRANS, None], ids=["bayer", "x-trans", "linear"])
def test_sensors_of_another_layout_are_cut_in_the_same_way(tmp_path, sensor):
    """LibRaw halves no picture without a mosaic."""
    big = picture(1, 1000, 1500)
    write_dng(tmp_path / "a.dng", srgb_to_linear(big), margin=6, sensor=sensor)
    data = (tmp_path / "a.dng").read_bytes()
    got = develop(tmp_path / "a.dng", data, short_side=480)
    assert got.shape == ((3, 1000, 1500) if sensor is None else (3, 500, 750))
    assert _decibels(resize(got, (480, 720)), resize(big, (480, 720))) > 40


def test_a_crop_that_is_off_by_a_pixel_is_named(tmp_path):
    write_pictures(tmp_path / "input", ["a.png", "b.png", "c.png"], height=120, width=180)
    write_pictures(tmp_path / "output", ["a.png"], height=120, width=181)
    write_pictures(tmp_path / "output", ["b.png"], height=240, width=360)
    write_pictures(tmp_path / "output", ["c.png"], height=120, width=180)
    output = _prepare(tmp_path, tmp_path / "out")
    assert "a: the input has 180 x 120, its target 181 x 120 pixels; made to fit" in output
    assert "b:" not in output
    pairs = read_manifest(tmp_path / "out")["pairs"]
    assert ["fitted" in pair for pair in pairs] == [True, False, False]


@pytest.mark.parametrize("compression", [None, "lzw"])
def test_prophoto_becomes_srgb_exactly(tmp_path, compression):
    path = tmp_path / "tiff16_c" / "a.tif"
    write_prophoto_tiff(path, picture(3), compression=compression)
    torch.testing.assert_close(_read(read_expert_tiff, path), picture(3), atol=2e-4, rtol=0)


def test_a_profile_in_an_experts_file_is_believed(tmp_path):
    path = tmp_path / "tiff16_c" / "a.tif"
    path.parent.mkdir()
    data, profile = levels(picture(2)), cms_profile("srgb")
    tifffile.imwrite(path, data, photometric="rgb", iccprofile=profile)
    torch.testing.assert_close(_read(read_expert_tiff, path), picture(2), atol=1e-4, rtol=0)


def test_an_experts_file_of_8_bits_is_refused(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", levels(picture(1), 8), photometric="rgb")
    with pytest.raises(ImageError, match="uint8"):
        _read(read_expert_tiff, tmp_path / "a.tif")


def test_a_raw_file_is_cut_as_it_asks(tmp_path):
    light = torch.rand(3, 1, 1, generator=torch.Generator().manual_seed(0)).expand(3, 32, 48)
    write_dng(tmp_path / "a.dng", light, margin=4)
    assert _read(develop, tmp_path / "a.dng").shape == (3, 32, 48)


@pytest.mark.parametrize(("orientation", "turns"), [(1, 0), (3, 2), (6, -1), (8, 1)])
def test_a_raw_file_is_turned_as_the_camera_was_held(tmp_path, orientation, turns):
    write_dng(tmp_path / "a.dng", srgb_to_linear(picture(5, 32, 48)), orientation=orientation)
    upright = torch.rot90(picture(5, 32, 48), turns, (1, 2))
    got = _read(develop, tmp_path / "a.dng")
    assert got.shape == upright.shape
    assert _decibels(got, upright) > 38


def test_raw_keeps_more_than_8_bits_and_is_not_brightened(tmp_path):
    dark = 0.1 * srgb_to_linear(picture(0, 64, 96))
    write_dng(tmp_path / "a.dng", dark)
    got = _read(develop, tmp_path / "a.dng")
    assert np.unique((got * 65535).round().int().numpy()).size > 2000
    assert float(got.max()) < 0.36  # the encoding of a tenth is 0.349


def test_without_rawpy(tmp_path, monkeypatch):
    _archive(tmp_path)
    monkeypatch.setitem(sys.modules, "rawpy", None)  # as if it were not installed
    assert "pip install 'histmatch-lab[raw]'" in _prepare(tmp_path, tmp_path / "out", code=2)
