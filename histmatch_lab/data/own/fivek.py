"""MIT-Adobe FiveK (Bychkovsky et al. 2011), the paper's first data set, as people hold it.

5,000 raw photographs and what five experts, a to e, made of each. Five ways of keeping them are
recognised; what the input is differs between them, so that numbers of one are not to be compared
with those of another. No development of a raw file here equals Lightroom's, which the published
input pictures went through.
"""

import json
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tifffile
import torch
from torch import Tensor

from histmatch_lab._checks import check_option, import_extra
from histmatch_lab.color import convert_primaries, linear_to_srgb, prophoto_to_linear
from histmatch_lab.data.decoding import ImageError
from histmatch_lab.data.images import decode_image
from histmatch_lab.data.own.folders import (
    PICTURES,
    Files,
    PictureSource,
    files_by_name,
    pair_up,
)
from histmatch_lab.data.own.prepare import Skipped
from histmatch_lab.data.own.splits import SPLITS, Split, stated_split

FIVEK_EXPERTS = ("a", "b", "c", "d", "e")
SHORT_SIDE = 480
RAW, TIFF = (".dng",), (".tif", ".tiff")
RAW_LAYOUTS = ("original archive", "indexed package")
DEVELOPED = "developed by LibRaw: camera white balance, no automatic brightness, sRGB"
CROP_ORIGIN, CROP_SIZE, ORIENTATION = 50719, 50720, 274  # tags of DNG and TIFF


class Layout(NamedTuple):
    """What was recognised: the files of both sides, and the lists that come with them.

    Attributes:
        listed: names, each with "train" or "test", or None where the copy has no split.
    """

    name: str
    inputs: Files
    targets: Files
    listed: Mapping[str, str | None]


def fivek_source(root: Path, *, expert: str = "c") -> tuple[PictureSource, Split]:
    """A copy of FiveK as 480p pairs, and the split that comes with it, else the paper's.

    Raises ValueError for a folder in which no layout is recognised, or without this expert.
    """
    check_option("expert", expert, FIVEK_EXPERTS)
    layout = recognise(root, expert)
    files, missing = pair_up(layout.inputs, layout.targets)
    known = layout.inputs.keys() | layout.targets.keys()
    absent = (name for name in layout.listed if name not in known)
    missing += [Skipped(name, "listed, but not there") for name in absent]
    if not files:
        raise ValueError(f"{root} looks like {layout.name}, but not one input has its target")
    source = PictureSource(
        facts={
            "source": "MIT-Adobe FiveK",
            "root": str(root.resolve()),
            "layout": layout.name,
            "expert": expert,
            "input": DEVELOPED if layout.name in RAW_LAYOUTS else "as it comes with this copy",
            "short_side": SHORT_SIDE,
            "encoding": "sRGB",
        },
        found=[
            f"recognised: {layout.name}",
            f"{len(layout.inputs)} inputs, {len(layout.targets)} targets, {len(files)} pairs",
            *([f"{len(missing)} without a partner"] if missing else []),
        ],
        files=files,
        missing=missing,
        read=read_photograph,
        short_side=SHORT_SIDE,
        slack=0.01,
    )
    sides = {name: side for name, side in layout.listed.items() if side}
    if not sides:
        return source, SPLITS["paper"]
    return source, stated_split(sides, "as it comes with the copy")


def recognise(root: Path, expert: str) -> Layout:
    """The layout of a copy; ValueError, which says what was looked for, if it is none of them."""
    if not root.is_dir():
        raise ValueError(f"{root} is not a folder")
    for layout_in in (_archive, _indexed, _resized_480p, _listed, _train_and_eval):
        for folder in (root, root / "fivek_dataset", root / "MITAboveFiveK"):
            layout = layout_in(folder, expert)
            if layout:
                return layout
    there = ", ".join(sorted(p.name for p in root.iterdir())[:8]) or "nothing"
    raise ValueError(
        f"{root} is no copy of FiveK that is known here; it holds {there}. Looked for: raw_photos/ "
        f"with tiff16_{expert}/; raw/ and processed/ with training.json; input/JPG/480p with "
        "expertC/JPG/480p and test.txt; filelist.txt with input/ and output/; train/ and eval/"
    )


