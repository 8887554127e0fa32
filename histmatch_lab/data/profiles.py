"""Colour profiles: from what a file's numbers mean to sRGB."""

import warnings

import imagecodecs
import numpy as np

from histmatch_lab.data.picture import ImageError, Levels

COLOUR_SPACES = {b"GRAY": ("gray", 1), b"RGB ": ("rgb", 3), b"CMYK": ("cmyk", 4)}
SRGB_PROFILE: bytes = imagecodecs.cms_profile("srgb")


def to_srgb(colour: Levels, profile: bytes | None) -> Levels:
    """(H, W, 1 | 3 | 4) to (H, W, 3), through the profile if there is one."""
    channels = colour.shape[2]
    space, wanted = COLOUR_SPACES.get((profile or b"")[16:20], ("", 0))
    if channels == 4 and wanted != 4:
        raise ImageError(
            "is CMYK, for print, without the profile that says what its inks look like; "
            "export it as RGB."
        )
    plain = np.repeat(colour, 3, axis=2) if channels == 1 else colour
    if profile is None:
        return plain
    colour = colour if wanted == 1 else plain
    try:
        if wanted != colour.shape[2]:
            raise imagecodecs.CmsError(f"it is for {space or 'other'} pictures")
        if not _is_srgb(profile, space, wanted):
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
