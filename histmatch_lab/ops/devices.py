"""What Apple's GPUs lack: float64, and before torch 2.7 an antialiased ``interpolate``."""

import torch
from torch import Tensor
from torch.nn import functional as F

APPLE = "mps"


def on_apple(values: Tensor) -> bool:
    return values.device.type == APPLE


def where_float64_is(values: Tensor) -> Tensor:
    """The same, on the CPU if it was on an Apple GPU."""
    return values.cpu() if on_apple(values) else values


def back_to(values: Tensor, result: Tensor) -> Tensor:
    """The result in the type of the values and where they are; the type first, for MPS."""
    return result.to(values.dtype).to(values.device)


def small_square(image: Tensor, side: int) -> Tensor:
    """Bilinear and antialiased: (B, C, H, W) -> (B, C, side, side)."""
    if on_apple(image):
        return small_square_plainly(image, side)
    return F.interpolate(image, size=(side, side), mode="bilinear", antialias=True)


def small_square_plainly(image: Tensor, side: int) -> Tensor:
    """The same as two matrix products."""
    down, across = (_triangles(side, size, image) for size in image.shape[2:])
    return down @ image @ across.T


def _triangles(side: int, size: int, like: Tensor) -> Tensor:
    """How much each of the pixels of a row weighs in each of fewer: (side, size)."""
    step = size / side
    pixels = torch.arange(size, dtype=like.dtype, device=like.device) + 0.5
    centers = (torch.arange(side, dtype=like.dtype, device=like.device) + 0.5) * step
    weights = (1 - (pixels - centers[:, None]).abs() / max(step, 1.0)).clamp(min=0)
    return weights / weights.sum(1, keepdim=True)
