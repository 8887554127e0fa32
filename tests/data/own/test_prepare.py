"""`histmatch-lab prepare folder`, and what all preparations share: whole, resumable, honest."""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from functools import partial

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image
from safetensors.numpy import load_file

from histmatch_lab.color import srgb_to_linear
from histmatch_lab.data.images import decode_image
from histmatch_lab.data.own import prepare as engine
from histmatch_lab.data.own.folders import PictureSource, folder_source
from histmatch_lab.data.own.prepared import PreparedPairs, pair_path, read_head, read_manifest
from histmatch_lab.data.own.splits import chronological_split, random_split, read_split
from tests.command import run
from tests.data.files import levels, picture, write_dng, write_pictures

NAMES = [f"{n:02d}" for n in range(10)]


@pytest.fixture
def places(tmp_path):
    """Ten pairs, PNG in and JPEG out, and where they are to go."""
    write_pictures(tmp_path / "in", [f"{name}.png" for name in NAMES], bits=16)
    write_pictures(tmp_path / "out", [f"{name}.JPG" for name in NAMES])
    return tmp_path / "in", tmp_path / "out", tmp_path / "prepared"


_prepare = partial(run, "prepare", "folder")


def test_pairs_by_name(places):
    output = _prepare(*places)
    assert "10 pairs" in output
    assert "0 skipped" in output
    manifest = read_manifest(places[2])
    assert [pair["name"] for pair in manifest["pairs"]] == NAMES
    assert [p["split"] for p in manifest["pairs"]].count("test") == 2
    assert manifest["pairs"][0]["sources"][0][0] == str(places[0] / "00.png")
    assert len(manifest["pairs"][0]["sha256"][0]) == 64
    pairs = PreparedPairs(places[2], crop=16)
    before, after = pairs.test_pairs()[0][1:]
    wanted = picture(int(pairs.test_names[0]))
    torch.testing.assert_close(before, wanted, atol=0.6 / 65535, rtol=0)
    torch.testing.assert_close(after, wanted, atol=0.05, rtol=0)


def test_16_bits_stay_and_lzw_is_read(tmp_path):
    for side in ("in", "out"):
        (tmp_path / side).mkdir()
        tifffile.imwrite(
            tmp_path / side / "a.tif",
            levels(picture(1, 64, 96)),
            photometric="rgb",
            compression="lzw" if side == "in" else None,
        )
        write_pictures(tmp_path / side, ["b.png", "c.png"], bits=16, height=64, width=96)
    _prepare(tmp_path / "in", tmp_path / "out", tmp_path / "to")
    names = [pair["name"] for pair in read_manifest(tmp_path / "to")["pairs"]]
    assert names == ["a", "b", "c"]
    for name, number in zip(names, (1, 0, 1), strict=True):
        kept = _input(tmp_path / "to", name)
        assert kept.dtype == np.uint16
        assert np.unique(kept).size > 256
        np.testing.assert_array_equal(kept, levels(picture(number, 64, 96)).transpose(2, 0, 1))


def _input(folder, name):
    return load_file(pair_path(folder, name))["input"]


def test_twice_changes_nothing_and_decodes_nothing(places, monkeypatch):
    _prepare(*places)
    before = {path: path.stat().st_mtime_ns for path in places[2].rglob("*.safetensors")}
    manifest = (places[2] / "manifest.json").read_bytes()
    monkeypatch.setattr("histmatch_lab.data.own.folders.decode_image", None)
    assert "10 of them already there" in _prepare(*places)
    assert {path: path.stat().st_mtime_ns for path in places[2].rglob("*.safetensors")} == before
    assert (places[2] / "manifest.json").read_bytes() == manifest


def test_each_source_is_read_once(places, monkeypatch):
    opened: Counter[str] = Counter()
    real = io.open

    def counted(file, *args, **kwargs):
        opened[str(file)] += 1
        return real(file, *args, **kwargs)

    monkeypatch.setattr("io.open", counted)
    monkeypatch.setattr("builtins.open", counted)
    _prepare(*places)
    sources = [str(path) for side in places[:2] for path in side.iterdir()]
    assert [opened[source] for source in sources] == [1] * 20


@pytest.mark.parametrize("year", [1970, 2000, 2100])
def test_a_changed_source_is_prepared_again_whatever_the_clock_says(places, year):
    _prepare(*places)
    write_pictures(places[0], ["00.png"], bits=8)
    os.utime(places[0] / "00.png", ns=(0, (year - 1970) * 31_557_600 * 10**9))
    assert "9 of them already there" in _prepare(*places)
    assert PreparedPairs(places[2], crop=16).manifest["pairs"][0]["name"] == "00"
    assert _input(places[2], "00").dtype == np.uint8


