"""MIT-Adobe FiveK (Bychkovsky et al. 2011), the paper's first data set, as people hold it.

5,000 raw photographs and what five experts, a to e, made of each. One rule reads the usual copies:
a picture is an input or a target by the name of a folder above it, and belongs to the picture of
the same name on the other side; lists and folders of known names say who trains on which.

    raw_photos/HQa*/photos/*.dng  tiff16_c/*.tif             the original archive
    raw/*/*.dng  processed/tiff16_c/*.tif  training.json     the package fivek-dataset of PyPI
    input/JPG/480p/*.jpg  expertC/JPG/480p/*.jpg  test.txt   the 480p set of Zeng et al.'s 3D LUTs
    input/*  output/*  filelist.txt                          as google/hdrnet reads it
    train/input/*  train/output/*  eval/input/*  ...

What the input is differs between them, so that numbers of one are not to be compared with those of
another. No development of a raw file here equals Lightroom's, which the published input pictures
went through.
"""

import json
import re
from io import BytesIO
from pathlib import Path

import numpy as np
import tifffile
import torch
from torch import Tensor

from histmatch_lab._checks import check_option
from histmatch_lab.color import convert_primaries, linear_to_srgb, prophoto_to_linear
from histmatch_lab.data.images import ImageError, decode_image, is_picture
from histmatch_lab.data.own.folders import Files, PictureSource, files_below, pair_up
from histmatch_lab.data.own.prepare import Skipped
from histmatch_lab.data.own.splits import SPLITS, stated_split
from histmatch_lab.data.raw import RAW, develop

FIVEK_EXPERTS = ("a", "b", "c", "d", "e")
SHORT_SIDE = 480
TIFF = (".tif", ".tiff")
DEVELOPED = "developed by LibRaw: camera white balance, no automatic brightness, sRGB"
INPUTS = ("raw_photos", "raw", "input")
_KIND = re.compile(rf"{'|'.join(INPUTS)}|tiff16_[a-e]|expert[A-E]|output")
XYZ = "480p_16bits_XYZ_WB"  # other inputs of the 480p set, which are not read here
LISTS = {
    "filesAdobe.txt": None,
    "filesAdobeMIT.txt": None,
    "filelist.txt": None,
    "training.json": "train",
    "validation.json": "train",  # which makes 4,000 and 1,000
    "testing.json": "test",
    "train_input.txt": "train",
    "train_label.txt": "train",
    "test.txt": "test",
}
PARTS = {"train": "train", "eval": "test"}


def fivek_source(root: Path, *, expert: str = "c") -> PictureSource:
    """A copy of FiveK as 480p pairs, with the split that comes with it, else the paper's.

    Where names are listed, only those are used. Raises ValueError for a folder that is not
    recognised, or without this expert.
    """
    check_option("expert", expert, FIVEK_EXPERTS)
    layout, inputs, targets, listed = _look_through(root, expert)
    files, missing = pair_up(inputs, targets)
    absent = listed.keys() - inputs.keys() - targets.keys()
    missing += [Skipped(name, "listed, but not there") for name in sorted(absent)]
    if not files:
        raise ValueError(f"{root} looks like {layout}, but not one input has its target")
    sides = {name: side for name, side in listed.items() if side}
    raw = files[0].input.suffix.lower() in RAW
    return PictureSource(
        facts={
            "source": "MIT-Adobe FiveK",
            "root": str(root.resolve()),
            "layout": layout,
            "expert": expert,
            "input": DEVELOPED if raw else "as it comes with this copy",
            "short_side": SHORT_SIDE,
            "encoding": "sRGB",
        },
        found=[
            f"recognised: {layout}",
            f"{len(inputs)} inputs, {len(targets)} targets, {len(files)} pairs",
            *([f"{len(missing)} without a partner"] if missing else []),
        ],
        files=files,
        missing=missing,
        read=read_photograph,
        short_side=SHORT_SIDE,
        slack=0.01,
        split=stated_split(sides, "as it comes with the copy") if sides else SPLITS["paper"],
    )


def _look_through(root: Path, expert: str) -> tuple[str, Files, Files, dict[str, str | None]]:
    """What is recognised; the files of both sides; the names that are listed, with their sides."""
    by_folder: dict[str, Files] = {}
    sides: dict[str, str | None] = {}
    for path in files_below(root):
        folders = path.relative_to(root).parts[:-1]
        kind = next((folder for folder in folders if _KIND.fullmatch(folder)), None)
        if path.name in LISTS and not kind:
            sides |= dict.fromkeys(_names(path), LISTS[path.name])
        if not kind or XYZ in folders or not is_picture(path):
            continue
        part = next((folder for folder in folders if folder in PARTS), None)
        name = f"{part}/{path.stem}" if part else path.stem
        by_folder.setdefault(kind, {}).setdefault(name, []).append(path)
        if part:
            sides[name] = PARTS[part]
    target_folders = (f"tiff16_{expert}", f"expert{expert.upper()}", "output")
    found = [[f for f in known if f in by_folder] for known in (INPUTS, target_folders)]
    if [] in found:
        got = sorted(by_folder) or sorted(path.name for path in root.iterdir())[:8]
        raise ValueError(
            f"{root} must hold pictures in a folder {' or '.join(INPUTS)}, and in "
            f"{' or '.join(target_folders)}, got {', '.join(got) or 'nothing'}"
        )
    names = [folders[0] for folders in found]
    inputs, targets = (
        {n: paths for n, paths in by_folder[f].items() if n in sides or not sides} for f in names
    )
    return " with ".join(names), inputs, targets, sides


def read_photograph(path: Path, data: bytes) -> tuple[Tensor, int]:
    """A raw file, an expert's TIFF or any other picture as sRGB in [0, 1], and its bits."""
    ending = path.suffix.lower()
    if ending in RAW:
        return develop(path, data, short_side=SHORT_SIDE), 16
    if ending in TIFF and path.parent.name.startswith("tiff16_"):
        return read_expert_tiff(path, data), 16
    return decode_image(path, data)


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


def _names(path: Path) -> list[str]:
    """Those in a list: its lines; of JSON, an object's keys or the "basename" of each in a list."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".json":
        return [_without_ending(line.strip()) for line in text.splitlines() if line.strip()]
    try:
        index = json.loads(text)
        return list(index) if isinstance(index, dict) else [entry["basename"] for entry in index]
    except (json.JSONDecodeError, KeyError, TypeError) as problem:
        raise ValueError(f"{path} is no index of photographs: {problem}") from problem


def _without_ending(file: str) -> str:
    """The name of a picture's file, or a name that is none, which may have dots."""
    path = Path(file)
    return path.stem if is_picture(path) else path.name
