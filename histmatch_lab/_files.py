"""Files that appear whole or not at all, are the same for the same content, and have one writer."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import safetensors.torch
from filelock import FileLock, Timeout
from torch import Tensor

LOCK = ".lock"
PART = ".*.part"  # the names beside the places of `write_whole`


def write_whole(path: Path, data: bytes) -> None:
    """Write beside the place and then rename: whoever reads the path sees the old or the new."""
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        aside.write_bytes(data)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


@contextmanager
def one_run(folder: Path) -> Iterator[None]:
    """Make the folder, and be the only run that writes to it; ValueError if another one does.

    The system holds the lock, not the file: that of a run that was killed is free. What such a run
    left half-written is removed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        held = FileLock(folder / LOCK).acquire(timeout=0)
    except Timeout:
        raise ValueError(
            f"{folder} must be written by one run at a time, and another one is at it; wait for "
            "it, or end it (in a notebook, restart the kernel)"
        ) from None
    with held:
        for part in folder.rglob(PART):
            part.unlink(missing_ok=True)
        yield


def safetensors_bytes(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> bytes:
    """A safetensors file with its metadata in alphabetical order.

    safetensors itself writes it in the order of a hash table, another one in each process.
    """
    file = safetensors.torch.save(dict(tensors), dict(metadata))
    start = 8 + int.from_bytes(file[:8], "little")
    header = json.loads(file[8:start])
    header["__metadata__"] = dict(sorted(metadata.items()))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # the format aligns the tensors to 8 bytes
    return len(text).to_bytes(8, "little") + text + file[start:]
