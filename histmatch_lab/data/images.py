"""Pictures from files and back: every common format becomes the same kind of tensor.

The paper writes I(p) in [0, 1] for the value of pixel p; `load_image` is where those values
come from. Levels are kept exactly: 8-bit v becomes v / 255, 16-bit v becomes v / 65535.
"""

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from histmatch_lab._checks import checked_shape
from histmatch_lab._files import write_whole
from histmatch_lab.data.decoding import decode
from histmatch_lab.data.encoding import to_jpeg, to_png, to_tiff
from histmatch_lab.data.picture import Decoded, Facts
from histmatch_lab.data.picture import ImageError as ImageError  # part of what is offered here
from histmatch_lab.data.raw import RAW, develop
from histmatch_lab.data.tiff import exif_of

MAX_BYTES = 2**30
BLOCK = 2**22  # values
ENCODERS = {
    ".png": to_png,
    ".jpg": to_jpeg,
    ".jpeg": to_jpeg,
    ".tif": to_tiff,
    ".tiff": to_tiff,
}
PICTURES = (
    *ENCODERS,
    *(".webp", ".bmp", ".gif", ".jfif", ".jpe", ".jp2", ".j2k", ".avif"),
    *(".heic", ".heif", ".hif", ".jxl"),
    *RAW,
)

Readable = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO
Levels = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]


def load_image(
    source: Readable, *, max_side: int | None = None, white: float | None = None
) -> torch.Tensor:
    """Read a picture as float32 RGB (3, H, W) in [0, 1], display-encoded sRGB.

    source: a path, the bytes of a file, or a file opened in binary mode.
    max_side: a larger picture is made smaller until its longer side has this many pixels.
        Each new pixel is a weighted mean of those around it (a triangle as wide as the step),
        taken in float32 on the display-encoded values. Nothing is ever enlarged.
    white: the value that is white in a floating-point TIFF; its values are taken as sRGB's, or as
        its profile says.

    PNG, JPEG, TIFF, WebP, GIF, BMP, JPEG 2000 and AVIF are read; with the extra `heif` HEIC and
    JPEG XL; with the extra `raw` paths of raw photographs, see `develop`. What a viewer shows is
    what you get:

    - 8 to 16 bits per channel, without loss; grey and palette pictures become RGB;
    - the orientation that a phone wrote into EXIF is applied;
    - an embedded ICC profile is converted to sRGB, and colours outside sRGB are clipped;
    - transparent parts show white paper;
    - of an animation, or a file with several pages, the first picture is taken.

    Raises ImageError (a ValueError), which names the file, what was found and what to do: for a
    missing or unreadable file, for anything that is not a whole picture of a known format, for
    CMYK without a profile, pictures encoded for HDR screens, and above 120 megapixels. A profile
    that cannot be used is ignored with a warning, and the values are taken as sRGB.
    """
    if max_side is not None and max_side < 1:
        raise ValueError(f"max_side must be at least 1 pixel, or None, got {max_side}")
    image, _ = _on_paper(open_image(*_named_bytes(source), white=white))
    return image if max_side is None else shrink(image, max_side)


def decode_image(name: str | Path, data: bytes) -> tuple[torch.Tensor, int]:
    """What `load_image` makes of a file's bytes, and its bits per channel, 8 or 16.

    name: what messages call it by; its ending says that it is a raw photograph. Raises ImageError
    also for a file with several pictures.
    """
    decoded = open_image(name, data)
    refuse_several(name, decoded.facts)
    return _on_paper(decoded)


def open_image(name: str | Path, data: bytes, *, white: float | None = None) -> Decoded:
    """A file's picture and what the file says beside it; arguments as above."""
    path = Path(name)
    try:
        if path.suffix.lower() in RAW:
            return Decoded(develop(path, data).numpy(), None, Facts(16, exif_of(data)))
        return decode(data, white=white)
    except (ImageError, ModuleNotFoundError) as error:
        said = str(error).removeprefix(f"{path} ")
        raise ImageError(f"{name}: {said}") from error


def refuse_several(name: str | Path, facts: Facts) -> None:
    if facts.others:
        raise ImageError(f"{name} holds {facts.others + 1} pictures; export the one that you mean.")


def _on_paper(decoded: Decoded) -> tuple[torch.Tensor, int]:
    """On white paper, where it is transparent; and its bits."""
    rgb = torch.from_numpy(decoded.rgb)
    if decoded.alpha is not None:
        opacity = torch.from_numpy(decoded.alpha)
        rgb = opacity * rgb + (1 - opacity)
    return rgb, decoded.facts.bits


def is_picture(path: Path) -> bool:
    """Whether a file's name says that it is a picture; hidden ones, as Macs leave them, are not."""
    return path.suffix.lower() in PICTURES and not path.name.startswith(".")


