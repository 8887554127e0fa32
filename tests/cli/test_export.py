"""`histmatch-lab export`: what it writes does what the network does."""

from functools import partial

import pytest
import torch

from histmatch_lab import HDRNet, ImageAdaptiveLUT, apply_lut, save_network
from histmatch_lab.data.images import load_image, save_image
from tests.command import run

_run = partial(run, "export")


def _moved(network):
    """Away from the identity."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.02 * torch.randn(parameter.shape, generator=generator)
    return network.eval()


@pytest.fixture
def network():
    return _moved(HDRNet(low_resolution=16, width=2, hidden=(4,), grid_size=4, depth=3))


@pytest.fixture
def table_network():
    return _moved(ImageAdaptiveLUT(nodes=3))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["network", "table_network"])
def test_onnx_computes_the_same_at_any_size(kind, request, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    network, weights = request.getfixturevalue(kind), tmp_path / "weights.safetensors"
    save_network(network, weights, {"encoding": "PQ BT.2020 to sRGB"})
    _run(weights, tmp_path / "a.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "a.onnx")
    assert session.get_modelmeta().custom_metadata_map["encoding"] == "PQ BT.2020 to sRGB"
    for shape in ((1, 3, 33, 17), (3, 3, 12, 40)):
        image = torch.rand(shape, generator=torch.Generator().manual_seed(2))
        [got] = session.run(["enhanced"], {"image": image.numpy()})
        with torch.no_grad():
            wanted = network(image)
        torch.testing.assert_close(torch.from_numpy(got), wanted, atol=1e-5, rtol=1e-5)


def test_a_cube_holds_the_pictures_table(table_network, tmp_path):
    weights, picture, out = (tmp_path / name for name in ("w.safetensors", "p.png", "a.cube"))
    save_network(table_network, weights)
    save_image(torch.rand(3, 20, 30, generator=torch.Generator().manual_seed(3)), picture)
    _run(weights, out, "--picture", picture)
    head, *rows = out.read_text().splitlines()
    assert (head, len(rows)) == ("LUT_3D_SIZE 3", 27)
    # the second row is the next node of red, as the format has it
    image = load_image(picture)
    lut = table_network.lut(image[None])
    reddish = apply_lut(lut, torch.tensor([0.5, 0, 0]).view(1, 3, 1, 1)).flatten()
    bluish = apply_lut(lut, torch.tensor([0, 0, 0.5]).view(1, 3, 1, 1)).flatten()
    for row, colour in ((1, reddish), (9, bluish)):
        assert [float(x) for x in rows[row].split()] == pytest.approx(colour.tolist(), abs=1e-6)


def test_what_cannot_be_exported(network, table_network, tmp_path):
    hdrnet, lut = tmp_path / "h.safetensors", tmp_path / "l.safetensors"
    save_network(network, hdrnet)
    save_network(table_network, lut)
    for arguments, problem in (
        ((hdrnet, tmp_path / "a.cube"), "ImageAdaptiveLUT, got HDRNet"),
        ((lut, tmp_path / "a.cube"), "--picture must be given"),
        ((lut, tmp_path / "a.onx"), "must end in .onnx or .cube"),
    ):
        assert problem in " ".join(_run(*arguments, code=2).split())
    assert not list(tmp_path.glob("a.*"))
