"""HDRNet's slicing and the whole network beside the usual way: time and memory, in one run.

    python benchmarks/hdrnet.py            all sizes, some minutes
    python benchmarks/hdrnet.py --quick    one picture of 960x540

Writes benchmarks/results/hdrnet.md. One thread; uniform noise. The usual way is a 5-D
grid_sample over the full picture, and a guide whose 48 ramps are all kept.
"""

from __future__ import annotations

import argparse
import platform
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks._measure import Cost, cost_of
from histmatch_lab import HDRNet, slice_and_apply
from histmatch_lab.slicing import KNOTS, Guide

RESULT = Path(__file__).parent / "results" / "hdrnet.md"


@dataclass(frozen=True)
class Case:
    piece: str
    images: int
    height: int
    width: int
    backward: bool

    @property
    def size(self) -> str:
        return f"{self.images} of {self.width}x{self.height}"


def cases(quick: bool) -> list[Case]:
    sizes = [(1, 540, 960), (1, 2160, 3840), (4, 540, 960)][: 1 if quick else 3]
    listed = []
    for piece in ("slice and apply", "guide", "whole network"):
        for size in sizes:
            backward = (True,) if size[0] > 1 else (False,)
            listed += [
                Case(piece, *size, back) for back in (backward if not quick else (False, True))
            ]
    return listed


def usual_slice(grid: Tensor, guide: Tensor, image: Tensor) -> Tensor:
    """One 5-D grid_sample, then the affine map as an einsum."""
    _, height, width = guide.shape
    y = (2 * torch.arange(height) + 1) / height - 1
    x = (2 * torch.arange(width) + 1) / width - 1
    places = torch.stack(
        [x.expand_as(guide), y[:, None].expand_as(guide), 2 * guide - 1], -1
    ).unsqueeze(1)
    affine = F.grid_sample(grid, places, padding_mode="border", align_corners=False).squeeze(2)
    matrix = affine.unflatten(1, (3, 4))
    return torch.einsum("brchw,bchw->brhw", matrix[:, :, :3], image) + matrix[:, :, 3]


def usual_guide(guide: Guide, image: Tensor) -> Tensor:
    """A colour matrix, then for each channel its knots side by side, as ports of HDRNet do it."""
    mixed = torch.einsum("ij,bjhw->bihw", guide.matrix, image).unsqueeze(2)
    ramps = (mixed - guide.shifts.view(1, 3, KNOTS, 1, 1)).relu()
    curves = (ramps * guide.slopes.view(1, 3, KNOTS, 1, 1)).sum(2)
    level = (curves * guide.mix.view(1, 3, 1, 1)).sum(1) + guide.offset
    return level.clamp(0, 1)


def usual_network(network: HDRNet, image: Tensor) -> Tensor:
    return usual_slice(network.coefficients(image), usual_guide(network.guide, image), image)


def prepare(case: Case, ours: bool) -> Callable[[], object]:
    torch.manual_seed(1)
    network = HDRNet.paper()
    image = torch.rand(case.images, 3, case.height, case.width)
    with torch.no_grad():
        grid, guide = network.coefficients(image), network.guide(image)
    inputs = [grid.requires_grad_(case.backward), guide.requires_grad_(case.backward)]
    calls: dict[tuple[str, bool], Callable[[], Tensor]] = {
        ("slice and apply", True): lambda: slice_and_apply(grid, guide, image),
        ("slice and apply", False): lambda: usual_slice(grid, guide, image),
        ("guide", True): lambda: network.guide(image),
        ("guide", False): lambda: usual_guide(network.guide, image),
        ("whole network", True): lambda: network(image),
        ("whole network", False): lambda: usual_network(network, image),
    }
    run = calls[case.piece, ours]
    leaves = inputs if case.piece == "slice and apply" else list(network.parameters())
    if case.piece == "guide":
        leaves = list(network.guide.parameters())

    pull = torch.rand(run().shape) if case.backward else None  # what a loss would send back

    def call() -> None:
        with torch.set_grad_enabled(case.backward):
            result = run()
        if case.backward:
            torch.autograd.grad(result, leaves, pull)

    return call


def line(case: Case, ours: Cost, usual: Cost | None) -> str:
    way = "forward and backward" if case.backward else "forward"
    cells = [case.piece, case.size, way, f"{ours.milliseconds:.0f}", f"{ours.megabytes:.0f}"]
    if usual is None:
        cells += ["does not fit", "–", "–", "–"]
    else:
        cells += [f"{usual.milliseconds:.0f}", f"{usual.megabytes:.0f}"]
        cells.append(f"{usual.milliseconds / ours.milliseconds:.1f}")
        cells.append(f"{usual.megabytes / max(ours.megabytes, 1):.1f}")
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="one picture of 960x540")
    lines = [
        "# HDRNet: time and memory",
        "",
        f"{platform.processor() or platform.machine()}, torch {torch.__version__}, one thread, "
        "float32. The published network (482,077 parameters). Each case in a process of its own: "
        "the fastest of 3 to 25 calls, and the peak memory beyond input and weights.",
        "",
        "| piece | images | | ours, ms | ours, MB | usual, ms | usual, MB | time, ours = 1 "
        "| memory, ours = 1 |",
        "|---|---|---|--:|--:|--:|--:|--:|--:|",
    ]
    RESULT.parent.mkdir(exist_ok=True)
    for case in cases(parser.parse_args().quick):
        ours, usual = cost_of(prepare, case, True), cost_of(prepare, case, False)
        assert ours is not None, f"{case} does not fit in memory"
        lines.append(line(case, ours, usual))
        print(lines[-1], flush=True)
        RESULT.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
