"""Loading prepared pairs beside decoding a PNG for each crop, and beside a step of training.

    python benchmarks/data.py

Writes benchmarks/results/data.md. 40 pairs of 720x480 in 16 bits, crops of 256, batches of 4. The
usual way is a map-style Dataset that decodes both PNG files whole and cuts a crop, under a
DataLoader with two worker processes. Files are in the page cache in both cases.
"""

from __future__ import annotations

import json
import platform
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import cycle
from pathlib import Path

import imagecodecs
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from histmatch_lab import EnhancementLoss, HDRNet
from histmatch_lab.color import adjust_contrast
from histmatch_lab.data.images import resize, to_levels
from histmatch_lab.data.own.prepared import PreparedPairs, write_pair
from histmatch_lab.data.samples import photo, photo_names
from histmatch_lab.recipe import PRESETS
from histmatch_lab.training.loop import train

RESULT = Path(__file__).parent / "results" / "data.md"
COUNT, CROP, BATCH = 40, 256, 4
PATIENCE = 8.0  # seconds


def make(folder: Path) -> None:
    """The same pairs in both forms."""
    pairs, names = [], photo_names()
    for number in range(COUNT):
        image = resize(photo(names[number % len(names)]), (480, 720))
        sides = [to_levels(side, 16) for side in (image, adjust_contrast(image, 1.2))]
        name = f"{number:03d}"
        write_pair(folder, name, sides[0], sides[1], {})
        for side, levels in zip(("input", "target"), sides, strict=True):
            pixels = np.ascontiguousarray(levels.transpose(1, 2, 0))
            (folder / f"{name}.{side}.png").write_bytes(imagecodecs.png_encode(pixels))
        pairs.append({"name": name, "split": "train", "height": 480, "width": 720})
    (folder / "manifest.json").write_text(json.dumps({"pairs": pairs}))


class PngPairs(Dataset[tuple[Tensor, Tensor]]):
    """As it is usually written."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __len__(self) -> int:
        return COUNT

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        sides = [
            imagecodecs.png_decode((self.folder / f"{index:03d}.{side}.png").read_bytes())
            for side in ("input", "target")
        ]
        top, left = np.random.default_rng().integers(0, (480 - CROP, 720 - CROP))
        before, after = (
            torch.from_numpy(side[top : top + CROP, left : left + CROP].astype(np.float32) / 65535)
            for side in sides
        )
        return before.permute(2, 0, 1).contiguous(), after.permute(2, 0, 1).contiguous()


def pairs_per_second(step: Callable[[], object]) -> float:
    step()
    start, steps = time.perf_counter(), 0
    while time.perf_counter() - start < PATIENCE:
        step()
        steps += 1
    return BATCH * steps / (time.perf_counter() - start)


def usual(folder: Path, workers: int) -> Callable[[], object]:
    loader = DataLoader(
        PngPairs(folder),
        BATCH,
        shuffle=True,
        num_workers=workers,
        persistent_workers=workers > 0,
    )
    batches = cycle_through(loader)
    return lambda: next(batches)


def cycle_through(loader: DataLoader[tuple[Tensor, Tensor]]) -> Iterator[object]:
    for _ in cycle([0]):
        yield from loader


def ours(folder: Path, device: str | None) -> Callable[[], object]:
    pairs = PreparedPairs(folder, crop=CROP, device=device)
    generator = torch.Generator().manual_seed(0)
    return lambda: pairs.batch(BATCH, generator)


def training(folder: Path) -> Callable[[], object]:
    loss = EnhancementLoss("l2+histmatch", lam=0.1, units="intensity")
    pairs = PreparedPairs(folder, crop=CROP, device="cpu")
    steps = train(HDRNet.compact(), pairs, loss, PRESETS["paper"])
    return lambda: next(steps)


def main() -> None:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        make(folder)
        rates = {
            "PNG, Dataset and DataLoader, no worker": pairs_per_second(usual(folder, 0)),
            "PNG, Dataset and DataLoader, 2 workers": pairs_per_second(usual(folder, 2)),
            "prepared pairs, memory-mapped": pairs_per_second(ours(folder, None)),
            "prepared pairs, in memory": pairs_per_second(ours(folder, "cpu")),
            "one step of training, compact HDRNet, loading included": pairs_per_second(
                training(folder)
            ),
        }
    base = rates["PNG, Dataset and DataLoader, 2 workers"]
    lines = [
        "# Loading pairs",
        "",
        f"{platform.processor() or platform.machine()}, torch {torch.__version__}, one thread. "
        f"{COUNT} pairs of 720x480 in 16 bits, crops of {CROP}, batches of {BATCH}.",
        "",
        "| way | pairs per second | against PNG with 2 workers |",
        "|---|--:|--:|",
        *(f"| {name} | {rate:.0f} | {rate / base:.1f} |" for name, rate in rates.items()),
    ]
    RESULT.write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
