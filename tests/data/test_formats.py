"""What phones and new cameras write: HEIC, AVIF, JPEG XL, JPEG 2000, gain maps."""

import io

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from histmatch_lab.data.decoding import GAIN_MAP, decode
from histmatch_lab.data.images import ImageError, load_image, open_image
from tests.data import icc
from tests.data.files import levels, picture

pillow_heif = pytest.importorskip("pillow_heif")
pytest.importorskip("pillow_jxl")
pillow_heif.register_heif_opener()
Image.init()
NO_AVIF = "AVIF" not in Image.SAVE
AVIF = pytest.param("avif", marks=pytest.mark.skipif(NO_AVIF, reason="this Pillow has no AVIF"))

SMOOTH = picture(1, 40, 60)
LEVELS, LEVELS16 = levels(SMOOTH, 8), levels(SMOOTH)


def file_of(kind, pixels=LEVELS, **options):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def heic16(pixels, **options):
    height, width, _ = pixels.shape
    buffer = io.BytesIO()
    made = pillow_heif.from_bytes("RGB;16", (width, height), pixels.tobytes())
    made.save(buffer, quality=-1, chroma=444, **options)
    return buffer.getvalue()


EIGHT = {
    "heic": lambda **options: file_of("HEIF", quality=98, chroma=444, **options),
    "avif": lambda **options: file_of("AVIF", quality=98, subsampling="4:4:4", **options),
    "jp2": lambda **options: file_of("JPEG2000", **options),
    "jxl": lambda **options: file_of("JXL", lossless=True, **options),
}
DEEP = {
    "heic": lambda: heic16(LEVELS16),
    "avif": lambda: bytes(
        imagecodecs.avif_encode(LEVELS16 >> 6, level=98, bitspersample=10, pixelformat="444")
    ),
    "jp2": lambda: bytes(imagecodecs.jpeg2k_encode(LEVELS16, codecformat="jp2", level=0)),
    "jp2-12": lambda: bytes(imagecodecs.jpeg2k_encode(LEVELS16 >> 4, bitspersample=12, level=0)),
}


@pytest.mark.parametrize("kind", ["heic", AVIF, "jp2", "jxl"])
def test_eight_bits(kind):
    read = decode(EIGHT[kind]())
    assert read.facts.bits == 8
    np.testing.assert_allclose(read.rgb, SMOOTH.numpy(), rtol=0, atol=6 / 255)


@pytest.mark.parametrize("kind", ["heic", AVIF, "jp2", "jp2-12"])
def test_more_than_eight_bits_are_kept(kind):
    read = decode(DEEP[kind]())
    assert read.facts.bits == 16
    np.testing.assert_allclose(read.rgb, SMOOTH.numpy(), rtol=0, atol=2.5 / 255)
    steps = read.rgb[0].astype(float) * 255
    assert np.abs(steps - steps.round()).max() > 0.2


def test_sixteen_bits_of_jpeg_xl():
    """imagecodecs marks 16 bits as linear light."""
    data = bytes(imagecodecs.jpegxl_encode(LEVELS16, lossless=True))
    read = decode(data)
    assert read.facts.bits == 16
    linear = LEVELS16.transpose(2, 0, 1) / 65535
    np.testing.assert_allclose(read.rgb, icc.encode_srgb(linear), rtol=0, atol=1 / 255)


@pytest.mark.parametrize("kind", ["heic", AVIF])
def test_the_wide_colours_of_a_phone_become_srgb(kind):
    wanted = icc.display_p3_to_srgb(SMOOTH.permute(1, 2, 0).double().numpy())
    read = decode(EIGHT[kind](icc_profile=icc.display_p3()))
    assert np.abs(read.rgb - wanted.transpose(2, 0, 1)).mean() < 1.5 / 255
    assert np.abs(read.rgb - SMOOTH.numpy()).max() > 0.05  # the profile does something


TURNED = Image.Exif()
TURNED[0x0112] = 6


@pytest.mark.parametrize(
    ("kind", "options", "turns"),
    [
        pytest.param("avif", {"exif": TURNED}, -1, marks=AVIF.marks),
        ("heic", {"exif": TURNED.tobytes()}, -1),  # in the container, too, as iPhones do
        ("heic", {"exif": TURNED}, 0),  # of these two the container's word counts, not EXIF's
        ("jxl", {"exif": TURNED.tobytes()}, 0),
    ],
)
def test_a_picture_is_turned_once(kind, options, turns):
    read = decode(EIGHT[kind](**options))
    wanted = SMOOTH.rot90(turns, (1, 2)).numpy()
    assert read.rgb.shape == wanted.shape
    np.testing.assert_allclose(read.rgb, wanted, rtol=0, atol=6 / 255)


def test_transparency_of_heic():
    alpha = np.tile(np.linspace(0, 255, 60).round().astype(np.uint8), (40, 1))
    read = decode(file_of("HEIF", np.dstack([LEVELS, alpha]), quality=95))
    assert read.alpha is not None
    np.testing.assert_allclose(read.alpha, alpha / 255, rtol=0, atol=4 / 255)


@pytest.mark.parametrize("curve", [16, 18])
def test_what_is_encoded_for_hdr_screens_is_refused(curve):
    data = heic16(
        LEVELS16, save_nclx_profile=True, color_primaries=9, transfer_characteristics=curve
    )
    with pytest.raises(
        ImageError, match=r"^a\.hif: is encoded for HDR screens \((PQ|HLG)\); export"
    ):
        open_image("a.hif", data)


def test_several_pictures_in_heic():
    several = pillow_heif.from_pillow(Image.fromarray(LEVELS))
    several.add_from_pillow(Image.fromarray(255 - LEVELS))
    buffer = io.BytesIO()
    several.save(buffer, save_all=True)
    assert decode(buffer.getvalue()).facts.others == 1


@pytest.mark.skipif(not hasattr(imagecodecs, "ULTRAHDR"), reason="this imagecodecs writes none")
def test_of_a_jpeg_with_a_gain_map_the_base_picture_is_read():
    light = np.dstack([SMOOTH.permute(1, 2, 0).numpy(), np.ones((40, 60))]).astype(np.float16)
    data = bytes(imagecodecs.ultrahdr_encode(light))
    read = decode(data)
    assert (read.facts.others, read.facts.note) == (0, GAIN_MAP)
    base = load_image(bytes(imagecodecs.jpeg_encode(np.asarray(Image.open(io.BytesIO(data))))))
    np.testing.assert_allclose(read.rgb.mean(), base.mean(), atol=0.05)


def test_without_the_extra_each_file_is_named_with_what_to_install(monkeypatch):
    for kind in ("HEIF", "JXL"):
        monkeypatch.delitem(Image.OPEN, kind)  # as if it were not installed
    contents = {
        "IMG_1.HEIC": EIGHT["heic"](),
        "b.jxl": EIGHT["jxl"](),
        "c.jxl": bytes(imagecodecs.jpegxl_encode(LEVELS, usecontainer=True)),
    }
    for name, content in contents.items():
        with pytest.raises(ImageError, match=f"^{name}: is an? (HEIC|JPEG XL)") as caught:
            open_image(name, content)
        assert "pip install 'histmatch-lab[heif]'" in str(caught.value)


@pytest.mark.parametrize("kind", ["heic", AVIF, "jp2", "jxl"])
@pytest.mark.parametrize("kept", [0.3, 0.7])
def test_a_file_that_is_cut_short_is_refused(kind, kept):
    data = EIGHT[kind]()
    with pytest.raises(ImageError, match=r"^a\.img: "):
        open_image("a.img", data[: int(len(data) * kept)])
