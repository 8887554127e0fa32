"""Display-encoded and linear colour: sRGB, ProPhoto, BT.709 and BT.2020, PQ, Y'CbCr; and the
adjustments that the course's sliders make.

A camera file stores display-encoded values; light adds up in linear ones. Exposure and white
balance are changes of light and happen there, contrast is a tone curve on the stored values. All
functions here are differentiable, with finite gradients from pure black to far above white.
"""

import torch

from histmatch_lab._checks import check_finite, check_option, checked_floating, checked_shape
from histmatch_lab.ops.devices import back_to, where_float64_is

# x and y of red, green, blue and white
PRIMARIES = {
    "bt709": ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060), (0.3127, 0.3290)),  # and sRGB
    "bt2020": ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), (0.3127, 0.3290)),
    "prophoto": ((0.7347, 0.2653), (0.1596, 0.8404), (0.0366, 0.0001), (0.3457, 0.3585)),
}
BRADFORD = ((0.8951, 0.2664, -0.1614), (-0.7502, 1.7135, 0.0367), (0.0389, -0.0685, 1.0296))
YCBCR_WEIGHTS = {  # of red and blue in Y'
    "bt601": (0.299, 0.114),
    "bt709": (0.2126, 0.0722),
    "bt2020": (0.2627, 0.0593),
}
# SMPTE ST 2084: m1, m2, c1, c2, c3
PQ = (2610 / 16384, 2523 / 4096 * 128, 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32)
PQ_PEAK = 10_000.0  # nits

LUMINANCE_WEIGHTS = (0.2126, 0.7152, 0.0722)  # ITU-R BT.709: Y of red, green and blue


def srgb_to_linear(values: torch.Tensor) -> torch.Tensor:
    """Linear light of display-encoded sRGB (IEC 61966-2-1), any shape, 1 is white in both.

    v / 12.92 up to 0.04045, ((v + 0.055) / 1.055) ** 2.4 above; f(-v) = -f(v) below 0.

    >>> round(srgb_to_linear(torch.tensor(0.5)).item(), 4)
    0.214
    """
    checked_floating("values", values)
    size = values.abs().clamp(min=0.04045)  # keeps the power's gradient finite where unused
    power = values.sign() * ((size + 0.055) / 1.055) ** 2.4
    return torch.where(values.abs() <= 0.04045, values / 12.92, power)


def linear_to_srgb(values: torch.Tensor) -> torch.Tensor:
    """Display-encoded sRGB of linear light (IEC 61966-2-1), any shape; undoes `srgb_to_linear`.

    12.92 v up to 0.0031308, 1.055 v ** (1 / 2.4) - 0.055 above; f(-v) = -f(v) below 0.
    """
    checked_floating("values", values)
    size = values.abs().clamp(min=0.0031308)
    power = values.sign() * (1.055 * size ** (1 / 2.4) - 0.055)
    return torch.where(values.abs() <= 0.0031308, 12.92 * values, power)


def prophoto_to_linear(values: torch.Tensor) -> torch.Tensor:
    """Linear light of ProPhoto (ROMM, ISO 22028-2) values, any shape, 1 is white in both.

    v / 16 up to 1/32, v ** 1.8 above; f(-v) = -f(v) below 0.
    """
    checked_floating("values", values)
    size = values.abs().clamp(min=1 / 32)
    return torch.where(values.abs() < 1 / 32, values / 16, values.sign() * size**1.8)


def pq_to_nits(values: torch.Tensor) -> torch.Tensor:
    """Light in nits (cd/m2) of PQ values (SMPTE ST 2084): [0, 1] to [0, 10,000], any shape.

    Values outside [0, 1] are clamped. Computed in float64, in which float32 would err by 1e-4.
    """
    checked_floating("values", values)
    m1, m2, c1, c2, c3 = PQ
    power = where_float64_is(values).double().clamp(0, 1) ** (1 / m2)
    light = ((power - c1).clamp(min=0) / (c2 - c3 * power)) ** (1 / m1)
    return back_to(values, PQ_PEAK * light)


