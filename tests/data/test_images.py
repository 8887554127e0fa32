"""Real files from real encoders, with pixels that are known."""

import io
import os
import struct
import threading
import zlib
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from histmatch_lab.data.images import (
    ImageError,
    decode_image,
    load_image,
    save_image,
    to_levels,
)
from tests.data import icc

RNG = np.random.default_rng(0)
COLOUR = RNG.integers(0, 256, (6, 9, 3), dtype=np.uint8)
GREY = COLOUR[..., 0]
COLOUR16 = RNG.integers(0, 65536, (20, 30, 3), dtype=np.uint16)  # 600 pixels: far over 256 levels


def file_of(image: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def tiff_of(pixels: np.ndarray, **options) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, pixels, **options)
    return buffer.getvalue()


def png16_of(pixels: np.ndarray) -> bytes:
    return bytes(imagecodecs.png_encode(np.ascontiguousarray(pixels)))


def channels_last(image: torch.Tensor) -> np.ndarray:
    assert image.dtype == torch.float32
    assert image.is_contiguous()
    assert image.shape[0] == 3
    return image.permute(1, 2, 0).numpy()


def as_float(pixels: np.ndarray) -> np.ndarray:
    """Levels as load_image promises them: (H, W, 3), v / 255 or v / 65535."""
    rgb = np.repeat(pixels[..., None], 3, axis=2) if pixels.ndim == 2 else pixels
    return rgb.astype(np.float32) / np.float32(np.iinfo(pixels.dtype).max)


# Levels that survive to the last bit


@pytest.mark.parametrize("pixels", [COLOUR, GREY], ids=["colour", "grey"])
@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "WEBP"])
def test_eight_bits_are_exact(kind, pixels):
    data = file_of(Image.fromarray(pixels), kind, **({"lossless": True} if kind == "WEBP" else {}))
    np.testing.assert_array_equal(channels_last(load_image(data)), as_float(pixels))


@pytest.mark.parametrize("pixels", [COLOUR16, COLOUR16[..., 1]], ids=["colour", "grey"])
@pytest.mark.parametrize(
    "encode",
    [
        png16_of,
        tiff_of,
        lambda pixels: tiff_of(pixels, compression="lzw", predictor=True),
        lambda pixels: tiff_of(pixels, compression="deflate", byteorder=">"),
        lambda pixels: tiff_of(pixels, compression="zstd", tile=(16, 16), bigtiff=True),
    ],
    ids=["png", "tiff", "lzw", "deflate-big-endian", "tiles-bigtiff"],
)
def test_sixteen_bits_are_exact(encode, pixels):
    read = channels_last(load_image(encode(pixels)))
    np.testing.assert_array_equal(read, as_float(pixels))
    assert len(np.unique(read)) > 256


def test_planes_stored_one_after_the_other():
    data = tiff_of(np.moveaxis(COLOUR16, -1, 0), photometric="rgb", planarconfig="separate")
    np.testing.assert_array_equal(channels_last(load_image(data)), as_float(COLOUR16))


def test_tiff_where_white_is_zero():
    data = tiff_of(255 - GREY, photometric="miniswhite")
    np.testing.assert_array_equal(channels_last(load_image(data)), as_float(GREY))


@pytest.mark.parametrize("kind", ["PNG", "GIF", "TIFF"])
def test_palette_shows_its_colours(kind):
    image = Image.new("P", (3, 2))
    image.putpalette([10, 20, 30, 200, 100, 50, 255, 0, 7])
    image.putdata([0, 1, 2, 2, 1, 0])
    colours = np.array([[10, 20, 30], [200, 100, 50], [255, 0, 7]], np.uint8)
    wanted = as_float(colours[[[0, 1, 2], [2, 1, 0]]])
    np.testing.assert_array_equal(channels_last(load_image(file_of(image, kind))), wanted)


def test_one_bit_is_black_and_white():
    bits = GREY > 127
    wanted = as_float(bits.astype(np.uint8) * 255)
    for kind in ("PNG", "TIFF"):
        data = file_of(Image.fromarray(bits), kind)
        np.testing.assert_array_equal(channels_last(load_image(data)), wanted)


def test_jpeg_is_what_pillow_decodes():
    data = file_of(Image.fromarray(COLOUR), "JPEG")
    decoded = np.asarray(Image.open(io.BytesIO(data)))
    np.testing.assert_array_equal(channels_last(load_image(data)), as_float(decoded))


# Transparency: white paper behind


