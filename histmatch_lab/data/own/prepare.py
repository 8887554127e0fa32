"""From data as people hold it to prepared pairs (`histmatch_lab.data.own.prepared`).

`prepare` fills a folder from a source: files side by side (`histmatch_lab.data.own.folders`), a copy of
MIT-Adobe FiveK (`fivek`) or two films (`movies`). It can be stopped at any moment, killed even,
and goes on where it was.
"""

import csv
import errno
import hashlib
import io
import json
import math
import os
import shutil
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from torch import Tensor

from histmatch_lab._files import write_whole
from histmatch_lab.data.images import ImageError, resize, size_at_short_side
from histmatch_lab.data.own.prepared import (
    MANIFEST,
    Levels,
    pair_path,
    read_head,
    to_levels,
    write_pair,
)

PREPARATION = "preparation.json"
SPLIT_FILE = "split.csv"
SPLIT_SEED = 2022
STALE = 3600.0  # seconds after which a half-written file belongs to a run that was killed


@dataclass(frozen=True)
class Split:
    """A way to divide pairs by their names, each to "train" or "test".

    Attributes:
        name: what the manifest says of it.
        divide: names to sides; names that are not in the result are left out.
    """

    name: str
    divide: Callable[[Sequence[str]], dict[str, str]]

    def __call__(self, names: Sequence[str]) -> dict[str, str]:
        return self.divide(names)


class Made(NamedTuple):
    """A new pair: (3, H, W) integers twice, and what it was made from."""

    name: str
    input: Levels
    target: Levels
    facts: dict[str, Any]


class Kept(NamedTuple):
    """A pair that an earlier run has made already."""

    name: str


class Skipped(NamedTuple):
    """What could not be prepared, and why."""

    name: str
    why: str


class Source(Protocol):
    """Where pairs come from.

    Attributes:
        facts: what decides how the pairs look; a folder holds pairs of the same facts only.
        found: what was recognised, in lines for the reader.
        total: how many pairs are expected.
    """

    found: list[str]

    @property
    def facts(self) -> dict[str, Any]: ...
    @property
    def total(self) -> int: ...

    def pairs(self, made_from: Callable[[str], Any]) -> Iterator[Made | Kept | Skipped]:
        """All pairs in order; made_from gives the fact "sources" of a pair that is there."""
        ...


def prepare(source: Source, folder: Path, split: Split) -> Iterator[Made | Kept | Skipped]:
    """Write what the source gives to the folder, and tell of each pair once it is safe.

    Raises:
        ValueError: the folder holds what was prepared otherwise, or something else; the split
            names none of the pairs.
        OSError: it cannot be written, or the disk is too small; what is whole is kept.
    """
    _claim(folder, source.facts)
    skipped: list[Skipped] = []
    names: list[str] = []
    checked = False

    def made_from(name: str) -> Any:
        head = read_head(pair_path(folder, name))
        return head.facts.get("sources") if head else None

    for result in source.pairs(made_from):
        if isinstance(result, Skipped):
            skipped.append(result)
        else:
            names.append(result.name)
        if isinstance(result, Made):
            if not checked:
                _check_disk(folder, result, source.total - len(names) - len(skipped) + 1)
                checked = True
            try:
                write_pair(folder, result.name, result.input, result.target, result.facts)
            except OSError as problem:
                if problem.errno not in (errno.ENOSPC, errno.EDQUOT):
                    raise
                raise OSError(
                    problem.errno,
                    f"the disk is full after {len(names) - 1} pairs; make room and run it again "
                    "to go on",
                    str(folder),
                ) from problem
        yield result
    if not names:
        raise ValueError("not a single pair could be prepared")
    sides = split(sorted(names))
    if not sides:
        raise ValueError(
            f"the split ({split.name}) names none of the {len(names)} pairs, such as {names[0]}"
        )
    _write_manifest(folder, {**source.facts, "split": split.name}, sides, skipped)


@dataclass(frozen=True)
class Job:
    """A pair of files."""

    name: str
    input: Path
    target: Path