def test_an_interrupted_run_goes_on(places):
    inputs, targets, out = places
    source, split = folder_source(inputs, targets), random_split(1 / 5)
    results = engine.prepare(source, out, split)
    assert [next(results).name for _ in range(3)] == NAMES[:3]
    results.close()
    assert not (out / "manifest.json").exists()
    kinds = [type(result).__name__ for result in engine.prepare(source, out, split)]
    assert kinds == ["Existing"] * 3 + ["Made"] * 7
    other = inputs.with_name("at one go")
    list(engine.prepare(source, other, split))
    for path in other.rglob("[!.]*.*"):
        assert path.read_bytes() == (out / path.relative_to(other)).read_bytes()


@pytest.mark.slow
def test_a_killed_run_goes_on(tmp_path):
    names = [f"{n:03d}.png" for n in range(60)]
    for side in ("in", "out"):
        write_pictures(tmp_path / side, names, bits=16, height=240, width=320)
    command = [sys.executable, "-m", "histmatch_lab.cli", "prepare", "folder"]
    arguments = [str(tmp_path / name) for name in ("in", "out", "to")]
    whole = 0
    while whole < 60:
        process = subprocess.Popen([*command, *arguments], stdout=-1, stderr=-1)
        stop_at = whole + 8
        while process.poll() is None and whole < stop_at:
            whole = len(list((tmp_path / "to").rglob("*.safetensors")))
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        for path in (tmp_path / "to").rglob("*.safetensors"):
            assert read_head(path), path
        whole = len(list((tmp_path / "to").rglob("*.safetensors")))
    _prepare(*arguments)
    other = tmp_path / "at one go"
    _prepare(*arguments[:2], other)
    for path in other.rglob("*.safetensors"):
        assert path.read_bytes() == (tmp_path / "to" / path.relative_to(other)).read_bytes()
    assert (other / "split.csv").read_bytes() == (tmp_path / "to" / "split.csv").read_bytes()


def test_what_a_killed_run_left_half_written_goes(places):
    _prepare(*places)
    half = places[2] / "pairs" / ".00.safetensors.1.part"
    half.write_bytes(b"half")
    _prepare(*places)
    assert not half.exists()


def test_two_runs_at_once(places):
    """The second refuses at once; the lock of a run that ended, however it did, is none."""
    running = engine.prepare(folder_source(*places[:2]), places[2])
    next(running)
    assert "written by one run at a time" in _prepare(*places, code=2)
    running.close()
    assert "10 pairs" in _prepare(*places)


