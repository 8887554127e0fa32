"""Pairs per second of one training shared by 1 and by 2 processes, one thread each.

    python benchmarks/fabric.py

Writes benchmarks/results/fabric.md. Every process draws the whole batch, which is what makes it the
same batch however many share it, and trains on its part: so drawing is measured by itself too.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from histmatch_lab import EnhancementLoss, HDRNet, seed_everything
from histmatch_lab.data.tasks import TaskPairs
from histmatch_lab.recipe import Preset
from histmatch_lab.training.distributed import fabric_as_launched
from histmatch_lab.training.loop import train

RESULT = Path(__file__).parent / "results" / "fabric.md"
PATIENCE = 10.0  # seconds
PRESET = Preset(epochs=10_000, batch=8, rate=1e-4, last_rate=1e-4)
PROCESSES = (1, 2)


def pairs_per_second(step: Callable[[], object], steps: int) -> float:
    start = time.perf_counter()
    for _ in range(steps):
        step()
    return PRESET.batch * steps / (time.perf_counter() - start)


def measure(place: Path) -> None:
    """What each of the processes does; the first writes down what it measured."""
    torch.set_num_threads(1)
    fabric = fabric_as_launched()
    pairs = TaskPairs("retouch")
    generator = seed_everything(0)
    loss = EnhancementLoss("l2+histmatch")
    training = train(HDRNet.compact(), pairs, loss, PRESET, fabric=fabric)
    next(training)  # loads the pictures
    start = time.perf_counter()
    next(training)
    steps = fabric.broadcast(max(3, int(PATIENCE / (time.perf_counter() - start))))
    trained = pairs_per_second(lambda: next(training), steps)
    drawn = pairs_per_second(lambda: pairs.batch(PRESET.batch, generator), steps)
    if fabric.is_global_zero:
        place.write_text(f"{trained} {drawn}")


def launch(processes: int) -> tuple[float, float]:
    """Pairs per second trained on, and drawn alone, with so many processes."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "rates"
        torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
        command = [*torchrun, f"--nproc-per-node={processes}", __file__, str(place)]
        subprocess.run(command, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
        trained, drawn = map(float, place.read_text().split())
        return trained, drawn


def main() -> None:
    rates = {processes: launch(processes) for processes in PROCESSES}
    alone, _ = rates[1]
    lines = [
        "# One training in several processes",
        "",
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, torch "
        f"{torch.__version__}, gloo, one thread a process. Compact HDRNet, L2 and histogram "
        f"matching, crops of 256, {PRESET.batch} pairs a step in all.",
        "",
        "| processes | pairs per second | against one | pairs drawn per second, without training |",
        "|--:|--:|--:|--:|",
        *(
            f"| {processes} | {trained:.1f} | {trained / alone:.2f} | {drawn:.0f} |"
            for processes, (trained, drawn) in rates.items()
        ),
        "",
        "Every process draws the whole batch and trains on its part: drawing is not shared.",
    ]
    RESULT.write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    measure(Path(sys.argv[1])) if len(sys.argv) > 1 else main()
