"""Reading a bilateral grid at every pixel of a full picture, after Gharbi et al. 2017, section 3.3.

The guide says at which brightness level each pixel reads. The work is done in ``ops/slices.py`` and
``ops/ramps.py``.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from histmatch_lab._checks import check_same_batch_and_dtype, check_same_shape, checked_shape
from histmatch_lab.ops.ramps import sum_of_ramps
from histmatch_lab.ops.slices import sliced

AFFINE = 12  # numbers in a 3x4 matrix
KNOTS = 16  # of the guide's curve of each channel


def bilateral_slice(grid: Tensor, guide: Tensor) -> Tensor:
    """A grid read at each pixel's place and guide value.

    (B, C, D, Gh, Gw), (B, H, W) -> (B, C, H, W).

    Trilinear between the centres of the grid's cells. The pixel in row y and column x reads at

        ((x + 1/2) Gw / W - 1/2,  (y + 1/2) Gh / H - 1/2,  D guide(y, x) - 1/2)

    along Gw, Gh and D. Beyond the outermost centres the grid continues with its outermost values,
    so that a guide below 1/(2D) or above 1 - 1/(2D) changes nothing and gets no gradient.

    float32 in, float32 out; float64 likewise; half precision is computed and returned in float32.
    Raises TypeError or ValueError for tensors of another kind or shape.

    >>> dark, bright = torch.zeros(1, 1, 4, 4), torch.ones(1, 1, 4, 4)
    >>> grid = torch.stack([dark, bright], dim=2)  # (1, 1, 2, 4, 4): what is read is the guide's
    >>> bilateral_slice(grid, torch.tensor([[[0.1, 0.25, 0.5, 0.75, 0.9]]])).tolist()
    [[[[0.0, 0.0, 0.5, 1.0, 1.0]]]]
    """
    return sliced(*_checked(grid, guide))


def slice_and_apply(grid: Tensor, guide: Tensor, image: Tensor) -> Tensor:
    """A 3x4 affine map of colour for each pixel, read from the grid and applied.

    (B, 12, D, Gh, Gw), (B, H, W), (B, 3, H, W) -> (B, 3, H, W). Coefficient 4 r + c takes input
    channel c to output channel r; c = 3 is the offset:

        out[r] = a[4 r] red + a[4 r + 1] green + a[4 r + 2] blue + a[4 r + 3].

    Where the coefficients come from, types and errors: as in ``bilateral_slice``.

    >>> swap = torch.tensor([[0.0, 0, 1, 0], [0, 1, 0, 0], [1, 0, 0, 0]])  # red and blue
    >>> grid = swap.view(1, 12, 1, 1, 1)
    >>> image = torch.tensor([0.9, 0.5, 0.1]).view(1, 3, 1, 1)
    >>> slice_and_apply(grid, torch.zeros(1, 1, 1), image).flatten()
    tensor([0.1000, 0.5000, 0.9000])
    """
    grid, guide = _checked(grid, guide)
    image = checked_shape("image", image, "B 3 H W")
    checked_shape("grid", grid, f"B {AFFINE} D Gh Gw")
    check_same_shape("guide and each channel of image", guide, image[:, 0])
    return sliced(grid, guide, image)


def _checked(grid: Tensor, guide: Tensor) -> tuple[Tensor, Tensor]:
    grid = checked_shape("grid", grid, "B C D Gh Gw")
    guide = checked_shape("guide", guide, "B H W")
    check_same_batch_and_dtype("grid and guide", grid, guide)
    return grid, guide


class Guide(nn.Module):
    """The brightness level that each pixel reads the grid at: (B, 3, H, W) -> (B, H, W).

    Gharbi et al., Eq. 5-6: a 3x3 colour matrix, for each of its channels a curve of 16 knots, the
    sum of slope * max(x - shift, 0), and a weighted sum of the three. It starts as the mean of the
    channels. (Their offset of the matrix only moves the shifts and is left out.)

    They clamp the result to [0, 1], where a pixel that ends up outside gets no gradient ever again.
    Here the level is bent smoothly (``soft_clamp``) towards the outermost centres of the grid's
    ``depth`` cells, beyond which the grid is constant.
    """

    def __init__(self, depth: int) -> None:
        super().__init__()
        self.matrix = nn.Parameter(torch.eye(3))
        self.shifts = nn.Parameter(torch.arange(KNOTS).repeat(3, 1) / KNOTS)
        self.slopes = nn.Parameter(torch.eye(1, KNOTS).repeat(3, 1))
        self.mix = nn.Parameter(torch.full((3,), 1 / 3))
        self.offset = nn.Parameter(torch.zeros(()))
        self.depth = depth

    def forward(self, image: Tensor) -> Tensor:
        pixels = checked_shape("image", image, "B 3 H W").flatten(2)  # (B, 3, H W)
        weights = (self.slopes * self.mix[:, None]).view(1, -1)  # (1, 48)
        ramps = self.matrix.repeat_interleave(KNOTS, dim=0)  # (48, 3)
        curves = (curve.to(pixels.dtype) for curve in (ramps, self.shifts.view(-1, 1), weights))
        level = sum_of_ramps(pixels, *curves) + self.offset.to(pixels.dtype)
        return soft_clamp(level.view_as(image[:, 0]), 1 / (2 * self.depth))


def soft_clamp(level: Tensor, margin: float) -> Tensor:
    """Into [margin, 1 - margin], with a gradient that fades as 1 / x^2 but never vanishes. Levels
    from 2 margin to 1 - 2 margin stay as they are.
    """
    inner = level.clamp(2 * margin, 1 - 2 * margin)
    return inner + margin * F.softsign((level - inner) / margin)
