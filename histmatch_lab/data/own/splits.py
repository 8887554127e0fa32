"""Which pairs are trained on and which tested on."""

import csv
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

SPLIT_SEED = 2022


class Split(NamedTuple):
    """A way to divide pairs by their names, each to "train" or "test"."""

    name: str  # as the manifest says it
    divide: Callable[[Sequence[str]], dict[str, str]]  # names that are not in the result are unused


def random_split(test_share: float) -> Split:
    """A share of the pairs, drawn at random, for testing; at least one if there are two.

    They are ordered by a hash of their name, so that the draw is the same everywhere, and a picture
    that is missing moves hardly any other to the other side.

    >>> random_split(1 / 5).divide(["a", "b", "c"])
    {'a': 'train', 'b': 'train', 'c': 'test'}
    """

    def divide(names: Sequence[str]) -> dict[str, str]:
        drawn = sorted(names, key=lambda n: hashlib.sha256(f"{SPLIT_SEED}:{n}".encode()).digest())
        count = max(round(len(names) * test_share), min(1, len(names) - 1))
        test = set(drawn[:count])
        return {name: "test" if name in test else "train" for name in names}

    return Split(f"{test_share:.0%} at random for testing, seed {SPLIT_SEED}", divide)


SPLITS = {  # of FiveK: the paper's random 4000/1000, and the common benchmark's 4500/500
    "paper": random_split(1 / 5),
    "4500-500": random_split(1 / 10),
}


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
            raise ValueError(
                f"each line of {path} must be NAME,train or NAME,test, got {','.join(row)!r}"
            )
    return stated_split(dict(rows), f"as {path.name} says")
