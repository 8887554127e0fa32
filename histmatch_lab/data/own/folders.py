"""Two folders of pictures with the same names: the input in one, its target in the other."""

import hashlib
import math
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from histmatch_lab.data.images import (
    ImageError,
    decode_image,
    is_picture,
    passed_over,
    read_bytes,
    resize,
    to_levels,
)
from histmatch_lab.data.own.prepare import Existing, Made, Result, Skipped, stamp
from histmatch_lab.data.own.splits import SPLITS, Split

Files = dict[str, list[Path]]  # by the name of the pair: the path below its side, no ending


class FilePair(NamedTuple):
    """The files that one pair is made from."""

    name: str
    input: Path
    target: Path


@dataclass
class PictureSource:
    """Pairs of picture files, several at a time; see `prepare.Source`.

    `read` makes of a file's path and bytes a picture in [0, 1], (3, H, W), and its bits, 8 or 16.
    """

    facts: dict[str, Any]
    found: list[str]
    files: Sequence[FilePair]
    missing: Sequence[Skipped]  # what has no partner, or too many
    read: Callable[[Path, bytes], tuple[Tensor, int]]
    short_side: int | None = None  # larger pictures are made smaller to it
    slack: float = 0.0  # how much the shapes of input and target may differ, as a share
    split: Split = SPLITS["paper"]

    @property
    def total(self) -> int:
        return len(self.files) + len(self.missing)

    def pairs(self, made_from: Callable[[str], Any]) -> Iterator[Result]:
        yield from self.missing
        workers = os.cpu_count() or 1
        pool = ThreadPoolExecutor(workers)
        waiting: deque[Future[Result]] = deque()
        try:
            for files in self.files:
                waiting.append(pool.submit(self._make, files, made_from))
                if len(waiting) > 2 * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)

    def _make(self, files: FilePair, made_from: Callable[[str], Any]) -> Result:
        paths = files.input, files.target
        try:
            stamps = [stamp(path) for path in paths]
            if made_from(files.name) == stamps:
                return Existing(files.name)
            contents = [read_bytes(path) for path in paths]
            (source, bits), (target, target_bits) = map(self.read, paths, contents)
            fitted = _misfit(source, target)
            source, target = self._at_one_size(source, target)
        except (ImageError, OSError) as problem:
            return Skipped(files.name, str(problem))
        facts = {"sources": stamps, "sha256": [hashlib.sha256(c).hexdigest() for c in contents]}
        facts |= {"fitted": fitted} if fitted else {}
        return Made(files.name, to_levels(source, bits), to_levels(target, target_bits), facts)

    def _at_one_size(self, *pair: Tensor) -> list[Tensor]:
        """Both at the smaller one's size, or at the short side; ImageError if their shapes part."""
        sizes = [tuple(image.shape[1:]) for image in pair]
        aspects = [width / height for height, width in sizes]
        if sizes[0] != sizes[1] and abs(aspects[0] / aspects[1] - 1) >= self.slack:
            raise ImageError(f"{_sizes(*pair)}; they must agree")
        size = min(sizes, key=math.prod)
        if self.short_side and min(size) > self.short_side:
            scale = self.short_side / min(size)
            size = tuple(round(side * scale) for side in size)
        return [i if i.shape[1:] == size else resize(i, size) for i in pair]


def _sizes(source: Tensor, target: Tensor) -> str:
    both = (f"{image.shape[2]} x {image.shape[1]}" for image in (source, target))
    return f"the input has {', its target '.join(both)} pixels"


def _misfit(source: Tensor, target: Tensor) -> str:
    """In words, if one is not a copy of the other at another size, but cropped by a pixel or so."""
    down, across = (a / b for a, b in zip(source.shape[1:], target.shape[1:], strict=True))
    off = max(min(s, t) for s, t in zip(source.shape[1:], target.shape[1:], strict=True))
    return _sizes(source, target) if abs(down / across - 1) * off > 0.6 else ""


def folder_source(inputs: Path, targets: Path, *, short_side: int | None = None) -> PictureSource:
    """Pairs by name, whatever the endings: paris/01.png goes with paris/01.jpg.

    Raises ValueError if a folder is none or holds no pictures, or no name is in both.
    """
    (before, others), (after, more) = map(_by_name, (inputs, targets))
    if not before.keys() & after.keys():
        raise ValueError(
            f"no picture of {inputs}, such as {next(iter(before))}, has a partner of the same name "
            f"in {targets}, such as {next(iter(after))}"
        )
    pairs, missing = pair_up(before, after)
    others += more
    found = [f"{len(pairs)} pairs in {inputs} and {targets}"]
    if others:
        found.append(passed_over(others))
    return PictureSource(
        facts={
            "source": "folder",
            "input": str(inputs.resolve()),
            "target": str(targets.resolve()),
            "short_side": short_side,
            "encoding": "sRGB",
        },
        found=found,
        files=pairs,
        missing=missing,
        read=decode_image,
        short_side=short_side,
    )


def _by_name(folder: Path) -> tuple[Files, list[Path]]:
    """The pictures below a folder, and its other files."""
    found: Files = {}
    others: list[Path] = []
    for path in files_below(folder):
        if is_picture(path):
            name = path.relative_to(folder).with_suffix("").as_posix()
            found.setdefault(name, []).append(path)
        else:
            others.append(path)
    if not found:
        raise ValueError(f"{folder} holds no pictures")
    return found, others


def pair_up(inputs: Files, targets: Files) -> tuple[list[FilePair], list[Skipped]]:
    """The files of the same name, and what has no partner or too many, in the order of names."""
    pairs, missing = [], []
    for name in sorted(inputs.keys() | targets.keys()):
        before, after = inputs.get(name, []), targets.get(name, [])
        if len(before) == len(after) == 1:
            pairs.append(FilePair(name, before[0], after[0]))
            continue
        for side, files in (("input", before), ("target", after)):
            if len(files) != 1:
                many = f"{len(files)} {side}s: {', '.join(f.name for f in files)}"
                missing.append(Skipped(name, many if files else f"its {side} is missing"))
    return pairs, missing


def files_below(root: Path) -> list[Path]:
    """All files below a folder, in order, but for hidden folders.

    Links are followed, but never in a circle. Raises ValueError for what is no folder.
    """
    if not root.is_dir():
        raise ValueError(f"{root} is not a folder")
    found: list[Path] = []
    seen = set()
    for folder, inside, names in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:
            inside.clear()
            continue
        seen.add(real)
        inside[:] = sorted(name for name in inside if not name.startswith("."))
        found += (Path(folder, name) for name in sorted(names))
    return found
