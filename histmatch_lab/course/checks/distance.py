"""Checks of the exercises in notebook 03, on the Earth Mover's Distance of Eq. 5."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .answers import close, fresh, number
from .feedback import Feedback, check, hint_to, judge, mistakes, right, wrong

BINS = 256

_NO_ABS = "The absolute value is missing: earth moved up and earth moved down cancel out."
_BY_BIN = "the L1 distance bin by bin. Eq. 5 compares the CDFs: take cumsum of each first."
EMD_MISTAKES = mistakes(
    lambda d: float(d.abs().sum()),
    f"That is {_BY_BIN}",
    lambda d: float(d.abs().sum()) / 2,
    f"That is half the L1 distance, {_BY_BIN}",
    lambda d: float(d.cumsum(0).abs().mean()),
    "You have taken the mean over the bins: the EMD in intensity, on [0, 1]. Eq. 5 is the sum.",
    lambda d: float(d.cumsum(0).sum()),
    _NO_ABS,
    lambda d: abs(float(d.cumsum(0).sum())),
    "The absolute value comes too late: take it of each gap, and then the sum.",
    lambda d: -float(d.cumsum(0).sum()),
    _NO_ABS,
    lambda d: float(d.cumsum(0).square().sum()),
    "You have squared the gaps between the CDFs; Eq. 5 takes their absolute values.",
    lambda d: float(d.cumsum(0).square().mean().sqrt()),
    "That is the root of the mean square of the gaps; Eq. 5 is the sum of their absolute values.",
    lambda d: float(d.cumsum(0).square().sum().sqrt()),
    "That is the Euclidean length of the gaps; Eq. 5 is the sum of their absolute values.",
    lambda d: float(d.cumsum(0).abs().max()),
    "That is the largest gap between the CDFs (Kolmogorov-Smirnov); Eq. 5 adds up all of them.",
    lambda d: float(d.abs().cumsum(0).sum()),
    "You take the absolute value before you sum up. A bin too full may fill a later, emptier one.",
)


@check(EMD_MISTAKES)
def check_emd(emd_by_hand: Callable[[Tensor, Tensor], Any]) -> Feedback:
    """`emd_by_hand(p, q)`: Eq. 5 of two histograms (K,), in bins."""
    generator = fresh()
    pairs = [[_random_histogram(bins, generator) for _ in range(2)] for bins in (5, 64, 256)]
    answers = [number(emd_by_hand(p.clone(), q.clone())) for p, q in pairs]

    def matches(function: Callable[[Tensor], float]) -> bool:
        return all(close(got, function(p - q)) for got, (p, q) in zip(answers, pairs, strict=True))

    return judge(
        matches,
        _emd,
        EMD_MISTAKES,
        "Your function agrees with Eq. 5 on random histograms of 5, 64 and 256 bins.",
        f"For two random histograms of 256 bins you get {answers[-1]:.4f}, Eq. 5 gives "
        f"{_emd(pairs[-1][0] - pairs[-1][1]):.4f}.",
    )


def _emd(difference: Tensor) -> float:
    total, gap = 0.0, 0.0
    for step in difference.tolist():
        gap += step
        total += abs(gap)
    return total


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
        return wrong("Give two numbers: (in bins, in intensity).")
    bins, intensity = map(number, answer)
    if hint := hint_to(SHIFT_MISTAKES, lambda is_so: is_so(bins, intensity)):
        return wrong(hint)
    return right(
        "Ten bins, or 10/256 = 0.039 in intensity: for a pure shift, the EMD is the shift. With "
        "K = 50 bins the same shift in intensity would be about 2 bins."
    )


def _pull_sign(cdf_image: Tensor, cdf_target: Tensor, x: float) -> int:
    k = int(x * len(cdf_image))
    return _sign(float(cdf_image[k] - cdf_target[k]))


def _off_by(by: int, sign: int) -> Callable[[Tensor, Tensor, float], int]:
    return lambda image, target, x: sign * _pull_sign(image.roll(by), target.roll(by), x)


_OFF_BY_ONE = "You are off by one bin: x lies in bin k = int(x * K), from 0; the CDF has K entries."
_NO_PULL = "Where the two CDFs are equal, there is no pull: the answer there is 0."
_NO_SIGN = (
    "Return 1, 0 or -1. Only the sign of the gap counts, not its size. That is what L1 means."
)
SIGN_MISTAKES = mistakes(
    lambda image, target, x: _pull_sign(target, image, x),
    "The other way round: CDF(image) > CDF(target) is too many pixels below x, to be made lighter.",
    lambda image, target, x: _pull_sign(
        image.diff(prepend=image.new_zeros(1)), target.diff(prepend=image.new_zeros(1)), x
    ),
    "You compare histograms, not the CDFs. A pixel is pulled by those missing further up.",
    *(part for by in (-1, 1) for sign in (-1, 1) for part in (_off_by(by, sign), _OFF_BY_ONE)),
)


@check((*SIGN_MISTAKES, (None, _NO_SIGN), (None, _NO_PULL)))
def check_pull_sign(pull_sign: Callable[[Tensor, Tensor, float], Any]) -> Feedback:
    """`pull_sign(cdf_image, cdf_target, x)`: 1 where the loss makes a pixel lighter, else -1 or 0.

    Asked just below the upper edge of a bin, where that edge alone decides.
    """
    generator, asked = fresh(), []
    for bins in (8, 256):
        image, target = _crossing_cdfs(bins, generator)
        inner = torch.randperm(bins - 2, generator=generator)[:80].add(1).tolist()
        asked += [(image, target, (k + 0.9) / bins) for k in inner]
    answers = [number(pull_sign(image.clone(), y.clone(), x)) for image, y, x in asked]

    def matches(function: Callable[[Tensor, Tensor, float], float]) -> bool:
        return answers == [function(*given) for given in asked]

    if matches(_pull_sign):
        return right(
            "Where the picture's CDF lies above the target's, too many pixels are too dark, and "
            "the loss makes them lighter."
        )
    if any(answer not in (-1, 0, 1) for answer in answers):
        return wrong(_NO_SIGN)
    if hint := hint_to(SIGN_MISTAKES, matches):
        return wrong(hint)
    if 0 not in answers:
        return wrong(_NO_PULL)
    missed = sum(got != _pull_sign(*given) for got, given in zip(answers, asked, strict=True))
    return wrong(f"{missed} of {len(asked)} signs are wrong. Which bin does x lie in?")


def _random_histogram(bins: int, generator: torch.Generator) -> Tensor:
    counts = torch.rand(bins, generator=generator, dtype=torch.float64).square()
    return counts / counts.sum()


def _crossing_cdfs(bins: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Two CDFs that cross, or meet, from bin to bin, so that a wrong bin shows."""
    steps = 1 + torch.rand(bins, generator=generator, dtype=torch.float64)
    cdf = (steps / steps.sum()).cumsum(0)
    gap = torch.randint(-1, 2, (bins,), generator=generator) * (0.2 / bins)
    return cdf, torch.where(gap == 0, cdf, cdf + gap)


def _sign(value: float) -> int:
    return (value > 1e-12) - (value < -1e-12)