def on_white(colour: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    opacity = as_float(alpha)[..., :1].astype(np.float64)
    return opacity * as_float(colour) + 1 - opacity


ALPHA = RNG.integers(0, 256, GREY.shape, dtype=np.uint8)
ALPHA16 = RNG.integers(0, 65536, COLOUR16.shape[:2], dtype=np.uint16)


@pytest.mark.parametrize(
    ("data", "colour", "alpha"),
    [
        (file_of(Image.fromarray(np.dstack([COLOUR, ALPHA])), "PNG"), COLOUR, ALPHA),
        (file_of(Image.fromarray(np.dstack([GREY, ALPHA]), "LA"), "PNG"), GREY, ALPHA),
        (png16_of(np.dstack([COLOUR16, ALPHA16])), COLOUR16, ALPHA16),
        (png16_of(np.dstack([COLOUR16[..., 0], ALPHA16])), COLOUR16[..., 0], ALPHA16),
        (
            tiff_of(np.dstack([COLOUR16, ALPHA16]), photometric="rgb", extrasamples=["unassalpha"]),
            COLOUR16,
            ALPHA16,
        ),
    ],
    ids=["rgba", "grey-alpha", "rgba-16", "grey-alpha-16", "tiff-16"],
)
def test_alpha_shows_white_paper(data, colour, alpha):
    np.testing.assert_allclose(
        channels_last(load_image(data)), on_white(colour, alpha), rtol=0, atol=1e-6
    )


def test_alpha_that_is_already_multiplied_in():
    opacity = ALPHA16[..., None] / 65535
    data = tiff_of(
        np.dstack([(COLOUR16 * opacity).round().astype(np.uint16), ALPHA16]),
        photometric="rgb",
        extrasamples=["assocalpha"],
    )
    np.testing.assert_allclose(
        channels_last(load_image(data)), on_white(COLOUR16, ALPHA16), rtol=0, atol=2e-5
    )


def test_transparent_colour_of_a_palette():
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putdata([0, 1])
    read = channels_last(load_image(file_of(image, "PNG", transparency=1)))
    np.testing.assert_array_equal(
        read, [[np.array([10, 20, 30], np.float32) / np.float32(255), np.ones(3)]]
    )


# Orientation


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_exif_orientation_is_applied(kind, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.fromarray(np.kron(COLOUR[:2, :3], np.ones((16, 16, 1), np.uint8)))
    data = file_of(image, kind, exif=exif)
    upright = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))))
    assert upright.shape[:2] == ((32, 48) if orientation < 5 else (48, 32))
    np.testing.assert_array_equal(channels_last(load_image(data)), as_float(upright))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_tiff_orientation_is_applied(orientation):
    stored = tiff_of(COLOUR16, extratags=[(274, "H", 1, orientation, True)])
    exif = Image.Exif()
    exif[0x0112] = orientation
    rows = np.arange(600, dtype=np.int32).reshape(20, 30)
    marked = Image.fromarray(rows)
    marked.getexif()[0x0112] = orientation
    upright = COLOUR16.reshape(-1, 3)[np.asarray(ImageOps.exif_transpose(marked))]
    np.testing.assert_array_equal(channels_last(load_image(stored)), as_float(upright))


def test_phone_picture_lies_as_it_was_taken():
    """Orientation 6, by hand: the stored picture's left edge is the upright one's top."""
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = np.zeros((4, 6), np.uint8)
    stored[-1, 0] = 255  # bottom left as stored
    read = channels_last(load_image(file_of(Image.fromarray(stored), "PNG", exif=exif)))
    assert read.shape == (6, 4, 3)
    assert read[0, 0].tolist() == [1, 1, 1]
    assert read.sum() == 3


# Colour profiles


@pytest.mark.parametrize("kind", ["png8", "png16", "tiff16"])
def test_display_p3_becomes_srgb(kind):
    pixels = COLOUR if kind == "png8" else COLOUR16
    profile = icc.display_p3()
    data = {
        "png8": lambda: file_of(Image.fromarray(COLOUR), "PNG", icc_profile=profile),
        "png16": lambda: with_png_profile(png16_of(COLOUR16), profile),
        "tiff16": lambda: tiff_of(COLOUR16, photometric="rgb", iccprofile=profile),
    }[kind]()
    wanted = icc.display_p3_to_srgb(as_float(pixels).astype(np.float64))
    read = channels_last(load_image(data))
    assert np.abs(read - as_float(pixels)).max() > 0.05  # the profile does something
    np.testing.assert_allclose(read, wanted, rtol=0, atol=0.5 / 255)


