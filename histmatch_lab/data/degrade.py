"""What makes a pair harder: a picture badly taken, and a look that the input does not tell."""

import torch
from torch import Tensor

from histmatch_lab.color import (
    LUMINANCE_WEIGHTS,
    adjust_contrast,
    linear_to_srgb,
    srgb_to_linear,
    white_balance_gains,
)

# stops, warmth, saturation and contrast: between which values a degradation is drawn
DEGRADATION = ((-1.5, 0.5), (-0.8, 0.8), (0.5, 0.9), (0.6, 0.9))

# the same four
LOOKS = {
    "airy": (0.6, 0.3, 0.95, 0.92),
    "moody": (-0.7, -0.35, 0.8, 1.1),
    "vivid": (0.0, 0.0, 1.2, 1.15),
}


def spoil(source: Tensor, target: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """The input badly taken first: exposure, cast, pale colours, flat contrast; (3, H, W) both.

    How much of each comes from the generator alone, and no pixel depends on another: a crop is
    spoiled as it would be in its frame.
    """
    low, high = torch.tensor(DEGRADATION, dtype=torch.float64).unbind(dim=1)
    drawn = torch.rand(len(DEGRADATION), generator=generator, dtype=torch.float64)
    return _develop(srgb_to_linear(source), *(low + (high - low) * drawn).tolist()), target


def restyle(source: Tensor, target: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """The target with one of LOOKS at random, a function of a pixel's colour; (3, H, W) both."""
    index = int(torch.randint(len(LOOKS), (), generator=generator))
    return source, apply_look(srgb_to_linear(target), list(LOOKS)[index])


def apply_look(light: Tensor, look: str) -> Tensor:
    """One of LOOKS: (3, H, W) in linear light becomes display-encoded values in [0, 1]."""
    return _develop(light, *LOOKS[look])


def _develop(
    light: Tensor, stops: float, warmth: float, saturation: float, contrast: float
) -> Tensor:
    """Exposure, white balance and saturation as one 3x3 matrix, then encoding, then contrast."""
    gains = 2**stops * white_balance_gains(warmth)
    grey = torch.tensor(LUMINANCE_WEIGHTS, dtype=torch.float64).expand(3, 3)
    matrix = (saturation * torch.eye(3, dtype=torch.float64) + (1 - saturation) * grey) * gains
    changed = torch.einsum("ij,jhw->ihw", matrix.to(light), light)
    return adjust_contrast(linear_to_srgb(changed.clamp(0, 1)), contrast)
