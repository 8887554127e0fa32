"""TIFF, of all kinds that scanners, cameras and editors write, to levels."""

from contextlib import suppress
from io import BytesIO

import numpy as np
import tifffile
from PIL import Image

from histmatch_lab.data.picture import Facts, ImageError, Levels, Stored, refuse_huge

TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
CHANNELS = {"MINISWHITE": 1, "MINISBLACK": 1, "RGB": 3, "PALETTE": 3, "SEPARATED": 4}
ORIENTATION, RESOLUTION = 0x0112, 282
REDUCED_OR_MASK = 0b101  # bits of NewSubfileType


def open_tiff(data: bytes, white: float | None) -> Stored:
    """The first page. white: the value in a floating-point file that is white."""
    with tifffile.TiffFile(BytesIO(data)) as tiff:
        page = tiff.pages.first
        kind = _readable_kind(page, white)
        pixels = page.asarray()
        others = sum(not one.aspage().subfiletype & REDUCED_OR_MASK for one in tiff.pages) - 1
        across, down = page.get_resolution("inch")[:2]
    pixels = np.moveaxis(pixels, 0, -1) if page.axes == "SYX" else np.atleast_3d(pixels)
    if page.colormap is not None:
        palette = (page.colormap.T >> 8) * np.uint16(257)  # writers store v * 256 or v * 257
        pixels = palette[pixels[..., 0]]
    else:
        pixels = full_scale(pixels, page.bitspersample, white)
    colour = pixels[..., : CHANNELS[kind]]
    if kind == "MINISWHITE":
        colour = 65535 - colour
    alpha, colour = _alpha(page, pixels, colour)
    bits = 16 if page.bitspersample > 8 and page.colormap is None else 8
    dpi = (across, down) if RESOLUTION in page.tags else None
    facts = Facts(bits, exif_of(data), page.iccprofile, dpi, others)
    return Stored(colour, alpha, page.tags.valueof(ORIENTATION, 1), facts)


def full_scale(pixels: np.ndarray, bits: int, white: float | None = None) -> Levels:
    """Levels of these bits, or floating-point values up to white, with white at 65535."""
    top = 2**bits - 1
    if pixels.dtype.kind == "f":
        assert white is not None
        scaled = np.nan_to_num(pixels.astype(np.float32) / white).clip(0, 1) * 65535
        return scaled.round().astype(np.uint16)
    if 65535 % top == 0:
        return pixels.astype(np.uint16) * np.uint16(65535 // top)
    return (pixels * (65535 / top)).round().astype(np.uint16)


def exif_of(data: bytes) -> Image.Exif:
    """The EXIF of a file that is built like a TIFF, as most raw photographs are; else nothing."""
    exif = Image.Exif()
    with suppress(Exception):  # Pillow raises anything at all on what is built otherwise
        exif.load_from_fp(BytesIO(data))
    return exif


def _readable_kind(page: tifffile.TiffPage, white: float | None) -> str:
    """The key of CHANNELS that the page's pixels have once they are unpacked."""
    refuse_huge(page.imagewidth, page.imagelength)
    kind = tifffile.PHOTOMETRIC(page.photometric).name
    if kind == "YCBCR" and page.compression == tifffile.COMPRESSION.JPEG:
        kind = "RGB"  # the codec converts it
    if page.is_dng or _holds_sensor_data(page):
        raise ImageError("is a camera raw file; develop it first and export a TIFF or JPEG.")
    if page.sampleformat == tifffile.SAMPLEFORMAT.IEEEFP and white is None:
        raise ImageError(
            f"holds {page.dtype} values, of which nobody says which is white; say it (white=1.0, "
            "--white 1.0), or export it with 8 or 16 bits per channel."
        )
    if page.sampleformat not in (tifffile.SAMPLEFORMAT.UINT, tifffile.SAMPLEFORMAT.IEEEFP):
        raise ImageError(f"holds {page.dtype} values; export it with 8 or 16 bits per channel.")
    if page.samplesperpixel > 5:  # CMYK and one alpha
        raise ImageError(f"has {page.samplesperpixel} channels; export it as RGB.")
    if page.axes not in ("YX", "YXS", "SYX"):
        raise ImageError(f"holds a stack with axes {page.axes}; export one RGB picture of it.")
    if kind not in CHANNELS:
        raise ImageError(f"stores its colours as {kind}; export it as RGB.")
    return kind


def _alpha(page: tifffile.TiffPage, pixels: Levels, colour: Levels) -> tuple[Levels | None, Levels]:
    """The opacity if the page has one, and the colour with an associated alpha divided out."""
    extra = page.extrasamples[:1]
    if not extra or extra[0] == tifffile.EXTRASAMPLE.UNSPECIFIED:
        return None, colour
    alpha = pixels[..., colour.shape[2]]
    if extra[0] == tifffile.EXTRASAMPLE.UNASSALPHA:
        return alpha, colour
    opacity = np.maximum(alpha[..., None], 1) / 65535
    return alpha, np.minimum(colour / opacity, 65535).round().astype(np.uint16)


def _holds_sensor_data(page: tifffile.TiffPage) -> bool:
    pages = [page, *(page.pages or ())]
    sensor = (tifffile.PHOTOMETRIC.CFA, tifffile.PHOTOMETRIC.LINEAR_RAW)
    return any(one.keyframe.photometric in sensor for one in pages)