def read_photograph(path: Path, data: bytes) -> tuple[Tensor, int]:
    """A raw file, an expert's TIFF or any other picture as sRGB in [0, 1], and its bits."""
    ending = path.suffix.lower()
    if ending in RAW:
        return develop(path, data), 16
    if ending in TIFF and path.parent.name.startswith("tiff16_"):
        return read_expert_tiff(path, data), 16
    return decode_image(path, data)


def develop(path: Path, data: bytes) -> Tensor:
    """A DNG as sRGB (3, H, W) in [0, 1], with the camera's white balance, by LibRaw.

    Nothing is brightened by guess, and the frame is the one that the file asks for
    (DefaultCropOrigin and DefaultCropSize), as Adobe's programs cut it. Raises ImageError, which
    names the path, for data that are damaged; ModuleNotFoundError, which says how to get it,
    without rawpy.
    """
    rawpy = import_extra("rawpy", "reads raw photographs", "raw")
    try:
        with rawpy.imread(BytesIO(data)) as raw:
            half = min(raw.sizes.height, raw.sizes.width) >= 2 * SHORT_SIDE
            pixels = raw.postprocess(
                half_size=half,
                use_camera_wb=True,
                no_auto_bright=True,
                adjust_maximum_thr=0.0,
                output_bps=16,
                gamma=(2.4, 12.92),
                output_color=rawpy.ColorSpace.sRGB,
                user_flip=0,
            )
        pixels = _crop_as_asked(pixels, data, 2 if half else 1)
    except (rawpy.LibRawError, tifffile.TiffFileError, ValueError) as problem:
        raise ImageError(f"{path} cannot be developed: {problem}") from problem
    image = np.ascontiguousarray(pixels).astype(np.float32) / np.float32(65535)
    return torch.from_numpy(image).permute(2, 0, 1).contiguous()


def read_expert_tiff(path: Path, data: bytes) -> Tensor:
    """An expert's 16-bit TIFF as sRGB (3, H, W) in [0, 1].

    They are ProPhoto; a profile in the file is believed before that. Colours outside sRGB are
    clipped. Raises ImageError, which names the path, for data that are damaged.
    """
    try:
        with tifffile.TiffFile(BytesIO(data)) as tiff:
            page = tiff.pages.first
            profile, levels = page.iccprofile, page.asarray()
    except Exception as problem:  # decoders raise anything at all on damaged bytes
        raise ImageError(f"{path} cannot be read: {problem}") from problem
    if profile is not None:
        return decode_image(path, data)[0]
    if levels.dtype != np.uint16 or levels.ndim != 3 or levels.shape[2] != 3:
        raise ImageError(f"{path} must hold 16-bit RGB, got {levels.dtype} {levels.shape}")
    encoded = torch.from_numpy(levels.astype(np.float32) / np.float32(65535)).permute(2, 0, 1)
    linear = convert_primaries(prophoto_to_linear(encoded), "prophoto", "bt709")
    return linear_to_srgb(linear.clamp(0, 1)).contiguous()


def _crop_as_asked(pixels: np.ndarray, data: bytes, step: int) -> np.ndarray:
    """Cut the default crop out of the developed sensor, and turn it as the camera was held."""
    with tifffile.TiffFile(BytesIO(data)) as tiff:
        first = tiff.pages.first
        pages = [first, *(first.pages or ())]
        sensor = max(pages, key=lambda page: page.imagewidth)
        origin, size = (_numbers(sensor.tags.valueof(tag)) for tag in (CROP_ORIGIN, CROP_SIZE))
        orientation = first.tags.valueof(ORIENTATION, 1)
    if origin and size:
        left, top, width, height = (round(number / step) for number in (*origin, *size))
        pixels = pixels[top : top + height, left : left + width]
    turns = {3: 2, 6: -1, 8: 1}.get(int(orientation), 0)
    return np.rot90(pixels, turns)


def _numbers(value: object) -> list[float]:
    """Two numbers of a tag, which may be stored as four: numerator, denominator, twice."""
    if not isinstance(value, tuple):
        return []
    numbers = [float(number) for number in value]
    if len(numbers) == 4:
        return [numbers[0] / numbers[1], numbers[2] / numbers[3]]
    return numbers