def with_png_profile(png: bytes, profile: bytes) -> bytes:
    content = b"test\0\0" + zlib.compress(profile)
    checksum = zlib.crc32(b"iCCP" + content)
    chunk = struct.pack(">I", len(content)) + b"iCCP" + content + struct.pack(">I", checksum)
    return png[:33] + chunk + png[33:]


def test_srgb_profile_leaves_every_level_alone():
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = file_of(Image.fromarray(COLOUR), "PNG", icc_profile=profile)
    np.testing.assert_array_equal(channels_last(load_image(data)), as_float(COLOUR))


def test_grey_profile_is_applied():
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    data = file_of(Image.fromarray(levels), "PNG", icc_profile=icc.linear_grey())
    wanted = icc.encode_srgb(as_float(levels).astype(np.float64))
    np.testing.assert_allclose(channels_last(load_image(data)), wanted, rtol=0, atol=1 / 255)


def test_grey_picture_with_a_colour_profile():
    data = file_of(Image.fromarray(GREY), "PNG", icc_profile=icc.display_p3())
    wanted = icc.display_p3_to_srgb(as_float(GREY).astype(np.float64))
    np.testing.assert_allclose(channels_last(load_image(data)), wanted, rtol=0, atol=0.5 / 255)


@pytest.mark.parametrize("profile", [b"nonsense" * 40, icc.linear_grey(), icc.display_p3()[:300]])
def test_unusable_profile_is_said_and_ignored(profile):
    data = file_of(Image.fromarray(COLOUR), "PNG", icc_profile=profile)
    with pytest.warns(UserWarning, match="colour profile cannot be used"):
        read = load_image(data)
    np.testing.assert_array_equal(channels_last(read), as_float(COLOUR))


MAGENTA = np.array([200, 80, 120]) / 255
INKS = np.zeros((16, 48, 4), np.uint8)  # white paper, magenta, black
INKS[:, 16:32, 1] = 255
INKS[:, 32:, 3] = 255


@pytest.mark.parametrize("kind", ["jpeg", "tiff", "tiff16"])
def test_cmyk_through_its_profile(kind):
    profile = icc.printing_inks(MAGENTA)
    data = {
        "jpeg": lambda: file_of(
            Image.fromarray(INKS, "CMYK"), "JPEG", quality=95, icc_profile=profile
        ),
        "tiff": lambda: tiff_of(INKS, photometric="separated", iccprofile=profile),
        "tiff16": lambda: tiff_of(
            INKS.astype(np.uint16) * 257, photometric="separated", iccprofile=profile
        ),
    }[kind]()
    read = channels_last(load_image(data))
    for column, wanted in ((8, [1, 1, 1]), (24, MAGENTA), (40, [0, 0, 0])):
        np.testing.assert_allclose(read[8, column], wanted, rtol=0, atol=3 / 255)


@pytest.mark.parametrize("profile", [None, icc.display_p3(), b"\0" * 16 + b"CMYK" + b"\0" * 300])
def test_cmyk_without_a_profile_of_its_own_is_refused(profile):
    data = file_of(Image.fromarray(INKS, "CMYK"), "JPEG", icc_profile=profile)
    with pytest.raises(ImageError, match=r"is CMYK.*RGB"):
        load_image(data)