def nits_to_pq(nits: torch.Tensor) -> torch.Tensor:
    """PQ values (SMPTE ST 2084) of light in nits, any shape; undoes `pq_to_nits`, clamps alike."""
    checked_floating("nits", nits)
    m1, m2, c1, c2, c3 = PQ
    power = (where_float64_is(nits).double() / PQ_PEAK).clamp(0, 1) ** m1
    return back_to(nits, ((c1 + c2 * power) / (1 + c3 * power)) ** m2)


def primaries_matrix(source: str, target: str) -> torch.Tensor:
    """Linear RGB of one space to another's, (3, 3) float64; spaces as in `PRIMARIES`.

    Where the whites differ (ProPhoto's is D50), with Bradford's chromatic adaptation, so that
    white stays white. Raises ValueError for an unknown space.
    """
    check_option("source", source, PRIMARIES)
    check_option("target", target, PRIMARIES)
    bradford = torch.tensor(BRADFORD, dtype=torch.float64)
    gains = (bradford @ _white(target)) / (bradford @ _white(source))
    adapt = torch.linalg.solve(bradford, gains[:, None] * bradford)
    return torch.linalg.solve(_to_xyz(target), adapt @ _to_xyz(source))


def convert_primaries(linear: torch.Tensor, source: str, target: str) -> torch.Tensor:
    """`primaries_matrix` applied: linear (..., 3, H, W) to the same; nothing is clipped."""
    checked_shape("linear", linear, "... 3 H W")
    matrix = back_to(linear, primaries_matrix(source, target))
    return torch.einsum("ij,...jhw->...ihw", matrix, linear)


def ycbcr_to_rgb(codes: torch.Tensor, *, matrix: str, bits: int, full_range: bool) -> torch.Tensor:
    """R'G'B' in [0, 1] of Y'CbCr code values, as a movie stores them: (..., 3, H, W) to the same.

    codes: floats that hold the integers 0 to 2 ** bits - 1. matrix: as in `YCBCR_WEIGHTS`.
    full_range: whether black is 0 and white the largest code; else black is 16 and white 235,
    chroma 16 to 240, at 8 bits, and 2 ** (bits - 8) times that at more (BT.709, BT.2100).
    Nothing is clipped: codes beyond black and white give values outside [0, 1].
    """
    checked_shape("codes", codes, "... 3 H W")
    red, blue, black, luma_span, middle, chroma_span = _ycbcr_terms(matrix, bits, full_range)
    y, cb, cr = codes.unbind(-3)
    y = (y - black) / luma_span
    r = y + 2 * (1 - red) * (cr - middle) / chroma_span
    b = y + 2 * (1 - blue) * (cb - middle) / chroma_span
    return torch.stack([r, (y - red * r - blue * b) / (1 - red - blue), b], dim=-3)


def rgb_to_ycbcr(rgb: torch.Tensor, *, matrix: str, bits: int, full_range: bool) -> torch.Tensor:
    """Y'CbCr code values of R'G'B', not rounded; undoes `ycbcr_to_rgb`, with the same arguments."""
    checked_shape("rgb", rgb, "... 3 H W")
    red, blue, black, luma_span, middle, chroma_span = _ycbcr_terms(matrix, bits, full_range)
    r, g, b = rgb.unbind(-3)
    y = red * r + (1 - red - blue) * g + blue * b
    cb, cr = (b - y) / (2 * (1 - blue)), (r - y) / (2 * (1 - red))
    codes = (y * luma_span + black, cb * chroma_span + middle, cr * chroma_span + middle)
    return torch.stack(codes, dim=-3)


