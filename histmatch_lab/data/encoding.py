"""From levels to the bytes of a picture file, with what another file says beside its pixels."""

from io import BytesIO
from typing import Any

import imagecodecs
import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from histmatch_lab.data.picture import Facts
from histmatch_lab.data.profiles import SRGB_PROFILE

EXIF, GPS = 0x8769, 0x8825  # directories
# What of EXIF is not kept: the maker's notes, whose offsets are wrong in another file, the size
# before a turn, and a directory about the old file
NOT_KEPT = (0x927C, 0xA002, 0xA003, 0xA005)
# Description, camera, program, time, artist, computer, ratings, copyright, what Windows notes
KEPT = (270, 271, 272, 305, 306, 315, 316, 18246, 18249, 33432, *range(40091, 40096))
RESOLUTION = 282, 283


def to_png(levels: np.ndarray, facts: Facts) -> bytes:
    """(H, W, C) as PNG; Pillow cannot write 16 bits of colour, imagecodecs only pixels."""
    png, buffer = bytes(imagecodecs.png_encode(levels)), BytesIO()
    Image.new("L", (1, 1)).save(buffer, "PNG", **_said(facts))
    head, *_ = buffer.getvalue().rpartition(b"IDAT")
    return png[:33] + head[33:-4] + png[33:]  # from behind the size to before the pixels


def to_jpeg(levels: np.ndarray, facts: Facts) -> bytes:
    """(H, W, 3) uint8 as JPEG."""
    buffer = BytesIO()
    options = {"quality": 95, "subsampling": 0} | _said(facts)
    Image.fromarray(levels).save(buffer, "JPEG", **options)
    return buffer.getvalue()


def to_tiff(levels: np.ndarray, facts: Facts) -> bytes:
    """(H, W, C) as TIFF; Pillow cannot write 16 bits of colour, tifffile no EXIF."""
    height, width, channels = levels.shape
    tags: dict[int, Any] = {
        256: width,
        257: height,
        258: (levels.itemsize * 8,) * channels,
        259: 1,  # not compressed
        262: 2,  # RGB
        273: 0,  # the pixels begin behind the directory
        277: channels,
        278: height,  # in one strip
        279: levels.nbytes,
    }
    if channels == 4:
        tags[338] = 2  # an opacity, not multiplied in
    if facts.profile:
        tags[34675] = SRGB_PROFILE
    if facts.dpi:
        tags |= dict(zip(RESOLUTION, facts.dpi, strict=True)) | {296: 2}  # per inch
    return _tiff(tags | _kept(facts.exif)) + levels.tobytes()


def _said(facts: Facts) -> dict[str, Any]:
    """What a file says beside its pixels, as Pillow's options."""
    said: dict[str, Any] = {}
    if facts.profile:
        said["icc_profile"] = SRGB_PROFILE
    if facts.dpi:
        said["dpi"] = tuple(map(float, facts.dpi))
    if exif := _kept(facts.exif):
        said["exif"] = b"Exif\0\0" + _tiff(exif)
    return said


def _kept(exif: Image.Exif) -> dict[int, Any]:
    """The tags to be written again, and their directories; texts as the bytes that they were."""
    tags = {tag: exif[tag] for tag in KEPT if tag in exif}
    kept = {n: v.encode("latin-1") if isinstance(v, str) else v for n, v in tags.items()}
    for name in (EXIF, GPS):
        if inside := {tag: v for tag, v in exif.get_ifd(name).items() if tag not in NOT_KEPT}:
            kept[name] = inside
    return kept


def _tiff(tags: dict[int, Any]) -> bytes:
    """A TIFF of these tags, to which its pixels may be added."""
    directory, buffer = ImageFileDirectory_v2(), BytesIO()
    for tag in sorted(tags):
        directory[tag] = tags[tag]
    directory.save(buffer)
    return buffer.getvalue()
