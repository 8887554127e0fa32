"""The network: its size, its guide, its start as the identity, its files."""

import copy
import json
import random

import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

from histmatch_lab import HDRNet, ImageAdaptiveLUT, load_network, network_facts, save_network
from histmatch_lab.slicing import KNOTS, Guide


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(5)


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_the_paper_network_is_the_published_one_layer_by_layer():
    network = HDRNet.paper()
    layers = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    table = HDRNet.paper.__doc__ or ""
    sizes = [224, 1168, 4640, 18_496, 36_928, 36_864, 36_928, 36_928, 262_400, 32_896, 8256, 6240]
    assert [count(layer) for layer in layers] == sizes
    assert all(f"{size:,}" in table for size in sizes)
    assert count(network.guide) == 9 + 2 * 3 * KNOTS + 3 + 1
    assert count(network) == 482_077
    assert "482,077" in table
    assert network.coefficients(torch.rand(2, 3, 40, 60)).shape == (2, 12, 8, 16, 16)


def test_the_compact_network_is_as_large_as_it_says():
    assert f"{count(HDRNet.compact()):,}" in (HDRNet.compact.__doc__ or "")


@pytest.mark.parametrize("make", [HDRNet.paper, HDRNet.compact])
@pytest.mark.parametrize("size", [(1, 1), (7, 300), (300, 7), (128, 128), (211, 97)])
def test_any_size_comes_back_nearly_unchanged_before_training(make, size):
    image = torch.rand(2, 3, *size)
    pred = make()(image)
    assert pred.shape == image.shape
    assert (pred - image).abs().max() < 0.05


def test_every_part_learns_from_the_first_step():
    network = HDRNet.compact()
    network(torch.rand(2, 3, 64, 64)).square().mean().backward()
    dead = [name for name, p in network.named_parameters() if not p.grad.abs().max() > 0]
    assert dead == []


def test_it_can_learn_a_local_change_that_no_colour_map_makes():
    network = HDRNet.compact()
    image = torch.rand(1, 3, 64, 64)
    target = image * torch.linspace(0.3, 1, 64)
    optimizer = torch.optim.Adam(network.parameters(), 2e-3)
    for _ in range(60):
        loss = (network(image) - target).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    shared = (image * target).sum() / image.square().sum()  # the best factor for all pixels
    assert loss < 0.3 * (shared * image - target).square().mean()


def plain_guide(guide: Guide, image: Tensor) -> Tensor:
    """The docstring's formula, in float64, pixel by pixel and knot by knot."""
    weights = {name: p.detach().double() for name, p in guide.named_parameters()}
    mixed = torch.einsum("ij,bjhw->bihw", weights["matrix"], image.double())
    level = weights["offset"].expand(mixed[:, 0].shape).clone()
    for channel in range(3):
        for knot in range(KNOTS):
            ramp = (mixed[:, channel] - weights["shifts"][channel, knot]).clamp(min=0)
            level += weights["mix"][channel] * weights["slopes"][channel, knot] * ramp
    margin = 1 / (2 * guide.depth)
    inner = level.clamp(2 * margin, 1 - 2 * margin)
    beyond = (level - inner) / margin
    return inner + margin * beyond / (1 + beyond.abs())


def _stirred(depth: int = 8) -> Guide:
    guide = Guide(depth)
    with torch.no_grad():
        for parameter in guide.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return guide


@pytest.mark.parametrize("size", [(1, 1), (64, 150)])
def test_the_guide_is_its_formula(size):
    guide, image = _stirred(), torch.rand(2, 3, *size)
    torch.testing.assert_close(
        guide(image).double(), plain_guide(guide, image), atol=1e-5, rtol=1e-5
    )


def test_the_guide_starts_as_the_mean_of_the_channels():
    image = 0.2 + 0.6 * torch.rand(1, 3, 9, 9)
    torch.testing.assert_close(Guide(8)(image), image.mean(1))


def test_the_guide_has_the_right_gradients():
    guide = _stirred().double()
    names, parameters = zip(*guide.named_parameters(), strict=True)
    image = torch.rand(2, 3, 3, 5, dtype=torch.float64, requires_grad=True)

    def call(image: Tensor, *values: Tensor) -> Tensor:
        return torch.func.functional_call(guide, dict(zip(names, values, strict=True)), image)

    assert torch.autograd.gradcheck(call, (image, *parameters))


def test_a_guide_driven_out_of_range_still_feels_a_pull():
    guide = Guide(8)
    with torch.no_grad():
        guide.offset.fill_(4.0)
    out = guide(torch.rand(1, 3, 8, 8))
    assert 0 <= out.min() <= out.max() <= 1
    out.sum().backward()
    assert guide.offset.grad.abs() > 0


