"""Making the study's pairs: what reads packages and turns panoramas, and its messages."""

import base64
import hashlib
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from histmatch_lab.color import convert_primaries, pq_to_nits
from histmatch_lab.data.images import load_image
from histmatch_lab.data.own.prepared import PreparedPairs
from tools import hdr, make_pairs, retouch
from tools.packages import HOW_TO_GET, MissingError, Packages

ROOT = Path(__file__).parents[2]


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


# Packages


def resource_file(name: str, content: bytes) -> bytes:
    """A Qt resource file, version 1, with one file in one folder."""
    names, offsets = b"", []
    for text in ("folder", name):
        offsets.append(len(names))
        names += struct.pack(">HI", len(text), 0) + text.encode("utf-16-be")
    root = struct.pack(">IHII", 0, 2, 1, 1)
    folder = struct.pack(">IHII", offsets[0], 2, 1, 2)
    file = struct.pack(">IHHHI", offsets[1], 0, 0, 0, 0)
    data = struct.pack(">I", len(content)) + content
    head = struct.pack(">4s4I", b"qres", 1, 20, 20 + 42, 20 + 42 + len(data))
    return head + root + folder + file + data + names


def test_files_come_from_the_first_root_that_has_them(tmp_path):
    for number, root in enumerate(("a", "b")):
        (tmp_path / root).mkdir()
        (tmp_path / root / f"only_{root}").write_bytes(bytes([number]))
        (tmp_path / root / "both").write_bytes(bytes([number]))
    packages = Packages((tmp_path / "a", tmp_path / "b"))
    assert packages.read("palapeli-data", "only_b", digest(b"\1")) == b"\1"
    assert packages.read("palapeli-data", "both", digest(b"\0")) == b"\0"


def test_a_picture_comes_out_of_a_qt_resource_file(tmp_path):
    (tmp_path / "a.rcc").write_bytes(resource_file("x.webp", b"picture"))
    packages = Packages((tmp_path,))
    path = "a.rcc!/folder/x.webp"
    assert packages.read("gcompris-qt-data", path, digest(b"picture")) == b"picture"
    with pytest.raises(MissingError, match=r"y\.webp is not the file.*gcompris-qt-data"):
        packages.read("gcompris-qt-data", "a.rcc!/folder/y.webp", digest(b"picture"))


def test_a_panorama_comes_out_of_a_javascript_module(tmp_path):
    text = b'export default "data:x;base64,' + base64.b64encode(b"exr") + b'"'
    (tmp_path / "a.exr.js").write_bytes(text)
    assert Packages((tmp_path,)).read("@pmndrs/assets", "a.exr.js", digest(b"exr")) == b"exr"


def test_a_missing_package_and_another_version_are_told_apart(tmp_path):
    packages = Packages((tmp_path,))
    with pytest.raises(MissingError, match=r"x\.jpg is not below .*apt-get install palapeli-data"):
        packages.read("palapeli-data", "x.jpg", "")
    (tmp_path / "x.jpg").write_bytes(b"new")
    with pytest.raises(MissingError, match=r"another version of palapeli-data"):
        packages.read("palapeli-data", "x.jpg", digest(b"old"))


def test_every_package_of_the_catalogues_says_how_to_get_it():
    rows = make_pairs.catalogue("hdr_scenes.csv") + make_pairs.catalogue("photographs.csv")
    assert {row["package"] for row in rows} == HOW_TO_GET.keys()


# Panoramas


def direction_panorama(rows: int = 180) -> hdr.Floats:
    """Each pixel holds the direction it shows, plus 2: x right of the left edge, y up, z ahead."""
    latitude = np.pi * (0.5 - (np.arange(rows) + 0.5) / rows)[:, None]
    longitude = 2 * np.pi * ((np.arange(2 * rows) + 0.5) / (2 * rows))[None]
    x, z = np.cos(latitude) * np.sin(longitude), np.cos(latitude) * np.cos(longitude)
    return 2 + np.stack([x, np.broadcast_to(np.sin(latitude), x.shape), z], -1)


@pytest.mark.parametrize(("yaw", "pitch"), [(0.0, 0.0), (1.3, 0.4), (4.0, -0.7), (6.2, 0.1)])
def test_each_pixel_of_a_view_shows_its_own_direction(yaw, pitch):
    size, degrees = (48, 64), 80.0
    seen = hdr.perspective(direction_panorama(), yaw=yaw, pitch=pitch, degrees=degrees, size=size)
    x, y = np.meshgrid(np.arange(64) - 31.5, 23.5 - np.arange(48))
    rays = np.stack([x, y, np.full_like(x, 32 / np.tan(np.radians(40)))], -1)
    up = [[1, 0, 0], [0, np.cos(pitch), np.sin(pitch)], [0, -np.sin(pitch), np.cos(pitch)]]
    right = [[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]]
    rays = rays / np.linalg.norm(rays, axis=-1, keepdims=True) @ np.transpose(np.dot(right, up))
    np.testing.assert_allclose(seen - 2, rays, atol=1e-3)


def test_views_are_clipped():
    bright = np.full((8, 16, 3), 1e6)
    for light, seen in ((bright, 4000.0), (bright * 0, 0.001)):
        view = hdr.perspective(light, yaw=0, pitch=0, degrees=75, size=(4, 6))
        assert (view == seen).all()


