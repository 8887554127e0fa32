"""MIT-Adobe FiveK (Bychkovsky et al. 2011), the paper's first data set, as people hold it.

5,000 raw photographs and what five experts, a to e, made of each. Five ways of keeping them are
recognised; what the input is differs between them, so that numbers of one are not to be compared
with those of another. No development of a raw file here equals Lightroom's, which the published
input pictures went through.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tifffile
import torch
from torch import Tensor

from histmatch_lab._checks import check_option
from histmatch_lab._extras import import_extra
from histmatch_lab.color import convert_primaries, linear_to_srgb, prophoto_to_linear
from histmatch_lab.data.decoding import ImageError
from histmatch_lab.data.own.folders import PICTURES, pair_up, read_picture, walk
from histmatch_lab.data.own.prepare import PictureSource, Skipped, Split, random_split, stated_split

EXPERTS = ("a", "b", "c", "d", "e")
SHORT_SIDE = 480
SPLITS = {  # of 5,000: the paper's random 4000/1000, and the common benchmark's 4500/500
    "paper": random_split(1 / 5),
    "4500-500": random_split(1 / 10),
}
CROP_ORIGIN, CROP_SIZE, ORIENTATION = 50719, 50720, 274  # tags of DNG and TIFF

Files = dict[str, list[Path]]


class Layout(NamedTuple):
    """What was recognised: the files of both sides by name, and the split that comes with them."""

    name: str
    inputs: Files
    targets: Files
    split: dict[str, str] | None = None
    listed: tuple[str, ...] = ()  # names that the copy's own lists promise


def fivek_source(root: Path, *, expert: str = "c") -> tuple[PictureSource, Split]:
    """A copy of FiveK as 480p pairs, and the split that comes with it, else the paper's.

    Raises ValueError for a folder in which no layout is recognised, or without this expert.
    """
    check_option("expert", expert, EXPERTS)
    layout = recognise(root, expert)
    jobs, missing = pair_up(layout.inputs, layout.targets)
    known = layout.inputs.keys() | layout.targets.keys()
    missing += [
        Skipped(name, "listed, but not there") for name in layout.listed if name not in known
    ]
    if not jobs:
        raise ValueError(f"{root} looks like {layout.name}, but not one input has its target")
    source = PictureSource(
        facts={
            "source": "MIT-Adobe FiveK",
            "root": str(root.resolve()),
            "layout": layout.name,
            "expert": expert,
            "input": "developed by LibRaw: camera white balance, no automatic brightness, sRGB"
            if layout.name in ("original archive", "indexed package")
            else "as it comes with this copy",
            "short_side": SHORT_SIDE,
            "encoding": "sRGB",
        },
        found=[
            f"recognised: {layout.name}",
            f"{len(layout.inputs)} inputs, {len(layout.targets)} targets, {len(jobs)} pairs",
            *([f"{len(missing)} without a partner"] if missing else []),
        ],
        jobs=jobs,
        missing=missing,
        read_input=read_photograph,
        read_target=read_photograph,
        short_side=SHORT_SIDE,
        slack=0.01,
    )
    return source, stated_split(
        layout.split, "as it comes with the copy"
    ) if layout.split else SPLITS["paper"]


def recognise(root: Path, expert: str) -> Layout:
    """The layout of a copy; ValueError, which says what was looked for, if it is none of them."""
    if not root.is_dir():
        raise ValueError(f"{root} is not a folder")
    for look in (_archive, _indexed, _resized_480p, _listed, _train_and_eval):
        for folder in (root, root / "fivek_dataset", root / "MITAboveFiveK"):
            layout = look(folder, expert)
            if layout:
                return layout
    there = ", ".join(sorted(p.name for p in root.iterdir())[:8]) or "nothing"
    raise ValueError(
        f"{root} is no copy of FiveK that is known here; it holds {there}. Looked for: raw_photos/ "
        f"with tiff16_{expert}/; raw/ and processed/ with training.json; input/JPG/480p with "
        "expertC/JPG/480p and test.txt; filelist.txt with input/ and output/; train/ and eval/"
    )


def read_photograph(path: Path) -> tuple[Tensor, int]:
    """A raw file, an expert's TIFF or any other picture as sRGB in [0, 1], and its bits."""
    ending = path.suffix.lower()
    if ending == ".dng":
        return develop(path), 16
    if ending in (".tif", ".tiff") and path.parent.name.startswith("tiff16_"):
        return read_expert_tiff(path), 16
    return read_picture(path)


def develop(path: Path) -> Tensor:
    """A DNG as sRGB (3, H, W) in [0, 1], with the camera's white balance, by LibRaw.

    Nothing is brightened by guess, and the frame is the one that the file asks for
    (DefaultCropOrigin and DefaultCropSize), as Adobe's programs cut it. Raises ImageError for a
    file that is damaged; ModuleNotFoundError, which says how to get it, without rawpy.
    """
    rawpy = import_extra("rawpy", "rawpy", "reads raw photographs", "raw")
    try:
        with rawpy.imread(str(path)) as raw:
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
        pixels = _crop_as_asked(pixels, path, 2 if half else 1)
    except (rawpy.LibRawError, tifffile.TiffFileError, ValueError) as problem:
        raise ImageError(f"{path} cannot be developed: {problem}") from problem
    image = np.ascontiguousarray(pixels).astype(np.float32) / np.float32(65535)
    return torch.from_numpy(image).permute(2, 0, 1).contiguous()