def luminance(linear: torch.Tensor) -> torch.Tensor:
    """Y = 0.2126 R + 0.7152 G + 0.0722 B (BT.709) of linear RGB: (..., 3, H, W) to (..., H, W)."""
    checked_shape("linear", linear, "... 3 H W")
    weights = torch.tensor(LUMINANCE_WEIGHTS, dtype=linear.dtype, device=linear.device)
    return torch.einsum("...chw,c->...hw", linear, weights)


def adjust_exposure(image: torch.Tensor, stops: float) -> torch.Tensor:
    """Let in 2 ** stops times the light: clamp(encode(2 ** stops * linear(image))).

    image: (..., 3, H, W) in [0, 1]; the result too. One stop up doubles the light, one down
    halves it; what exceeds white stays white.
    """
    checked_shape("image", image, "... 3 H W")
    check_finite("stops", stops)
    return linear_to_srgb(srgb_to_linear(image) * 2.0**stops).clamp(0, 1)


def adjust_contrast(image: torch.Tensor, factor: float) -> torch.Tensor:
    """Steeper or flatter round mid-grey: clamp(0.5 + factor * (image - 0.5)).

    image: (..., 3, H, W) in [0, 1]; the result too. factor 1 changes nothing, 0 leaves plain
    grey. It works on the display-encoded values, as the contrast slider of a photo editor does.
    """
    checked_shape("image", image, "... 3 H W")
    check_finite("factor", factor)
    if factor < 0:
        raise ValueError(f"factor must be 0 or more, got {factor}")
    return (0.5 + factor * (image - 0.5)).clamp(0, 1)


def adjust_white_balance(image: torch.Tensor, warmth: float) -> torch.Tensor:
    """Warmer (above 0) or cooler (below 0), as a change of the light's colour.

    clamp(encode(gain * linear(image))), with `white_balance_gains`.
    image: (..., 3, H, W) in [0, 1]; the result too.
    """
    checked_shape("image", image, "... 3 H W")
    gains = back_to(image, white_balance_gains(warmth))[:, None, None]
    return linear_to_srgb(srgb_to_linear(image) * gains).clamp(0, 1)


def white_balance_gains(warmth: float) -> torch.Tensor:
    """One gain per channel of linear light (von Kries): (3,), float64.

    2 ** (warmth / 2) for red, 1 for green, 2 ** (-warmth / 2) for blue, all divided by their
    luminance so that a grey keeps its own. At warmth 1 the ratio of red to blue doubles.
    """
    check_finite("warmth", warmth)
    gains = torch.tensor([2 ** (warmth / 2), 1, 2 ** (-warmth / 2)], dtype=torch.float64)
    return gains / (gains @ torch.tensor(LUMINANCE_WEIGHTS, dtype=torch.float64))


def _xyz(x: float, y: float) -> torch.Tensor:
    return torch.tensor([x / y, 1, (1 - x - y) / y], dtype=torch.float64)


def _white(space: str) -> torch.Tensor:
    return _xyz(*PRIMARIES[space][3])


def _to_xyz(space: str) -> torch.Tensor:
    """Columns: XYZ of red, green and blue, so scaled that they add up to white."""
    columns = torch.stack([_xyz(*corner) for corner in PRIMARIES[space][:3]], dim=1)
    return columns * torch.linalg.solve(columns, _white(space))


def _ycbcr_terms(matrix: str, bits: int, full_range: bool) -> tuple[float, ...]:
    """The weights of red and blue; black, and white less black; the middle of chroma, its span."""
    check_option("matrix", matrix, YCBCR_WEIGHTS)
    if not 8 <= bits <= 16:
        raise ValueError(f"bits must be 8 to 16, got {bits}")
    unit = 2 ** (bits - 8)
    if full_range:
        return *YCBCR_WEIGHTS[matrix], 0, 2**bits - 1, 128 * unit, 2**bits - 1
    return *YCBCR_WEIGHTS[matrix], 16 * unit, 219 * unit, 128 * unit, 224 * unit
