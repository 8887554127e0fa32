"""How long a slider's move takes in the kernel: compute, draw and encode, for every demo.

Each control of each demo is moved through its positions, two rounds; the first round, which also
reads photographs and fills caches, is left out. Prints a Markdown table and writes it to
benchmarks/results/demos.md. The aim: 50 ms for curves, 100 ms where there is a photograph or a map.
"""

from __future__ import annotations

import platform
import statistics
import time
from pathlib import Path

import torch
from matplotlib.collections import QuadMesh

from histmatch_lab.demos import Demo, all_demos
from histmatch_lab.demos.encoding import encode

RESULTS = Path(__file__).parent / "results"


def redraw_times(demo: Demo, name: str) -> list[float]:
    """Milliseconds from a changed value to an encoded picture, for each position of one control."""
    times: list[float] = []
    for _ in range(2):
        times = []
        for value in demo.controls[name].positions:
            start = time.perf_counter()
            encode(demo(**{name: value}).figure)
            times.append(1000 * (time.perf_counter() - start))
    return times


def row(demo: Demo) -> str:
    by_control = {name: redraw_times(demo, name) for name in demo.controls}
    everything = [value for times in by_control.values() for value in times]
    slowest = max(by_control, key=lambda name: statistics.median(by_control[name]))
    picture = any(axes.images or axes.findobj(QuadMesh) for axes in demo().figure.axes)
    return (
        f"| {demo.name.split('.')[-1]} | {'picture' if picture else 'curves'} "
        f"| {statistics.median(everything):.0f} | {statistics.median(by_control[slowest]):.0f} "
        f"({slowest}) | {max(everything):.0f} |"
    )


def main() -> None:
    torch.set_num_threads(1)
    lines = [
        f"Redraw in ms, one thread, {platform.machine()}, torch {torch.__version__}.",
        "",
        "| demo | shows | median | slowest control's median | worst |",
        "| --- | --- | ---: | ---: | ---: |",
    ]
    for demo in all_demos().values():
        lines.append(row(demo))
        print(lines[-1], flush=True)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "demos.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
