"""Checks of the exercises in notebook 03, on the Earth Mover's Distance of Eq. 5."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from histmatch_lab.checks.verdict import Verdict, ask, check, right, wrong

BINS = 256


@check
def check_emd(emd_by_hand: Callable[[Tensor, Tensor], Any]) -> Verdict:
    """`emd_by_hand(p, q)`: Eq. 5 of two histograms (K,), in bins."""
    generator = torch.Generator().manual_seed(11)
    for bins in (5, 64, 256):
        p, q = (_random_histogram(bins, generator) for _ in range(2))
        got = _number(ask(emd_by_hand, p, q))
        if math.isclose(got, _emd(p, q), rel_tol=1e-4):
            continue
        for mistaken, hint in _EMD_MISTAKES:
            if math.isclose(got, mistaken(p - q), rel_tol=1e-4, abs_tol=1e-6):
                return wrong(hint)
        return wrong(
            f"For two random histograms of {bins} bins you get {got:.4f}, "
            f"Eq. 5 gives {_emd(p, q):.4f}."
        )
    return right("Your function agrees with Eq. 5 on random histograms of 5, 64 and 256 bins.")


def _emd(p: Tensor, q: Tensor) -> float:
    total, gap = 0.0, 0.0
    for here, there in zip(p.tolist(), q.tolist(), strict=True):
        gap += here - there
        total += abs(gap)
    return total


_EMD_MISTAKES: tuple[tuple[Callable[[Tensor], float], str], ...] = (
    (
        lambda d: float(d.abs().sum()),
        "That is the L1 distance of the histograms, bin by bin. Eq. 5 compares the CDFs: sum "
        "each histogram up first (cumsum).",
    ),
    (
        lambda d: float(d.abs().sum()) / 2,
        "That is half the L1 distance of the histograms, bin by bin. Eq. 5 compares the CDFs: "
        "sum each histogram up first (cumsum).",
    ),
    (
        lambda d: float(d.cumsum(0).abs().mean()),
        "You have taken the mean over the bins; Eq. 5 takes the sum. (The mean is a useful "
        "unit too: it is the same EMD in intensity, on [0, 1].)",
    ),
    (
        lambda d: float(d.cumsum(0).sum()),
        "The absolute value is missing: earth moved up and earth moved down cancel out.",
    ),
    (
        lambda d: abs(float(d.cumsum(0).sum())),
        "The absolute value comes too late: take it of each gap, and then the sum.",
    ),
    (
        lambda d: -float(d.cumsum(0).sum()),
        "The absolute value is missing: earth moved up and earth moved down cancel out.",
    ),
    (
        lambda d: float(d.cumsum(0).square().sum()),
        "You have squared the gaps between the CDFs; Eq. 5 takes their absolute values.",
    ),
    (
        lambda d: float(d.cumsum(0).square().mean().sqrt()),
        "That is the root of the mean square of the gaps; Eq. 5 is the sum of their absolute "
        "values.",
    ),
    (
        lambda d: float(d.cumsum(0).square().sum().sqrt()),
        "That is the Euclidean length of the gaps; Eq. 5 is the sum of their absolute values.",
    ),
    (
        lambda d: float(d.cumsum(0).abs().max()),
        "That is the largest gap between the CDFs (Kolmogorov and Smirnov's distance); Eq. 5 "
        "adds all of them up.",
    ),
    (
        lambda d: float(d.abs().cumsum(0).sum()),
        "You take the absolute value before you sum up. Sum up first: a bin too full may fill a "
        "later one that is too empty.",
    ),
)


@check
def check_shift(answer: tuple[float, float]) -> Verdict:
    """(EMD in bins, EMD in intensity) of a histogram moved by ten of 256 bins."""
    if not isinstance(answer, tuple | list) or len(answer) != 2:
        return wrong("Give two numbers: (in bins, in intensity).")
    if any(number is None or number is ... for number in answer):
        return Verdict(None, "Replace both ... above and run the cell again.")
    bins, intensity = (_number(number) for number in answer)
    if math.isclose(bins, 10 / BINS, rel_tol=5e-3) and math.isclose(intensity, 10, rel_tol=1e-6):
        return wrong("Both are right, in the wrong order: bins come first, then intensity.")
    if bins in (2.0, 1.0):
        return wrong(
            "That looks like an L1 distance, which stops at 2 (or 1, if halved) once two "
            "histograms share no bin. Every pixel travels, and Eq. 5 counts how far."
        )
    if bins == 20:
        return wrong("No pixel travels twice: what leaves one bin is what arrives in another.")
    if not math.isclose(bins, 10, rel_tol=1e-6):
        return wrong(
            "In bins: every pixel travels by the same number of bins. What is the mean over the "
            "pixels?"
        )
    if math.isclose(intensity, 10 / 255, rel_tol=5e-4):
        return wrong(
            "In intensity, you are nearly there: 256 bins share [0, 1], so a bin is L = 1/256 "
            "wide. (255 is the number of steps between 8-bit levels.)"
        )
    if intensity == 10:
        return wrong("In intensity, the distance is that in bins times the width of a bin, L.")
    if not math.isclose(intensity, 10 / BINS, rel_tol=2e-3):
        return wrong("In bins you are right. In intensity: times the width of a bin, L = 1/K.")
    return right(
        "Ten bins, or 10/256 = 0.039 in intensity: for a pure shift, the EMD is the shift. With "
        "K = 50 bins the same shift in intensity would be about 2 bins."
    )


@check
def check_pull_sign(pull_sign: Callable[[Tensor, Tensor, float], Any]) -> Verdict:
    """`pull_sign(cdf_image, cdf_target, x)`: 1 where the loss makes a pixel lighter, else -1 or 0.

    Asked just below the upper edge of a bin, where that edge alone decides.
    """
    generator = torch.Generator().manual_seed(12)
    rows = []
    for bins in (8, 256):
        cdf_image, cdf_target = _crossing_cdfs(bins, generator)
        gap = cdf_image - cdf_target
        for index in torch.randperm(bins - 2, generator=generator)[:80].add(1).tolist():
            x = (index + 0.9) / bins
            got = _number(ask(pull_sign, cdf_image.clone(), cdf_target.clone(), x))
            rows.append((got, gap, index))
    wanted = [_sign(float(gap[k])) for _, gap, k in rows]
    answers = [got for got, _, _ in rows]
    if answers == wanted:
        return right(
            "Where the picture's CDF lies above the target's, too many pixels are too dark, and "
            "the loss makes them lighter."
        )
    if answers == [-sign for sign in wanted]:
        return wrong(
            "The other way round. CDF(image) > CDF(target) means that too many pixels lie below "
            "x: they have to become lighter, which is +1."
        )
    if any(got not in (-1, 0, 1) for got in answers):
        return wrong(
            "Return 1, 0 or -1. Only the sign of the gap counts: the pull does not depend on how "
            "large the gap is. That is what L1 means."
        )
    if answers == [_sign(float(gap.diff(prepend=gap[:1] * 0)[k])) for _, gap, k in rows]:
        return wrong(
            "You compare the histograms at x, not the CDFs. A pixel is pulled by the pixels "
            "missing further up, however far away they are."
        )
    for shift in (-1, 1):
        moved = [_sign(float(gap[(k + shift) % len(gap)])) for _, gap, k in rows]
        if answers in (moved, [-sign for sign in moved]):
            return wrong(
                "You are off by one bin: x lies in bin k = int(x * K), counted from 0, and K is "
                "the number of entries of the CDF."
            )
    if 0 not in answers:
        return wrong("Where the two CDFs are equal, there is no pull: the answer there is 0.")
    missed = sum(got != sign for got, sign in zip(answers, wanted, strict=True))
    return wrong(f"{missed} of {len(rows)} signs are wrong. Which bin does x lie in?")


@check
def check_balance(balanced_lam: Callable[[Tensor, Tensor], Any]) -> Verdict:
    """`balanced_lam(pred, target)`: the lam at which both terms of Eq. 6 pull equally hard.

    Both pictures are (1, 3, H, W); L_rec is the mean squared error and L_hm the paper's, K = 256,
    alpha = 1000, in bins.
    """
    generator = torch.Generator().manual_seed(13)
    lam = 0.0
    for spread in (0.05, 0.3):
        pred = torch.rand(1, 3, 12, 9, generator=generator) * 0.6 + 0.2
        target = (pred + spread * torch.rand(pred.shape, generator=generator)).clamp(0, 1)
        got = _number(ask(balanced_lam, pred.clone(), target.clone()))
        rec, match = _gradients(pred, target)
        lam = float(rec.norm() / match.norm())
        if math.isclose(got, lam, rel_tol=1e-2):
            continue
        for mistaken, hint in _BALANCE_MISTAKES:
            if math.isclose(got, mistaken(rec, match), rel_tol=1e-2):
                return wrong(hint)
        losses = float((pred - target).square().mean()) / _paper_loss(pred, target)
        if math.isclose(got, losses, rel_tol=1e-2):
            return wrong("That balances the values of the two terms. Balance their gradients.")
        return wrong(
            f"On a random pair you get {got:.3g}, but there the gradient of L_rec has norm "
            f"{float(rec.norm()):.3g}, that of L_hm {float(match.norm()):.3g}."
        )
    return right(
        f"At this λ neither term drowns the other. On the last random pair it was {lam:.2g}: far "
        f"below the paper's 0.1, 1 and 10, which weigh L_hm in bins."
    )


_BALANCE_MISTAKES: tuple[tuple[Callable[[Tensor, Tensor], float], str], ...] = (
    (
        lambda rec, match: float(match.norm() / rec.norm()),
        "The other way round: λ multiplies L_hm, so λ times the norm of L_hm's gradient has to "
        "equal the norm of L_rec's.",
    ),
    (
        lambda rec, match: BINS * float(rec.norm() / match.norm()),
        "That is λ for L_hm in intensity. Eq. 5 counts bins, so its gradient is 256 times as "
        "large and λ 256 times as small.",
    ),
    (
        lambda rec, match: float((rec.norm() / match.norm()).square()),
        "That is the ratio of the squared norms: take the root.",
    ),
    (
        lambda rec, match: float((rec.norm() / match.norm()).sqrt()),
        "That is the root of the right ratio: norm() has taken the root already.",
    ),
    (
        lambda rec, match: float(rec.norm() / match.norm()) / 3,
        "You are off by the number of channels: Eq. 6 takes the mean of L_hm over the three.",
    ),
    (
        lambda rec, match: float(rec.abs().sum() / match.abs().sum()),
        "That balances the sums of the absolute values. The norm asked for is the Euclidean one.",
    ),
    (
        lambda rec, match: float(rec.abs().max() / match.abs().max()),
        "That balances the largest values. The norm asked for is the Euclidean one.",
    ),
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


def _random_histogram(bins: int, generator: torch.Generator) -> Tensor:
    counts = torch.rand(bins, generator=generator, dtype=torch.float64).square()
    return counts / counts.sum()


def _crossing_cdfs(bins: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Two CDFs that cross, or meet, from bin to bin, so that a wrong bin shows."""
    steps = 1 + torch.rand(bins, generator=generator, dtype=torch.float64)
    cdf = (steps / steps.sum()).cumsum(0)
    gap = torch.randint(-1, 2, (bins,), generator=generator) * (0.2 / bins)
    return cdf, torch.where(gap == 0, cdf, cdf + gap)


def _number(value: Any) -> float:
    if isinstance(value, Tensor) and value.numel() != 1:
        raise ValueError(f"expected one number, got a tensor of shape {tuple(value.shape)}")
    return float(value)


def _sign(value: float) -> int:
    return (value > 1e-12) - (value < -1e-12)
