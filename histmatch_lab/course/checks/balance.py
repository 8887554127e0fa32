"""Check of the exercise on Eq. 6 in notebook 03: how hard its two terms pull."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .answers import close, evaluate, fresh, number
from .feedback import Feedback, check, hint_to, mistakes, right, wrong

BINS = 256
TOLERANCE = 3e-3  # single precision against double, where gaps between CDFs are tiny

_VALUES = "That balances the values of the two terms. Balance their gradients."
BALANCE_MISTAKES = mistakes(
    lambda rec, match: float(match.norm() / rec.norm()),
    "The other way round: λ multiplies L_hm, so λ times the norm of L_hm's gradient has to equal "
    "the norm of L_rec's.",
    lambda rec, match: BINS * float(rec.norm() / match.norm()),
    "That is λ for L_hm in intensity. Eq. 5 counts bins, so its gradient is 256 times as large "
    "and λ 256 times as small.",
    lambda rec, match: float((rec.norm() / match.norm()).square()),
    "That is the ratio of the squared norms: take the root.",
    lambda rec, match: float((rec.norm() / match.norm()).sqrt()),
    "That is the root of the right ratio: norm() has taken the root already.",
    lambda rec, match: float(rec.norm() / match.norm()) / 3,
    "You are off by the number of channels: Eq. 6 takes the mean of L_hm over the three.",
    lambda rec, match: float(rec.abs().sum() / match.abs().sum()),
    "That balances the sums of the absolute values. The norm asked for is the Euclidean one.",
    lambda rec, match: float(rec.abs().max() / match.abs().max()),
    "That balances the largest values. The norm asked for is the Euclidean one.",
)


@check((*BALANCE_MISTAKES, (None, _VALUES)))
def check_balance(balanced_lam: Callable[[Tensor, Tensor], Any]) -> Feedback:
    """`balanced_lam(pred, target)`: the lam at which both terms of Eq. 6 pull equally hard.

    Both pictures are (1, 3, H, W); L_rec is the mean squared error and L_hm the paper's, K = 256,
    alpha = 1000, in bins.
    """
    generator = fresh()
    for darkest in (None, 0.002):  # half a bin from the end, where what becomes of leaks decides
        pred = torch.rand(1, 3, 12, 9, generator=generator) * 0.6 + 0.2
        target = pred + 0.3 * torch.rand(pred.shape, generator=generator)
        target = (BINS * target).round() / BINS  # on edges, where the pull is larger than on pred
        if darkest:
            pred[..., 0, :2] = darkest
        got = number(evaluate(balanced_lam, pred.clone(), target.clone()))
        rec, match = _gradients(pred, target)
        lam = float(rec.norm() / match.norm())
        if not close(got, lam, TOLERANCE):
            of_values = float((pred - target).square().mean()) / _paper_loss(pred, target)
            return wrong(_what_is_wrong(got, of_values, rec, match))
    return right(
        f"At this λ neither term drowns the other. On a random pair it was {lam:.2g}: far "
        f"below the paper's 0.1, 1 and 10, which weigh L_hm in bins."
    )


def _what_is_wrong(got: float, of_values: float, rec: Tensor, match: Tensor) -> str:
    if close(got, of_values, TOLERANCE):
        return _VALUES
    hint = hint_to(BALANCE_MISTAKES, lambda function: close(got, function(rec, match), TOLERANCE))
    return hint or (
        f"On a random pair you get {got:.3g}, but there the gradient of L_rec has norm "
        f"{float(rec.norm()):.3g}, that of the paper's L_hm {float(match.norm()):.3g}."
    )


def _gradients(pred: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Of L_rec and of the paper's L_hm with respect to `pred`, from their formulas, float64."""
    pred, target = pred.double(), target.double()
    rec = 2 * (pred - target) / pred.numel()
    edges = torch.arange(BINS + 1, dtype=torch.float64) / BINS
    z = 1000 * (edges - pred.flatten(2)[..., None])
    slopes = -1000 * z.sigmoid() * (-z).sigmoid() / z.shape[2]
    signs = (_paper_cdf(pred) - _paper_cdf(target)).sign()[:, :, None]
    match = ((slopes[..., 1:] - slopes[..., :1]) * signs).sum(-1) / pred.shape[1]
    return rec, match.view_as(pred)


def _paper_cdf(image: Tensor) -> Tensor:
    edges = torch.arange(BINS + 1, dtype=torch.float64) / BINS
    below = torch.sigmoid(1000 * (edges - image.double().flatten(2)[..., None])).mean(2)
    return below[..., 1:] - below[..., :1]


def _paper_loss(pred: Tensor, target: Tensor) -> float:
    return float((_paper_cdf(pred) - _paper_cdf(target)).abs().sum(-1).mean())