def _archive(root: Path, expert: str) -> Layout | None:
    """The original archive: raw_photos/HQa*/photos/*.dng, tiff16_c/*.tif, lists of names."""
    raw = root / "raw_photos"
    if not raw.is_dir():
        return None
    names = _lines(root / "filesAdobe.txt") + _lines(root / "filesAdobeMIT.txt")
    targets = _expert_tiffs(root, expert)
    return Layout("original archive", _by_stem(raw), targets, dict.fromkeys(names))


def _indexed(root: Path, expert: str) -> Layout | None:
    """raw/<camera>/*.dng, processed/tiff16_c/*.tif, and three JSON files of names.

    The validation photographs are trained on, which makes 4,000 and 1,000.
    """
    parts = {"training": "train", "validation": "train", "testing": "test"}
    indices = {root / f"{part}.json": side for part, side in parts.items()}
    if not (root / "raw").is_dir() or not all(path.is_file() for path in indices):
        return None
    listed = {name: side for path, side in indices.items() for name in _keys(path)}
    targets = _expert_tiffs(root / "processed", expert)
    return Layout("indexed package", _by_stem(root / "raw"), targets, listed)


def _resized_480p(root: Path, expert: str) -> Layout | None:
    """The 480p set of Zeng et al.'s 3D LUTs, of expert C alone, with lists of names."""
    inputs, targets = (root / side / "JPG" / "480p" for side in ("input", "expertC"))
    if not targets.is_dir():
        return None
    if expert != "c":
        raise ValueError(f"{root} is the 480p set, which has expert C alone, not {expert.upper()}")
    if not inputs.is_dir():
        raise ValueError(
            f"{root} is the 480p set without input/JPG/480p; its 16-bit inputs are in XYZ, which "
            "is not read here"
        )
    lists = {"train_input.txt": "train", "train_label.txt": "train", "test.txt": "test"}
    listed = {name: side for file, side in lists.items() for name in _lines(root / file)}
    return Layout("480p set", files_by_name(inputs), files_by_name(targets), listed)


def _listed(root: Path, _expert: str) -> Layout | None:
    """filelist.txt beside input/ and output/, as google/hdrnet reads it."""
    names = [Path(line).with_suffix("").as_posix() for line in _lines(root / "filelist.txt")]
    folders = [root / side for side in ("input", "output")]
    if not names or not all(folder.is_dir() for folder in folders):
        return None
    found = [files_by_name(folder, RAW + PICTURES) for folder in folders]
    inputs, targets = ({n: files[n] for n in names if n in files} for files in found)
    return Layout("file list", inputs, targets, dict.fromkeys(names))


def _train_and_eval(root: Path, _expert: str) -> Layout | None:
    """train/ and eval/, each with input/ and output/."""
    parts = {"train": "train", "eval": "test"}
    if not all((root / part / kind).is_dir() for part in parts for kind in ("input", "output")):
        return None
    inputs: Files = {}
    targets: Files = {}
    listed = {}
    for part, side in parts.items():
        for found, kind in ((inputs, "input"), (targets, "output")):
            for name, files in files_by_name(root / part / kind, RAW + PICTURES).items():
                found[f"{part}/{name}"] = files
                listed[f"{part}/{name}"] = side
    return Layout("train and eval folders", inputs, targets, listed)


def _expert_tiffs(root: Path, expert: str) -> Files:
    folder = root / f"tiff16_{expert}"
    if not folder.is_dir():
        there = ", ".join(sorted(p.name for p in root.glob("tiff16_*"))) or "none"
        raise ValueError(f"{folder} is missing; experts that are there: {there}")
    return _by_stem(folder, TIFF)


def _by_stem(folder: Path, endings: tuple[str, ...] = RAW) -> Files:
    """As the lists name them: wherever below the folder they are."""
    found: Files = {}
    for name, files in files_by_name(folder, endings).items():
        found.setdefault(name.rsplit("/", 1)[-1], []).extend(files)
    return found


def _lines(path: Path) -> list[str]:
    if not path.is_file():
        return []
    lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if line]


def _keys(path: Path) -> list[str]:
    """The names in one JSON index: keys of an object, or "basename" of each in a list."""
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
        return list(index) if isinstance(index, dict) else [entry["basename"] for entry in index]
    except (json.JSONDecodeError, KeyError, TypeError) as problem:
        raise ValueError(f"{path} is no index of photographs: {problem}") from problem