# More than one picture in a file


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_first_of_several_pictures(kind):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ((255, 0, 0), (0, 0, 255))]
    options = {"lossless": True} if kind == "WEBP" else {}
    data = file_of(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    wanted = as_float(np.asarray(frames[0]))
    np.testing.assert_array_equal(channels_last(load_image(data)), wanted)
    with pytest.raises(ImageError, match=r"^a\.tif holds 2 pictures; export the one"):
        decode_image("a.tif", data)


def test_a_small_copy_in_a_tiff_is_no_page():
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as writer:
        writer.write(COLOUR, photometric="rgb")
        writer.write(COLOUR[::2, ::2], photometric="rgb", subfiletype=1)
    image, _ = decode_image("a.tif", buffer.getvalue())
    np.testing.assert_array_equal(channels_last(image), as_float(COLOUR))


def test_phone_jpeg_with_a_second_picture_behind():
    frames = [Image.new("RGB", (16, 16), colour) for colour in ((255, 255, 255), (0, 0, 0))]
    data = file_of(frames[0], "MPO", save_all=True, append_images=frames[1:])
    image, _ = decode_image("a.jpg", data)
    assert image.eq(1).all()


# What is refused, and what the message says


def refusal(source) -> str:
    with pytest.raises(ImageError) as caught:
        load_image(source)
    return str(caught.value)


PICTURE_FILES = {
    "jpeg": file_of(Image.fromarray(COLOUR16.astype(np.uint8)), "JPEG"),
    "png": file_of(Image.fromarray(COLOUR16.astype(np.uint8)), "PNG"),
    "png16": png16_of(COLOUR16),
    "tiff": tiff_of(COLOUR16),
    "lzw": tiff_of(COLOUR16, compression="lzw"),
    "webp": file_of(Image.fromarray(COLOUR16.astype(np.uint8)), "WEBP"),
}


@pytest.mark.parametrize("kind", PICTURE_FILES)
@pytest.mark.parametrize("kept", [0.3, 0.6, 0.9])
def test_truncated_file(kind, kept, tmp_path):
    path = tmp_path / "half.img"
    path.write_bytes(PICTURE_FILES[kind][: int(len(PICTURE_FILES[kind]) * kept)])
    message = refusal(path)
    assert str(path) in message
    assert "cut short" in message


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(sorted(PICTURE_FILES)), st.data())
def test_damaged_files_give_a_picture_or_an_image_error(kind, draw):
    content = bytearray(PICTURE_FILES[kind])
    for _ in range(draw.draw(st.integers(1, 4))):
        content[draw.draw(st.integers(0, len(content) - 1))] = draw.draw(st.integers(0, 255))
    content = content[: draw.draw(st.integers(0, len(content)))]
    try:
        image = load_image(content)
    except ImageError:
        return
    assert image.shape[0] == 3
    assert 0 <= image.min() <= image.max() <= 1


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "is empty"),
        (b"<!DOCTYPE html>\n<html>not found</html>", "holds text.*<!DOCTYPE html>"),
        (b"x,y\n1,2\n", "holds text"),
        (b"%PDF-1.7\n...", "is a PDF document"),
        (b"PK\x03\x04" + bytes(40), "is a ZIP archive"),
        (b"\0\0\0\x18ftypisom" + bytes(40), "is a movie"),
        (bytes(range(128, 200)), "starts with 80 81 82"),
    ],
)
def test_what_is_no_picture_is_named(content, found, tmp_path):
    path = tmp_path / "holiday.jpg"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=found) as caught:
        load_image(path)
    assert "holiday.jpg" in str(caught.value)


def test_camera_raw_is_refused():
    bayer = tiff_of(
        COLOUR16[..., 0], photometric="cfa", extratags=[(50706, "B", 4, b"\1\4\0\0", 1)]
    )
    assert "camera raw" in refusal(bayer)


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_floating_point_tiff_needs_its_white(kind):
    values = as_float(COLOUR16) * 4
    data = tiff_of(values.astype(kind), photometric="rgb")
    assert f"holds {np.dtype(kind)} values" in refusal(data)
    read = channels_last(load_image(data, white=4.0))
    np.testing.assert_allclose(read, as_float(COLOUR16), rtol=0, atol=1e-3)
    over = channels_last(load_image(data, white=2.0))
    np.testing.assert_allclose(over, (values / 2).clip(0, 1), rtol=0, atol=1e-3)


def test_floating_point_tiff_with_nothing_at_a_pixel():
    values = np.array([[[np.nan, -1, np.inf]]], np.float32)
    read = load_image(tiff_of(values, photometric="rgb"), white=1.0)
    assert read.flatten().tolist() == [0, 0, 1]


def test_tiff_of_32_bits_and_of_signed_numbers():
    levels = (as_float(COLOUR16).astype(np.float64) * (2**32 - 1)).round().astype(np.uint32)
    read = channels_last(load_image(tiff_of(levels, photometric="rgb")))
    np.testing.assert_allclose(read, as_float(COLOUR16), rtol=0, atol=1e-4)
    assert "holds int16 values" in refusal(tiff_of(COLOUR16.astype(np.int16), photometric="rgb"))


def test_volume_is_refused():
    volume = RNG.integers(0, 256, (4, 16, 16), dtype=np.uint8)
    data = tiff_of(volume, volumetric=True, photometric="minisblack", tile=(1, 16, 16))
    assert "a stack with axes ZYX" in refusal(data)


def test_many_channels_are_refused():
    spectra = RNG.integers(0, 256, (8, 8, 7), dtype=np.uint8)
    data = tiff_of(spectra, photometric="minisblack", planarconfig="contig")
    assert "has 7 channels" in refusal(data)


