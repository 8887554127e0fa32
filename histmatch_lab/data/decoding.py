"""From the bytes of a picture file to sRGB values: containers, bit depths, colour profiles.

Inside, every picture is uint16 with white at 65535. That is exact for 8 bits as well, because
257 v / 65535 and v / 255 are the same number.
"""

import warnings
from dataclasses import dataclass
from io import BytesIO

import imagecodecs
import numpy as np
import numpy.typing as npt
import tifffile
from PIL import Image

MAX_PIXELS = 120_000_000
TOO_LARGE = "says that it has more than 120 megapixels; make it smaller first."
PILLOW_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")  # JPEG takes in a phone's MPO
TIFF_CHANNELS = {"MINISWHITE": 1, "MINISBLACK": 1, "RGB": 3, "PALETTE": 3, "SEPARATED": 4}
TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
NOT_PICTURES = (
    (0, b"%PDF", "a PDF document"),
    (0, b"PK\x03\x04", "a ZIP archive or an office document"),
    (0, b"\x1f\x8b", "a gzip archive"),
    (0, b"8BPS", "a Photoshop document"),
    (4, b"ftypheic", "an HEIC photograph, as iPhones take them"),
    (4, b"ftypmif1", "an HEIF photograph"),
    (4, b"ftypavif", "an AVIF picture"),
    (4, b"ftyp", "a movie or another MP4-like file"),
    (0, b"FUJIFILMCCD-RAW", "a camera raw file"),
)
COLOUR_SPACES = {b"GRAY": ("gray", 1), b"RGB ": ("rgb", 3), b"CMYK": ("cmyk", 4)}
SRGB_PROFILE = imagecodecs.cms_profile("srgb")
ORIENTATION_TAG = 0x0112

Levels = npt.NDArray[np.uint16]


class ImageError(ValueError):
    """A picture cannot be read or written; the message says what was found and what to do."""


@dataclass(frozen=True)
class Picture:
    """What a container holds, before colour management."""

    colour: Levels  # (H, W, 1) grey, (H, W, 3) RGB or (H, W, 4) CMYK
    alpha: Levels | None  # (H, W)
    profile: bytes | None
    orientation: int  # EXIF, 1 to 8
    bits: int  # 16 where a channel has more than 8, else 8


def decode(data: bytes) -> tuple[npt.NDArray[np.float32], int]:
    """The picture in these bytes as (H, W, 3) sRGB in [0, 1], and its bits. Raises ImageError."""
    try:
        picture = _open_tiff(data) if data.startswith(TIFF_STARTS) else _open(data)
        rgb = _to_srgb(picture.colour, picture.profile).astype(np.float32) / np.float32(65535)
        if picture.alpha is not None:
            opacity = picture.alpha[..., None].astype(np.float32) / np.float32(65535)
            rgb = opacity * rgb + (1 - opacity)
        return _turn(rgb, picture.orientation), picture.bits
    except ImageError:
        raise
    except MemoryError:
        raise ImageError("does not fit into memory; make it smaller first.") from None
    except Exception as error:  # decoders raise anything at all on damaged bytes
        raise ImageError(
            f"begins like a picture but cannot be decoded ({error}). It is probably cut short or "
            "damaged: copy or download it again."
        ) from error


def _open(data: bytes) -> Picture:
    Image.init()  # with formats given, Pillow would not load WebP by itself
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            opened = Image.open(BytesIO(data), formats=PILLOW_FORMATS)
    except Image.UnidentifiedImageError:
        raise ImageError(_what_it_is(data)) from None
    except Image.DecompressionBombError:
        raise ImageError(TOO_LARGE) from None
    _refuse_huge(*opened.size)
    profile = opened.info.get("icc_profile")
    orientation = opened.getexif().get(ORIENTATION_TAG, 1)
    deep = opened.format == "PNG" and data[24] == 16
    if deep:  # Pillow would keep 8 of the 16 bits
        pixels = _with_channels(imagecodecs.png_decode(data))
    else:
        pixels = _with_channels(np.asarray(_plain_mode(opened))).astype(np.uint16) * 257
    is_cmyk = opened.mode == "CMYK"
    channels = pixels.shape[2]
    has_alpha = channels in (2, 4) and not is_cmyk
    return Picture(
        colour=pixels[..., :-1] if has_alpha else pixels,
        alpha=pixels[..., -1] if has_alpha else None,
        profile=profile,
        orientation=orientation,
        bits=16 if deep else 8,
    )


def _plain_mode(opened: Image.Image) -> Image.Image:
    """Palettes and bit masks spelled out: the result is L, LA, RGB, RGBA or CMYK."""
    if opened.mode == "CMYK":
        return opened
    plain = "L" if opened.mode in ("1", "L", "LA", "La") else "RGB"
    return opened.convert(plain + "A" if opened.has_transparency_data else plain)


def _open_tiff(data: bytes) -> Picture:
    with tifffile.TiffFile(BytesIO(data)) as tiff:
        page = tiff.pages.first
        kind = _readable_kind(page)
        pixels = _with_channels(page.asarray())
    if page.axes == "SYX":
        pixels = np.moveaxis(pixels, 0, -1)
    if page.colormap is not None:
        palette = (page.colormap.T >> 8) * np.uint16(257)  # writers store v * 256 or v * 257
        pixels = palette[pixels[..., 0]]
    else:
        pixels = _full_scale(pixels, page.bitspersample)
    colour = pixels[..., : TIFF_CHANNELS[kind]]
    if kind == "MINISWHITE":
        colour = 65535 - colour
    alpha, colour = _tiff_alpha(page, pixels, colour)
    return Picture(
        colour=colour,
        alpha=alpha,
        profile=page.iccprofile,
        orientation=page.tags.valueof(ORIENTATION_TAG, 1),
        bits=16 if page.bitspersample > 8 and page.colormap is None else 8,
    )


