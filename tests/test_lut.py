"""The lookup table against the trilinear formula written out; the network, its start, its files."""

import math
from itertools import pairwise, product

import pytest
import torch
from torch import Tensor, nn

from histmatch_lab import ImageAdaptiveLUT, apply_lut, load_network, network_facts, save_network
from histmatch_lab.lut import identity_lut


def trilinear(lut: Tensor, image: Tensor) -> Tensor:
    """Pixel by pixel, corner by corner, in float64; autograd goes through it."""
    lut, image = lut.double(), image.double()
    nodes, (batch, _, height, width) = lut.shape[-1], image.shape
    pixels = []
    for b, y, x in product(range(batch), range(height), range(width)):
        corners = []
        for channel in (2, 1, 0):  # blue, green, red
            place = image[b, channel, y, x].clamp(0, 1) * (nodes - 1)
            low = min(math.floor(place.item()), nodes - 2)
            part = place - low
            corners.append(((low, 1 - part), (low + 1, part)))
        pixels.append(
            torch.zeros(3, dtype=torch.float64)
            + sum(
                of_i * of_j * of_k * lut[b, :, i, j, k]
                for (i, of_i), (j, of_j), (k, of_k) in product(*corners)
            )
        )
    return torch.stack(pixels).view(batch, height, width, -1).permute(0, 3, 1, 2)


def colours(nodes: int, height: int, width: int, batch: int = 1) -> Tensor:
    """Between nodes, on nodes, on both ends and beyond them, mixed over the channels."""
    g = torch.Generator().manual_seed(nodes)
    anywhere = torch.rand(batch, 3, height, width, generator=g)
    on_nodes = (anywhere * nodes).floor() / (nodes - 1)  # 0 and 1 among them
    beyond = 3 * anywhere - 1
    kind = torch.randint(4, anywhere.shape, generator=g)
    return torch.where(kind < 2, anywhere, torch.where(kind == 2, on_nodes, beyond))


