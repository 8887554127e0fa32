"""Small ICC profiles for the tests, with the colours that they mean in float64."""

import struct

import imagecodecs
import numpy as np

D65 = np.array([0.3127, 0.3290])
SRGB_PRIMARIES = np.array([[0.64, 0.33], [0.30, 0.60], [0.15, 0.06]])
P3_PRIMARIES = np.array([[0.680, 0.320], [0.265, 0.690], [0.150, 0.060]])


def encode_srgb(linear: np.ndarray) -> np.ndarray:
    linear = np.clip(linear, 0, 1)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def decode_srgb(values: np.ndarray) -> np.ndarray:
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def to_xyz(primaries: np.ndarray, white: np.ndarray = D65) -> np.ndarray:
    """The matrix from linear RGB to XYZ, from chromaticities alone."""

    def xyz(xy: np.ndarray) -> np.ndarray:
        return np.array([xy[0], xy[1], 1 - xy[0] - xy[1]]) / xy[1]

    columns = np.stack([xyz(xy) for xy in primaries], axis=1)
    return columns * np.linalg.solve(columns, xyz(white))


def display_p3(gamma: float = 2.2) -> bytes:
    primaries = [number for xy in P3_PRIMARIES for number in (*xy, 1.0)]
    white = [*D65, 1.0]
    return bytes(imagecodecs.cms_profile("rgb", whitepoint=white, primaries=primaries, gamma=gamma))


def display_p3_to_srgb(values: np.ndarray, gamma: float = 2.2) -> np.ndarray:
    """(..., 3) in [0, 1]; both whites are D65, so nothing is adapted."""
    matrix = np.linalg.solve(to_xyz(SRGB_PRIMARIES), to_xyz(P3_PRIMARIES))
    return encode_srgb(values**gamma @ matrix.T)


def linear_grey() -> bytes:
    return bytes(imagecodecs.cms_profile("gray", whitepoint=[*D65, 1.0], gamma=1.0))


def printing_inks(magenta: np.ndarray) -> bytes:
    """A CMYK profile with no ink white, full black black, and full magenta the given sRGB.

    Every other mixture is mid-grey. Written by hand: the ICC's lut8 table with two points an
    ink, to CIE Lab.
    """
    table = np.full((2, 2, 2, 2, 3), (128, 128, 128), np.uint8)
    table[:, :, :, 1] = (0, 128, 128)
    table[0, 0, 0, 0] = (255, 128, 128)
    table[0, 1, 0, 0] = _lab8(magenta)
    ramp = bytes(range(256))
    identity = struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 65536)
    lut = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + identity + ramp * 4 + table.tobytes() + ramp * 3
    white = b"XYZ \0\0\0\0" + struct.pack(">3i", 63190, 65536, 54061)
    text = b"text\0\0\0\0none\0\0\0\0"
    words = b"test inks\0"
    description = b"desc\0\0\0\0" + struct.pack(">I", len(words)) + words + bytes(80)
    tags = {b"desc": description, b"cprt": text, b"wtpt": white, b"A2B0": lut}
    offset = 128 + 4 + 12 * len(tags)
    index, body = struct.pack(">I", len(tags)), b""
    for name, content in tags.items():
        content += bytes(-len(content) % 4)
        index += name + struct.pack(">II", offset + len(body), len(content))
        body += content
    header = struct.pack(">I4s4s4s4s4s", offset + len(body), b"lcms", b"\2\x20\0\0", b"prtr",
                         b"CMYK", b"Lab ")  # fmt: skip
    header += bytes(12) + b"acsp" + bytes(28) + struct.pack(">3i", 63190, 65536, 54061) + bytes(48)
    return header + index + body


def _lab8(srgb: np.ndarray) -> np.ndarray:
    """sRGB in [0, 1] as 8-bit CIE Lab under D50."""
    to_d50 = np.array([[0.4360747, 0.3850649, 0.1430804],
                       [0.2225045, 0.7168786, 0.0606169],
                       [0.0139322, 0.0971045, 0.7141733]])  # fmt: skip
    ratios = to_d50 @ decode_srgb(srgb) / [0.96422, 1.0, 0.82521]
    x, y, z = np.cbrt(ratios)  # the colours of the tests are not dark
    return np.round([(116 * y - 16) * 2.55, 500 * (x - y) + 128, 200 * (y - z) + 128])