def _readable_kind(page: tifffile.TiffPage) -> str:
    """The key of TIFF_CHANNELS that the page's pixels have once they are unpacked."""
    _refuse_huge(page.imagewidth, page.imagelength)
    kind = tifffile.PHOTOMETRIC(page.photometric).name
    if kind == "YCBCR" and page.compression == tifffile.COMPRESSION.JPEG:
        kind = "RGB"  # the codec converts it
    if page.is_dng or _holds_sensor_data(page):
        raise ImageError("is a camera raw file; develop it first and export a TIFF or JPEG.")
    if page.sampleformat != tifffile.SAMPLEFORMAT.UINT or page.bitspersample > 16:
        raise ImageError(
            f"holds {page.dtype} values, whose white and encoding are not defined; "
            "export it with 8 or 16 bits per channel."
        )
    if page.samplesperpixel > 5:  # CMYK and one alpha
        raise ImageError(f"has {page.samplesperpixel} channels; export it as RGB.")
    if page.axes not in ("YX", "YXS", "SYX"):
        raise ImageError(f"holds a stack with axes {page.axes}; export one RGB picture of it.")
    if kind not in TIFF_CHANNELS:
        raise ImageError(f"stores its colours as {kind}; export it as RGB.")
    return kind


def _tiff_alpha(
    page: tifffile.TiffPage, pixels: Levels, colour: Levels
) -> tuple[Levels | None, Levels]:
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


def _full_scale(pixels: npt.NDArray[np.unsignedinteger], bits: int) -> Levels:
    top = 2**bits - 1
    if 65535 % top == 0:
        return pixels.astype(np.uint16) * np.uint16(65535 // top)
    return (pixels * (65535 / top)).round().astype(np.uint16)


def _with_channels(pixels: np.ndarray) -> np.ndarray:
    return pixels[..., None] if pixels.ndim == 2 else pixels


def _to_srgb(colour: Levels, profile: bytes | None) -> Levels:
    """(H, W, 1 | 3 | 4) to (H, W, 3), through the profile if there is one."""
    channels = colour.shape[2]
    space, wanted = COLOUR_SPACES.get((profile or b"")[16:20], ("", 0))
    if channels == 4 and wanted != 4:
        raise ImageError(
            "is CMYK, for print, without the profile that says what its inks look like; "
            "export it as RGB."
        )
    if channels == 1 and wanted != 1:
        colour = np.repeat(colour, 3, axis=2)
    if profile is None:
        return colour
    plain = np.repeat(colour, 3, axis=2) if channels == wanted == 1 else colour
    try:
        if wanted != colour.shape[2]:
            raise imagecodecs.CmsError(f"it is for {space or 'other'} pictures")
        if _is_srgb(profile, space, wanted):
            return plain
        return _through_profile(colour, profile, space)
    except imagecodecs.CmsError as error:
        if channels == 4:
            raise ImageError(f"is CMYK with a broken profile ({error}); export as RGB.") from error
        message = f"a picture's colour profile cannot be used ({error}); it is read as sRGB"
        warnings.warn(message, stacklevel=2)
        return plain


def _is_srgb(profile: bytes, space: str, channels: int) -> bool:
    """Is the profile sRGB up to rounding? Then levels stay as they are, bit for bit."""
    if channels == 4:
        return False
    axis = np.linspace(0, 65535, 9).round().astype(np.uint16)
    probe = np.stack(np.meshgrid(*[axis] * channels), axis=-1).reshape(1, -1, channels)
    moved = _through_profile(probe, profile, space).astype(int) - probe
    return bool(np.abs(moved).max() < 257)


def _through_profile(colour: Levels, profile: bytes, space: str) -> Levels:
    flat = np.ascontiguousarray(colour[..., 0] if space == "gray" else colour)
    return imagecodecs.cms_transform(
        flat,
        profile,
        SRGB_PROFILE,
        colorspace=space,
        outcolorspace="rgb",
        outdtype="uint16",
        intent=imagecodecs.CMS.INTENT.PERCEPTUAL,
        # lcms' precomputed grid is off by up to 0.06 at the edge of the gamut
        flags=imagecodecs.CMS.FLAGS.NOOPTIMIZE,
    )


def _turn(image: npt.NDArray[np.float32], orientation: int) -> npt.NDArray[np.float32]:
    """Undo the EXIF orientation: 2 to 4 are mirrored or upside down, 5 to 8 lie on their side."""
    if orientation in (5, 6, 7, 8):
        image = image.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    return np.ascontiguousarray(image)


def _refuse_huge(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise ImageError(TOO_LARGE)


def _what_it_is(data: bytes) -> str:
    advice = "Export it as JPEG, PNG or TIFF (WebP, GIF and BMP are read too)."
    if not data:
        return "is empty. Copy or download it again."
    for offset, magic, what in NOT_PICTURES:
        if data.startswith(magic, offset):
            return f"is {what}. {advice}"
    text = data[:64].decode("utf-8", errors="replace")
    cut = text.count("\ufffd")  # one character may be cut in two by the 64
    if cut <= 1 and all(char.isprintable() or char.isspace() for char in text):
        return f"holds text, not a picture; it starts with {text[:24]!r}. {advice}"
    return f"is no picture of a known format; it starts with {data[:12].hex(' ')}. {advice}"
