"""Time and memory of one call, each measured in a process of its own."""

from __future__ import annotations

import multiprocessing
import re
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

import torch

PATIENCE = 3.0  # seconds of repeated calls
REPEATS = 25


@dataclass(frozen=True)
class Cost:
    """Milliseconds of the fastest call, and megabytes it had at its peak beyond its input."""

    milliseconds: float
    megabytes: float


def cost_of(prepare: Callable[..., Callable[[], object]], *args: object) -> Cost | None:
    """The cost of calling ``prepare(*args)()``; None if the process was killed, as for memory.

    ``prepare`` makes the input and is not measured. It must be importable by name.
    """
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as process:
        try:
            return process.submit(_cost_here, prepare, *args).result()
        except BrokenProcessPool:
            return None


def _cost_here(prepare: Callable[..., Callable[[], object]], *args: object) -> Cost:
    torch.set_num_threads(1)
    call = prepare(*args)
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far (Linux)
    before = _kilobytes("VmRSS")
    first = _seconds(call)
    extra = _kilobytes("VmHWM") - before
    times = [first]
    if first < PATIENCE:
        times = [_seconds(call) for _ in range(min(REPEATS, max(3, int(PATIENCE / first))))]
    return Cost(1000 * min(times), max(0, extra) / 1024)


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _kilobytes(field: str) -> int:
    match = re.search(rf"{field}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert match, f"{field} is not in /proc/self/status; the benchmark needs Linux"
    return int(match[1])
