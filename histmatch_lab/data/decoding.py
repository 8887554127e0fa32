"""From the bytes of a picture file to sRGB values.

Inside, every picture is uint16 with white at 65535. That is exact for 8 bits as well, because
257 v / 65535 and v / 255 are the same number.
"""

import importlib
import warnings
from contextlib import suppress
from functools import cache
from io import BytesIO

import imagecodecs
import numpy as np
from PIL import Image

from histmatch_lab.data.picture import (
    TOO_LARGE,
    Decoded,
    Facts,
    ImageError,
    Levels,
    Stored,
    refuse_huge,
)
from histmatch_lab.data.profiles import to_srgb
from histmatch_lab.data.tiff import ORIENTATION, TIFF_STARTS, full_scale, open_tiff

# JPEG takes in a phone's MPO; the last two come with the extra `heif`
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "JPEG2000", "AVIF", "HEIF", "JXL")
TURNED = ("HEIF", "JXL")  # by their codecs, whatever EXIF says
HEIF = "; to read it: pip install 'histmatch-lab[heif]'"
HEIC = f"an HEIC photograph, as iPhones take them{HEIF}"
NOT_PICTURES = (
    (0, b"%PDF", "a PDF document"),
    (0, b"PK\x03\x04", "a ZIP archive or an office document"),
    (0, b"\x1f\x8b", "a gzip archive"),
    (0, b"8BPS", "a Photoshop document"),
    *((4, f"ftyp{brand}".encode(), HEIC) for brand in ("hei", "hev", "mif1", "msf1")),
    (4, b"ftypavi", "an AVIF picture; to read it: pip install 'pillow>=11.3'"),
    (4, b"ftypcrx", "a camera raw file"),
    (4, b"ftyp", "a movie or another MP4-like file"),
    (4, b"JXL ", f"a JPEG XL picture{HEIF}"),
    (0, b"\xff\x0a", f"a JPEG XL picture{HEIF}"),
    (0, b"FUJIFILMCCD-RAW", "a camera raw file"),
)
HDR_CURVES = {16: "PQ", 18: "HLG"}  # transfer characteristics (ITU-T H.273) beyond SDR's
GAIN_MAPS = (b"hdrgm:", b"hdrgainmap", b"HDRGainMap", b"iso:ts:21496")
GAIN_MAP = "a gain map for HDR screens"


DEEP = {  # how more than 8 bits are read, of which Pillow keeps 8
    "PNG": imagecodecs.png_decode,
    "JPEG2000": imagecodecs.jpeg2k_decode,
    "AVIF": imagecodecs.avif_decode,
    "HEIF": lambda data: _heif(data),
    "JXL": imagecodecs.jpegxl_decode,
}
UNSCALED = ("JPEG2000", "AVIF")  # not made 16 bits by their codecs


def decode(data: bytes, *, white: float | None = None) -> Decoded:
    """The picture in these bytes, in sRGB, its first if there are several. Raises ImageError.

    white: the value that is white in a floating-point TIFF.
    """
    try:
        stored = open_tiff(data, white) if data.startswith(TIFF_STARTS) else _open(data)
        if not stored.colour.size:
            raise ImageError("has no pixels; it is probably damaged.")
        rgb = _turn(to_srgb(stored.colour, stored.facts.profile), stored.orientation)
        alpha = None if stored.alpha is None else _turn(stored.alpha, stored.orientation)
        return Decoded(
            rgb=_in_unit_range(np.moveaxis(rgb, -1, 0)),
            alpha=None if alpha is None else _in_unit_range(alpha),
            facts=stored.facts,
        )
    except ImageError:
        raise
    except MemoryError:
        raise ImageError("does not fit into memory; make it smaller first.") from None
    except Exception as error:  # decoders raise anything at all on damaged bytes
        raise ImageError(
            f"begins like a picture but cannot be decoded ({error}). It is probably cut short or "
            "damaged: copy or download it again."
        ) from error


def _in_unit_range(levels: Levels) -> np.ndarray:
    return np.divide(levels, np.float32(65535), dtype=np.float32, order="C")


