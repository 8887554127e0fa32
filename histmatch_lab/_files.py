"""Files that appear whole or not at all, and are the same for the same content."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

import safetensors.torch
from torch import Tensor


def write_whole(path: Path, data: bytes) -> None:
    """Write beside the place and then rename: whoever reads the path sees the old or the new."""
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        aside.write_bytes(data)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


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
