"""HDRNet, the enhancement network that the paper trains (section 4), after Gharbi et al. 2017.

A small copy of the picture gives a coarse grid of colour transforms, which ``slicing.py`` reads at
full size.
"""

import json
import math
import os
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from histmatch_lab._checks import checked_shape
from histmatch_lab._files import safetensors_bytes, write_whole
from histmatch_lab.lut import ImageAdaptiveLUT
from histmatch_lab.ops.devices import small_square
from histmatch_lab.slicing import AFFINE, Guide, slice_and_apply


class HDRNet(nn.Module):
    """The network of Gharbi et al. 2017: (B, 3, H, W) -> (B, 3, H, W), any height and width.

    ``HDRNet.paper()`` is the published one; with no argument this is the same.

    Args:
        low_resolution: side of the small square copy of the picture that the coefficients come
            from, a power of two times ``grid_size``.
        width: channels after the first convolution; they double with each halving of the size.
        hidden: units of the fully connected layers of the global path before its last.
        grid_size: height and width of the bilateral grid, a multiple of 4.
        depth: how many levels of brightness it has.

    Takes images in [0, 1]; the result may lie outside and is not clamped. An untrained network
    returns its input, up to about 0.01. The grid is computed in the type of the weights, what
    happens at full size in that of the image, under autocast too; half-precision images are taken
    as float32. Another shape raises ValueError.

    >>> network = HDRNet.compact()
    >>> image = torch.rand(1, 3, 90, 160)
    >>> network(image).shape
    torch.Size([1, 3, 90, 160])
    >>> network.coefficients(image).shape
    torch.Size([1, 12, 8, 16, 16])
    """

    def __init__(
        self,
        *,
        low_resolution: int = 256,
        width: int = 8,
        hidden: Sequence[int] = (256, 128),
        grid_size: int = 16,
        depth: int = 8,
    ) -> None:
        super().__init__()
        halvings = _halvings(low_resolution, grid_size)
        sizes = {"low_resolution": low_resolution, "grid_size": grid_size, "depth": depth}
        self.architecture = {**sizes, "width": width, "hidden": list(hidden)}
        self.low_resolution, self.depth = low_resolution, depth
        channels = [3, *(width * 2**stage for stage in range(halvings))]
        features = channels[-1]
        self.splat = nn.Sequential(*_halving_convolutions(channels))
        self.local_path = nn.Sequential(
            nn.Conv2d(features, features, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(features, features, 3, padding=1, bias=False),
        )
        self.global_path = nn.Sequential(
            *_halving_convolutions([features, features, features]),
            nn.Flatten(),
            *_fully_connected([features * (grid_size // 4) ** 2, *hidden, features]),
        )
        self.to_grid = nn.Conv2d(features, AFFINE * depth, 1)
        self.guide = Guide(depth)
        self._start_as_identity()

    @classmethod
    def paper(cls) -> "HDRNet":
        """The published network without batch normalisation, 482,077 parameters.

        layer                               size of its result   parameters
        splat, 3x3 convolutions, stride 2    8 x 128 x 128              224
                                            16 x  64 x  64            1,168
                                            32 x  32 x  32            4,640
                                            64 x  16 x  16           18,496
        local, 3x3 convolutions             64 x  16 x  16           36,928
            second without bias             64 x  16 x  16           36,864
        global, 3x3 convolutions, stride 2  64 x   8 x   8           36,928
                                            64 x   4 x   4           36,928
            fully connected                 256                     262,400
                                            128                      32,896
                                            64                        8,256
        relu(local + global)                64 x  16 x  16
        1x1 convolution                     12 x 8 x 16 x 16          6,240
        guide                                H x W                      109
        slice and apply                     3 x H x W
        """
        return cls()

    @classmethod
    def compact(cls) -> "HDRNet":
        """The network that the course trains: the same with a 128x128 copy of the picture, 32
        features, fully connected layers of 64, and the same 8x16x16 grid; 85,341 parameters.
        """
        return cls(low_resolution=128, hidden=(64, 64))

    def forward(self, image: Tensor) -> Tensor:
        return slice_and_apply(self.coefficients(image), self.guide(image), image)

    def coefficients(self, image: Tensor) -> Tensor:
        """The bilateral grid of 3x4 affine maps: (B, 3, H, W) -> (B, 12, D, Gh, Gw)."""
        image = checked_shape("image", image, "B 3 H W")
        small = small_square(image, self.low_resolution).to(self.to_grid.weight.dtype)
        features = self.splat(small)  # (B, 64, Gh, Gw)
        local = self.local_path(features)  # (B, 64, Gh, Gw)
        everywhere = self.global_path(features)[:, :, None, None]  # (B, 64, 1, 1)
        grid: Tensor = self.to_grid(F.relu(local + everywhere))  # (B, 12 D, Gh, Gw)
        return grid.unflatten(1, (AFFINE, self.depth)).to(image.dtype)

    def _start_as_identity(self) -> None:
        """Only nearly: with zeros for last weights, nothing before them would learn at first."""
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)
        nn.init.normal_(self.to_grid.weight, std=5e-4)
        assert self.to_grid.bias is not None
        with torch.no_grad():
            self.to_grid.bias.copy_(torch.eye(3, 4).flatten().repeat_interleave(self.depth))


Network = HDRNet | ImageAdaptiveLUT
# in the metadata of a file of weights, the architecture stands under the network's name
_NAMED = {f"histmatch_lab.{kind.__name__}": kind for kind in (HDRNet, ImageAdaptiveLUT)}


def save_network(
    network: Network, path: str | os.PathLike[str], facts: Mapping[str, str] | None = None
) -> None:
    """Write weights, architecture and facts about them to a safetensors file.

    facts: anything worth knowing in a year, such as {"loss": "l2+histmatch", "seed": "3"}; strings.
    The file appears whole or not at all; the same network and facts give the same bytes. Raises
    TypeError for a fact that is no string.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     save_network(HDRNet.compact(), f"{folder}/a.safetensors", {"seed": "3"})
    ...     [path.name for path in Path(folder).iterdir()]
    ['a.safetensors']
    """
    facts = facts or {}
    for name, fact in facts.items():
        if not isinstance(fact, str):
            raise TypeError(f"{name} must be a string, got {fact!r}")
    tensors = {name: tensor.cpu().contiguous() for name, tensor in network.state_dict().items()}
    name = f"histmatch_lab.{type(network).__name__}"
    metadata = {**facts, name: json.dumps(network.architecture)}
    write_whole(Path(path), safetensors_bytes(tensors, metadata))


def load_network(path: str | os.PathLike[str]) -> Network:
    """The network that ``save_network`` wrote, on the CPU, to be used or trained further.

    Raises FileNotFoundError, and ValueError for a file that holds no such network.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     save_network(HDRNet.compact(), f"{folder}/a.safetensors")
    ...     network = load_network(f"{folder}/a.safetensors")
    >>> network(torch.rand(1, 3, 20, 30)).shape
    torch.Size([1, 3, 20, 30])
    """
    metadata = _metadata(path)
    [name] = _NAMED.keys() & metadata.keys()
    try:
        network = _NAMED[name](**json.loads(metadata[name]))
        network.load_state_dict(safetensors.torch.load_file(path))
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{path} must hold a network that fits {name}, got {error}") from error
    return network


def network_facts(path: str | os.PathLike[str]) -> dict[str, str]:
    """The facts that ``save_network`` was given. Raises as ``load_network`` does.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     save_network(HDRNet.compact(), f"{folder}/a.safetensors", {"seed": "3"})
    ...     network_facts(f"{folder}/a.safetensors")
    {'seed': '3'}
    """
    return {name: fact for name, fact in _metadata(path).items() if name not in _NAMED}


def _metadata(path: str | os.PathLike[str]) -> dict[str, str]:
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            metadata: dict[str, str] = file.metadata() or {}
    except safetensors.SafetensorError as error:
        raise ValueError(f"{path} must be a safetensors file, got {error}") from error
    if not _NAMED.keys() & metadata.keys():
        raise ValueError(f"{path} must be a file that save_network wrote")
    return metadata


def _halvings(low_resolution: int, grid_size: int) -> int:
    halvings = round(math.log2(low_resolution / grid_size))
    if halvings < 1 or low_resolution != grid_size * 2**halvings or grid_size % 4:
        raise ValueError(
            "low_resolution must be grid_size times 2, 4, 8 ... and grid_size a multiple of 4, "
            f"got {low_resolution} and {grid_size}"
        )
    return halvings


def _halving_convolutions(channels: Sequence[int]) -> list[nn.Module]:
    """A 3x3 convolution between each two numbers of channels; each halves height and width."""
    layers: list[nn.Module] = []
    for channels_in, channels_out in pairwise(channels):
        layers += [nn.Conv2d(channels_in, channels_out, 3, stride=2, padding=1), nn.ReLU()]
    return layers


def _fully_connected(units: Sequence[int]) -> list[nn.Module]:
    """Layers between each two numbers of units, with a ReLU between each two layers."""
    layers: list[nn.Module] = []
    for units_in, units_out in pairwise(units):
        layers += [nn.Linear(units_in, units_out), nn.ReLU()]
    return layers[:-1]