@dataclass
class PictureSource:
    """Pairs of picture files, decoded on all cores.

    Attributes:
        jobs: the pairs; missing: what was found without its partner.
        read_input, read_target: a file's (3, H, W) picture in [0, 1], and its bits, 8 or 16.
        short_side: larger pictures are made smaller to this short side, in pixels; None keeps them.
        slack: by how much, of 1, the aspect of input and target may differ; 0 if their sizes must
            agree. A developed raw file and its export differ by a few rows at the sensor's edge.
    """

    facts: dict[str, Any]
    found: list[str]
    jobs: Sequence[Job]
    missing: Sequence[Skipped]
    read_input: Callable[[Path], tuple[Tensor, int]]
    read_target: Callable[[Path], tuple[Tensor, int]]
    short_side: int | None = None
    slack: float = 0.0

    @property
    def total(self) -> int:
        return len(self.jobs) + len(self.missing)

    def pairs(self, made_from: Callable[[str], Any]) -> Iterator[Made | Kept | Skipped]:
        yield from self.missing
        workers = os.cpu_count() or 1
        pool = ThreadPoolExecutor(workers)
        waiting: deque[Future[Made | Kept | Skipped]] = deque()
        try:
            for job in self.jobs:
                waiting.append(pool.submit(self._make, job, made_from))
                if len(waiting) > 2 * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)

    def _make(self, job: Job, made_from: Callable[[str], Any]) -> Made | Kept | Skipped:
        try:
            stamp = [_stamp(path) for path in (job.input, job.target)]
            if made_from(job.name) == stamp:
                return Kept(job.name)
            before, after = self._read(job)
            hashes = [hashlib.sha256(p.read_bytes()).hexdigest() for p in (job.input, job.target)]
        except (ImageError, OSError) as problem:
            return Skipped(job.name, str(problem))
        return Made(job.name, before, after, {"sources": stamp, "sha256": hashes})

    def _nearly_one_shape(self, first: Sequence[int], second: Sequence[int]) -> bool:
        aspects = [width / height for height, width in (first, second)]
        return abs(aspects[0] / aspects[1] - 1) < self.slack

    def _read(self, job: Job) -> tuple[Levels, Levels]:
        source, bits = self.read_input(job.input)
        target, target_bits = self.read_target(job.target)
        sizes = [tuple(image.shape[1:]) for image in (source, target)]
        if sizes[0] != sizes[1] and not self._nearly_one_shape(*sizes):
            told = ", its target ".join(f"{width} x {height}" for height, width in sizes)
            raise ImageError(f"the input has {told} pixels; they must agree")
        smaller = min(sizes, key=math.prod)
        if self.short_side and min(smaller) > self.short_side:
            smaller = size_at_short_side(smaller, self.short_side)
        before, after = (
            i if s == smaller else resize(i, smaller)
            for i, s in zip((source, target), sizes, strict=True)
        )
        return to_levels(before, bits), to_levels(after, target_bits)


def random_split(test_share: float, seed: int = SPLIT_SEED) -> Split:
    """A share of the pairs, drawn at random, for testing; at least one if there are two.

    They are ordered by a hash of seed and name, so that the draw is the same everywhere, and a
    picture that is missing moves hardly any other to the other side.
    """

    def divide(names: Sequence[str]) -> dict[str, str]:
        drawn = sorted(names, key=lambda n: hashlib.sha256(f"{seed}:{n}".encode()).digest())
        count = max(round(len(names) * test_share), min(1, len(names) - 1))
        test = set(drawn[:count])
        return {name: "test" if name in test else "train" for name in names}

    return Split(f"{test_share:.0%} at random for testing, seed {seed}", divide)


def _divide_in_time(names: Sequence[str]) -> dict[str, str]:
    first = min(round(len(names) * 0.8), max(1, len(names) - 1))
    return {name: "train" if i < first else "test" for i, name in enumerate(sorted(names))}


chronological_split = Split("the first 80% in time for training", _divide_in_time)


def stated_split(sides: dict[str, str], name: str) -> Split:
    """A split that somebody has made already; pairs that it does not name are left out."""
    return Split(name, lambda names: {n: sides[n] for n in names if n in sides})


def read_split(path: Path) -> Split:
    """A split from a file such as the split.csv that `prepare` writes: name,split a line.

    Raises ValueError, which names the line, for one that is neither "train" nor "test".
    """
    with path.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.reader(file) if row and row != ["name", "split"]]
    for row in rows:
        if len(row) != 2 or row[1] not in ("train", "test"):
            raise ValueError(f"{path}: {','.join(row)!r}; wanted is NAME,train or NAME,test")
    return stated_split(dict(rows), f"as {path.name} says")


def _claim(folder: Path, facts: dict[str, Any]) -> None:
    """Make the folder this preparation's, and clear away what killed runs left half-written."""
    path = folder / PREPARATION
    facts = json.loads(json.dumps(facts))
    if path.exists():
        held = json.loads(path.read_text(encoding="utf-8"))
        for name in facts | held:
            if held.get(name) != facts.get(name):
                raise ValueError(
                    f"{folder} holds pairs that were prepared otherwise: {name} was "
                    f"{held.get(name)!r}, now it is {facts.get(name)!r}; choose another folder"
                )
    elif folder.exists() and any(folder.iterdir()):
        raise ValueError(f"{folder} holds other things; choose a new or an empty folder")
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(path, json.dumps(facts, indent=1, ensure_ascii=False).encode())
    for part in folder.rglob(".*.part"):
        with suppress(OSError):
            if time.time() - part.stat().st_mtime > STALE:
                part.unlink()


def _check_disk(folder: Path, first: Made, count: int) -> None:
    needed = (first.input.nbytes + first.target.nbytes) * count
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise OSError(
            errno.ENOSPC,
            f"about {needed / 1e9:.2f} GB are needed for {count} pairs and {free / 1e9:.2f} GB "
            "are free; nothing was begun",
            str(folder),
        )


def _write_manifest(
    folder: Path, facts: dict[str, Any], sides: dict[str, str], skipped: Sequence[Skipped]
) -> None:
    pairs = []
    for name, side in sides.items():
        head = read_head(pair_path(folder, name))
        assert head, name
        size = {"height": head.height, "width": head.width}
        pairs.append({"name": name, "split": side, **size, **head.facts})
    manifest = {**facts, "pairs": pairs, "skipped": [s._asdict() for s in skipped]}
    table = io.StringIO()
    csv.writer(table, lineterminator="\n").writerows([("name", "split"), *sides.items()])
    write_whole(folder / SPLIT_FILE, table.getvalue().encode())
    write_whole(folder / MANIFEST, json.dumps(manifest, indent=1, ensure_ascii=False).encode())


def _stamp(path: Path) -> list[Any]:
    status = path.stat()
    return [str(path), status.st_size, status.st_mtime_ns]