def test_pfs_streams_are_read_as_they_are_written():
    xyz = np.random.default_rng(0).random((3, 5, 3))
    np.testing.assert_allclose(hdr.decode_pfs(hdr.encode_pfs(xyz)), xyz, rtol=1e-6)
    with pytest.raises(ValueError, match="PFS1"):
        hdr.decode_pfs(b"P6\n")


def test_levels_of_pq_are_within_half_a_step_of_the_light():
    nits = np.geomspace(0.01, 4000, 300).reshape(10, 10, 3)
    levels = make_pairs.to_pq(nits)
    assert levels.dtype == np.uint16
    values = torch.from_numpy(levels / 65535).permute(2, 0, 1)
    seen = convert_primaries(pq_to_nits(values), "bt2020", "bt709").permute(1, 2, 0).numpy()
    white = np.full((1, 1, 3), 100.0)
    assert abs(make_pairs.to_pq(white) / 65535 - 0.5081).max() < 0.5 / 1023
    np.testing.assert_allclose(seen, nits, rtol=0.2)


def test_views_with_nothing_to_see_are_named():
    noise = np.random.default_rng(0).integers(1, 255, (8, 8, 3), np.uint8)
    assert make_pairs.nothing_to_see(noise) == ""
    assert "standard deviation is 0.000" in make_pairs.nothing_to_see(noise // 255)
    half = np.where(np.arange(8)[:, None, None] < 4, noise, 255).astype(np.uint8)
    assert "50% of its values" in make_pairs.nothing_to_see(half)


def test_views_with_a_damaged_sun_are_named():
    view = np.full((8, 8, 3), 200.0)
    view[..., 2] = 0.001  # yellow is no damage
    assert make_pairs.damaged(view) == ""
    view[:2, :8, 1] = 0.5
    assert make_pairs.damaged(view) == "16 bright pixels have only one colour"


# Photographs


@pytest.mark.parametrize(("keep", "first"), [("centre", 45.0), ("top", 0.0)])
def test_a_portrait_is_cut_at_both_ends_or_below(tmp_path, keep, first):
    rows = np.arange(150, dtype=np.uint8)[:, None, None]
    Image.fromarray(np.broadcast_to(rows, (150, 80, 3)).copy()).save(tmp_path / "a.png")
    photograph = (tmp_path / "a.png").read_bytes()
    seen = retouch.crop_and_scale(photograph, (60, 80), keep)
    assert seen.shape == (60, 80, 3)
    assert (seen[:, 0, 0] == np.arange(60) + first).all()


def test_jpeg_keeps_the_colours_sharp():
    file = retouch.jpeg(np.random.default_rng(0).integers(0, 255, (16, 16, 3), np.uint8))
    assert file[:2] == b"\xff\xd8"
    assert load_image(file).shape == (3, 16, 16)


def test_targets_gone_wrong_are_named():
    photograph = np.full((4, 4, 3), 60, np.uint8)
    assert make_pairs.gone_wrong(photograph, photograph) == ""
    assert make_pairs.gone_wrong(photograph, photograph + np.uint8(60)) == ""
    assert "PSNR to the input is 3.9 dB" in make_pairs.gone_wrong(
        photograph, photograph + np.uint8(162)
    )


# The command


def test_the_command_says_which_package_is_missing(tmp_path):
    for task, package in (("tonemap", "@pmndrs/assets"), ("retouch", "gcompris-qt-data")):
        result = CliRunner().invoke(
            make_pairs.main, [task, "--root", str(tmp_path), "--out", str(tmp_path)]
        )
        assert result.exit_code == 1
        assert "Error: " in result.output
        assert package in result.output


def test_shipped_pictures_are_what_training_gets():
    opened = PreparedPairs(ROOT / "data_samples/tonemap", crop=160)
    pair = opened.test_pairs()[0]
    folder = ROOT / "data_samples/tonemap"
    assert torch.equal(pair.input, load_image(folder / "input" / f"{pair.name}.png"))
    assert torch.equal(pair.target, load_image(folder / "target" / f"{pair.name}.webp"))


@pytest.mark.skipif(not shutil.which("pfstmo_mantiuk08"), reason="needs pfstools and blender-data")
def test_a_view_comes_out_as_it_is_shipped():
    rows = {row["name"]: row for row in make_pairs.catalogue("hdr_scenes.csv")}
    row = rows["forest"]
    packages = Packages((Path("/"),))
    try:
        exr = packages.read(row["package"], row["path"], row["sha256"])
    except MissingError as missing:
        pytest.skip(str(missing))
    panorama = hdr.read_panorama(exr)
    view = hdr.perspective(panorama, yaw=0, pitch=0, degrees=75, size=make_pairs.SIZE)
    shipped = ROOT / "data_samples/tonemap"
    levels = load_image(shipped / "input/forest-0.png").permute(1, 2, 0).numpy()
    np.testing.assert_allclose(make_pairs.to_pq(view) / 65535, levels, atol=64 / 65535)
    target = np.asarray(Image.open(shipped / "target/forest-0.webp")).astype(int)
    again = hdr.tone_map(view, make_pairs.OPERATORS["tonemap"]).astype(int)
    assert abs(again - target).max() <= 1
