"""The losses that the paper compares: Eq. 5, Eq. 6 and the pixel losses beside them.

Beside Eq. 5 stand other distances of distributions, and SSIM, which the paper does not try.
"""

import inspect
from collections.abc import Callable
from typing import Literal, TypeVar, get_args

import torch
from torch import Tensor, nn

from histmatch_lab._checks import (
    Range,
    check_option,
    check_same_shape,
    checked_bins,
    checked_range,
    checked_shape,
    checked_slope,
    import_extra,
)
from histmatch_lab.distances import cramer, emd, wasserstein_1d
from histmatch_lab.histogram import Outside, soft_histogram
from histmatch_lab.perceptual import LPIPSLoss, VGGLoss

Units = Literal["bins", "intensity"]
Term = TypeVar("Term", bound=Callable[..., nn.Module])

_TERMS: dict[str, Callable[..., nn.Module]] = {}


def register_term(name: str) -> Callable[[Term], Term]:
    """Let ``EnhancementLoss`` find a loss by name: a decorator for a module or what makes one.

    The module takes (pred, target), both (B, C, H, W), and returns a scalar. A later term of the
    same name replaces the earlier, so that a notebook's cell can be run again. Raises ValueError
    for a name that is empty or contains "+".

    >>> @register_term("mean colour")
    ... class MeanColour(nn.Module):
    ...     def forward(self, pred, target):
    ...         return (pred.mean((2, 3)) - target.mean((2, 3))).abs().mean()
    >>> loss = EnhancementLoss("l2+mean colour", lam=0.1)
    """
    if not name or "+" in name:
        raise ValueError(f"name must be without '+' and not empty, got {name!r}")

    def register(term: Term) -> Term:
        _TERMS[name] = term
        return term

    return register


register_term("l1")(nn.L1Loss)
register_term("l2")(nn.MSELoss)
register_term("vgg")(VGGLoss)
register_term("lpips")(LPIPSLoss)


