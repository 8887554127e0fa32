"""What a file of a picture holds."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Levels = npt.NDArray[np.uint16]
MAX_PIXELS = 120_000_000
TOO_LARGE = "says that it has more than 120 megapixels; make it smaller first."


class ImageError(ValueError):
    """A picture cannot be read or written; the message says what was found and what to do."""

    def _render_traceback_(self) -> list[str]:
        """What IPython shows: who chose the file needs the message alone, in red."""
        return [f"\x1b[1;31m{self}\x1b[0m"]


@dataclass(frozen=True)
class Facts:
    """What a file says beside its pixels."""

    bits: int  # 16 where a channel has more than 8, else 8
    exif: Any  # a PIL.Image.Exif
    profile: bytes | None = None
    dpi: tuple[float, float] | None = None
    others: int = 0  # further pages or frames
    note: str = ""  # what is in the file and not in its picture


@dataclass(frozen=True)
class Stored:
    """What a container holds; levels are uint16 with white at 65535."""

    colour: Levels  # (H, W, 1) grey, (H, W, 3) RGB or (H, W, 4) CMYK
    alpha: Levels | None  # (H, W)
    orientation: int  # EXIF, 1 to 8; 1 where the codec has turned it already
    facts: Facts


@dataclass(frozen=True)
class Decoded:
    """A picture as a viewer shows it, upright."""

    rgb: npt.NDArray[np.float32]  # (3, H, W), sRGB in [0, 1]
    alpha: npt.NDArray[np.float32] | None  # (H, W) in [0, 1]
    facts: Facts


def refuse_huge(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise ImageError(TOO_LARGE)
