"""Real files for the tests of data: pictures, raw photographs, copies of FiveK in the small."""

import warnings
from pathlib import Path

import numpy as np
import tifffile
import torch

from histmatch_lab.data.images import save_image
from tests.command import run

SRGB_TO_XYZ = (
    (0.4124564, 0.3575761, 0.1804375),
    (0.2126729, 0.7151522, 0.0721750),
    (0.0193339, 0.1191920, 0.9503041),
)

BAYER = np.array([[0, 1], [1, 2]])  # 0 red, 1 green, 2 blue
X_TRANS = np.array([[int(channel) for channel in row] for row in (
    "121101", "010212", "121101", "101121", "212010", "101121",
)])  # fmt: skip


def picture(number: int, height: int = 24, width: int = 32) -> torch.Tensor:
    """A smooth picture with saturated corners, another one for each number; (3, H, W)."""
    down, across = torch.linspace(0, 1, height)[:, None], torch.linspace(0, 1, width)
    red = 0.1 + 0.8 * across * (1 - 0.3 * down)
    green = 0.1 + 0.8 * down * (0.5 + 0.5 * torch.cos(torch.tensor(float(number))) ** 2)
    blue = 0.9 - 0.7 * across * down
    return torch.stack([x.expand(height, width) for x in (red, green, blue)])


def levels(image: torch.Tensor, bits: int = 16) -> np.ndarray:
    """(H, W, 3) integers."""
    scaled = (image.double() * (2**bits - 1)).round().permute(1, 2, 0).numpy()
    return np.ascontiguousarray(scaled.astype(np.uint16 if bits == 16 else np.uint8))


def write_pictures(folder: Path, names: list[str], *, bits: int = 8, **size: int) -> None:
    for number, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        save_image(picture(number, **size), path, bits=bits)


def prepared_pairs(folder: Path) -> Path:
    """Five pairs of 32 x 32 pixels as `histmatch-lab prepare` writes them, four to train on."""
    names = [f"{number}.png" for number in range(5)]
    write_pictures(folder / "in", names, height=32, width=32)
    write_pictures(folder / "out", names[1:] + names[:1], height=32, width=32)
    run("prepare", "folder", *(folder / name for name in ("in", "out", "pairs")))
    return folder / "pairs"


def write_dng(
    path: Path,
    linear: torch.Tensor,
    *,
    margin: int = 0,
    orientation: int = 1,
    sensor: np.ndarray | None = BAYER,
) -> None:
    """A raw photograph of linear sRGB light, (3, H, W) with even sides.

    The camera's colours are sRGB's. margin: rows and columns round the frame that the file asks
    to cut off. sensor: which channel its pixels see, repeated; all of them if None.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    framed = torch.nn.functional.pad(linear[None], (margin,) * 4, mode="replicate")[0]
    matrix = np.linalg.inv(np.array(SRGB_TO_XYZ)).round(6).flatten()
    rationals = tuple(int(x) for value in matrix for x in (value * 1_000_000, 1_000_000))
    height, width = linear.shape[1:]
    tags = [
        (50706, 1, 4, (1, 4, 0, 0), True),  # DNGVersion
        (50708, 2, 0, "Test camera", True),  # UniqueCameraModel
        (50719, 4, 2, (margin, margin), True),  # DefaultCropOrigin
        (50720, 4, 2, (width, height), True),  # DefaultCropSize
        (50721, 10, 9, rationals, True),  # ColorMatrix1
        (50728, 5, 3, (1, 1, 1, 1, 1, 1), True),  # AsShotNeutral
        (50778, 3, 1, 21, True),  # CalibrationIlluminant1: D65
        (274, 3, 1, orientation, True),
    ]
    data, photometric = levels(framed.clamp(0, 1)), 34892
    if sensor is not None:
        seen = np.tile(sensor, [-(-side // len(sensor)) for side in data.shape[:2]])
        seen = seen[: data.shape[0], : data.shape[1], None]
        data, photometric = np.take_along_axis(data, seen, 2)[..., 0], 32803
        pattern = bytes(sensor.flatten().tolist())
        tags.append((33421, 3, 2, sensor.shape, True))  # CFARepeatPatternDim
        tags.append((33422, 1, len(pattern), pattern, True))  # CFAPattern
    channels = 1 if sensor is not None else 3
    tags.append((50717, 4, channels, (65535,) * channels, True))  # WhiteLevel
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tifffile doubts tags that it does not write itself
        tifffile.imwrite(path, data, photometric=photometric, extratags=tags, metadata=None)


def write_prophoto_tiff(path: Path, srgb: torch.Tensor, *, compression: str | None = None) -> None:
    """An expert's TIFF: sRGB values as 16-bit ProPhoto, without a profile."""
    import colour

    path.parent.mkdir(parents=True, exist_ok=True)
    linear = colour.models.eotf_sRGB(srgb.permute(1, 2, 0).double().numpy())
    spaces = [colour.RGB_COLOURSPACES[n].copy() for n in ("sRGB", "ProPhoto RGB")]
    for space in spaces:
        space.use_derived_transformation_matrices(True)  # the standard's are rounded
    wide = colour.RGB_to_RGB(
        linear, spaces[0], spaces[1], chromatic_adaptation_transform="Bradford"
    )
    encoded = colour.models.cctf_encoding_ROMMRGB(wide.clip(0, 1))
    data = (encoded * 65535).round().astype(np.uint16)
    tifffile.imwrite(path, data, photometric="rgb", compression=compression)
