"""Raw photographs, developed by LibRaw."""

from io import BytesIO
from pathlib import Path

import numpy as np
import tifffile
import torch
from torch import Tensor

from histmatch_lab._checks import import_extra
from histmatch_lab.data.picture import ImageError, refuse_huge

RAW = (".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".orf", ".rw2", ".pef", ".srw")
CROP_ORIGIN, CROP_SIZE = 50719, 50720  # tags of DNG
TURNS = {3: 2, 5: 1, 6: -1}  # LibRaw's name of how the camera was held: quarter turns to the left


def develop(path: Path, data: bytes, *, short_side: int | None = None) -> Tensor:
    """A raw photograph as sRGB (3, H, W) in [0, 1], with the camera's white balance, by LibRaw.

    Nothing is brightened by guess, and of a DNG the frame is the one that the file asks for
    (DefaultCropOrigin and DefaultCropSize), as Adobe's programs cut it.

    short_side: of half the size where that leaves this many pixels, which is ten times quicker.

    Raises ImageError, which names the path, for data that are damaged; ModuleNotFoundError, which
    says how to get it, without rawpy.
    """
    rawpy = import_extra("rawpy", "reads raw photographs", "raw")
    try:
        with rawpy.imread(BytesIO(data)) as raw:
            sizes = raw.sizes
            refuse_huge(sizes.width, sizes.height)
            pixels = raw.postprocess(
                half_size=bool(short_side and min(sizes.height, sizes.width) >= 2 * short_side),
                use_camera_wb=True,
                no_auto_bright=True,
                adjust_maximum_thr=0.0,
                output_bps=16,
                gamma=(2.4, 12.92),
                output_color=rawpy.ColorSpace.sRGB,
                user_flip=0,
            )
        if path.suffix.lower() == ".dng":
            # a sensor without a mosaic is never halved
            pixels = _crop_as_asked(pixels, data, sizes.width / pixels.shape[1])
    except (rawpy.LibRawError, tifffile.TiffFileError, ValueError) as problem:
        raise ImageError(f"{path} cannot be developed: {problem}") from problem
    upright = np.rot90(pixels, TURNS.get(sizes.flip, 0))
    planes = np.divide(np.moveaxis(upright, -1, 0), np.float32(65535), dtype=np.float32, order="C")
    return torch.from_numpy(planes)


def _crop_as_asked(pixels: np.ndarray, data: bytes, step: float) -> np.ndarray:
    """Cut the default crop out of the developed sensor, of which a pixel is `step` wide."""
    with tifffile.TiffFile(BytesIO(data)) as tiff:
        first = tiff.pages.first
        pages = [first, *(first.pages or ())]
        sensor = max(pages, key=lambda page: page.imagewidth)
        origin, size = (_numbers(sensor.tags.valueof(tag)) for tag in (CROP_ORIGIN, CROP_SIZE))
    if not (origin and size):
        return pixels
    left, top, width, height = (round(number / step) for number in (*origin, *size))
    return pixels[top : top + height, left : left + width]


def _numbers(value: object) -> list[float]:
    """Two numbers of a tag, which may be stored as four: numerator, denominator, twice."""
    if not isinstance(value, tuple):
        return []
    numbers = [float(number) for number in value]
    if len(numbers) == 4:
        return [numbers[0] / numbers[1], numbers[2] / numbers[3]]
    return numbers