HOLD = """
import sys, time
from pathlib import Path
from histmatch_lab._files import one_run
with one_run(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def test_the_lock_of_a_killed_run_is_no_obstacle(places):
    command = [sys.executable, "-c", HOLD, str(places[2])]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"held\n"
        assert "written by one run at a time" in _prepare(*places, code=2)
        holder.kill()
    assert (places[2] / ".lock").exists()
    assert "10 pairs" in _prepare(*places)


def test_a_run_killed_at_its_first_file_goes_on(places):
    places[2].mkdir(exist_ok=True)
    left = [places[2] / name for name in (".lock", ".preparation.json.123.part")]
    for path in left:
        path.touch()
    assert "10 pairs" in _prepare(*places)
    assert not left[1].exists()


def test_what_is_no_picture_is_counted(places):
    for name in ("notes.txt", "a.MOV", "b.MOV", ".DS_Store"):
        (places[0] / name).write_text("x")
    assert "4 other files passed over: 2 .MOV, 1 hidden, 1 .txt" in _prepare(*places)


def test_raw_photographs_and_phones_pictures(tmp_path):
    pillow_heif = pytest.importorskip("pillow_heif")
    (tmp_path / "in").mkdir()
    write_dng(tmp_path / "in/a.DNG", srgb_to_linear(picture(1, 48, 64)))
    Image.fromarray(levels(picture(2, 48, 64), 8)).save(tmp_path / "b.png")
    pillow_heif.from_pillow(Image.open(tmp_path / "b.png")).save(tmp_path / "in/b.heic", quality=98)
    write_pictures(tmp_path / "out", ["a.jpg", "b.jpg"], height=48, width=64)
    _prepare(tmp_path / "in", tmp_path / "out", tmp_path / "to")
    assert (_input(tmp_path / "to", "a").dtype, _input(tmp_path / "to", "b").dtype) == (
        np.uint16,
        np.uint8,
    )
    for name, number, top in (("a", 1, 65535), ("b", 2, 255)):
        read = torch.from_numpy(_input(tmp_path / "to", name).astype(np.float32) / top)
        assert (read - picture(number, 48, 64)).abs().mean() < 0.02


def test_two_preparations_do_not_share_a_folder(places):
    _prepare(*places)
    assert "short_side was None, now it is 20" in _prepare(*places, "--short-side", 20, code=2)
    (places[0].parent / "mine").mkdir()
    (places[0].parent / "mine" / "letter.txt").write_text("")
    assert "holds other things" in _prepare(*places[:2], places[0].parent / "mine", code=2)


def test_a_short_side_makes_smaller_and_never_larger(places):
    write_pictures(places[0], ["00.png"], bits=16, height=60, width=80)
    write_pictures(places[1], ["00.JPG"], height=60, width=80)
    _prepare(*places, "--short-side", 30)
    sizes = [(p["height"], p["width"]) for p in read_manifest(places[2])["pairs"]]
    assert sizes == [(30, 40), *[(24, 32)] * 9]


def test_bad_pairs_are_told_and_the_rest_is_prepared(places):
    inputs, targets, out = places
    (targets / "00.JPG").unlink()
    write_pictures(targets, ["01.JPG"], height=30, width=40)
    data = (inputs / "02.png").read_bytes()
    (inputs / "02.png").write_bytes(data[: len(data) // 2])
    (targets / "03.JPG").write_text("I am a text")
    (inputs / "04.png").write_bytes(b"")
    write_pictures(inputs, ["05.bmp.png", "05.tif"])
    (inputs / "._06.png").write_bytes(b"a Mac's")
    output = _prepare(*places, code=1)
    skipped = {s["name"]: s["why"] for s in read_manifest(out)["skipped"]}
    assert skipped["00"] == "its target is missing"
    assert skipped["01"] == "the input has 32 x 24, its target 40 x 30 pixels; they must agree"
    assert "cut short" in skipped["02"]
    assert "holds text, not a picture" in skipped["03"]
    assert "is empty" in skipped["04"]
    assert skipped["05"] == "2 inputs: 05.png, 05.tif"
    assert skipped["05.bmp"] == "its target is missing"
    assert set(skipped) == {"00", "01", "02", "03", "04", "05", "05.bmp"}
    for name, why in skipped.items():
        assert f"{name}: {why}" in output
    assert [p["name"] for p in read_manifest(out)["pairs"]] == ["06", "07", "08", "09"]


def test_spaces_other_scripts_folders_and_links(tmp_path):
    for side in ("in", "out"):
        write_pictures(tmp_path / side, ["ein Bild ä.png", "日本/写真.png"])
        (tmp_path / side / "日本" / "round").symlink_to(tmp_path / side)
        (tmp_path / "elsewhere" / side).mkdir(parents=True)
        write_pictures(tmp_path / "elsewhere" / side, ["far.png"])
        (tmp_path / side / "linked").symlink_to(tmp_path / "elsewhere" / side)
    out = tmp_path / "mit Leerzeichen é"
    _prepare(tmp_path / "in", tmp_path / "out", out)
    names = {pair["name"] for pair in read_manifest(out)["pairs"]}
    assert names == {"ein Bild ä", "linked/far", "日本/写真"}
    assert PreparedPairs(out, crop=16).batch(2, torch.Generator())[0].shape == (2, 3, 16, 16)


def test_nothing_to_prepare(places, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "holds no pictures" in _prepare(empty, places[1], places[2], code=2)
    write_pictures(empty, ["other.png"])
    assert "has a partner of the same name" in _prepare(empty, places[1], places[2], code=2)
    assert not places[2].exists()


def test_every_pair_bad(places):
    for path in places[0].iterdir():
        path.write_text("text")
    output = _prepare(*places, code=2)
    assert "not a single pair" in output
    assert "holds text" in output


def test_room_is_looked_for_first(places, monkeypatch):
    usage = shutil.disk_usage("/")._replace(free=10_000)
    monkeypatch.setattr(engine.shutil, "disk_usage", lambda _: usage)
    assert "are needed for 10 pairs and 0.00 GB are free" in _prepare(*places, code=1)
    assert not list(places[2].rglob("*.safetensors"))


IN_A_SMALL_DISK = """
mount -t tmpfs -o size={size} none "$1" || exit 77
test {mode} = rw || mount -o remount,ro "$1"
shift
"$@"
code=$?
cp -r "$(dirname "$HERE")"/disk "$HERE"
exit $code
"""


def _on_a_disk(places, size, mode="rw", code=""):
    """Prepare onto a small disk of its own; its files are copied away at the end."""
    disk, kept = places[2].parent / "disk", places[2].parent / "kept"
    disk.mkdir()
    program = f"{code}\nfrom histmatch_lab.cli import app\napp()"
    script = IN_A_SMALL_DISK.format(size=size, mode=mode)
    command = ["unshare", "-rm", "sh", "-c", script, "sh", disk, sys.executable, "-c", program]
    arguments = ["prepare", "folder", *places[:2], disk / "to"]
    environment = {**os.environ, "HERE": str(kept)}
    if not shutil.which("unshare"):
        pytest.skip("NO unshare HERE: a small disk cannot be made")
    done = subprocess.run([*command, *arguments], env=environment, capture_output=True, text=True)
    if done.returncode == 77 or "unshare failed" in done.stderr:
        pytest.skip("NO RIGHT TO MOUNT HERE: a small disk cannot be made")
    return done, kept


def test_a_disk_that_fills_up_underway(places):
    """As when another program writes to it as well: the room that was seen first is gone."""
    lie = (
        "import shutil\nusage = shutil.disk_usage('/')._replace(free=10**12)\n"
        "shutil.disk_usage = lambda _: usage"
    )
    done, kept = _on_a_disk(places, "64k", code=lie)
    assert done.returncode == 1, done.stderr
    assert "No space left on device; " in done.stderr
    assert "pairs are done, the same command goes on from there" in done.stderr
    whole = list(kept.rglob("*.safetensors"))
    assert 0 < len(whole) < 10
    assert all(read_head(path) for path in whole)
    assert not list(kept.rglob("*.part"))
    assert not list(kept.rglob("manifest.json"))


@pytest.mark.slow
def test_a_disk_that_is_read_only(places):
    done, _ = _on_a_disk(places, "1m", mode="ro")
    assert done.returncode == 1
    assert "Read-only file system" in done.stderr


def test_the_random_split_is_the_papers_and_always_the_same():
    names = [f"a{n:04d}" for n in range(1, 5001)]
    sides = random_split(1 / 5).divide(names)
    assert list(sides.values()).count("test") == 1000
    assert random_split(1 / 5).divide(names[::-1]) == sides
    # to stay as it is: people publish numbers on it
    assert [n for n in range(1, 13) if sides[f"a{n:04d}"] == "test"] == [2, 3, 7, 9, 11, 12]
    fewer = random_split(1 / 5).divide(names[:-10])
    assert sum(fewer[n] != sides[n] for n in fewer) <= 10
    assert list(random_split(1 / 5).divide(["a", "b"]).values()).count("test") == 1
    assert random_split(1 / 5).divide(["a"]) == {"a": "train"}


def test_movies_are_split_in_time():
    sides = chronological_split.divide([f"{n:03d}" for n in range(10)])
    assert list(sides.values()) == ["train"] * 8 + ["test"] * 2
    assert list(chronological_split.divide(["b", "a"]).items()) == [("a", "train"), ("b", "test")]


def test_a_written_split_can_be_used_again(places):
    _prepare(*places)
    split = places[2] / "split.csv"
    other = places[2].with_name("again")
    _prepare(*places[:2], other, "--split", split)
    assert (other / "split.csv").read_bytes() == split.read_bytes()
    split.write_text("name,split\n00,train\n01,test\n")
    third = places[2].with_name("third")
    _prepare(*places[:2], third, "--split", split)
    assert PreparedPairs(third, crop=16).test_names == ["01"]
    assert read_manifest(third)["split"] == "as split.csv says"
    split.write_text("zz,train\n")
    output = _prepare(*places[:2], places[2].with_name("fourth"), "--split", split, code=2)
    assert "names none of the 10 pairs" in output
    assert not (places[2].with_name("fourth") / "manifest.json").exists()
    split.write_text("00,training\n")
    with pytest.raises(ValueError, match=r"must be NAME,train or NAME,test, got '00,training'"):
        read_split(split)
    output = _prepare(*places[:2], third, "--split", "papper", code=2)
    assert "split must be one of paper, 4500-500 or a file, got 'papper'" in output


def test_the_manifest_says_what_it_was_made_from(places):
    _prepare(*places)
    manifest = json.loads((places[2] / "manifest.json").read_text())
    assert manifest["source"] == "folder"
    assert manifest["encoding"] == "sRGB"
    assert manifest["split"] == "20% at random for testing, seed 2022"
    assert manifest["input"] == str(places[0])


def test_of_two_nearly_equal_sizes_the_one_with_fewer_pixels_is_taken():
    tall, wide = torch.rand(3, 201, 300), torch.rand(3, 200, 302)
    source = PictureSource({}, [], [], [], decode_image, slack=0.02)
    before, after = source._at_one_size(tall, wide)
    assert before.shape == after.shape == (3, 201, 300)
