"""One channel of a photograph through the settings of Eq. 5: what the loss microscope shows.

Photographs are taken here as an 8-bit screen shows them, so that everything follows from 256
levels: a histogram is a mean over them, and the gradient of Eq. 5 on a pixel depends on its value
alone. One more value is the picked pixel's: the one in the centre, moved to any intensity.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from histmatch_lab.demos import shared
from histmatch_lab.demos.shared import BIN_RANGES, LEVELS, level_shares
from histmatch_lab.histogram import Outside, Range, bin_edges, soft_cdf

AGREE = 1e-9  # CDFs closer than this are equal but for rounding, and pull at nothing


class Lens(NamedTuple):
    """The settings of Eq. 5: K, the slope s = alpha / B, the range, what is done outside it."""

    bins: int
    slope: float
    range: Range
    outside: Outside

    @property
    def bin_width(self) -> float:
        low, high = self.range
        return (high - low) / self.bins

    @property
    def edges(self) -> Tensor:
        return bin_edges(self.bins, range=self.range, dtype=torch.float64)

    @property
    def options(self) -> dict[str, Any]:
        """The keyword arguments of `soft_cdf` and its like."""
        return {"alpha": self.slope, "range": self.range, "outside": self.outside}


class View(NamedTuple):
    """The green of a picture and of its target through a lens; one pixel is moved.

    Attributes:
        values, shares: (257,), the levels and the picked pixel's intensity, and the share of the
            picture's pixels at each.
        cdf, wanted: (bins,), the soft CDFs of the picture and of the target; gap: the difference.
        pixel: (bins,), the soft CDF of the picked pixel alone.
        pull: (257,), on a pixel at each of the values.
    """

    lens: Lens
    values: Tensor
    shares: Tensor
    cdf: Tensor
    wanted: Tensor
    gap: Tensor
    pixel: Tensor
    pull: Tensor

    @property
    def emd(self) -> float:
        """Eq. 5, in bins."""
        return float(self.gap.abs().sum())


def look(photo: Tensor, target: Tensor, lens: Lens, x: float) -> View:
    """A picture, its central pixel moved to x, and its target: (3, H, W) in [0, 1]."""
    values = torch.cat([LEVELS, LEVELS.new_tensor([x])])
    levels = shared.levels_of(photo, "green")
    shares = torch.cat([level_shares(photo, "green"), LEVELS.new_zeros(1)])
    shares[levels[center(photo)]] -= 1 / levels.numel()
    shares[-1] += 1 / levels.numel()
    cdfs = soft_cdf(values[:, None], lens.bins, **lens.options)
    cdf, wanted = shares @ cdfs, level_shares(target, "green") @ cdfs[:-1]
    gap = torch.where((cdf - wanted).abs() < AGREE, 0, cdf - wanted)
    pull = shared.pull_at(values, gap.sign(), **lens.options)
    return View(lens, values, shares, cdf, wanted, gap, cdfs[-1], pull)


def center(photo: Tensor) -> tuple[int, int]:
    """Row and column of the pixel that is moved."""
    return photo.shape[1] // 2, photo.shape[2] // 2


def lens_of(alpha: float, bins: int, bandwidth: str, extent: str, outside: Outside) -> Lens:
    """The lens that the controls' values stand for."""
    lens = Lens(bins, alpha, BIN_RANGES[extent], outside)
    return lens if bandwidth == "1" else lens._replace(slope=2.5 * alpha / lens.bin_width)


def in_bins(cdf: Tensor) -> Tensor:
    """The histogram of a CDF."""
    return cdf.diff(prepend=cdf.new_zeros(1))
