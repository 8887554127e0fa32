"""What Apple's GPUs lack: float64, and before torch 2.7 an antialiased ``interpolate``."""

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
        return small_square(image.cpu(), side).to(image.device)
    return F.interpolate(image, size=(side, side), mode="bilinear", antialias=True)
