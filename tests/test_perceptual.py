"""VGG-16 and what is built on it: the checkpoint's keys, the formulas, the errors."""

import sys
import urllib.error

import pytest
import torch
from torch import Tensor, nn

from histmatch_lab import EnhancementLoss
from histmatch_lab.perceptual import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    IMAGENET_URL,
    JOHNSON_LAYERS,
    LPIPS_LAYERS,
    VGG16,
    LPIPSLoss,
    VGGLoss,
    _heads_path,
    receptive_field,
)

# torchvision's vgg16: index in features, output and input channels
CHECKPOINT = [
    (0, 64, 3), (2, 64, 64), (5, 128, 64), (7, 128, 128), (10, 256, 128), (12, 256, 256),
    (14, 256, 256), (17, 512, 256), (19, 512, 512), (21, 512, 512), (24, 512, 512),
    (26, 512, 512), (28, 512, 512),
]  # fmt: skip


@pytest.fixture(scope="module")
def vgg() -> VGG16:
    return VGG16.random(0)


@pytest.fixture(scope="module")
def images() -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(1)
    return torch.rand(2, 3, 32, 40, generator=g), torch.rand(2, 3, 32, 40, generator=g)


def test_the_keys_and_shapes_are_the_checkpoints(vgg):
    wanted: dict[str, tuple[int, ...]] = {}
    for index, out, into in CHECKPOINT:
        wanted[f"features.{index}.weight"] = (out, into, 3, 3)
        wanted[f"features.{index}.bias"] = (out,)
    assert {k: tuple(v.shape) for k, v in vgg.state_dict().items()} == wanted


def test_a_checkpoint_with_its_classifier_loads_from_a_file(vgg, images, tmp_path):
    path = tmp_path / "vgg16.pth"
    torch.save({**vgg.state_dict(), "classifier.0.weight": torch.zeros(2)}, path)
    loaded = VGG16.from_file(path)
    assert loaded.weights == "vgg16.pth"
    assert torch.equal(loaded(images[0], ("relu2_2",))[0], vgg(images[0], ("relu2_2",))[0])
    torch.save({"features.0.weight": torch.zeros(64, 3, 3, 3)}, path)
    with pytest.raises(ValueError, match="must hold a VGG-16"):
        VGG16.from_file(path)


def test_without_a_network_the_error_says_where_to_put_the_file(monkeypatch, tmp_path):
    def offline(*_: object, **__: object) -> None:
        raise urllib.error.URLError("no route")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("torch.hub.download_url_to_file", offline)
    with pytest.raises(FileNotFoundError) as caught:
        EnhancementLoss("l2+vgg")
    assert IMAGENET_URL in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_a_download_with_the_wrong_hash_is_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    hashes = []

    def other(_url: str, _path: str, hash_prefix: str, **_: object) -> None:
        hashes.append(hash_prefix)
        raise RuntimeError("invalid hash value")

    monkeypatch.setattr("torch.hub.download_url_to_file", other)
    with pytest.raises(RuntimeError, match="hash"):
        VGG16.imagenet()
    assert hashes == ["397923af"]


@pytest.mark.parametrize("layer", ["relu1_1", "relu1_2", "relu2_2", "relu3_3"])
def test_the_receptive_field_is_what_one_feature_sees(layer):
    """Measured: the gradient of the feature in the middle, with weights that hide nothing."""
    network = VGG16("ones")
    for convolution in network._convolutions():
        nn.init.ones_(convolution.weight)
        convolution.bias.data.zero_()
    # pooling passes one of four on: as a mean it passes all
    network.features = nn.Sequential(
        *(nn.AvgPool2d(2) if isinstance(m, nn.MaxPool2d) else m for m in network.features)
    )
    # above every mean of ImageNet, so that no ReLU hides a pixel
    image = (1 + torch.rand(1, 3, 96, 96, dtype=torch.float64)).requires_grad_()
    feature = network.double()(image, (layer,))[0]
    feature[0, 0, feature.shape[2] // 2, feature.shape[3] // 2].backward()
    rows = image.grad[0, 0].abs().sum(1) > 0
    assert int(rows.sum()) == receptive_field(layer)


def test_erratum_10_the_receptive_field_of_relu4_3_is_92():
    assert receptive_field("relu4_3") == 92
    with pytest.raises(ValueError, match="relu5_3"):
        receptive_field("relu6_1")


def test_the_vgg_loss_is_its_formula(vgg, images):
    mean, std = (torch.tensor(v)[:, None, None] for v in (IMAGENET_MEAN, IMAGENET_STD))
    wanted = 0.0
    ours, theirs = ((image - mean) / std for image in images)
    for layer in vgg.features[:23]:
        ours, theirs = layer(ours), layer(theirs)
        if any(layer is vgg.features[vgg.index[name]] for name in JOHNSON_LAYERS):
            wanted += float(((ours - theirs) ** 2).double().mean())
    assert VGGLoss(vgg)(*images).item() == pytest.approx(wanted, rel=1e-5)


def test_lpips_is_its_formula(vgg, images):
    heads = torch.load(_heads_path(), map_location="cpu", weights_only=True)
    shift, scale = (torch.tensor(v) for v in ((-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)))
    wanted = torch.zeros(2, dtype=torch.float64)
    scaled = [(2 * i - 1 - shift[:, None, None]) / scale[:, None, None] for i in images]
    layers = [[vgg.features[: vgg.index[name] + 1](s) for name in LPIPS_LAYERS] for s in scaled]
    for number, (a, b) in enumerate(zip(*layers, strict=True)):
        a, b = (f.double() / f.double().norm(dim=1, keepdim=True) for f in (a, b))
        weight = heads[f"lin{number}.model.1.weight"].double().view(1, -1, 1, 1)
        wanted += (weight * (a - b) ** 2).sum(1).mean((1, 2))
    assert LPIPSLoss(vgg)(*images).item() == pytest.approx(wanted.mean().item(), rel=1e-4)


def test_lpips_equals_torchmetrics_where_torchvision_imports(vgg, images):
    pytest.importorskip("torchvision", exc_type=ImportError)
    from torchmetrics.functional.image.lpips import _LPIPS

    theirs = _LPIPS(pretrained=True, net="vgg", pnet_rand=True, eval_mode=True)
    state = {
        k: v
        for i, v in enumerate(vgg.state_dict().values())
        for k in [list(theirs.net.state_dict())[i]]
    }
    theirs.net.load_state_dict(state)
    wanted = theirs(images[0], images[1], normalize=True).mean()
    assert LPIPSLoss(vgg)(*images).item() == pytest.approx(wanted.item(), rel=1e-4)


def test_without_torchmetrics_the_error_says_what_to_install(monkeypatch, vgg):
    monkeypatch.setitem(sys.modules, "torchmetrics", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(ModuleNotFoundError, match=r"histmatch-lab\[lpips\]"):
        LPIPSLoss(vgg)


@pytest.mark.parametrize("name", ["l2+vgg", "l2+lpips"])
def test_both_pull_on_the_picture_and_on_nothing_else(name, vgg, images):
    loss = EnhancementLoss(name, lam=0.5, vgg=vgg)
    pred = images[0].clone().requires_grad_()
    total = loss(pred, images[1])
    total.backward()
    assert pred.grad.abs().max() > 0
    assert all(p.grad is None and not p.requires_grad for p in loss.parameters())
    extra = loss.terms[name.removeprefix("l2+")]
    assert total.item() == pytest.approx((loss.terms["l2"] + 0.5 * extra).item(), rel=1e-5)
    assert loss(images[1], images[1]).item() == 0
    assert "random, seed 0" in repr(loss)
