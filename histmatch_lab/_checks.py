"""Checks of arguments, and of what is installed. An error reads "NAME must be WHAT, got VALUE"."""

import importlib
import math
import operator
from collections.abc import Collection
from typing import Any

import torch
from torch import Tensor

Range = tuple[float, float]
SIDE = 8  # of the smallest thing that looks like a picture


def checked_samples(name: str, values: Tensor) -> Tensor:
    """Floating-point samples, at least one; half precision becomes float32."""
    values = checked_floating(name, values)
    if values.ndim == 0 or values.numel() == 0:
        raise ValueError(
            f"{name} must hold at least one sample along its last axis, "
            f"got shape {tuple(values.shape)}"
        )
    return values


def checked_values(values: Tensor) -> Tensor:
    """Samples; no pictures, each row of which would be taken for the samples of a histogram."""
    values = checked_samples("values", values)
    if values.ndim == 4 and values.shape[1] in (1, 3) and min(values.shape[2:]) >= SIDE:
        raise ValueError(
            f"values must be (..., N), got {tuple(values.shape)}, which looks like pictures "
            "(B, C, H, W): use values.flatten(2)"
        )
    return values


def checked_weights(weights: Tensor, values: Tensor) -> Tensor:
    """In float64 and the shape of the values."""
    weights = checked_samples("weights", weights.detach().to(values.device).double())
    try:
        return weights.expand_as(values)
    except RuntimeError:
        raise ValueError(
            f"weights must broadcast to the shape of values, {tuple(values.shape)}, "
            f"got {tuple(weights.shape)}"
        ) from None


def check_no_nan(name: str, values: Tensor) -> None:
    """Neither NaN nor infinity, on a CPU: on a GPU the check would force a wait."""
    if values.device.type != "cpu" or torch.compiler.is_compiling():
        return
    # a finite sum proves every value finite; an infinite one may just be float overflow
    if not (values.detach().sum().isfinite() or values.isfinite().all()):
        raise ValueError(f"{name} must be finite, got NaN or infinity")


def checked_floating(name: str, values: Tensor) -> Tensor:
    """A floating-point tensor; half precision becomes float32."""
    if not isinstance(values, Tensor):
        raise TypeError(f"{name} must be a torch.Tensor, got {type(values).__name__}")
    if not values.is_floating_point():
        raise TypeError(
            f"{name} must be floating point, got {values.dtype}; "
            "for 8-bit levels divide by 255: values.float() / 255"
        )
    return values if values.dtype == torch.float64 else values.float()


def checked_shape(name: str, values: Tensor, shape: str) -> Tensor:
    """A floating-point tensor with something in it, of a shape such as "B 3 H W".

    Half precision becomes float32. Numbers must match, names stand for any size, and a leading
    "..." for any number of axes.

    >>> checked_shape("image", torch.ones(1, 3, 1, 2).half(), "B 3 H W").dtype
    torch.float32
    >>> checked_shape("image", torch.zeros(1, 4, 4), "... 3 H W")
    Traceback (most recent call last):
    ValueError: image must be (..., 3, H, W), got (1, 4, 4)
    """
    values = checked_floating(name, values)
    sizes = shape.removeprefix("...").split()
    leading = values.ndim - len(sizes)
    fits = leading >= 0 if shape.startswith("...") else leading == 0
    if not (fits and values.numel() and _sizes_match(values.shape[leading:], sizes)):
        readable = ", ".join(shape.split())
        raise ValueError(f"{name} must be ({readable}), got {tuple(values.shape)}")
    return values


def _sizes_match(found: Collection[int], sizes: Collection[str]) -> bool:
    return all(not s.isdigit() or int(s) == n for n, s in zip(found, sizes, strict=True))


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


def check_finite(name: str, number: float) -> None:
    if not math.isfinite(number):
        raise ValueError(f"{name} must be finite, got {number}")


def check_option(name: str, option: str, known: Collection[str]) -> None:
    if option not in known:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, known))}, got {option!r}")


def check_same_shape(names: str, a: Tensor, b: Tensor) -> None:
    if a.shape != b.shape:
        raise ValueError(
            f"{names} must have the same shape, got {tuple(a.shape)} and {tuple(b.shape)}"
        )


def check_same_batch_and_dtype(names: str, a: Tensor, b: Tensor) -> None:
    if a.shape[0] != b.shape[0]:  # not len(), which torch.export takes for a constant
        raise ValueError(
            f"{names} must be of the same batch size, got {a.shape[0]} and {b.shape[0]}"
        )
    if a.dtype != b.dtype:
        raise TypeError(f"{names} must be of the same dtype, got {a.dtype} and {b.dtype}")


def import_extra(module: str, does: str, extra: str) -> Any:
    """The module; ModuleNotFoundError, which says what it is for and how to get it, without it."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as missing:
        raise ModuleNotFoundError(
            f"{missing.name} is missing, which {does}; pip install 'histmatch-lab[{extra}]'",
            name=missing.name,
        ) from None
