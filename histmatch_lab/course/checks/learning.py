"""Checks of the exercises in notebook 05, on training and on measuring what it gave."""

import math
from collections.abc import Collection
from typing import Any

import torch
from torch import Tensor

from histmatch_lab.data.tasks import TaskPairs

from .feedback import Feedback, chance, check, check_function, mistakes, rng


def _decibels(error: Tensor) -> Tensor:
    return -10 * error.log10()


def _errors(pred: Tensor, target: Tensor) -> tuple[Tensor, Tensor, int]:
    """The mean squared error of each picture, after clamping and before; the number of values."""
    squares = ((p.double() - target).square() for p in (pred.clamp(0, 1), pred))
    clamped, raw = (square.flatten(-3).mean(-1) for square in squares)
    return clamped, raw, target.numel()


def _too_light() -> list[tuple[Tensor, Tensor]]:
    target, noise = torch.rand(2, 3, 20, 30, generator=rng())
    return [(target * 1.2 + 0.2 * noise, target)]


check_psnr = check_function(
    "`psnr_by_hand(pred, target)`: of one picture (3, H, W), in dB.",
    _too_light,
    lambda error, *_: _decibels(error),
    (
        (lambda _, raw, size: _decibels(raw), "Clamp to [0, 1] first: a screen would."),
        (
            lambda error, *_: 2 * _decibels(error),
            "20 goes with its root, 10 with the error itself.",
        ),
        (lambda error, *_: -_decibels(error), "The sign: a small error is a large PSNR."),
        (lambda error, *_: -10 * error.log(), "Decibels count powers of ten: log10, not log."),
        (lambda error, *_: _decibels(error / 255**2), "The peak is 1 here, not 255."),
        (lambda error, *_: _decibels(error) / 2, "After the root, it is 20 instead of 10."),
        (lambda error, *_: error, "That is the mean squared error. Take it to decibels."),
        (lambda error, _, size: _decibels(error * size), "A sum of squares. Take their mean."),
    ),
    "With the peak at 1, PSNR is the mean squared error on a scale of decibels.",
    "For a random picture you get {got:.3f} dB; it should be {truth:.3f}.",
    facts=_errors,
    rtol=1e-4,
)


def _good_and_bad() -> list[tuple[Tensor, Tensor]]:
    target, noise = torch.rand(2, 4, 3, 12, 15, generator=rng())
    sizes = torch.tensor([0.01, 0.04, 0.1, 0.3]).view(4, 1, 1, 1)
    return [(target + sizes * noise, target)]


check_mean_psnr = check_function(
    "`mended_mean_psnr(pred, target)`: of pictures (B, 3, H, W), the mean of their PSNR in dB.",
    _good_and_bad,
    lambda error, *_: _decibels(error).mean(),
    mistakes(
        lambda error, *_: _decibels(error.mean()),
        "One number for all pictures: take the error, and the logarithm, of each by itself.",
        lambda _, raw, size: _decibels(raw.mean()),
        "As broken as it was: one error for all pictures, and values that no screen can show.",
        lambda _, raw, size: _decibels(raw).mean(),
        "Right for each picture. Clamp the predictions first: a screen would.",
        lambda error, *_: _decibels(error).sum(),
        "A sum over the pictures. Take their mean.",
    ),
    "Each picture counts alike, however large its error.",
    "For four random pictures you get {got:.3f} dB; it should be {truth:.3f}.",
    facts=_errors,
    rtol=1e-4,
)


def _rate(step: int, of: int, first: float, last: float) -> float:
    return first * (last / first) ** (step / (of - 1))


def _steps() -> list[tuple[int, int, float, float]]:
    of = chance.randrange(50, 200)
    rates = 10 ** -chance.uniform(3, 4), 10 ** -chance.uniform(5, 6)
    return [(step, of, *rates) for step in (of // 3, 0, of - 1)]


_LINEAR = "That falls by the same amount at each step; exponential decay by the same factor."
check_rate = check_function(
    "`rate_at(step, of, first, last)`: exponential decay over steps 0 to of - 1.",
    _steps,
    _rate,
    mistakes(
        lambda step, of, first, last: first + (last - first) * step / (of - 1),
        _LINEAR,
        lambda step, of, first, last: first + (last - first) * step / of,
        _LINEAR,
        lambda step, of, first, last: first * (last / first) ** (step / of),
        "The last step is of - 1: divide step by that, or the last rate is never reached.",
        lambda step, of, first, last: _rate(step, of, last, first),
        "It runs backwards: step 0 has the first rate.",
        lambda step, of, first, _: first * math.exp(-step / (of - 1)),
        "Choose the base so that the last step has the last rate.",
    ),
    "The factor from step to step is the same all the way.",
)


_MIXED = "Train and test are mixed: the network knows the light and colours of this scene."


@check(((["apartment-0", "dawn-0", "square-1"], _MIXED),))
def check_split(names: Any) -> Feedback:
    """Three pictures by which to say how good the network of "tonemap" is."""
    if isinstance(names, str) or not isinstance(names, Collection):
        return Feedback(False, "Give a list of names.")
    pairs = TaskPairs("tonemap")
    for name in sorted(names):
        if name in pairs.train_names:
            return Feedback(False, f"{name!r} was trained on. {_MIXED}")
        if name not in pairs.test_names:
            return Feedback(False, f"There is no picture {name!r} among those of this notebook.")
    if len({name.rsplit("-", 1)[0] for name in names}) >= 3:
        return Feedback(True, "None of these scenes was seen in training, not even another view.")
    return Feedback(False, "None was trained on. Take three scenes: views of one are one sample.")
