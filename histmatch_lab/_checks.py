"""Checks of arguments: each error names the argument, what came and what is wanted."""

import math
import operator
from collections.abc import Collection

import torch
from torch import Tensor

Range = tuple[float, float]


def checked_samples(values: Tensor, name: str = "values") -> Tensor:
    """Floating-point samples, at least one, finite; half precision becomes float32.

    Whether they are finite is asked on the CPU only: a GPU would have to stop for the answer.
    """
    values = checked_floating(values, name)
    if values.ndim == 0 or values.numel() == 0:
        raise ValueError(
            f"{name} must hold at least one sample along its last axis, "
            f"got shape {tuple(values.shape)}"
        )
    # a finite sum spares the look at each value; an infinite one may be honest float overflow
    if (
        values.device.type == "cpu"
        and not math.isfinite(values.detach().sum())
        and not torch.isfinite(values).all()
    ):
        raise ValueError(f"{name} must be finite, got NaN or infinity")
    return values


def checked_floating(values: Tensor, name: str) -> Tensor:
    """A floating-point tensor; half precision becomes float32."""
    if not isinstance(values, Tensor):
        raise TypeError(f"{name} must be a torch.Tensor, got {type(values).__name__}")
    if not values.is_floating_point():
        raise TypeError(
            f"{name} must be floating point, got {values.dtype}; "
            "for 8-bit levels divide by 255: values.float() / 255"
        )
    return values if values.dtype == torch.float64 else values.float()


def checked_bins(bins: int) -> int:
    try:
        count = operator.index(bins)
    except TypeError:
        raise TypeError(f"bins must be an integer, got {bins!r}") from None
    if count < 1:
        raise ValueError(f"bins must be at least 1, got {count}")
    return count


def checked_range(range: Range) -> Range:
    try:
        low, high = (float(end) for end in range)
    except (TypeError, ValueError):
        raise ValueError(f"range must be two numbers (low, high), got {range!r}") from None
    if not (low < high and math.isfinite(high - low)):
        raise ValueError(f"range must be finite with low < high, got {range!r}")
    return low, high


def checked_slope(alpha: float, bandwidth: float) -> float:
    """s = alpha / bandwidth."""
    slope = checked_positive("alpha", alpha) / checked_positive("bandwidth", bandwidth)
    if not 0 < slope < math.inf:
        raise ValueError(f"alpha / bandwidth must be a number, got {alpha!r} / {bandwidth!r}")
    return slope


def checked_positive(name: str, number: float) -> float:
    try:
        value = float(number)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a number, got {number!r}") from None
    if not 0 < value < math.inf:
        raise ValueError(f"{name} must be positive and finite, got {number!r}")
    return value


def checked_option(name: str, option: str, known: Collection[str]) -> None:
    if option not in known:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, known))}, got {option!r}")


def checked_same_shape(a: Tensor, b: Tensor, names: str) -> None:
    if a.shape != b.shape:
        raise ValueError(
            f"{names} must have the same shape, got {tuple(a.shape)} and {tuple(b.shape)}"
        )