def passed_over(paths: Sequence[Path]) -> str:
    """What is said of them, as "3 other files passed over: 2 .mov, 1 .txt"."""
    kinds = Counter("hidden" if p.name.startswith(".") else p.suffix or p.name for p in paths)
    listed = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
    return f"{len(paths)} other file{'s' if len(paths) > 1 else ''} passed over: {listed}"


def read_bytes(path: Path) -> bytes:
    """The bytes of a picture file, up to 1 GiB. Raises ImageError, which says what is wrong."""
    try:
        if not path.exists():
            raise ImageError(f"{path} does not exist (looked in {Path.cwd()}). Check the path.")
        if path.is_dir():
            raise ImageError(f"{path} is a folder; give the path of one picture in it.")
        if not path.is_file():
            raise ImageError(f"{path} is a device or a pipe; give the path of a picture file.")
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise ImageError(f"{path} has {size / 2**30:.1f} GiB; pictures up to 1 GiB are read.")
        return path.read_bytes()
    except OSError as error:
        raise ImageError(f"{path} cannot be read: {error.strerror}") from error


def save_image(
    image: torch.Tensor, path: str | os.PathLike[str], *, bits: int = 8, like: Decoded | None = None
) -> None:
    """Write a (3, H, W) picture in [0, 1] as PNG, JPEG or TIFF, by the ending of the path.

    bits: 8, or 16 for PNG and TIFF. Values outside [0, 1] are clamped, the rest rounded.
    like: a picture of this size, of which the transparency is kept (but for JPEG), and the EXIF and
        the resolution. The orientation is not, as the pixels are upright, nor the thumbnail. In
        place of its profile stands sRGB's.

    The file appears whole or not at all; an older file of that name is replaced only by a whole
    one. Raises ImageError for another ending or a folder that cannot be written; TypeError or
    ValueError for another type or shape, and for NaN.
    """
    path = Path(path)
    if bits not in (8, 16):
        raise ValueError(f"bits must be 8 or 16, got {bits!r}")
    if checked_shape("image", image, "3 H W").isnan().any():
        raise ValueError("image must be numbers in [0, 1], got NaN")
    known = {e: to for e, to in ENCODERS.items() if bits == 8 or to is not to_jpeg}
    encode = known.get(path.suffix.lower())
    if encode is None:
        raise ImageError(f"{path}: pictures of {bits} bits are written as {', '.join(known)}")
    levels = to_levels(image, bits)
    if like is not None and like.alpha is not None and encode is not to_jpeg:
        levels = np.concatenate([levels, to_levels(torch.from_numpy(like.alpha)[None], bits)])
    pixels = np.ascontiguousarray(np.moveaxis(levels, 0, -1))
    content = encode(pixels, like.facts if like else Facts(bits, Image.Exif()))
    try:
        write_whole(path, content)
    except OSError as error:
        raise ImageError(f"{path} cannot be written: {error.strerror}") from error


def to_levels(image: torch.Tensor, bits: int = 8) -> Levels:
    """Values in [0, 1] as 8- or 16-bit integers of the same shape: clamped, then rounded.

    >>> to_levels(torch.tensor([-0.1, 0.2, 1.0])).tolist()
    [0, 51, 255]
    """
    values, top = image.detach().cpu().reshape(-1), 2**bits - 1
    levels = np.empty(len(values), f"uint{bits}")
    for start in range(0, len(values), BLOCK):  # in doubles, which take eight times the memory
        part = slice(start, start + BLOCK)
        levels[part] = values[part].clamp(0, 1).double().mul_(top).round_().numpy()
    return levels.reshape(image.shape)


def resize(image: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
    """A (3, H, W) picture at another (height, width), antialiased, clamped to [0, 1]."""
    resized = torch.nn.functional.interpolate(
        image[None], size=list(size), mode="bilinear", align_corners=False, antialias=True
    )
    return resized[0].clamp(0, 1)


def shrink(image: torch.Tensor, max_side: int) -> torch.Tensor:
    """A (3, H, W) picture of at most `max_side` pixels a side, of the same shape."""
    height, width = image.shape[1:]
    longer = max(height, width)
    if longer <= max_side:
        return image
    size = [max(1, round(side * max_side / longer)) for side in (height, width)]
    return resize(image, size)


def _named_bytes(source: Readable) -> tuple[str, bytes]:
    """The name that messages call a picture by, and its bytes."""
    if isinstance(source, bytes | bytearray | memoryview):
        return "The given picture", bytes(source)
    if isinstance(source, str | os.PathLike):
        return str(source), read_bytes(Path(source).expanduser())
    if not hasattr(source, "read"):
        raise TypeError(
            "source must be a path, bytes, or a file opened in binary mode, "
            f"got {type(source).__name__}"
        )
    data = source.read()
    if not isinstance(data, bytes):
        raise TypeError("source must be opened with mode 'rb', got a file opened as text")
    return str(getattr(source, "name", "The given picture")), data
