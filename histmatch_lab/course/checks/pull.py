"""Checks of the exercises in notebook 02 on the pull: its sign, and its strength."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .feedback import chance, check_function, mistakes, rng


def _images_and_places() -> list[tuple[Tensor, Tensor, float]]:
    """CDFs that cross, or meet, from bin to bin, so that a wrong bin shows.

    Asked just below the upper edge of a bin, where that edge alone decides.
    """
    generator, asked = rng(), []
    for bins in (8, 256):
        steps = 1 + torch.rand(bins, generator=generator, dtype=torch.float64)
        cdf = (steps / steps.sum()).cumsum(0)
        gap = torch.randint(-1, 2, (bins,), generator=generator) * (0.2 / bins)
        inner = torch.randperm(bins - 2, generator=generator)[:80].add(1).tolist()
        asked += [(cdf, cdf + gap, (k + 0.9) / bins) for k in inner]
    return asked


def _off_by(by: int, sign: int) -> Callable[[Tensor, int], Tensor]:
    return lambda gap, k: sign * gap.roll(by)[k].sign()


_OFF_BY_ONE = "You are off by one bin: x lies in bin k = int(x * K), from 0; the CDF has K entries."
_NO_PULL = "Where the two CDFs are equal, there is no pull: the answer there is 0."
check_pull_sign = check_function(
    "`pull_sign(cdf_image, cdf_target, x)`: 1 where the loss makes a pixel lighter, else -1 or 0.",
    _images_and_places,
    lambda gap, k: gap[k].sign(),
    (
        *mistakes(
            lambda gap, k: -gap[k].sign(),
            "The other way round: CDF(image) > CDF(target) is too many pixels below x, to be made "
            "lighter.",
            lambda gap, k: gap[k],
            "Only the sign of the gap counts, not its size: 1, 0 or -1. That is what L1 means.",
            lambda gap, k: (gap[k] - gap[k - 1]).sign(),
            "You compare histograms, not the CDFs. A pixel is pulled by those missing further up.",
            lambda gap, k: gap[k].sign() or 1.0,
            _NO_PULL,
            lambda gap, k: gap[k].sign() or -1.0,
            _NO_PULL,
        ),
        *((_off_by(by, sign), _OFF_BY_ONE) for by in (-1, 1) for sign in (-1, 1)),
    ),
    "Where the picture's CDF lies above the target's, too many pixels are too dark, and the loss "
    "makes them lighter.",
    "Some are wrong. It is 1, 0 or -1: which bin does x lie in, and is there a gap?",
    # the gap between both CDFs at the upper edge of each bin, and the bin that x lies in
    facts=lambda image, target, x: ((image - target).round(decimals=9), int(x * len(image))),
)


def _bumps(x: Tensor, edges: Tensor, s: float) -> Tensor:
    z = s * (x[:, None] - edges)
    return s * torch.sigmoid(z) * torch.sigmoid(-z)


def _pull(x: Tensor, edges: Tensor, s: float) -> Tensor:
    return _bumps(x, edges, s).sum(1) * (edges[1] - edges[0])


def _pixels_and_edges() -> list[tuple[Any, ...]]:
    bins = chance.randrange(20, 60)
    x = 0.2 + 0.6 * torch.rand(50, dtype=torch.float64, generator=rng())
    edges = torch.linspace(0, 1, bins + 1, dtype=torch.float64)
    return [(x, edges, bins * chance.uniform(4, 10))]


check_pull = check_function(
    "02: the pull on pixels of intensity x: (x, edges, s) -> a number for each x.",
    _pixels_and_edges,
    _pull,
    mistakes(
        lambda x, e, s: _bumps(x, e, s).sum(1),
        "The factor L is missing: the loss counts in bins, the pull in intensity.",
        lambda x, e, s: _pull(x, e, s) / s,
        "The factor s is missing: the chain rule of sigma(s (x - e)).",
        lambda x, e, s: _bumps(x, e, s).sum(1) / s,
        "The factors s and L are missing.",
        lambda x, e, s: _pull(x, e, s) / len(e),
        "A mean over the edges. The loss of Eq. 5 is a sum.",
        lambda x, e, s: _bumps(x, e, s).mean(1),
        "A mean over the edges gives 1/(K + 1), and L is 1/K.",
        lambda x, e, s: -_pull(x, e, s),
        "The sign is wrong. Count the pull towards the target as positive.",
        lambda x, e, s: s * torch.sigmoid(s * (x[:, None] - e)).sum(1) * e[1],
        "That sums sigma. The pull sums its derivative.",
        lambda x, e, s: _pull(x, (e[1:] + e[:-1]) / 2, s),
        "These bumps stand on the bin centres. The loss compares CDFs at the bin edges.",
        lambda x, e, s: _bumps(x, e, s).max(1).values * e[1],
        "Only the nearest edge. Its neighbours reach here.",
    ),
    "The same as the gradient of the library's loss.",
    "These are other numbers. Evaluate at one edge, x = e: there sigma'(0) = 1/4.",
    returns="a number for each x. Sum over the edges, its last axis",
    rtol=1e-4,
    atol=1e-7,
)
