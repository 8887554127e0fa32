"""Checks of the exercises in notebook 03, on the Earth Mover's Distance of Eq. 5."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from histmatch_lab.losses import HistogramMatchingLoss

from .feedback import Feedback, check, check_function, close, judge, mistakes, number, rng

BINS = 256

_NO_ABS = "The absolute value is missing: earth moved up and earth moved down cancel out."
_BY_BIN = "the L1 distance bin by bin. Eq. 5 compares the CDFs: take cumsum of each first."


def _pairs_of_histograms() -> list[tuple[Tensor, Tensor]]:
    """Each pair also the other way round, where gaps without their absolute value change sign."""
    generator = rng()
    counts = [torch.rand(2, n, generator=generator).double().square() for n in (256, 64, 5)]
    pairs = [tuple(count / count.sum(1, keepdim=True)) for count in counts]
    return [*pairs, *((q, p) for p, q in pairs)]


def _emd(difference: Tensor) -> float:
    total, gap = 0.0, 0.0
    for step in difference.tolist():
        gap += step
        total += abs(gap)
    return total


check_emd = check_function(
    "`emd_by_hand(p, q)`: Eq. 5 of two histograms (K,), in bins.",
    _pairs_of_histograms,
    _emd,
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


def _gap_and_bin(cdf_image: Tensor, cdf_target: Tensor, x: float) -> tuple[Tensor, int]:
    return (cdf_image - cdf_target).round(decimals=9), int(x * len(cdf_image))


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
    facts=_gap_and_bin,
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