def test_raw_behind_a_thumbnail_is_refused(tmp_path):
    """As NEF and ARW files are built: a small RGB picture, the sensor's in a sub-directory."""
    path = tmp_path / "DSC_0001.tif"  # by its own ending it would be developed
    with tifffile.TiffWriter(path) as writer:
        writer.write(COLOUR, photometric="rgb", subifds=1)
        writer.write(COLOUR16[..., 0], photometric="cfa")
    assert "camera raw" in refusal(path)


@pytest.mark.parametrize("photometric", ["rgb", "ycbcr"])
def test_jpeg_inside_tiff(photometric):
    smooth = Image.fromarray(np.kron(COLOUR[:2, :3], np.ones((16, 16, 1), np.uint8)))
    stored = smooth.convert("YCbCr") if photometric == "ycbcr" else smooth
    data = tiff_of(
        np.asarray(stored),
        photometric=photometric,
        subsampling=(1, 1),
        compression="jpeg",
        compressionargs={"level": 98},
    )
    wanted = as_float(np.asarray(smooth))
    np.testing.assert_allclose(channels_last(load_image(data)), wanted, rtol=0, atol=4 / 255)


def test_tiff_in_lab_is_refused():
    assert "CIELAB" in refusal(tiff_of(COLOUR, photometric="cielab"))


@pytest.mark.parametrize("side", [12_000, 60_000])
def test_decompression_bomb_is_refused_before_it_is_unpacked(side):
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    small = file_of(Image.fromarray(COLOUR), "PNG")
    bomb = small[:16] + header + struct.pack(">I", zlib.crc32(b"IHDR" + header)) + small[33:]
    assert "megapixels" in refusal(bomb)


def test_tiff_bomb_is_refused():
    content = bytearray(tiff_of(COLOUR))
    with tifffile.TiffFile(io.BytesIO(bytes(content))) as tiff:
        for name in ("ImageWidth", "ImageLength"):
            tag = tiff.pages.first.tags[name]
            content[tag.valueoffset : tag.valueoffset + tag.valuebytecount] = struct.pack(
                "<" + {2: "H", 4: "I"}[tag.valuebytecount], 60_000
            )
    assert "megapixels" in refusal(bytes(content))


def test_missing_file_folder_and_pipe(tmp_path):
    assert "nowhere.png does not exist" in refusal(tmp_path / "nowhere.png")
    assert "is a folder" in refusal(tmp_path)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert "a device or a pipe" in refusal(pipe)
    assert "cannot be" in refusal("x" * 5000)


def test_file_that_may_not_be_read(tmp_path, monkeypatch):
    path = tmp_path / "secret.png"
    path.write_bytes(PICTURE_FILES["png"])

    def deny(self):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "read_bytes", deny)  # root, as in a container, may read all
    assert "secret.png cannot be read: Permission denied" in refusal(path)


def test_enormous_file_is_refused_unread(tmp_path):
    path = tmp_path / "movie.mov"
    with path.open("wb") as file:
        file.truncate(2**31)
    assert "2.0 GiB" in refusal(path)


def test_wrong_arguments():
    wrong: list[tuple[Any, str]] = [(3, "got int"), (None, "got NoneType"), (io.StringIO(), "'rb'")]
    for source, says in wrong:
        with pytest.raises(TypeError, match=f"source .*{says}"):
            load_image(source)
    with pytest.raises(ValueError, match=r"max_side must be .*got 0"):
        load_image(PICTURE_FILES["png"], max_side=0)


# Where a picture may come from


def test_every_kind_of_source_gives_the_same(tmp_path):
    content = PICTURE_FILES["png16"]
    path = tmp_path / "Été à la plage – 写真.png"
    path.write_bytes(content)
    wanted = as_float(COLOUR16)
    with path.open("rb") as opened:
        sources = [path, str(path), content, bytearray(content), memoryview(content),
                   io.BytesIO(content), opened]  # fmt: skip
        for source in sources:
            np.testing.assert_array_equal(channels_last(load_image(source)), wanted)


def test_message_names_an_opened_file(tmp_path):
    path = tmp_path / "notes.jpg"
    path.write_bytes(b"just text")
    with path.open("rb") as opened:
        assert "notes.jpg" in refusal(opened)


# Making smaller