@register_term("histmatch")
class HistogramMatchingLoss(nn.Module):
    """Eq. 5, the Earth Mover's Distance between the histograms of two images.

    (pred, target), both (B, C, H, W) -> scalar, the mean over batch and channels.

    Args:
        bins, alpha, bandwidth, range, outside: as in ``soft_histogram``.
        units: "bins" is Eq. 5, a distance in bins that grows with their number; "intensity"
            multiplies it by the width of a bin, which makes ``lam`` comparable between numbers of
            bins (erratum 7).

    The paper's ``outside="drop"`` moves pixels at the lower end of the range the wrong way, with up
    to s/4 times the gradient: what leaks out there is missing from every entry of the CDF
    (notebook 03). "clamp" moves them the right way.

    Raises:
        ValueError: for images that differ in shape or are not (B, C, H, W); for options and
            values as ``soft_histogram``. (Images of two sizes can be compared with
            ``emd(soft_histogram(a.flatten(2)), soft_histogram(b.flatten(2)))``.)

    >>> import torch
    >>> target = torch.linspace(0.2, 0.6, 4096).view(1, 1, 64, 64)
    >>> loss = HistogramMatchingLoss(bins=100, alpha=1000, units="intensity")
    >>> round(loss(target + 0.1, target).item(), 4)
    0.1
    """

    def __init__(
        self,
        bins: int = 256,
        *,
        alpha: float = 1000.0,
        bandwidth: float = 1.0,
        range: Range = (0.0, 1.0),
        outside: Outside = "drop",
        units: Units = "bins",
    ) -> None:
        super().__init__()
        checked_slope(alpha, bandwidth)
        check_option("outside", outside, get_args(Outside))
        check_option("units", units, get_args(Units))
        self.bins = checked_bins(bins)
        self.range = checked_range(range)
        self.alpha, self.bandwidth, self.outside, self.units = alpha, bandwidth, outside, units

    def forward(self, pred: Tensor, target: Tensor) -> Tensor:
        _check_images(pred, target)
        loss = self._distance(self._histogram(pred), self._histogram(target))  # (B, C)
        loss = loss.mean()
        return loss * self.bin_width if self.units == "intensity" else loss

    @property
    def bin_width(self) -> float:
        low, high = self.range
        return (high - low) / self.bins

    def extra_repr(self) -> str:
        return (
            f"bins={self.bins}, alpha={self.alpha}, bandwidth={self.bandwidth}, "
            f"range={self.range}, outside={self.outside!r}, units={self.units!r}"
        )

    _distance = staticmethod(emd)

    def _histogram(self, image: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, bins)"""
        return soft_histogram(
            image.flatten(2),
            self.bins,
            alpha=self.alpha,
            bandwidth=self.bandwidth,
            range=self.range,
            outside=self.outside,
        )


@register_term("cramer")
class CramerLoss(HistogramMatchingLoss):
    """``HistogramMatchingLoss`` with the squared Cramér distance in place of Eq. 5.

    >>> black, white = torch.zeros(1, 1, 8, 8), torch.ones(1, 1, 8, 8)
    >>> round(CramerLoss(100, units="intensity", outside="clamp")(black, white).item(), 2)
    0.99
    """

    _distance = staticmethod(cramer)


@register_term("w1")
class WassersteinLoss(nn.Module):
    """``wasserstein_1d`` of each channel's pixels: Eq. 5 without bins, alpha and ends.

    (pred, target), both (B, C, H, W) -> scalar in intensity, the mean over batch and channels.
    Sorting takes several times as long as the histogram. Raises as ``HistogramMatchingLoss``.

    >>> image = torch.rand(1, 3, 8, 8)
    >>> round(WassersteinLoss()(image + 0.25, image).item(), 4)
    0.25
    """

    def forward(self, pred: Tensor, target: Tensor) -> Tensor:
        _check_images(pred, target)
        return wasserstein_1d(pred.flatten(2), target.flatten(2)).mean()


@register_term("sliced")
class SlicedWassersteinLoss(nn.Module):
    """``wasserstein_1d`` along directions in RGB: sees colours, where "w1" sees three channels.

    (pred, target), both (B, 3, H, W) -> scalar, the mean over batch and directions, in intensity
    (Bonneel et al. 2015). The directions are drawn on the sphere from a seed of their own: always
    the same. Raises ValueError as ``HistogramMatchingLoss``, or for less than one direction.

    >>> red, green = torch.eye(3)[:2, :, None, None]
    >>> pair = torch.stack([red, green]).expand(2, 3, 1, 1)
    >>> bool(SlicedWassersteinLoss()(pair[:1], pair[1:]) > 0)
    True
    """

    directions: Tensor

    def __init__(self, directions: int = 8) -> None:
        super().__init__()
        if directions < 1:
            raise ValueError(f"directions must be at least 1, got {directions}")
        drawn = torch.randn(directions, 3, generator=torch.Generator().manual_seed(0))
        self.register_buffer("directions", nn.functional.normalize(drawn), persistent=False)

    def forward(self, pred: Tensor, target: Tensor) -> Tensor:
        _check_images(pred, target, "B 3 H W")
        along = (self.directions @ image.flatten(2) for image in (pred, target))
        return wasserstein_1d(*along).mean()


@register_term("ssim")
class SSIMLoss(nn.Module):
    """1 - SSIM (Wang et al. 2004), in Gaussian windows of 11 pixels; needs torchmetrics.

    (pred, target), both (B, C, H, W) in [0, 1] -> scalar, the mean over batch and channels.
    """

    def __init__(self) -> None:
        super().__init__()
        metrics = import_extra("torchmetrics.functional.image", "computes SSIM", "lpips")
        self._ssim = metrics.structural_similarity_index_measure

    def forward(self, pred: Tensor, target: Tensor) -> Tensor:
        _check_images(pred, target)
        return 1 - self._ssim(pred, target, data_range=1.0)


def terms_of(name: str) -> list[str]:
    """["l2", "vgg"] of "l2+vgg"; ValueError for an unknown term or one that comes twice."""
    names = name.split("+")
    if not _TERMS.keys() >= set(names) or len(set(names)) < len(names):
        raise ValueError(
            f"name must be one or more different terms of {', '.join(sorted(_TERMS))}, "
            f"joined by '+', got {name!r}"
        )
    return names


def options_of(name: str) -> list[str]:
    """The options that ``EnhancementLoss`` takes with this name; ValueError as ``terms_of``.

    >>> options_of("l2+histmatch")
    ['lam', 'bins', 'alpha', 'bandwidth', 'range', 'outside', 'units']
    """
    *others, last = terms_of(name)
    parameters = inspect.signature(_TERMS[last]).parameters.values()
    named = [p.name for p in parameters if p.kind is not inspect.Parameter.VAR_KEYWORD]
    return (["lam"] if others else []) + named


class EnhancementLoss(nn.Module):
    """Eq. 6: a reconstruction loss, and ``lam`` times another: (pred, target) -> scalar.

    Args:
        name: "l1", "l2", "l2+histmatch", "l2+vgg", "l2+lpips" or any registered terms joined by
            "+" (see ``register_term``). The first has weight 1, each further one ``lam``. "l2",
            the L_rec of the paper ("the L2 distance"), is the mean squared error; "l1" the mean
            absolute one.
        lam: lambda of Eq. 6. The mean over the channels that Eq. 6 writes as 1/3 times a sum is
            taken by the histogram term.
        options: for the last term, such as ``bins`` of "histmatch".

    Attributes:
        terms: the terms of the last call by name, detached and not multiplied by ``lam``, for
            logging.

    Raises:
        ValueError: for an unknown term; in a call, for images that differ in shape or are not
            (B, C, H, W).
        TypeError: for an option that the last term does not have.

    >>> import torch
    >>> loss = EnhancementLoss("l2+histmatch", lam=0.1, bins=100, units="intensity")
    >>> total = loss(torch.full((1, 3, 8, 8), 0.7), torch.full((1, 3, 8, 8), 0.5))
    >>> {name: round(term.item(), 3) for name, term in loss.terms.items()}
    {'l2': 0.04, 'histmatch': 0.2}
    >>> round(total.item(), 3)
    0.06
    """

    def __init__(self, name: str, *, lam: float = 1.0, **options: object) -> None:
        super().__init__()
        *others, last = terms_of(name)
        if not lam >= 0:
            raise ValueError(f"lam must be 0 or more, got {lam!r}")
        self.name, self.lam = name, lam
        self.losses = nn.ModuleDict({part: _TERMS[part]() for part in others})
        self.losses[last] = _TERMS[last](**options)
        self.terms: dict[str, Tensor] = {}

    def forward(self, pred: Tensor, target: Tensor) -> Tensor:
        _check_images(pred, target)
        values = {name: loss(pred, target) for name, loss in self.losses.items()}
        self.terms = {name: value.detach() for name, value in values.items()}
        total, *others = values.values()
        for value in others:
            total = total + self.lam * value
        return total

    def extra_repr(self) -> str:
        return f"{self.name!r}, lam={self.lam}"


def _check_images(pred: Tensor, target: Tensor, shape: str = "B C H W") -> None:
    checked_shape("pred", pred, shape)
    checked_shape("target", target, shape)
    check_same_shape("pred and target", pred, target)
