"""From data as people hold it to prepared pairs (`histmatch_lab.data.own.prepared`).

`prepare` fills a folder from a source: two folders of pictures (`folders`), a copy of MIT-Adobe
FiveK (`fivek`) or two movies (`movies`). It can be interrupted at any moment, killed even, and
resumes where it was.
"""

import csv
import errno
import io
import json
import shutil
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from histmatch_lab._files import LOCK, PART, one_run, write_whole
from histmatch_lab.data.images import Levels
from histmatch_lab.data.own.prepared import MANIFEST, pair_path, read_head, write_pair
from histmatch_lab.data.own.splits import Split

PREPARATION = "preparation.json"
SPLIT_FILE = "split.csv"


class Made(NamedTuple):
    """A new pair: (3, H, W) integers twice, and what it was made from."""

    name: str
    input: Levels
    target: Levels
    facts: dict[str, Any]


class Existing(NamedTuple):
    """A pair that was prepared before."""

    name: str


class Skipped(NamedTuple):
    """What could not be prepared, and why."""

    name: str
    why: str


Result = Made | Existing | Skipped


class Source(Protocol):
    """Where pairs come from."""

    found: list[str]  # what was recognised, in lines for the reader
    split: Split  # the one that comes with them

    @property
    def facts(self) -> dict[str, Any]: ...  # a folder holds pairs of the same facts only
    @property
    def total(self) -> int: ...  # how many pairs are expected

    def pairs(self, made_from: Callable[[str], Any]) -> Iterator[Result]:
        """All pairs in order; made_from gives the fact "sources" of a pair that is there."""
        ...


def prepare(source: Source, folder: Path, split: Split | None = None) -> Generator[Result]:
    """Write what the source gives to the folder, and yield each result once it is safe.

    split: in the place of the source's own.

    Raises ValueError if the folder holds what was prepared otherwise, or something else, or another
    run writes to it, or the split names none of the pairs; OSError if the folder cannot be written,
    or the disk is too small (what is whole is kept).
    """
    _check_mine(folder, source.facts)
    with one_run(folder):
        yield from _fill(source, folder, split or source.split)


def _fill(source: Source, folder: Path, split: Split) -> Generator[Result]:
    facts = json.dumps(source.facts, indent=1, ensure_ascii=False)
    write_whole(folder / PREPARATION, facts.encode())
    skipped: list[Skipped] = []
    names: list[str] = []
    made = 0

    def made_from(name: str) -> Any:
        return read_head(pair_path(folder, name)).get("sources")

    for result in source.pairs(made_from):
        if isinstance(result, Made):
            if not made:
                _check_room(folder, result, source.total - len(names) - len(skipped))
            write_pair(folder, *result)
            made += 1
        if isinstance(result, Skipped):
            skipped.append(result)
        else:
            names.append(result.name)
        yield result
    if not names:
        raise ValueError("not a single pair could be prepared")
    sides = split.divide(sorted(names))
    if not sides:
        raise ValueError(
            f"the split ({split.name}) names none of the {len(names)} pairs, such as {names[0]}"
        )
    _write_manifest(folder, {**source.facts, "split": split.name}, sides, skipped)


def stamp(path: Path) -> list[Any]:
    """By which a file that has changed is known."""
    status = path.stat()
    return [str(path), status.st_size, status.st_mtime_ns]


def _check_mine(folder: Path, facts: dict[str, Any]) -> None:
    """Raises ValueError if the folder is not this preparation's, and not empty either."""
    path = folder / PREPARATION
    if path.exists():
        held = json.loads(path.read_text(encoding="utf-8"))
        facts = json.loads(json.dumps(facts))
        for name in facts | held:
            if held.get(name) != facts.get(name):
                raise ValueError(
                    f"{folder} holds pairs that were prepared otherwise: {name} was "
                    f"{held.get(name)!r}, now it is {facts.get(name)!r}; choose another folder"
                )
    elif folder.exists():
        # a run that was killed before its first whole file leaves nothing but these
        others = [p for p in folder.iterdir() if p.name != LOCK and not p.match(PART)]
        if others:
            raise ValueError(f"{folder} holds other things; choose a new or an empty folder")


def _check_room(folder: Path, first: Made, count: int) -> None:
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
    pairs = [
        {"name": name, "split": side, **read_head(pair_path(folder, name))}
        for name, side in sides.items()
    ]
    manifest = {**facts, "pairs": pairs, "skipped": [s._asdict() for s in skipped]}
    table = io.StringIO()
    csv.writer(table, lineterminator="\n").writerows([("name", "split"), *sides.items()])
    write_whole(folder / SPLIT_FILE, table.getvalue().encode())
    write_whole(folder / MANIFEST, json.dumps(manifest, indent=1, ensure_ascii=False).encode())
