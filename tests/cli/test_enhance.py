"""`histmatch-lab enhance` on real files of every kind."""

import sys
from functools import partial

import imagecodecs
import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from histmatch_lab import HDRNet, ImageAdaptiveLUT, save_network
from histmatch_lab.color import srgb_to_linear
from histmatch_lab.data.images import load_image, save_image
from histmatch_lab.data.profiles import SRGB_PROFILE
from tests.command import run
from tests.data import icc
from tests.data.files import levels, picture, write_dng


@pytest.fixture
def weights(tmp_path):
    """A network that has been moved away from the identity."""
    torch.manual_seed(1)
    network = HDRNet(low_resolution=32, width=4, hidden=(8,), grid_size=8, depth=4)
    with torch.no_grad():
        network.to_grid.bias.mul_(0.8)
    path = tmp_path / "weights.safetensors"
    save_network(network, path)
    return path, network


def _picture(height=40, width=60):
    return torch.rand(3, height, width, generator=torch.Generator().manual_seed(2))


_run = partial(run, "enhance")


def test_a_folder_of_pictures_is_enhanced_as_the_network_does_it(weights, tmp_path):
    path, network = weights
    folder, out = tmp_path / "my pictures ü", tmp_path / "out" / "new"
    folder.mkdir()
    save_image(_picture(), folder / "a.png")
    save_image(_picture(33, 21), folder / "b.tif", bits=16)
    save_image(_picture(), folder / "c.JPG")
    (folder / "notes.txt").write_text("not a picture")
    output = _run(path, folder, "-o", out)
    assert "3 of 3 pictures" in output
    assert "1 other file passed over: 1 .txt" in output
    assert sorted(p.name for p in out.iterdir()) == ["a.png", "b.tif", "c.JPG"]
    for name, top in (("a.png", 255), ("b.tif", 65535)):
        wanted = network(load_image(folder / name)[None])[0].detach().clamp(0, 1)
        assert (load_image(out / name) - wanted).abs().max() <= 0.51 / top


def test_16_bits_are_kept(weights, tmp_path):
    for name in ("x.tif", "x.png"):
        save_image(_picture(), tmp_path / name, bits=16)
        _run(weights[0], tmp_path / name, "-o", tmp_path / "out")
        values = load_image(tmp_path / "out" / name) * 255
        assert (values - values.round()).abs().max() > 0.1
    assert tifffile.imread(tmp_path / "out/x.tif").dtype == np.uint16


