"""Raw photographs, developed by LibRaw."""

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from histmatch_lab._checks import import_extra
from histmatch_lab.data.picture import ImageError, refuse_huge

RAW = (".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".orf", ".rw2", ".pef", ".srw")
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
        if path.suffix.lower() == ".dng" and sizes.crop_width:
            pixels = _crop_as_asked(pixels, sizes)
    except (rawpy.LibRawError, ValueError) as problem:
        raise ImageError(f"{path} cannot be developed: {problem}") from problem
    upright = np.rot90(pixels, TURNS.get(sizes.flip, 0))
    planes = np.divide(np.moveaxis(upright, -1, 0), np.float32(65535), dtype=np.float32, order="C")
    return torch.from_numpy(planes)


def _crop_as_asked(pixels: np.ndarray, sizes: Any) -> np.ndarray:
    """Cut the frame out of the developed sensor; one without a mosaic is never halved."""
    step = sizes.width / pixels.shape[1]
    frame = (
        sizes.crop_left_margin - sizes.left_margin,
        sizes.crop_top_margin - sizes.top_margin,
        sizes.crop_width,
        sizes.crop_height,
    )
    left, top, width, height = (round(number / step) for number in frame)
    return pixels[top : top + height, left : left + width]