def test_max_side_keeps_proportions_and_never_enlarges():
    data = tiff_of(RNG.integers(0, 65536, (60, 91, 3), dtype=np.uint16))
    assert load_image(data, max_side=30).shape == (3, 20, 30)
    assert load_image(data, max_side=1).shape == (3, 1, 1)
    assert torch.equal(load_image(data, max_side=91), load_image(data))
    assert torch.equal(load_image(data, max_side=5000), load_image(data))


def test_smaller_picture_is_a_mean_not_a_choice():
    """A chessboard of single pixels becomes even grey, finer than 8 bits."""
    board = np.indices((64, 64)).sum(0) % 2 * 1001
    small = load_image(tiff_of(board.astype(np.uint16)), max_side=16)
    torch.testing.assert_close(small[:, 2:-2, 2:-2], torch.full((3, 12, 12), 500.5 / 65535))


def test_smaller_picture_keeps_a_ramp_and_its_mean():
    ramp = np.tile(np.linspace(0, 65535, 400).round().astype(np.uint16), (100, 1))
    small = load_image(tiff_of(ramp), max_side=100)[0]
    centres = (np.arange(100) * 4 + 1.5) / 399
    np.testing.assert_allclose(small[12, 1:-1], centres[1:-1], atol=1e-4)
    assert small.mean().item() == pytest.approx(0.5, abs=1e-4)


# Writing


def test_levels_are_rounded_and_clamped():
    image = torch.tensor([-0.5, 0.0, 0.499 / 255, 0.501 / 255, 1.0, 7.0]).expand(3, 1, 6)
    shown = to_levels(image)
    assert shown.dtype == np.uint8
    assert shown.shape == (3, 1, 6)
    assert shown[0, 0].tolist() == [0, 0, 0, 1, 255, 255]


def test_every_level_returns():
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    np.testing.assert_array_equal(
        to_levels(load_image(file_of(Image.fromarray(levels), "PNG")))[1], levels
    )


@pytest.mark.parametrize(
    ("name", "bits"), [("a.png", 8), ("a.tif", 8), ("a.PNG", 16), ("a.tiff", 16)]
)
def test_what_is_saved_is_read_again(name, bits, tmp_path):
    pixels = COLOUR if bits == 8 else COLOUR16
    image = torch.from_numpy(as_float(pixels)).permute(2, 0, 1)
    save_image(image, tmp_path / name, bits=bits)
    assert torch.equal(load_image(tmp_path / name), image)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_saved_jpeg_is_close(tmp_path):
    smooth = torch.linspace(0, 1, 64).expand(3, 48, 64)
    save_image(smooth, tmp_path / "a.jpg")
    assert (load_image(tmp_path / "a.jpg") - smooth).abs().max() < 3 / 255


def test_gradient_graph_is_no_hindrance(tmp_path):
    save_image(torch.zeros(3, 2, 2, requires_grad=True), tmp_path / "a.png")
    assert load_image(tmp_path / "a.png").eq(0).all()


def test_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    path.write_bytes(b"old")

    def full(_self, _target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(ImageError, match=r"a.png cannot be written: No space left"):
        save_image(torch.zeros(3, 2, 2), path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("name", "bits", "says"),
    [("a.gif", 8, r"a\.gif.*\.png"), ("a", 8, r"\.png"), ("a.jpg", 16, "16 bits"),
     ("none/a.png", 8, "cannot be written"), ("a.png", 12, "bits must be 8 or 16, got 12")],
)  # fmt: skip
def test_what_cannot_be_written(name, bits, says, tmp_path):
    with pytest.raises(ValueError, match=says):
        save_image(torch.zeros(3, 2, 2), tmp_path / name, bits=bits)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("image", "error", "says"),
    [
        (torch.zeros(3, 2, 2, dtype=torch.uint8), TypeError, "torch.uint8"),
        (np.zeros((3, 2, 2)), TypeError, "ndarray"),
        (torch.zeros(1, 3, 2, 2), ValueError, r"\(1, 3, 2, 2\)"),
        (torch.zeros(2, 2, 3), ValueError, r"\(2, 2, 3\)"),
        (torch.full((3, 1, 1), torch.nan), ValueError, "NaN"),
    ],
)
def test_what_is_no_image_tensor(image, error, says, tmp_path):
    with pytest.raises(error, match=says):
        save_image(image, tmp_path / "a.png")


def test_two_threads_read_at_once():
    results = []
    threads = [
        threading.Thread(target=lambda: results.append(load_image(PICTURE_FILES["lzw"])))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    assert all(torch.equal(result, results[0]) for result in results)
