"""Image-adaptive 3D lookup tables, the second network of the course, after Zeng et al. 2020.

A 3D LUT is one colour map for the whole picture, and so the opposite of HDRNet's map for each
place: a small network mixes three learned tables into the one that suits the picture.
"""

import os
from itertools import pairwise, product

import torch
from torch import Tensor, nn

from histmatch_lab._checks import check_same_batch_and_dtype, checked_shape

TABLES = 3
SMOOTHNESS, MONOTONICITY = 1e-4, 10.0  # weights of the penalties in the authors' code


def apply_lut(lut: Tensor, image: Tensor) -> Tensor:
    """Each pixel's colour looked up in a table: (B, 3, S, S, S), (B, 3, H, W) -> (B, 3, H, W).

    lut[b, c, blue, green, red] is output channel c of a picture b where the colour stands at a
    node. 0 and 1 are the outermost of the S nodes of an axis; between nodes it is trilinear, and
    colours outside [0, 1] count as the nearest inside, without a gradient. At a node, where the
    slope jumps, an image's gradient is that of the cell above, at 1 that of the last cell.

    float32 in, float32 out; float64 likewise; half precision is computed and returned in float32.
    Raises TypeError or ValueError for tensors of another kind or shape, and for S below 2.

    >>> swapped = identity_lut(17).flip(0)[None]  # blue, green, red
    >>> image = torch.tensor([0.9, 0.5, 0.1]).view(1, 3, 1, 1)
    >>> apply_lut(swapped, image).flatten()
    tensor([0.1000, 0.5000, 0.9000])
    """
    image = checked_shape("image", image, "B 3 H W")
    lut = checked_shape("lut", lut, "B 3 S S S")
    check_same_batch_and_dtype("lut and image", lut, image)
    if not lut.shape[2] == lut.shape[3] == lut.shape[4] >= 2:
        raise ValueError(f"lut must have S >= 2 nodes along each axis, got {tuple(lut.shape)}")
    nodes = lut.shape[-1]
    place = image.clamp(0, 1) * (nodes - 1)
    low = place.detach().long().clamp(0, nodes - 2)
    steps = (1, nodes, nodes**2)  # to the next node along red, green and blue
    first = low[:, 0] + nodes * (low[:, 1] + nodes * low[:, 2])  # (B, H, W), the first of its cell
    red, green, blue = (place - low).unsqueeze(2).unbind(1)  # (B, 1, H, W) each, in [0, 1]

    table = lut.flatten(2)  # (B, 3, S S S)
    corners = [
        table.gather(2, (first + offset).flatten(1)[:, None].expand(-1, 3, -1)).view_as(image)
        for offset in map(sum, product(*((0, step) for step in reversed(steps))))
    ]
    for part in (red, green, blue):  # each halves the number of corners
        corners = [torch.lerp(a, b, part) for a, b in zip(corners[::2], corners[1::2], strict=True)]
    return corners[0]


def identity_lut(nodes: int) -> Tensor:
    """The table that changes nothing: (3, S, S, S), as one of the batch of ``apply_lut``."""
    levels = torch.linspace(0, 1, nodes)
    blue, green, red = torch.meshgrid(levels, levels, levels, indexing="ij")
    return torch.stack([red, green, blue])


