"""Prepared pairs: a folder of one's own data in the form that training reads fastest.

    OUT/manifest.json             what was prepared from what, and the split
    OUT/split.csv                 the split by itself, to be used again
    OUT/pairs/NAME.safetensors    one pair: "input" and "target", (3, H, W) uint8 or uint16

A pair is one file, which is written aside and renamed: it is there whole or not at all. Crops are
read through a memory map, so that only their own rows leave the disk, and become floats where
they are used.

A manifest may name pictures instead, as those in data_samples/ do, which are shipped compressed:
"files": {"input": "input/{name}.png", "target": "target/{name}.webp"}.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save
from torch import Tensor

from histmatch_lab._files import write_whole
from histmatch_lab.data.images import Levels, decode_image, read_bytes, to_levels
from histmatch_lab.data.pairs import Pair, draw_index

MANIFEST = "manifest.json"


def pair_path(folder: Path, name: str) -> Path:
    """Where the pair of this name is; a name may have folders in it, as in "paris/0012"."""
    return folder / "pairs" / f"{name}.safetensors"


def write_pair(
    folder: Path, name: str, source: Levels, target: Levels, facts: Mapping[str, Any]
) -> None:
    """Write one pair, whole or not at all. Raises ValueError if the pictures differ in size."""
    if source.shape != target.shape:
        raise ValueError(
            f"input and target must have the same shape, got {source.shape} and {target.shape}"
        )
    path = pair_path(folder, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    pictures = {"input": np.ascontiguousarray(source), "target": np.ascontiguousarray(target)}
    # one entry: several would be written in any order
    write_whole(path, save(pictures, {"facts": json.dumps(facts, sort_keys=True)}))


def read_head(path: Path) -> dict[str, Any]:
    """Height, width and facts of a pair by its file; none if that is not there or damaged."""
    try:
        with safe_open(path, "np") as file:
            _, height, width = file.get_slice("input").get_shape()
            return {"height": height, "width": width, **json.loads(file.metadata()["facts"])}
    except (FileNotFoundError, SafetensorError):
        return {}


def to_float(levels: Tensor) -> Tensor:
    """Integers as float32 in [0, 1]: 8-bit v becomes v / 255, 16-bit v becomes v / 65535.

    >>> to_float(torch.tensor([0, 51, 255], dtype=torch.uint8)).tolist()
    [0.0, 0.20000000298023224, 1.0]
    """
    return levels.float() / torch.iinfo(levels.dtype).max


class PreparedPairs:
    """The pairs that `histmatch-lab prepare` wrote to a folder. A `PairSource`.

    Args:
        folder: its OUT.
        crop: side of the square training crops, in pixels; 0 for whole pictures, which must all be
            of one size then.
        device: where to hold all training pictures, as integers, so that crops are cut there;
            "cpu" for the main memory. None leaves them in their files, memory-mapped.

    Attributes:
        encoding: of the inputs and, where it differs, of the targets: "sRGB", "PQ BT.2020 to sRGB".

    Raises:
        FileNotFoundError: a folder that holds no manifest, or a pair that is gone.
        ValueError: a manifest without training pairs, or a training picture smaller than the crop.
    """

    def __init__(
        self, folder: Path | str, *, crop: int = 256, device: torch.device | str | None = None
    ) -> None:
        self.folder, self.crop = Path(folder), crop
        self.manifest = read_manifest(self.folder)
        self.encoding: str = self.manifest.get("encoding", "sRGB")
        self.train_names, self.test_names = (
            [pair["name"] for pair in self.manifest["pairs"] if pair["split"] == split]
            for split in ("train", "test")
        )
        if not self.train_names:
            raise ValueError(f"folder {folder} holds no training pairs")
        self._check_crop()
        self._files: dict[str, str] | None = self.manifest.get("files")
        # pictures cannot be mapped: each is decoded once
        self._device = "cpu" if self._files and device is None else device

    def __repr__(self) -> str:
        return f"PreparedPairs({str(self.folder)!r}, crop={self.crop})"

    def __len__(self) -> int:
        return len(self.train_names)

    def batch(self, size: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """As `PairSource.batch`; pictures, crops and mirrorings are drawn independently."""
        crops = [self._draw_crop(generator) for _ in range(size)]
        inputs, targets = (torch.stack(side) for side in zip(*crops, strict=True))
        return inputs, targets

    def test_pairs(self) -> Sequence[Pair]:
        """The test pictures, whole; each is read when it is asked for."""
        return self.whole(self.test_names)

    def whole(self, names: Sequence[str]) -> Sequence[Pair]:
        """Pairs by name, such as the first of `train_names` to look at."""
        return _Whole(self._read, names)

    def _check_crop(self) -> None:
        trained = [pair for pair in self.manifest["pairs"] if pair["split"] == "train"]
        sizes = {(pair["width"], pair["height"]) for pair in trained}
        if not self.crop and len(sizes) > 1:
            raise ValueError(f"crop must be given, as pictures in {self.folder} differ in size")
        for pair in trained:
            if min(pair["height"], pair["width"]) < self.crop:
                size = f"{pair['width']} x {pair['height']} pixels"
                raise ValueError(
                    f"crop must be at most the size of {pair['name']}, {size}, got {self.crop}"
                )

    @cached_property
    def _held(self) -> list[tuple[Tensor, ...]]:
        """All training pictures, if they are to be held, from the first batch on."""
        names = [] if self._device is None else self.train_names
        return [tuple(side.to(self._device) for side in self._read(name)) for name in names]

    def _read(self, name: str) -> tuple[Tensor, Tensor]:
        if self._files:
            files = (self.folder / self._files[s].format(name=name) for s in ("input", "target"))
            before, after = (to_levels(*decode_image(file, read_bytes(file))) for file in files)
            return torch.from_numpy(before), torch.from_numpy(after)
        with safe_open(pair_path(self.folder, name), "pt") as file:
            return file.get_tensor("input"), file.get_tensor("target")

    def _draw_crop(self, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        index = draw_index(len(self), generator)
        if self._held:
            return self._cut(self._held[index], self._held[index][0].shape, generator)
        path = pair_path(self.folder, self.train_names[index])
        with safe_open(path, "pt") as file:
            sides = file.get_slice("input"), file.get_slice("target")
            return self._cut(sides, sides[0].get_shape(), generator)

    def _cut(
        self, sides: Sequence[Any], shape: Sequence[int], generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """The same part of both sides, from tensors or from slices of a file."""
        rows, columns = slice(None), slice(None)
        if self.crop:
            top, left = (draw_index(side - self.crop + 1, generator) for side in shape[1:])
            rows, columns = slice(top, top + self.crop), slice(left, left + self.crop)
        before, after = (to_float(side[:, rows, columns]) for side in sides)
        if draw_index(2, generator):
            return before.flip(-1), after.flip(-1)
        return before, after


class _Whole(Sequence[Pair]):
    """Pairs by number, read when they are asked for: a test set need not fit into memory."""

    def __init__(self, read: Callable[[str], tuple[Tensor, Tensor]], names: Sequence[str]) -> None:
        self.read, self.names = read, names

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return _Whole(self.read, self.names[index])
        name = self.names[index]
        return Pair(name, *map(to_float, self.read(name)))


def read_manifest(folder: Path) -> dict[str, Any]:
    """What manifest.json says; FileNotFoundError, which says how to get one, if it is not there."""
    path = folder / MANIFEST
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} does not exist; `histmatch-lab prepare ... {folder}` writes it when it is done"
        )
    manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return manifest
