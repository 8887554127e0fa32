"""Checks of the exercises on Eq. 5 and its pull: notebook 02, and `check_balance` in 03."""

import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from histmatch_lab.histogram import soft_histogram
from histmatch_lab.losses import HistogramMatchingLoss

from .feedback import (
    Feedback,
    check,
    check_function,
    check_loss,
    close,
    judge,
    mistakes,
    number,
    rng,
)

BINS = 256

_NO_ABS = "The absolute value is missing: earth moved up and earth moved down cancel out."
_BY_BIN = "the L1 distance bin by bin. Eq. 5 compares the CDFs: take cumsum of each first."


def _pairs_of_histograms() -> list[tuple[Tensor, Tensor]]:
    """Each pair also the other way round, where gaps without their absolute value change sign."""
    generator = rng()
    counts = [torch.rand(2, n, generator=generator).double().square() for n in (256, 64, 5)]
    pairs = [tuple(count / count.sum(1, keepdim=True)) for count in counts]
    return [*pairs, *((q, p) for p, q in pairs)]


check_emd = check_function(
    "`emd_by_hand(p, q)`: Eq. 5 of two histograms (K,), in bins.",
    _pairs_of_histograms,
    lambda d: d.cumsum(0).abs().sum(),
    mistakes(
        lambda d: d.abs().sum(),
        f"That is {_BY_BIN}",
        lambda d: d.abs().sum() / 2,
        f"That is half the L1 distance, {_BY_BIN}",
        lambda d: d.cumsum(0).abs().mean(),
        "You have taken the mean over the bins: the EMD in intensity, on [0, 1]. Eq. 5 is the sum.",
        lambda d: d.cumsum(0).sum(),
        _NO_ABS,
        lambda d: abs(d.cumsum(0).sum()),
        "The absolute value comes too late: take it of each gap, and then the sum.",
        lambda d: -d.cumsum(0).sum(),
        _NO_ABS,
        lambda d: d.cumsum(0).square().sum(),
        "You have squared the gaps between the CDFs; Eq. 5 takes their absolute values.",
        lambda d: d.cumsum(0).square().mean().sqrt(),
        "That is the root mean square of the gaps; Eq. 5 is the sum of their absolute values.",
        lambda d: d.cumsum(0).square().sum().sqrt(),
        "That is the Euclidean length of the gaps; Eq. 5 is the sum of their absolute values.",
        lambda d: d.cumsum(0).abs().max(),
        "That is the largest gap between the CDFs (Kolmogorov-Smirnov); Eq. 5 adds up all of them.",
        lambda d: d.abs().cumsum(0).sum(),
        "The absolute value comes before the sum. A bin too full may fill a later, emptier one.",
    ),
    "Your function agrees with Eq. 5 on random histograms of 5, 64 and 256 bins.",
    "For two random histograms you get {got:.4f}, Eq. 5 gives {truth:.4f}.",
    facts=lambda p, q: (p - q,),
    rtol=1e-4,
)

SHIFT_MISTAKES = mistakes(
    lambda bins, intensity: close(bins, 10 / BINS, 5e-3) and close(intensity, 10),
    "Both are right, in the wrong order: bins come first, then intensity.",
    lambda bins, _: bins in (1, 2),
    "L1 stops at 2 (halved, at 1) where no bin is shared. Eq. 5 counts how far each pixel travels.",
    lambda bins, _: bins == 20,
    "No pixel travels twice: what leaves one bin is what arrives in another.",
    lambda bins, _: not close(bins, 10),
    "In bins: every pixel travels by the same number of bins. What is the mean over the pixels?",
    lambda _, intensity: close(intensity, 10 / 255, 5e-4),
    "Nearly: 256 bins share [0, 1], so L = 1/256. (255 steps lie between the 8-bit levels.)",
    lambda _, intensity: intensity == 10,
    "In intensity, the distance is that in bins times the width of a bin, L.",
    lambda _, intensity: 2e-3 < abs(intensity * BINS / 10 - 1) < 0.03,
    "Nearly: give the distance in intensity to three digits, or as a fraction.",
    lambda _, intensity: not close(intensity, 10 / BINS, 2e-3),
    "In bins you are right. In intensity: times the width of a bin, L = 1/K.",
)


@check(SHIFT_MISTAKES)
def check_shift(answer: tuple[float, float]) -> Feedback:
    """(EMD in bins, EMD in intensity) of a histogram moved by ten of 256 bins."""
    if not isinstance(answer, tuple | list) or len(answer) != 2:
        return Feedback(False, "Give two numbers: (in bins, in intensity).")
    bins, intensity = map(number, answer)
    return judge(
        close(bins, 10) and close(intensity, 10 / BINS, 2e-3),
        SHIFT_MISTAKES,
        lambda is_so: is_so(bins, intensity),
        "Ten bins, or 10/256 = 0.039 in intensity: for a pure shift, the EMD is the shift. With "
        "K = 50 bins the same shift in intensity would be about 2 bins.",
    )


