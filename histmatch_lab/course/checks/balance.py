"""Check of the exercise on Eq. 6 in notebook 03: how hard its two terms pull."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from histmatch_lab.losses import HistogramMatchingLoss

from .answers import close, fresh, number
from .feedback import Feedback, check, judge, mistakes

BINS = 256
TOLERANCE = 3e-3  # single precision against double, where gaps between CDFs are tiny

# Of the gradients of L_rec and L_hm, and of the ratio of their values.
BALANCE_MISTAKES = mistakes(
    lambda rec, match, values: values,
    "That balances the values of the two terms. Balance their gradients.",
    lambda rec, match, _: float(match.norm() / rec.norm()),
    "The other way round: λ times the norm of L_hm's gradient has to equal the norm of L_rec's.",
    lambda rec, match, _: BINS * float(rec.norm() / match.norm()),
    "That is λ for L_hm in intensity. Eq. 5 counts bins, so λ is 256 times as small.",
    lambda rec, match, _: float((rec.norm() / match.norm()).square()),
    "That is the ratio of the squared norms: take the root.",
    lambda rec, match, _: float((rec.norm() / match.norm()).sqrt()),
    "That is the root of the right ratio: norm() has taken the root already.",
    lambda rec, match, _: float(rec.norm() / match.norm()) / 3,
    "You are off by the number of channels: Eq. 6 takes the mean of L_hm over the three.",
    lambda rec, match, _: float(rec.abs().sum() / match.abs().sum()),
    "That balances the sums of the absolute values. The norm asked for is the Euclidean one.",
    lambda rec, match, _: float(rec.abs().max() / match.abs().max()),
    "That balances the largest values. The norm asked for is the Euclidean one.",
)


@check(BALANCE_MISTAKES)
def check_balance(balanced_lam: Callable[[Tensor, Tensor], Any]) -> Feedback:
    """`balanced_lam(pred, target)`: the lam at which both terms of Eq. 6 pull equally hard.

    Both pictures are (1, 3, H, W); L_rec is the mean squared error and L_hm the paper's, K = 256,
    alpha = 1000, in bins.
    """
    generator = fresh()
    for darkest in (None, 0.002):  # half a bin from the end, where `outside` decides
        pred = torch.rand(1, 3, 12, 9, generator=generator) * 0.6 + 0.2
        target = pred + 0.3 * torch.rand(pred.shape, generator=generator)
        target = (BINS * target).round() / BINS  # on edges, where the pull is larger than on pred
        if darkest:
            pred[..., 0, :2] = darkest
        got = number(balanced_lam(pred.clone(), target.clone()))
        feedback = _compare(got, pred.double().requires_grad_(), target.double())
        if not feedback.right:
            break
    return feedback


def _compare(got: float, pred: Tensor, target: Tensor) -> Feedback:
    terms = mse_loss(pred, target), HistogramMatchingLoss()(pred, target)
    rec, match = (torch.autograd.grad(term, pred)[0] for term in terms)
    values, norms = (terms[0] / terms[1]).item(), (float(rec.norm()), float(match.norm()))
    return judge(
        lambda function: close(got, function(rec, match, values), TOLERANCE),
        lambda *_: norms[0] / norms[1],
        BALANCE_MISTAKES,
        f"At this λ neither term drowns the other. On a random pair it was {got:.2g}: far below "
        "the paper's 0.1, 1 and 10, which weigh L_hm in bins.",
        f"On a random pair you get {got:.3g}, but there the gradient of L_rec has norm "
        f"{norms[0]:.3g}, that of the paper's L_hm {norms[1]:.3g}.",
    )