def test_the_orientation_of_a_phone_is_applied(weights, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    pixels = (_picture(20, 50) * 255).byte().permute(1, 2, 0).numpy()
    Image.fromarray(pixels).save(tmp_path / "p.jpg", exif=exif)
    _run(weights[0], tmp_path / "p.jpg", "-o", tmp_path / "out")
    with Image.open(tmp_path / "out/p.jpg") as picture:
        assert picture.size == (20, 50)
        assert 0x0112 not in picture.getexif()


def test_other_formats_become_png(weights, tmp_path):
    Image.new("RGB", (9, 7), "red").save(tmp_path / "w.webp")
    _run(weights[0], tmp_path / "w.webp", "-o", tmp_path / "out")
    assert (tmp_path / "out/w.png").exists()


def test_a_broken_picture_is_told_and_the_others_are_written(weights, tmp_path):
    save_image(_picture(), tmp_path / "good.png")
    bad = tmp_path / f"{'b' * 90}.png"
    bad.write_bytes(b"text")
    output = _run(weights[0], bad, tmp_path / "good.png", "-o", tmp_path / "out", code=1)
    assert output.count(f"{bad}: ") == 1
    assert "1 of 2 pictures" in output
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["good.png"]


def test_what_cannot_be_is_refused_before_anything_is_written(weights, tmp_path):
    path, _ = weights
    save_image(_picture(), tmp_path / "a.png")
    (tmp_path / "sub").mkdir()
    save_image(_picture(), tmp_path / "sub/a.png")
    (tmp_path / "empty").mkdir()
    out = tmp_path / "out"
    for arguments, says in (
        ((path, tmp_path / "a.png", "-o", tmp_path), "replace the picture"),
        ((path, tmp_path / "a.png", tmp_path / "sub/a.png", "-o", out), "two of the pictures"),
        ((path, tmp_path / "empty", "-o", out), "holds no pictures"),
        ((path, tmp_path / "a.png", "-o", out, "--white", 0), "white must be above 0, got 0.0"),
        ((tmp_path / "a.png", tmp_path / "a.png", "-o", out), "must be a safetensors file"),
        ((path, "-o", out), "IMAGE"),
    ):
        assert says in " ".join(_run(*arguments, code=2).split())
    assert not out.exists()


def _with_everything(path, pixels, kind):
    """A picture with EXIF, a place, a profile and a resolution."""
    exif = Image.Exif()
    exif[271], exif[315], exif[0x0112] = "Maker", "M\u00fcller", 6
    exif[0x8769] = {0x9003: "2024:01:02 03:04:05", 0x927C: b"notes of the maker"}
    exif[0x8825] = {1: "N"}
    picture = Image.fromarray(pixels)
    picture.save(path, kind, exif=exif.tobytes(), icc_profile=icc.display_p3(), dpi=(240, 240))


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tif", "a.heic"])
def test_camera_time_place_and_resolution_are_kept(weights, tmp_path, name):
    pixels = levels(_picture(20, 50), 8)
    if name == "a.heic":
        pytest.importorskip("pillow_heif").register_heif_opener()
    kind = {"jpg": "JPEG", "png": "PNG", "tif": "TIFF", "heic": "HEIF"}[name[2:]]
    _with_everything(tmp_path / name, pixels, kind)
    _run(weights[0], tmp_path / name, "-o", tmp_path / "out")
    [written] = (tmp_path / "out").iterdir()
    with Image.open(written) as picture:
        exif = picture.getexif()
        assert picture.size == (20, 50)
        assert (exif[271], exif.get(0x0112)) == ("Maker", None)
        assert exif.get_ifd(0x8769) == {0x9003: "2024:01:02 03:04:05"}
        assert exif.get_ifd(0x8825) == {1: "N"}
        assert picture.info["icc_profile"] == SRGB_PROFILE
        if kind != "HEIF":
            assert [round(float(number)) for number in picture.info["dpi"]] == [240, 240]


def test_letters_beyond_ascii_are_kept_as_they_were(weights, tmp_path):
    exif = Image.Exif()
    exif[315] = "M\u00fcller".encode()
    Image.new("RGB", (8, 8)).save(tmp_path / "a.jpg", exif=exif)
    _run(weights[0], tmp_path / "a.jpg", "-o", tmp_path / "out")
    assert "M\u00fcller".encode() + b"\0" in (tmp_path / "out/a.jpg").read_bytes()


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_transparency_is_kept(weights, tmp_path, name, bits):
    path, network = weights
    whole = levels(_picture(), bits)
    alpha = whole[..., :1] // 2
    if name == "a.png":
        (tmp_path / name).write_bytes(imagecodecs.png_encode(np.dstack([whole, alpha])))
    else:
        pixels = np.dstack([whole, alpha])
        tifffile.imwrite(tmp_path / name, pixels, photometric="rgb", extrasamples=["unassalpha"])
    _run(path, tmp_path / name, "-o", tmp_path / "out")
    written = tmp_path / "out" / name
    read = tifffile.imread(written) if name == "a.tif" else imagecodecs.imread(written)
    np.testing.assert_array_equal(read[..., 3:], alpha)
    plain = torch.from_numpy(whole.astype(np.float32) / (2**bits - 1)).permute(2, 0, 1)
    wanted = levels(network(plain[None])[0].detach().clamp(0, 1), bits)
    np.testing.assert_allclose(read[..., :3].astype(int), wanted, rtol=0, atol=1)


def test_further_pages_are_refused_and_what_phones_add_is_told(weights, tmp_path):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    for name, kind in (("a.gif", "GIF"), ("b.tif", "TIFF"), ("c.jpg", "MPO")):
        frames[0].save(tmp_path / name, kind, save_all=True, append_images=frames[1:])
    files = [tmp_path / name for name in ("a.gif", "b.tif", "c.jpg")]
    output = _run(weights[0], *files, "-o", tmp_path / "out", code=1)
    for path in files[:2]:
        assert f"{path} holds 2 pictures; export the one that you mean" in output
    assert f"{files[2]} holds 1 further picture" in output
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["c.jpg"]


def test_a_raw_photograph_is_developed(weights, tmp_path):
    path, network = weights
    light = picture(3, 48, 64)
    write_dng(tmp_path / "a.DNG", srgb_to_linear(light), margin=4)
    _run(path, tmp_path, "-o", tmp_path / "out")
    written = load_image(tmp_path / "out/a.png")
    assert imagecodecs.imread(tmp_path / "out/a.png").dtype == np.uint16
    wanted = network(load_image(tmp_path / "a.DNG")[None])[0].detach().clamp(0, 1)
    assert (written - wanted).abs().max() <= 0.51 / 65535
    assert written.shape == light.shape


def test_without_rawpy_each_raw_photograph_is_named(weights, tmp_path, monkeypatch):
    write_dng(tmp_path / "a.dng", picture(3, 48, 64))
    monkeypatch.setitem(sys.modules, "rawpy", None)  # as if it were not installed
    output = _run(weights[0], tmp_path, "-o", tmp_path / "out", code=1)
    assert "a.dng: rawpy is missing" in output
    assert "pip install 'histmatch-lab[raw]'" in output


def test_the_white_of_a_floating_point_picture(weights, tmp_path):
    pixels = _picture().permute(1, 2, 0).numpy() * 8
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb")
    assert "--white 1.0" in _run(weights[0], tmp_path / "a.tif", "-o", tmp_path / "out", code=1)
    _run(weights[0], tmp_path / "a.tif", "-o", tmp_path / "out", "--white", 8)
    wanted = weights[1](_picture()[None])[0].detach().clamp(0, 1)
    assert (load_image(tmp_path / "out/a.tif") - wanted).abs().max() < 1e-4


def test_two_pictures_of_one_stem_both_become_png(weights, tmp_path):
    (tmp_path / "in").mkdir()
    for name in ("a.bmp", "a.webp", "a.png", "b.bmp"):
        Image.new("RGB", (8, 8), "red").save(tmp_path / "in" / name)
    _run(weights[0], tmp_path / "in", "-o", tmp_path / "out")
    names = sorted(p.name for p in (tmp_path / "out").iterdir())
    assert names == ["a.bmp.png", "a.png", "a.webp.png", "b.png"]


HOSTILE = ["-rf.png", "new\nline.png", "quote'\"<b>.png", "[red]x.png", "$(touch x);.png"]


def test_names_that_mean_something_elsewhere_are_only_names(weights, tmp_path, monkeypatch):
    (tmp_path / "in").mkdir()
    for name in HOSTILE:
        save_image(_picture(8, 8), tmp_path / "in" / name)
    (tmp_path / "in" / "page.jpg").write_text("<svg><script>alert(1)</script></svg>")
    monkeypatch.chdir(tmp_path / "in")
    output = _run(weights[0], ".", "-o", "../out", code=1)
    assert "page.jpg: holds text, not a picture" in output
    _run(weights[0], "--", "-rf.png", "-o", "../one", code=2)  # after -- there are only names
    _run(weights[0], "-o", "../one", "--", "-rf.png")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == sorted(HOSTILE)
    assert not (tmp_path / "in/x").exists()


def test_the_tables_are_looked_up_row_by_row(tmp_path):
    network = ImageAdaptiveLUT(nodes=5).eval()
    with torch.no_grad():
        network.tables.mul_(0.9)
        save_network(network, tmp_path / "lut.safetensors")
        save_image(_picture(300, 20), tmp_path / "a.png", bits=16)
        _run(tmp_path / "lut.safetensors", tmp_path / "a.png", "-o", tmp_path / "out")
        wanted = network(load_image(tmp_path / "a.png")[None])[0].clamp(0, 1)
    assert (load_image(tmp_path / "out/a.png") - wanted).abs().max() <= 0.51 / 65535


def test_weights_for_another_encoding_are_refused(weights, tmp_path):
    _, network = weights
    save_network(network, tmp_path / "pq.safetensors", {"encoding": "PQ BT.2020 to sRGB"})
    save_image(_picture(), tmp_path / "x.png")
    arguments = (tmp_path / "pq.safetensors", tmp_path / "x.png", "-o", tmp_path / "out")
    assert "pictures in sRGB, got PQ BT.2020" in " ".join(_run(*arguments, code=2).split())
    assert "1 of 1 pictures" in _run(*arguments, "--as-stored")
