"""`histmatch-lab enhance` on real files of every kind."""

from functools import partial

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from histmatch_lab import HDRNet, save_network
from histmatch_lab.data.images import load_image, save_image
from tests.command import run


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
    assert "3 of 3 pictures" in _run(path, folder, "-o", out)
    assert sorted(p.name for p in out.iterdir()) == ["a.png", "b.tif", "c.JPG"]
    for name, levels in (("a.png", 255), ("b.tif", 65535)):
        wanted = network(load_image(folder / name)[None])[0].detach().clamp(0, 1)
        assert (load_image(out / name) - wanted).abs().max() <= 0.51 / levels


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
    assert f"{bad}: " in output
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
        ((tmp_path / "a.png", tmp_path / "a.png", "-o", out), "must be a safetensors file"),
        ((path, "-o", out), "IMAGE"),
    ):
        assert says in " ".join(_run(*arguments, code=2).split())
    assert not out.exists()