def test_bfloat16_autocast_stays_close_and_gives_float32():
    network, image = HDRNet.compact(), torch.rand(1, 3, 48, 48)
    wanted = network(image)
    with torch.autocast("cpu", torch.bfloat16):
        got = network(image)
    assert got.dtype == torch.float32
    torch.testing.assert_close(got, wanted, atol=0.02, rtol=0)


@pytest.mark.parametrize("bad", [(3, 8, 8), (1, 4, 8, 8), (1, 3, 0, 8)])
def test_images_of_another_shape_are_refused(bad):
    with pytest.raises(ValueError, match="image"):
        HDRNet.compact()(torch.rand(bad))


@pytest.mark.parametrize(
    "options", [{"low_resolution": 100}, {"grid_size": 6, "low_resolution": 48}]
)
def test_sizes_that_do_not_halve_are_refused(options):
    with pytest.raises(ValueError, match="low_resolution"):
        HDRNet(**options)


def test_a_saved_network_comes_back_with_its_facts(tmp_path):
    network, path = HDRNet(width=4, hidden=(8,), depth=4), tmp_path / "n.safetensors"
    save_network(network, path, {"loss": "l2", "seed": "3"})
    image = torch.rand(1, 3, 20, 30)
    assert torch.equal(load_network(path)(image), network(image))
    assert network_facts(path) == {"loss": "l2", "seed": "3"}
    assert [p.name for p in tmp_path.iterdir()] == ["n.safetensors"]


def test_the_same_network_gives_the_same_bytes(tmp_path):
    network, facts = HDRNet(width=4, hidden=(8,), depth=4), {f"fact {i}": "ä" for i in range(9)}
    files = []
    for number in range(4):  # safetensors draws another order of the metadata each time
        save_network(
            network, tmp_path / f"{number}", dict(sorted(facts.items(), reverse=number > 1))
        )
        files.append((tmp_path / f"{number}").read_bytes())
    assert files.count(files[0]) == 4
    assert network_facts(tmp_path / "0") == facts


def test_files_that_hold_no_network_are_refused(tmp_path):
    import safetensors.torch

    text, other, torn = (tmp_path / name for name in ("a", "b", "c"))
    text.write_text("weights")
    safetensors.torch.save_file({"x": torch.zeros(1)}, other)
    save_network(HDRNet.compact(), torn)
    torn.write_bytes(torn.read_bytes()[:-100])
    for path in (text, other, torn):
        with pytest.raises(ValueError, match=str(path)):
            load_network(path)
    with pytest.raises(FileNotFoundError):
        load_network(tmp_path / "none")
    with pytest.raises(TypeError, match="seed"):
        save_network(HDRNet.compact(), tmp_path / "d", {"seed": 3})  # type: ignore[dict-item]


def test_the_same_weights_and_facts_make_the_same_file(tmp_path):
    network, facts = HDRNet.compact(), {name: name for name in "abcdefgh"}
    for turn in range(4):
        shuffled = dict(random.Random(turn).sample(list(facts.items()), len(facts)))
        save_network(network, tmp_path / str(turn), shuffled)
    assert len({path.read_bytes() for path in tmp_path.iterdir()}) == 1
    assert network_facts(tmp_path / "0") == facts


def test_a_file_with_an_entry_for_each_fact_is_read(tmp_path):
    """So the files of weights were written at first."""
    network, path = HDRNet.compact(), tmp_path / "old"
    metadata = {"histmatch_lab.HDRNet": json.dumps(network.architecture), "seed": "3"}
    safetensors.torch.save_file(network.state_dict(), path, metadata)
    assert network_facts(path) == {"seed": "3"}
    loaded = load_network(path)
    assert isinstance(loaded, HDRNet)
    assert torch.equal(loaded.guide.mix, network.guide.mix)


@pytest.mark.parametrize("of_image", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("of_weights", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize(
    "network",
    [HDRNet(low_resolution=16, width=2, hidden=(4,), grid_size=4), ImageAdaptiveLUT(nodes=3)],
    ids=["HDRNet", "ImageAdaptiveLUT"],
)
def test_weights_and_images_of_any_two_types(network, of_weights, of_image):
    network = copy.deepcopy(network).eval()
    image = torch.rand(1, 3, 9, 11, generator=torch.Generator().manual_seed(6)).to(of_image)
    wanted = network(image)
    assert wanted.dtype == (torch.float64 if of_image == torch.float64 else torch.float32)
    got = network.to(of_weights)(image)
    assert got.dtype == wanted.dtype
    torch.testing.assert_close(got, wanted, atol=0.02, rtol=0)
    got.sum().backward()
    assert {p.grad.dtype for p in network.parameters()} == {of_weights}
