"""Display-encoded sRGB and linear light, and the adjustments that the course's sliders make.

A camera file stores display-encoded values; light adds up in linear ones. Exposure and white
balance are changes of light and happen there, contrast is a tone curve on the stored values. All
functions here are differentiable, with finite gradients from pure black to far above white.
"""

import math

import torch

LUMINANCE_WEIGHTS = (0.2126, 0.7152, 0.0722)  # ITU-R BT.709: Y of red, green and blue


def srgb_to_linear(values: torch.Tensor) -> torch.Tensor:
    """Linear light of display-encoded sRGB (IEC 61966-2-1), any shape, 1 is white in both.

    v / 12.92 up to 0.04045, ((v + 0.055) / 1.055) ** 2.4 above; f(-v) = -f(v) below 0.
    """
    _require_floats("values", values)
    size = values.abs().clamp(min=0.04045)  # keeps the power's gradient finite where unused
    power = values.sign() * ((size + 0.055) / 1.055) ** 2.4
    return torch.where(values.abs() <= 0.04045, values / 12.92, power)


def linear_to_srgb(values: torch.Tensor) -> torch.Tensor:
    """Display-encoded sRGB of linear light (IEC 61966-2-1), any shape; undoes `srgb_to_linear`.

    12.92 v up to 0.0031308, 1.055 v ** (1 / 2.4) - 0.055 above; f(-v) = -f(v) below 0.
    """
    _require_floats("values", values)
    size = values.abs().clamp(min=0.0031308)
    power = values.sign() * (1.055 * size ** (1 / 2.4) - 0.055)
    return torch.where(values.abs() <= 0.0031308, 12.92 * values, power)


def luminance(linear: torch.Tensor) -> torch.Tensor:
    """Y = 0.2126 R + 0.7152 G + 0.0722 B (BT.709) of linear RGB: (..., 3, H, W) to (..., H, W)."""
    _require_rgb("linear", linear)
    weights = torch.tensor(LUMINANCE_WEIGHTS, dtype=linear.dtype, device=linear.device)
    return torch.einsum("...chw,c->...hw", linear, weights)


def adjust_exposure(image: torch.Tensor, stops: float) -> torch.Tensor:
    """Let in 2 ** stops times the light: clamp(encode(2 ** stops * linear(image))).

    image: (..., 3, H, W) in [0, 1]; the result too. One stop up doubles the light, one down
    halves it; what exceeds white stays white.
    """
    _require_rgb("image", image)
    _require_finite("stops", stops)
    return linear_to_srgb(srgb_to_linear(image) * 2.0**stops).clamp(0, 1)


def adjust_contrast(image: torch.Tensor, factor: float) -> torch.Tensor:
    """Steeper or flatter round mid-grey: clamp(0.5 + factor * (image - 0.5)).

    image: (..., 3, H, W) in [0, 1]; the result too. factor 1 changes nothing, 0 leaves plain
    grey. It works on the display-encoded values, as the contrast slider of a photo editor does.
    """
    _require_rgb("image", image)
    _require_finite("factor", factor)
    if factor < 0:
        raise ValueError(f"factor is {factor}; wanted is at least 0 (below, it makes negatives)")
    return (0.5 + factor * (image - 0.5)).clamp(0, 1)


def adjust_white_balance(image: torch.Tensor, warmth: float) -> torch.Tensor:
    """Warmer (above 0) or cooler (below 0), as a change of the light's colour.

    clamp(encode(gain * linear(image))), with `white_balance_gains`.
    image: (..., 3, H, W) in [0, 1]; the result too.
    """
    _require_rgb("image", image)
    gains = white_balance_gains(warmth).to(image)[:, None, None]
    return linear_to_srgb(srgb_to_linear(image) * gains).clamp(0, 1)


def white_balance_gains(warmth: float) -> torch.Tensor:
    """One gain per channel of linear light (von Kries): (3,), float64.

    2 ** (warmth / 2) for red, 1 for green, 2 ** (-warmth / 2) for blue, all divided by their
    luminance so that a grey keeps its own. At warmth 1 the ratio of red to blue doubles.
    """
    _require_finite("warmth", warmth)
    gains = torch.tensor([2 ** (warmth / 2), 1, 2 ** (-warmth / 2)], dtype=torch.float64)
    return gains / (gains @ torch.tensor(LUMINANCE_WEIGHTS, dtype=torch.float64))


def _require_floats(name: str, values: torch.Tensor) -> None:
    if not isinstance(values, torch.Tensor):
        raise TypeError(f"{name} is {type(values).__name__}; wanted is a torch.Tensor")
    if not values.is_floating_point():
        raise TypeError(f"{name} is {values.dtype}; wanted are floats (divide 8-bit ones by 255)")


def _require_rgb(name: str, image: torch.Tensor) -> None:
    _require_floats(name, image)
    if image.ndim < 3 or image.shape[-3] != 3:
        raise ValueError(f"{name} has shape {tuple(image.shape)}; wanted is (..., 3, H, W)")


def _require_finite(name: str, number: float) -> None:
    if not math.isfinite(number):
        raise ValueError(f"{name} is {number}; wanted is a finite number")
