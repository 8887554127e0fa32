"""The pairs of the study are those that are documented, whole, divided by place and small."""

import csv
import hashlib
import json
import re
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "data_samples"
FOLDERS = ("tonemap", "tonemap_reinhard02", "retouch")
CATALOGUES = {"tonemap": "hdr_scenes.csv", "retouch": "photographs.csv"}
LICENCES = {
    "CC0 1.0": "https://creativecommons.org/publicdomain/zero/1.0/",
    "CC BY 2.0": "https://creativecommons.org/licenses/by/2.0/",
    "CC BY 4.0": "https://creativecommons.org/licenses/by/4.0/",
    "CC BY-SA 3.0": "https://creativecommons.org/licenses/by-sa/3.0/",
    "CC BY-SA 4.0": "https://creativecommons.org/licenses/by-sa/4.0/",
}


def manifest(folder: str) -> dict:
    return json.loads((SAMPLES / folder / "manifest.json").read_text(encoding="utf-8"))


def catalogue(folder: str) -> list[dict[str, str]]:
    with (ROOT / "tools" / CATALOGUES[folder]).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def files(folder: str) -> dict[str, tuple[Path, Path]]:
    """Input and target of each pair, by name."""
    held = manifest(folder)
    patterns = held["files"]["input"], held["files"]["target"]
    return {
        pair["name"]: tuple(SAMPLES / folder / p.format(name=pair["name"]) for p in patterns)
        for pair in held["pairs"]
    }


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_manifest_holds_the_bytes_and_sizes_of_every_picture(folder):
    pictures = files(folder)
    for pair in manifest(folder)["pairs"]:
        source, target = pictures[pair["name"]]
        hashes = [hashlib.sha256(path.read_bytes()).hexdigest() for path in (source, target)]
        assert hashes == pair["sha256"], pair["name"]
        assert (pair["height"], pair["width"]) == (192, 256)
        with Image.open(target) as opened:
            assert (opened.mode, opened.size) == ("RGB", (256, 192))


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_picture_is_unlisted(folder):
    listed = {path.resolve() for pair in files(folder).values() for path in pair}
    found = {
        path.resolve()
        for side in ("input", "target")
        for path in (SAMPLES / folder / side).glob("*")
    }
    assert found <= listed
    assert {path for path in listed if path.is_relative_to(SAMPLES / folder)} == found


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_split_by_itself_is_that_of_the_manifest(folder):
    with (SAMPLES / folder / "split.csv").open(newline="", encoding="utf-8") as file:
        rows = {row["name"]: row["split"] for row in csv.DictReader(file)}
    assert rows == {pair["name"]: pair["split"] for pair in manifest(folder)["pairs"]}
    assert set(rows.values()) == {"train", "test"}


def test_both_operators_have_the_same_inputs_and_the_same_split():
    first, second = (manifest(folder)["pairs"] for folder in FOLDERS[:2])
    for one, other in zip(first, second, strict=True):
        assert (one["name"], one["split"]) == (other["name"], other["split"])
        assert one["sha256"][0] == other["sha256"][0]
        assert one["sha256"][1] != other["sha256"][1]


@pytest.mark.parametrize(("folder", "every", "test"), [("tonemap", 20, 5), ("retouch", 70, 24)])
def test_there_are_enough_and_no_place_is_on_both_sides(folder, every, test):
    rows = catalogue(folder)
    assert len(rows) >= every
    assert sum(row["split"] == "test" for row in rows) >= test
    sides: dict[str, set[str]] = {}
    for row in rows:
        sides.setdefault(row["place"], set()).add(row["split"])
    assert all(len(split) == 1 for split in sides.values())
    assert len({row["name"] for row in rows}) == len({row["sha256"] for row in rows}) == len(rows)


@pytest.mark.parametrize("folder", CATALOGUES)
def test_every_pair_comes_from_a_catalogued_source_and_keeps_its_split(folder):
    split = {row["name"]: row["split"] for row in catalogue(folder)}
    held = manifest(folder)
    assert held["pairs"]
    used = {skipped["name"] for skipped in held["skipped"]} if folder == "retouch" else set()
    for pair in held["pairs"]:
        name = re.sub(r"-\d$", "", pair["name"]) if folder == "tonemap" else pair["name"]
        assert pair["split"] == split[name]
        used.add(name)
    assert used == set(split)  # no source without a pair, but those that are named
    views = len(held["pairs"]) + len(held["skipped"])
    assert views == len(split) * (4 if folder == "tonemap" else 1)


@pytest.mark.parametrize("folder", CATALOGUES)
def test_the_table_names_source_author_licence_and_hash_of_each(folder):
    readme = (SAMPLES / folder / "README.md").read_text(encoding="utf-8")
    lines = [line for line in readme.splitlines() if line.startswith("| ")][1:]
    rows = catalogue(folder)
    for line, row in zip(lines, rows, strict=True):
        name, shows, split, author, licence, source, digest = line.strip("| ").split(" | ")
        assert (name, shows, split) == (row["name"], row["shows"], row["split"])
        assert author == row["author"]
        assert digest.strip("`") == row["sha256"]
        assert f"]({row['url']}), through {row['package']}" in source
        assert row["url"].startswith("https://")
        known = LICENCES.get(row["licence"], row["url"])
        assert licence == f"[{row['licence']}]({known})"
        assert row["licence"] in {*LICENCES, "public domain"}


def test_hdr_inputs_are_16_bit_pq_of_sane_light():
    peaks = []
    for source, _ in files("tonemap").values():
        levels = imagecodecs.png_decode(source.read_bytes())
        assert levels.dtype == np.uint16
        assert levels.shape == (192, 256, 3)
        assert not (levels % 64).any()
        assert levels.max() <= 65535 * 0.91  # 4000 nits are 0.903 in PQ
        peaks.append(levels.max() / 65535)
    assert max(peaks) > 0.85  # some look into a lamp or the sun
    assert np.median(peaks) > 0.508  # 100 nits: most have what SDR lacks


@pytest.mark.parametrize("folder", FOLDERS)
def test_targets_are_neither_black_nor_blown_nor_the_input(folder):
    for name, (source, target) in files(folder).items():
        picture = np.asarray(Image.open(target)) / 255
        assert 0.05 < picture.mean() < 0.95, name
        assert picture.std() > 0.06, name
        if folder == "retouch":
            before = np.asarray(Image.open(source)) / 255
            change = np.sqrt(((picture - before) ** 2).mean())
            assert 0.002 < change < 0.4, name
            assert np.corrcoef(picture.ravel(), before.ravel())[0, 1] > 0.8, name  # aligned


def test_no_two_pictures_are_the_same():
    inputs = [hashes for folder in ("tonemap", "retouch") for hashes in manifest(folder)["pairs"]]
    digests = [digest for pair in inputs for digest in pair["sha256"]]
    assert len(set(digests)) == len(digests)


def test_data_stay_small():
    tracked = [p for p in SAMPLES.rglob("*") if p.is_file() and "pairs" not in p.parts]
    assert sum(path.stat().st_size for path in tracked) < 40_000_000
