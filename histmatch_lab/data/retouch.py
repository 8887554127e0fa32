"""A ladder of parametric "experts" who retouch a photograph, and the degradation that they undo.

The paper trains on expert C of MIT-Adobe FiveK, whose photographs nobody but their holders may
pass on. Here a clean photograph gives both sides of a pair: `degrade` spoils it and `retouch`
improves it. Each expert asks one thing more of a model than the one before:

- "global" gives every photograph the same look: a function of a pixel's colour alone;
- "adaptive" first corrects the white balance, the key and the range of this photograph;
- "local" dodges and burns, darkens the corners and deepens a blue sky as well;
- "ambiguous" does as "adaptive" does and then takes one of three looks; the input does not tell
  which.

All of them see the whole frame; the first and the last step of each are functions of colour.
"""

import torch
from torch import Tensor
from torch.nn.functional import pad

from histmatch_lab._checks import check_option, checked_shape
from histmatch_lab.color import (
    LUMINANCE_WEIGHTS,
    adjust_contrast,
    linear_to_srgb,
    luminance,
    srgb_to_linear,
    white_balance_gains,
)

EXPERTS = ("global", "adaptive", "local", "ambiguous")

# stops, warmth, saturation and contrast: between which values a degradation is drawn
DEGRADATION = ((-1.5, 0.5), (-0.8, 0.8), (0.5, 0.9), (0.6, 0.9))

# the same four
LOOKS = {
    "airy": (0.6, 0.3, 0.95, 0.92),
    "moody": (-0.7, -0.35, 0.8, 1.1),
    "vivid": (0.0, 0.0, 1.2, 1.15),
}


def degrade(light: Tensor, generator: torch.Generator) -> Tensor:
    """A badly taken picture of the same light: exposure, cast, pale colours, flat contrast.

    light: (3, H, W), the clean photograph in linear light. Returns display-encoded values in
    [0, 1]. How much of each comes from the generator alone, and no pixel depends on another: a
    crop of the light degrades as it would in its frame.
    """
    low, high = torch.tensor(DEGRADATION, dtype=torch.float64).unbind(dim=1)
    drawn = torch.rand(len(DEGRADATION), generator=generator, dtype=torch.float64)
    return _develop(light, *(low + (high - low) * drawn).tolist())


def retouch(image: Tensor, expert: str, *, generator: torch.Generator | None = None) -> Tensor:
    """What the expert makes of a photograph: (3, H, W) in [0, 1], display-encoded, to the same.

    Only "ambiguous" draws from the generator, and needs one; the others always do the same.
    Raises ValueError for an unknown expert or another shape.
    """
    check_option("expert", expert, EXPERTS)
    checked_shape("image", image, "3 H W")
    if expert == "ambiguous":
        if generator is None:
            raise ValueError("generator must be given for the expert 'ambiguous', got None")
        return apply_random_look(srgb_to_linear(retouch(image, "adaptive")), generator)
    if expert != "global":
        image = _normalise(image)
    if expert == "local":
        image = _paint_light(image)
    return _finish(image)


def apply_random_look(light: Tensor, generator: torch.Generator) -> Tensor:
    """The last step of "ambiguous": one of LOOKS at random, a function of a pixel's colour.

    light: (3, H, W), what "adaptive" made, in linear light. Returns display-encoded values.
    """
    index = int(torch.randint(len(LOOKS), (), generator=generator))
    return _develop(light, *list(LOOKS.values())[index])


def _develop(
    light: Tensor, stops: float, warmth: float, saturation: float, contrast: float
) -> Tensor:
    """Exposure, white balance and saturation as one 3x3 matrix, then encoding, then contrast."""
    gains = 2**stops * white_balance_gains(warmth)
    grey = torch.tensor(LUMINANCE_WEIGHTS, dtype=torch.float64).expand(3, 3)
    matrix = (saturation * torch.eye(3, dtype=torch.float64) + (1 - saturation) * grey) * gains
    changed = torch.einsum("ij,jhw->ihw", matrix.to(light), light)
    return adjust_contrast(linear_to_srgb(changed.clamp(0, 1)), contrast)


def _finish(image: Tensor) -> Tensor:
    """The look that the experts share: open shadows, an S-curve, warm lights, strong colours."""
    open_shadows = image**0.85
    s_curve = open_shadows**2 * (3 - 2 * open_shadows)
    toned = 0.45 * open_shadows + 0.55 * s_curve
    grey = luminance(toned)
    warm = torch.tensor([0.05, 0.0, -0.05]).to(image)[:, None, None] * (grey - 0.4)
    return (grey + 1.2 * (toned - grey) + warm).clamp(0, 1)


def _normalise(image: Tensor) -> Tensor:
    """White balance, range and key of this photograph, each most of the way to a standard one."""
    linear = srgb_to_linear(image)
    light = linear.pow(6).mean(dim=(1, 2), keepdim=True).pow(1 / 6)  # Finlayson's shades of grey
    gains = (luminance(light)[None] / light.clamp(min=1e-4)) ** 0.6
    balanced = linear_to_srgb((linear * gains.clamp(0.7, 1.5)).clamp(0, 1))

    grey = luminance(balanced)
    black, white = torch.quantile(grey, torch.tensor([0.005, 0.995]).to(grey))
    black, white = 0.7 * black, 1 - 0.7 * (1 - white)
    stretched = ((balanced - black) / (white - black)).clamp(0, 1)

    key = luminance(stretched).clamp(min=0.02).log().mean()  # the log of the geometric mean
    gamma = (torch.tensor(0.4).log() / key.clamp(max=-0.05)) ** 0.6
    return stretched ** gamma.clamp(0.55, 1.6)


def _paint_light(image: Tensor) -> Tensor:
    """Dodge and burn, a vignette and a deeper blue sky.

    All of it is one exponent from place to place, 2 ** -light, which moves the middle tones and
    leaves black and white as they are.
    """
    height, width = image.shape[1:]
    down = torch.linspace(-1, 1, height).to(image)[:, None]
    across = torch.linspace(-1, 1, width).to(image)
    brightness = luminance(image)

    base = _guided_filter(brightness, brightness)
    dodge_and_burn = -2.0 * (base - base.mean()) + 1.0 * (brightness - base)
    vignette = -0.25 * (down**2 + across**2)
    blue = torch.sigmoid((image[2] - image[0] - 0.08) / 0.03)
    bright = torch.sigmoid((brightness - 0.35) / 0.06)
    high = torch.sigmoid(-down / 0.15)
    sky = _guided_filter(blue * bright * high, brightness).clamp(0, 1)

    light = dodge_and_burn.clamp(-1, 1) + vignette - 0.5 * sky
    painted = image**2**-light
    grey = luminance(painted)
    return (grey + (1 + 0.3 * sky) * (painted - grey)).clamp(0, 1)


def _guided_filter(values: Tensor, guide: Tensor, softness: float = 0.1) -> Tensor:
    """values, (H, W), smoothed except across the edges of guide (He, Sun and Tang 2010)."""
    radius = min(values.shape) // 12

    def mean(x: Tensor) -> Tensor:
        padded = pad(x[None], (radius,) * 4, mode="reflect")[0]
        columns = padded.unfold(0, 2 * radius + 1, 1).mean(-1)
        return columns.unfold(1, 2 * radius + 1, 1).mean(-1)

    middle, level = mean(guide), mean(values)
    covariance = mean(guide * values) - middle * level
    slope = covariance / (mean(guide**2) - middle**2 + softness**2)
    return mean(slope) * guide + mean(level - slope * middle)