SHAPES = [(33, 5, 7, 2), (17, 1, 1, 3), (5, 7, 3, 1), (2, 4, 5, 2), (4, 1, 11, 1)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_values_and_gradients_are_those_of_the_formula(shape, dtype):
    nodes, height, width, batch = shape
    g = torch.Generator().manual_seed(1)
    lut = torch.rand(batch, 3, nodes, nodes, nodes, generator=g).to(dtype).requires_grad_()
    image = colours(nodes, height, width, batch).to(dtype).requires_grad_()
    upstream = torch.randn(image.shape, generator=g, dtype=torch.float64)
    exactly = 1e-6 if dtype == torch.float32 else 1e-13

    ours, theirs = apply_lut(lut, image), trilinear(lut, image)
    assert ours.dtype == dtype
    torch.testing.assert_close(ours.double(), theirs, atol=exactly, rtol=0)
    of_ours = torch.autograd.grad(ours, (lut, image), upstream.to(dtype))
    of_theirs = torch.autograd.grad(theirs, (lut, image), upstream)
    for got, wanted in zip(of_ours, of_theirs, strict=True):
        scale = wanted.abs().max().item()
        torch.testing.assert_close(got, wanted, atol=exactly * scale, rtol=0)


def test_saturated_colours_feel_a_pull_and_colours_beyond_do_not():
    image = torch.tensor([0.0, 1.0, -0.1, 1.1]).expand(1, 3, 1, 4).clone().requires_grad_()
    apply_lut(identity_lut(33)[None], image).sum().backward()
    assert image.grad.tolist() == [[[[1, 1, 0, 0]]] * 3]


def test_gradcheck():
    lut = torch.rand(2, 3, 3, 3, 3, dtype=torch.float64, requires_grad=True)
    image = (torch.rand(2, 3, 3, 2, dtype=torch.float64) * 1.2 - 0.13).requires_grad_()
    assert torch.autograd.gradcheck(apply_lut, (lut, image))


def test_the_axes_are_blue_green_red():
    red_table = torch.zeros(1, 3, 2, 2, 2)
    red_table[0, 0, :, :, 1] = 1  # red in, red out
    red_table[0, 1, 1] = 1  # blue in, green out
    image = torch.tensor([0.25, 0.5, 0.75]).view(1, 3, 1, 1)
    assert apply_lut(red_table, image).flatten().tolist() == [0.25, 0.75, 0]


def test_half_precision_and_autocast_are_computed_in_float32():
    lut, image = torch.rand(1, 3, 5, 5, 5).bfloat16(), torch.rand(1, 3, 8, 8).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        out = apply_lut(lut, image)
    assert torch.equal(out, apply_lut(lut.float(), image.float()))


@pytest.mark.parametrize(
    ("lut", "image", "names"),
    [
        ((3, 5, 5, 5), (1, 3, 8, 8), r"lut must be \(B, 3, S, S, S\)"),
        ((2, 3, 5, 5, 5), (1, 3, 8, 8), "lut"),
        ((1, 3, 5, 5, 4), (1, 3, 8, 8), r"lut must have S >= 2 nodes .* \(1, 3, 5, 5, 4\)"),
        ((1, 3, 1, 1, 1), (1, 3, 8, 8), "S >= 2"),
        ((1, 3, 5, 5, 5), (1, 4, 8, 8), "image"),
        ((1, 3, 5, 5, 5), (3, 8, 8), "image"),
        ((1, 3, 5, 5, 5), (1, 3, 0, 8), "image"),
    ],
)
def test_shapes_that_do_not_fit_are_named(lut, image, names):
    with pytest.raises(ValueError, match=names):
        apply_lut(torch.rand(lut), torch.rand(image))


def test_types_that_do_not_fit_are_named():
    lut, image = torch.rand(1, 3, 5, 5, 5), torch.rand(1, 3, 8, 8)
    with pytest.raises(TypeError, match="divide by 255"):
        apply_lut(lut, (255 * image).byte())
    with pytest.raises(TypeError, match="same dtype"):
        apply_lut(lut, image.double())


def published_state(seed: int = 0, nodes: int = 33) -> tuple[dict[str, dict[str, Tensor]], dict]:
    """What the authors' checkpoints hold: tables, classifier."""
    g = torch.Generator().manual_seed(seed)
    luts = {str(n): {"LUT": torch.rand(3, nodes, nodes, nodes, generator=g)} for n in range(3)}
    channels, state = (3, 16, 32, 64, 128, 128), {}
    for block in range(5):
        into, out = channels[block : block + 2]
        state[f"model.{3 * block + 1}.weight"] = torch.randn(out, into, 3, 3, generator=g) / 9
        state[f"model.{3 * block + 1}.bias"] = torch.randn(out, generator=g)
        if block < 4:
            state[f"model.{3 * block + 3}.weight"] = torch.rand(out, generator=g)
            state[f"model.{3 * block + 3}.bias"] = torch.randn(out, generator=g)
    state["model.16.weight"] = torch.randn(3, 128, 8, 8, generator=g) / 90
    state["model.16.bias"] = torch.randn(3, generator=g)
    return luts, state


def test_the_published_checkpoints_load_and_make_what_they_should(tmp_path):
    luts, state = published_state()
    torch.save(luts, tmp_path / "LUTs.pth")
    torch.save(state, tmp_path / "classifier.pth")
    network = ImageAdaptiveLUT.from_published(tmp_path / "LUTs.pth", tmp_path / "classifier.pth")
    assert network.training
    network.eval()

    image = torch.rand(2, 3, 21, 34, generator=torch.Generator().manual_seed(2))
    features = nn.functional.interpolate(image, (256, 256), mode="bilinear")
    for block in range(5):
        weight, bias = (state[f"model.{3 * block + 1}.{part}"] for part in ("weight", "bias"))
        features = nn.functional.conv2d(features, weight, bias, stride=2, padding=1)
        features = features.where(features > 0, 0.2 * features)
        if block < 4:
            variance, mean = torch.var_mean(features, (2, 3), correction=0, keepdim=True)
            weight, bias = (state[f"model.{3 * block + 3}.{part}"] for part in ("weight", "bias"))
            scale, shift = weight[:, None, None], bias[:, None, None]
            features = scale * (features - mean) / (variance + 1e-5).sqrt() + shift
    last = state["model.16.weight"]
    mixed = torch.einsum("bchw,nchw->bn", features, last) + state["model.16.bias"]
    one_by_one = [apply_lut(luts[str(n)]["LUT"].expand(2, -1, -1, -1, -1), image) for n in range(3)]
    wanted = sum(mixed[:, n, None, None, None] * one_by_one[n] for n in range(3))
    torch.testing.assert_close(network(image), wanted, atol=2e-5, rtol=1e-5)


@pytest.mark.parametrize("wrong", ["key", "shape", "layer", "kind"])
def test_other_checkpoints_are_refused(tmp_path, wrong):
    luts, state = published_state(nodes=3)
    if wrong == "key":
        luts["3"] = luts.pop("2")
    elif wrong == "shape":
        luts["1"]["LUT"] = torch.zeros(3, 4, 4, 4)
    elif wrong == "layer":
        del state["model.7.bias"]
    for name, content in (("LUTs", luts), ("classifier", state)):
        torch.save([content] if wrong == "kind" else content, tmp_path / name)
    with pytest.raises(ValueError, match="must hold three tables and their network"):
        ImageAdaptiveLUT.from_published(tmp_path / "LUTs", tmp_path / "classifier")


def test_a_checkpoint_that_would_run_code_is_refused(tmp_path):
    torch.save({"0": print}, tmp_path / "LUTs.pth")
    with pytest.raises(Exception, match="Weights only load failed"):
        ImageAdaptiveLUT.from_published(tmp_path / "LUTs.pth", tmp_path / "LUTs.pth")


def test_it_is_as_large_as_it_says():
    network = ImageAdaptiveLUT()
    assert f"{sum(p.numel() for p in network.parameters()):,}" in (network.__doc__ or "")
    assert f"{network.tables.numel():,}" in (network.__doc__ or "")


@pytest.mark.parametrize("size", [(1, 1), (7, 300), (211, 97)])
def test_it_starts_as_the_identity_at_any_size_in_training_too(size):
    image = torch.rand(2, 3, *size)
    torch.testing.assert_close(ImageAdaptiveLUT()(image), image, atol=1e-6, rtol=0)


def test_every_part_learns_and_each_table_something_else():
    torch.manual_seed(1)
    network, image = ImageAdaptiveLUT(nodes=5), torch.rand(2, 3, 20, 30)
    image[1] /= 2
    target = torch.stack([image[0].square(), image[1].sqrt()])  # what no single table does
    optimizer = torch.optim.Adam(network.parameters(), 2e-4)
    losses = []
    for _ in range(12):
        loss = (network(image) - target).square().mean()
        optimizer.zero_grad()
        (loss + network.penalty()).backward()
        optimizer.step()
        losses.append(loss.item())
    assert all(p.grad.abs().max() > 0 for p in network.parameters())
    assert losses[-1] < 0.5 * losses[0]
    assert (network.tables[1] - network.tables[2]).abs().max() > 1e-4


def plain_penalties(tables: Tensor) -> tuple[float, float]:
    smooth = monotone = 0.0
    for table in tables.double():
        for axis in (1, 2, 3):
            planes = table.unbind(axis)
            count = table[..., 1:].numel()
            for number, (a, b) in enumerate(pairwise(planes)):
                twice = 2 if number in (0, len(planes) - 2) else 1
                smooth += twice * float(((b - a) ** 2).sum()) / count
                monotone += float((a - b).clamp(min=0).sum()) / count
    return smooth, monotone


def test_the_penalties_are_their_formulas():
    network = ImageAdaptiveLUT(nodes=6)
    with torch.no_grad():
        network.tables.add_(0.3 * torch.rand_like(network.tables))
    smooth, monotone = plain_penalties(network.tables.detach())
    assert network.smoothness().item() == pytest.approx(smooth, rel=1e-5)
    assert network.monotonicity().item() == pytest.approx(monotone, rel=1e-5)
    assert network.penalty().item() == pytest.approx(1e-4 * smooth + 10 * monotone, rel=1e-5)
    assert ImageAdaptiveLUT().monotonicity() == 0


def test_bfloat16_autocast_stays_close_and_gives_float32():
    network, image = ImageAdaptiveLUT().eval(), torch.rand(1, 3, 48, 48)
    with torch.no_grad():
        network.tables.add_(0.1 * torch.rand_like(network.tables))
        wanted = network(image)
        with torch.autocast("cpu", torch.bfloat16):
            got = network(image)
    assert got.dtype == torch.float32
    torch.testing.assert_close(got, wanted, atol=0.02, rtol=0)


def test_a_saved_network_comes_back_with_its_facts(tmp_path):
    network, path = ImageAdaptiveLUT(nodes=5).eval(), tmp_path / "n.safetensors"
    with torch.no_grad():
        network.tables.add_(torch.rand_like(network.tables))
    save_network(network, path, {"loss": "l2"})
    image, loaded = torch.rand(1, 3, 20, 31), load_network(path).eval()
    assert isinstance(loaded, ImageAdaptiveLUT)
    assert torch.equal(loaded(image), network(image))
    assert network_facts(path) == {"loss": "l2"}