def _batches() -> list[tuple[Tensor, Tensor]]:
    """Two batches; in each, one picture is too dark and one too light, so that they cancel."""
    targets = torch.rand(2, 2, 3, 12, 9, dtype=torch.float64, generator=rng())
    spread = torch.tensor([[0.3], [0.45], [0.4]], dtype=torch.float64)[..., None]
    preds = 0.1 + spread * targets.flip(-1).square()
    preds[:, 1] += 0.45
    return list(zip(preds, targets, strict=True))


def _gaps(pred: Tensor, target: Tensor) -> Tensor:
    """Between the CDFs of both, (B, C, bins)."""
    p, q = (soft_histogram(x.flatten(2), outside="clamp") for x in (pred, target))
    return (p - q).cumsum(-1)


_MIXED = "The pictures of the batch are still mixed: one histogram for each picture and channel."
check_mended_emd = check_loss(
    "02: Eq. 5 of two batches (B, C, H, W), averaged over pictures and channels.",
    _batches,
    lambda pred, target: _gaps(pred, target).abs().sum(-1).mean(),
    mistakes(
        lambda pred, target: _gaps(pred, target).mean(0).sum(-1).abs().mean(),
        f"{_MIXED} And take the absolute value of each gap.",
        lambda pred, target: _gaps(pred, target).mean(0).abs().sum(-1).mean(),
        _MIXED,
        lambda pred, target: _gaps(pred, target).sum(0).abs().sum(-1).mean(),
        f"{_MIXED} The sum over the batch mixes them as the mean does.",
        lambda pred, target: _gaps(pred, target).sum(-1).abs().mean(),
        "The absolute value still comes too late: gaps of different signs cancel in the sum.",
        lambda pred, target: _gaps(pred, target).mean(1).abs().sum(-1).mean(),
        "Now the channels are mixed: one histogram for each picture and channel.",
        lambda pred, target: _gaps(pred, target).abs().mean(),
        "That is the mean over the bins; Eq. 5 is their sum.",
        lambda pred, target: _gaps(pred, target).abs().sum(),
        "That is the sum over pictures and channels; their mean is asked for.",
        lambda pred, target: _gaps(pred, target).abs().sum(-1).mean().detach(),
        "The value is right, but no gradient reaches pred.",
        lambda pred, target: _gaps(pred, target).diff(dim=-1).abs().sum(-1).mean(),
        f"That is {_BY_BIN}",
    ),
    "Each picture has its own histograms, and no gap cancels another.",
)


def _gradients(pred: Tensor, target: Tensor) -> tuple[Tensor, Tensor, float]:
    """Of L_rec and of L_hm with respect to pred, and the ratio of the values of both terms."""
    pred, target = pred.double().requires_grad_(), target.double()
    terms = mse_loss(pred, target), HistogramMatchingLoss()(pred, target)
    rec, match = (torch.autograd.grad(term, pred)[0] for term in terms)
    return rec, match, float(terms[0].detach() / terms[1].detach())


def _pictures() -> list[tuple[Tensor, Tensor]]:
    """Two pairs; in the second, some pixels lie half a bin from the end: `outside` decides."""
    generator = rng()
    preds = torch.rand(2, 1, 3, 12, 9, generator=generator) * 0.6 + 0.2
    targets = preds + 0.3 * torch.rand(preds.shape, generator=generator)
    targets = (BINS * targets).round() / BINS  # on edges, where the pull is larger than on pred
    preds[1, ..., 0, :2] = 0.5 / BINS
    return list(zip(preds, targets, strict=True))


# L_rec is the mean squared error and L_hm the paper's: K = 256, alpha = 1000, in bins.
check_balance = check_function(
    "`balanced_lam(pred, target)`: the lam at which both terms of Eq. 6 pull equally hard.",
    _pictures,
    lambda rec, match, _: rec.norm() / match.norm(),
    mistakes(
        lambda rec, match, values: values,
        "That balances the values of the two terms. Balance their gradients.",
        lambda rec, match, _: match.norm() / rec.norm(),
        "The other way round: λ times the norm of L_hm's gradient has to equal that of L_rec's.",
        lambda rec, match, _: BINS * rec.norm() / match.norm(),
        "That is λ for L_hm in intensity. Eq. 5 counts bins, so λ is 256 times as small.",
        lambda rec, match, _: (rec.norm() / match.norm()).square(),
        "That is the ratio of the squared norms: take the root.",
        lambda rec, match, _: (rec.norm() / match.norm()).sqrt(),
        "That is the root of the right ratio: norm() has taken the root already.",
        lambda rec, match, _: rec.norm() / match.norm() / 3,
        "You are off by the number of channels: Eq. 6 takes the mean of L_hm over the three.",
        lambda rec, match, _: rec.abs().sum() / match.abs().sum(),
        "That balances the sums of the absolute values. The norm asked for is the Euclidean one.",
        lambda rec, match, _: rec.abs().max() / match.abs().max(),
        "That balances the largest values. The norm asked for is the Euclidean one.",
    ),
    "At this λ neither term drowns the other. On a random pair it was {got:.2g}: far below "
    "the paper's 0.1, 1 and 10, which weigh L_hm in bins.",
    "On a random pair you get {got:.3g}, but there the gradient of L_rec has {truth:.3g} times the "
    "norm of that of the paper's L_hm.",
    facts=_gradients,
    rtol=3e-3,  # single precision against double, where gaps between CDFs are tiny
)