def _open(data: bytes) -> Stored:
    _load_plugins()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            opened = Image.open(BytesIO(data), formats=[f for f in FORMATS if f in Image.OPEN])
    except Image.UnidentifiedImageError:
        raise ImageError(_what_it_is(data)) from None
    except Image.DecompressionBombError:
        raise ImageError(TOO_LARGE) from None
    refuse_huge(*opened.size)
    _refuse_hdr(data)
    pixels, bits = _pixels(opened, data)
    others, note = _beside(opened, data)
    has_alpha = pixels.shape[2] in (2, 4) and opened.mode != "CMYK"
    exif = opened.getexif()
    return Stored(
        colour=pixels[..., :-1] if has_alpha else pixels,
        alpha=pixels[..., -1] if has_alpha else None,
        orientation=1 if opened.format in TURNED else exif.get(ORIENTATION, 1),
        facts=Facts(
            bits=bits,
            exif=exif,
            profile=opened.info.get("icc_profile"),
            dpi=opened.info.get("dpi"),
            others=others,
            note=note,
        ),
    )


def _pixels(opened: Image.Image, data: bytes) -> tuple[Levels, int]:
    """(H, W, 1 to 4), and their bits, 8 or 16."""
    bits = _bits(opened, data)
    if bits <= 8:
        pixels = np.atleast_3d(np.asarray(_plain_mode(opened))).astype(np.uint16)
        pixels *= np.uint16(257)
        return pixels, 8
    kind = opened.format or ""
    pixels = np.atleast_3d(DEEP[kind](data))
    stored = pixels.dtype.itemsize * 8
    return full_scale(pixels, bits if kind in UNSCALED else stored), stored


def _bits(opened: Image.Image, data: bytes) -> int:
    """As the file has them."""
    match opened.format:
        case "PNG":
            return data[24]
        case "JPEG2000":  # the byte after SIZ's sizes and number of channels
            return (data[data.index(b"\xff\x4f\xff\x51") + 42] & 127) + 1
        case "AVIF":
            flags = data[data.index(b"av1C") + 6]
            return 12 if flags & 0x20 else 10 if flags & 0x40 else 8
        case "HEIF":
            return opened.info["bit_depth"]
        case "JXL":
            return 16  # or 8, as its codec finds
    return 8


def _beside(opened: Image.Image, data: bytes) -> tuple[int, str]:
    """How many further pages or frames there are, and what else is in the file."""
    others, note = getattr(opened, "n_frames", 1) - 1, ""
    if opened.format == "MPO":  # what cameras put behind a JPEG is not a page of its own
        note = f"{others} further picture{'s' if others > 1 else ''}, such as a large preview"
        others = 0
    if opened.format in ("MPO", "HEIF") and any(sign in data for sign in GAIN_MAPS):
        note = GAIN_MAP
    return others, note


@cache
def _load_plugins() -> None:
    Image.init()  # with formats given, Pillow would not load WebP by itself
    with suppress(ModuleNotFoundError):
        importlib.import_module("pillow_jxl")
    with suppress(ModuleNotFoundError):
        importlib.import_module("pillow_heif").register_heif_opener()


def _plain_mode(opened: Image.Image) -> Image.Image:
    """Palettes and bit masks spelled out: the result is L, LA, RGB, RGBA or CMYK."""
    if opened.mode == "CMYK":
        return opened
    plain = "L" if opened.mode in ("1", "L", "LA", "La") else "RGB"
    return opened.convert(plain + "A" if opened.has_transparency_data else plain)


def _heif(data: bytes) -> np.ndarray:
    opened = importlib.import_module("pillow_heif").open_heif(data, convert_hdr_to_8bit=False)
    return np.array(opened)  # a copy: what it holds is freed with it


def _refuse_hdr(data: bytes) -> None:
    """Of HEIF and AVIF, whose box of colours says by which curve they are encoded."""
    at = data.find(b"colrnclx", 0, 1 << 16)
    curve = HDR_CURVES.get(int.from_bytes(data[at + 10 : at + 12])) if at >= 0 else None
    if curve:
        raise ImageError(f"is encoded for HDR screens ({curve}); export it for SDR, such as sRGB.")


def _turn(image: np.ndarray, orientation: int) -> np.ndarray:
    """Undo the EXIF orientation: 2 to 4 are mirrored or upside down, 5 to 8 lie on their side."""
    if orientation in (5, 6, 7, 8):
        image = image.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    return image


def _what_it_is(data: bytes) -> str:
    if not data:
        return "is empty. Copy or download it again."
    advice = "Export it as JPEG, PNG or TIFF."
    for offset, magic, what in NOT_PICTURES:
        if data.startswith(magic, offset):
            return f"is {what}. {advice}"
    text = data[:64].decode("utf-8", errors="replace")
    cut = text.count("\ufffd")  # one character may be cut in two by the 64
    if cut <= 1 and all(char.isprintable() or char.isspace() for char in text):
        return f"holds text, not a picture; it starts with {text[:24]!r}. {advice}"
    return f"is no picture of a known format; it starts with {data[:12].hex(' ')}. {advice}"
