"""Two folders of pictures with the same names: the input in one, what became of it in the other."""

import os
from collections.abc import Iterator
from pathlib import Path

from torch import Tensor

from histmatch_lab.data.decoding import bits_per_channel
from histmatch_lab.data.images import load_image
from histmatch_lab.data.own.prepare import Job, PictureSource, Skipped

PICTURES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp")


def folder_source(inputs: Path, targets: Path, *, short_side: int | None = None) -> PictureSource:
    """Pairs by name, whatever the endings: paris/01.png goes with paris/01.jpg.

    Raises ValueError if a folder is none or holds no pictures, or no name is in both.
    """
    sides = [_by_name(folder) for folder in (inputs, targets)]
    if not sides[0].keys() & sides[1].keys():
        raise ValueError(
            f"no picture of {inputs} ({_some(sides[0])}) has a partner of the same name in "
            f"{targets} ({_some(sides[1])})"
        )
    jobs, missing = pair_up(*sides)
    return PictureSource(
        facts={
            "source": "folder",
            "input": str(inputs.resolve()),
            "target": str(targets.resolve()),
            "short_side": short_side,
            "encoding": "sRGB",
        },
        found=[f"{len(jobs)} pairs in {inputs} and {targets}"],
        jobs=jobs,
        missing=missing,
        read_input=read_picture,
        read_target=read_picture,
        short_side=short_side,
    )


def pair_up(
    inputs: dict[str, list[Path]], targets: dict[str, list[Path]]
) -> tuple[list[Job], list[Skipped]]:
    """The files of the same name, and what has no partner or too many, in the order of names."""
    jobs, missing = [], []
    for name in sorted(inputs.keys() | targets.keys()):
        before, after = inputs.get(name, []), targets.get(name, [])
        if len(before) == len(after) == 1:
            jobs.append(Job(name, before[0], after[0]))
            continue
        for side, files in (("input", before), ("target", after)):
            if len(files) != 1:
                many = f"{len(files)} {side}s: {', '.join(f.name for f in files)}"
                missing.append(Skipped(name, many if files else f"its {side} is missing"))
    return jobs, missing


def read_picture(path: Path) -> tuple[Tensor, int]:
    """The picture as `load_image` reads it, and its bits, 8 or 16."""
    return load_image(path), bits_per_channel(path.read_bytes())


def walk(root: Path) -> Iterator[Path]:
    """Every file below a folder, sorted, through links but never in a circle; no hidden ones."""
    seen = set()
    for folder, inside, files in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:
            inside.clear()
            continue
        seen.add(real)
        inside[:] = sorted(name for name in inside if not name.startswith("."))
        yield from (Path(folder, name) for name in sorted(files) if not name.startswith("."))


def _by_name(folder: Path) -> dict[str, list[Path]]:
    if not folder.is_dir():
        raise ValueError(f"{folder} is not a folder")
    found: dict[str, list[Path]] = {}
    for path in walk(folder):
        if path.suffix.lower() in PICTURES:
            name = path.relative_to(folder).with_suffix("").as_posix()
            found.setdefault(name, []).append(path)
    if not found:
        raise ValueError(f"{folder} holds no pictures ({', '.join(PICTURES)})")
    return found


def _some(found: dict[str, list[Path]]) -> str:
    return f"{', '.join(list(found)[:2])}{', ...' if len(found) > 2 else ''}"