class ImageAdaptiveLUT(nn.Module):
    """The network of Zeng et al. 2020: (B, 3, H, W) -> (B, 3, H, W), any height and width.

    Five convolutions on a copy of 256x256 pixels give three weights; the sum of three tables with
    these weights is the picture's own table. 593,516 parameters, of which the tables have 323,433.

    Args:
        nodes: of the tables along each axis, at least 2; the authors have 33.

    Takes images in [0, 1]; the result may lie outside and is not clamped. An untrained network
    returns its input. In training `penalty` is to be added to the loss; the authors' rate is 1e-4,
    and at 2e-3 the last convolution, which has 8192 inputs, makes the weights jump. The picture's
    weights are computed in the type of the parameters, the rest in that of the image, which is
    float32 for half precision. Another shape raises ValueError.

    >>> network = ImageAdaptiveLUT()
    >>> image = torch.rand(1, 3, 90, 160)
    >>> torch.allclose(network(image), image, atol=1e-6)
    True
    >>> network.lut(image).shape
    torch.Size([1, 3, 33, 33, 33])
    """

    def __init__(self, *, nodes: int = 33) -> None:
        super().__init__()
        self.architecture = {"nodes": nodes}
        normalised = [
            layer
            for channels in pairwise((3, 16, 32, 64, 128))
            for layer in (
                *_halving_convolution(*channels),
                nn.InstanceNorm2d(channels[1], affine=True),
            )
        ]
        self.model = nn.Sequential(  # under the authors' names, which their checkpoints have
            nn.Upsample(size=(256, 256), mode="bilinear"),
            *normalised,
            *_halving_convolution(128, 128),
            nn.Dropout(0.5),
            nn.Conv2d(128, TABLES, 8),
        )
        self.tables = nn.Parameter(torch.zeros(TABLES, 3, nodes, nodes, nodes))
        self._start_as_identity()

    @classmethod
    def from_published(
        cls, luts: str | os.PathLike[str], classifier: str | os.PathLike[str]
    ) -> "ImageAdaptiveLUT":
        """From the authors' two checkpoints, LUTs.pth and classifier.pth.

        Raises ValueError if their keys or shapes are not those of this network.
        """
        named = torch.load(luts, map_location="cpu", weights_only=True)
        state = torch.load(classifier, map_location="cpu", weights_only=True)
        try:
            tables = torch.stack([named[str(number)]["LUT"] for number in range(TABLES)])
            network = cls(nodes=tables.shape[-1])
            network.load_state_dict({**state, "tables": tables})
        except (KeyError, TypeError, RuntimeError) as error:
            raise ValueError(
                f"{luts} and {classifier} must hold three tables and their network, got {error!r}"
            ) from error
        return network

    def forward(self, image: Tensor) -> Tensor:
        return apply_lut(self.lut(image), image)

    def lut(self, image: Tensor) -> Tensor:
        """The table for each picture: (B, 3, H, W) -> (B, 3, S, S, S)."""
        image = checked_shape("image", image, "B 3 H W")
        weights = self.model(image.to(self.tables.dtype)).view(-1, TABLES, 1, 1, 1, 1)
        return (weights.to(image.dtype) * self.tables.to(image.dtype)).sum(1)

    def penalty(self) -> Tensor:
        """What training adds to the loss: 1e-4 times `smoothness` and 10 times `monotonicity`.

        (The authors' 1e-4 also weighs the mean square of the picture's three weights: too little to
        matter.)
        """
        return SMOOTHNESS * self.smoothness() + MONOTONICITY * self.monotonicity()

    def smoothness(self) -> Tensor:
        """Squared steps between neighbouring nodes, the first and the last of an axis twice.

        The mean over a table, summed over axes and tables.
        """
        weights = self.tables.new_ones(self.architecture["nodes"] - 1)
        weights[[0, -1]] = 2
        return torch.stack([(step.square() * weights).mean() for step in self._steps()]).sum()

    def monotonicity(self) -> Tensor:
        """How far the tables fall where they should rise; mean and sums as in `smoothness`."""
        return torch.stack([step.neg().relu().mean() for step in self._steps()]).sum()

    def _steps(self) -> list[Tensor]:
        """From node to node, for each table and each of its axes; that axis is the last."""
        return [table.movedim(axis, -1).diff() for table in self.tables for axis in (1, 2, 3)]

    def _start_as_identity(self) -> None:
        """Exactly: one table is the identity, with weight 1 for any picture, the others are zero.

        The convolution that weighs these is random: if it were not, they would learn the same.
        """
        *convolutions, last = [layer for layer in self.model if isinstance(layer, nn.Conv2d)]
        for layer in (*convolutions, last):
            nn.init.xavier_normal_(layer.weight)
        with torch.no_grad():
            last.weight[0] = 0
            assert last.bias is not None
            last.bias.fill_(1)
            self.tables[0] = identity_lut(self.architecture["nodes"])


def _halving_convolution(channels_in: int, channels_out: int) -> list[nn.Module]:
    return [nn.Conv2d(channels_in, channels_out, 3, stride=2, padding=1), nn.LeakyReLU(0.2)]