def read_expert_tiff(path: Path) -> Tensor:
    """An expert's 16-bit TIFF as sRGB (3, H, W) in [0, 1].

    They are ProPhoto; a profile in the file is believed before that. Colours outside sRGB are
    clipped. Raises ImageError for a damaged file.
    """
    try:
        with tifffile.TiffFile(path) as tiff:
            page = tiff.pages.first
            profile, levels = page.iccprofile, None
            if profile is None:
                levels = page.asarray()
    except Exception as problem:  # decoders raise anything at all on damaged bytes
        raise ImageError(f"{path} cannot be read: {problem}") from problem
    if levels is None:
        return read_picture(path)[0]
    if levels.dtype != np.uint16 or levels.ndim != 3 or levels.shape[2] != 3:
        found = f"{levels.dtype} {levels.shape}"
        raise ImageError(f"{path} holds {found}; wanted is 16-bit RGB")
    encoded = torch.from_numpy(levels.astype(np.float32) / np.float32(65535)).permute(2, 0, 1)
    linear = convert_primaries(prophoto_to_linear(encoded), "prophoto", "bt709")
    return linear_to_srgb(linear.clamp(0, 1)).contiguous()


def _crop_as_asked(pixels: np.ndarray, path: Path, step: int) -> np.ndarray:
    """Cut the default crop out of the developed sensor, and turn it as the camera was held."""
    with tifffile.TiffFile(path) as tiff:
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
    lists = [root / name for name in ("filesAdobe.txt", "filesAdobeMIT.txt")]
    listed = [name for path in lists if path.is_file() for name in _lines(path)]
    targets = _expert_tiffs(root, expert)
    return Layout("original archive", _by_stem(walk(raw), (".dng",)), targets, None, tuple(listed))


def _indexed(root: Path, expert: str) -> Layout | None:
    """raw/<camera>/*.dng, processed/tiff16_c/*.tif, and three JSON files of names.

    The validation photographs are trained on, which makes 4,000 and 1,000.
    """
    sides = {"training": "train", "validation": "train", "testing": "test"}
    files = {name: root / f"{name}.json" for name in sides}
    if not (root / "raw").is_dir() or not all(path.is_file() for path in files.values()):
        return None
    split = {key: sides[name] for name, path in files.items() for key in _keys(path)}
    inputs = _by_stem(walk(root / "raw"), (".dng",))
    targets = _expert_tiffs(root / "processed", expert)
    return Layout("indexed package", inputs, targets, split, tuple(split))


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
    sides = {"train_input.txt": "train", "train_label.txt": "train", "test.txt": "test"}
    files = {root / name: side for name, side in sides.items() if (root / name).is_file()}
    split = {name: side for path, side in files.items() for name in _lines(path)}
    found = [_by_stem(walk(folder), PICTURES) for folder in (inputs, targets)]
    return Layout("480p set", found[0], found[1], split or None, tuple(split))


def _listed(root: Path, _expert: str) -> Layout | None:
    """filelist.txt beside input/ and output/, as google/hdrnet reads it."""
    folders = root / "input", root / "output"
    if not (root / "filelist.txt").is_file() or not all(folder.is_dir() for folder in folders):
        return None
    names = tuple(Path(line).stem for line in _lines(root / "filelist.txt"))
    found = (_by_stem(walk(folder), (".dng", *PICTURES)) for folder in folders)
    inputs, targets = ({n: f for n, f in files.items() if n in names} for files in found)
    return Layout("file list", inputs, targets, None, names)


def _train_and_eval(root: Path, _expert: str) -> Layout | None:
    """train/ and eval/, each with input/ and output/."""
    sides = {"train": "train", "eval": "test"}
    if not all((root / side / kind).is_dir() for side in sides for kind in ("input", "output")):
        return None
    inputs, targets = (
        {
            f"{side}/{name}": files
            for side in sides
            for name, files in _by_stem(walk(root / side / kind), (".dng", *PICTURES)).items()
        }
        for kind in ("input", "output")
    )
    split = {name: sides[name.split("/")[0]] for name in inputs}
    return Layout("train and eval folders", inputs, targets, split)


def _expert_tiffs(root: Path, expert: str) -> Files:
    folder = root / f"tiff16_{expert}"
    if not folder.is_dir():
        there = ", ".join(sorted(p.name for p in root.glob("tiff16_*"))) or "none"
        raise ValueError(f"{folder} is missing; experts that are there: {there}")
    return _by_stem(walk(folder), (".tif", ".tiff"))


def _by_stem(paths: Iterable[Path], endings: tuple[str, ...]) -> Files:
    found: Files = {}
    for path in paths:
        if path.suffix.lower() in endings:
            found.setdefault(path.stem, []).append(path)
    return found


def _lines(path: Path) -> list[str]:
    lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if line]


def _keys(path: Path) -> list[str]:
    """The names in one JSON index: keys of an object, or "basename" of each in a list."""
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
        return list(index) if isinstance(index, dict) else [entry["basename"] for entry in index]
    except (json.JSONDecodeError, KeyError, TypeError) as problem:
        raise ValueError(f"{path} is no index of photographs: {problem}") from problem
