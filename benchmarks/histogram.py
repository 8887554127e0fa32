"""The soft histogram and its loss beside their peers: time and memory, in one run.

    python benchmarks/histogram.py            all sizes, a quarter of an hour or more
    python benchmarks/histogram.py --quick    one picture of 640x480

Writes benchmarks/results/histogram.md and histogram.png. One thread; images of uniform noise; the
default memory allocator, on whose fresh pages the plain form spends most of its time.
"""

from __future__ import annotations

import argparse
import math
import platform
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import psutil
import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from benchmarks._measure import Cost, cost_of
from histmatch_lab import HistogramMatchingLoss, soft_histogram
from histmatch_lab.losses import WassersteinLoss

RESULTS = Path(__file__).parent / "results"
BINS, ALPHAS = (50, 100, 256), (100, 640, 1000, 5000)
OURS, FLOOR = "ours", "torch.histc (no gradient)"
OURS_LOSS = "ours, loss"


@dataclass(frozen=True)
class Size:
    name: str
    images: int
    height: int
    width: int

    @property
    def samples(self) -> int:
        return self.images * 3 * self.height * self.width

    def image(self, seed: int) -> Tensor:
        shape = (self.images, 3, self.height, self.width)
        return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


VGA = Size("640x480", 1, 480, 640)
SIZES = (VGA, Size("4 of 960x540", 4, 540, 960), Size("3840x2160", 1, 2160, 3840))
WARM_UP = Size("small", 1, 8, 8)


# What is compared. Each takes (B, C, H, W), bins and alpha.


def ours(image: Tensor, bins: int, alpha: float) -> Tensor:
    return soft_histogram(image.flatten(2), bins, alpha=alpha)


def plain(image: Tensor, bins: int, alpha: float) -> Tensor:
    edges = torch.linspace(0, 1, bins + 1)
    above = torch.sigmoid(alpha * (image.flatten(2).unsqueeze(-1) - edges))
    return (above[..., :-1] - above[..., 1:]).mean(-2)


def plain_in_parts(image: Tensor, bins: int, alpha: float) -> Tensor:
    parts = image.flatten(2).split(20_000, dim=-1)
    sums = [
        checkpoint(lambda part: plain(part, bins, alpha) * part.shape[-1], p, use_reentrant=False)
        for p in (part.unsqueeze(-1) for part in parts)
    ]
    return torch.stack(sums).sum(0) / (image.shape[2] * image.shape[3])


def kornia_histogram(image: Tensor, bins: int, alpha: float) -> Tensor:
    from kornia.enhance import histogram

    centres = (torch.arange(bins) + 0.5) / bins
    spread = torch.tensor(math.pi / math.sqrt(3) / alpha)  # of the logistic kernel
    return histogram(image.flatten(0, 1).flatten(1), centres, spread)


def counted(image: Tensor, bins: int, alpha: float) -> Tensor:  # noqa: ARG001
    return torch.stack([torch.histc(row, bins, 0, 1) for row in image.flatten(0, 1)])


def our_loss(image: Tensor, bins: int, alpha: float) -> Tensor:
    return HistogramMatchingLoss(bins, alpha=alpha)(image, image.detach().flip(0, 1).square())


def pot_loss(image: Tensor, bins: int, alpha: float) -> Tensor:  # noqa: ARG001
    import ot  # type: ignore[import-untyped]

    target = image.detach().flip(0, 1).square()
    return ot.wasserstein_1d(image.flatten(0, 1).flatten(1).T, target.flatten(0, 1).flatten(1).T)


def sorted_loss(image: Tensor, bins: int, alpha: float) -> Tensor:  # noqa: ARG001
    return WassersteinLoss()(image, image.detach().flip(0, 1).square())


@dataclass(frozen=True)
class Method:
    run: Callable[[Tensor, int, float], Tensor]
    differentiable: bool = True
    copies: float = 0.0  # float32 arrays of samples x bins that backward needs at its peak
    uses_bins: bool = True


METHODS = {
    OURS: Method(ours),
    FLOOR: Method(counted, differentiable=False),
    "plain form": Method(plain, copies=3),
    "plain form, in parts": Method(plain_in_parts),
    "kornia.enhance.histogram": Method(kornia_histogram, copies=5),
    OURS_LOSS: Method(our_loss),
    "exact W1 by sorting, loss": Method(sorted_loss, uses_bins=False),
    "POT wasserstein_1d, loss": Method(pot_loss, uses_bins=False),
}


@dataclass(frozen=True)
class Row:
    size: Size
    bins: int
    alpha: float
    method: str
    forward: Cost | None
    both: Cost | None


def prepare(
    method: str, size: Size, bins: int, alpha: float, backward: bool
) -> Callable[[], object]:
    run = METHODS[method].run
    image = size.image(seed=1).requires_grad_(backward)

    def call(image: Tensor = image) -> None:
        with torch.set_grad_enabled(backward):
            result = run(image, bins, alpha)
        if backward:
            torch.autograd.grad(result.square().sum(), image)

    call(WARM_UP.image(seed=1).requires_grad_(backward))
    return call


def measure(size: Size, bins: int, alpha: float, name: str) -> Row:
    method = METHODS[name]
    gigabytes = method.copies * size.samples * (bins + 1) * 4 / 1e9
    fits = gigabytes < 0.8 * psutil.virtual_memory().available / 1e9

    def cost(backward: bool) -> Cost | None:
        if not fits or (backward and not method.differentiable):
            return None
        return cost_of(prepare, name, size, bins, alpha, backward)

    row = Row(size, bins, alpha, name, cost(False), cost(True))
    print(f"{size.name}, K = {bins}, alpha = {alpha}, {name}: {row.forward} {row.both}", flush=True)
    return row


def cases(quick: bool) -> list[tuple[Size, int, float, str]]:
    """Ours everywhere. The peers' cost does not depend on alpha: they are run at 1000."""
    listed: list[tuple[Size, int, float, str]] = []
    for size in SIZES[:1] if quick else SIZES:
        for bins in BINS:
            listed += [(size, bins, alpha, OURS) for alpha in ALPHAS]
            if quick and bins != 256:
                continue
            peers = [name for name in METHODS if name != OURS]
            listed += [
                (size, bins, 1000, name)
                for name in peers
                if METHODS[name].uses_bins or bins == max(BINS)
            ]
    return listed


def table(rows: list[Row]) -> str:
    mine = {(r.size, r.bins, r.alpha, r.method): r for r in rows}
    lines = [
        "| images | K | alpha | method | forward, ms | and backward, ms | MB | and backward, MB "
        "| time, ours = 1 | memory, ours = 1 |",
        "|---|--:|--:|---|--:|--:|--:|--:|--:|--:|",
    ]
    for row in rows:
        own = mine[row.size, row.bins, row.alpha, OURS_LOSS if "loss" in row.method else OURS]
        cost, reference = (row.both, own.both) if row.both else (row.forward, own.forward)
        time = memory = "–"
        if cost and reference:
            time = f"{cost.milliseconds / reference.milliseconds:.3g}"
            memory = f"{cost.megabytes / max(reference.megabytes, 0.1):.2g}"
        cells = [
            row.size.name,
            str(row.bins),
            f"{row.alpha:g}",
            row.method,
            *(f"{c.milliseconds:.3g}" if c else "–" for c in (row.forward, row.both)),
            *(f"{c.megabytes:.0f}" if c else "–" for c in (row.forward, row.both)),
            time,
            memory,
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def report(rows: list[Row]) -> str:
    memory = psutil.virtual_memory().total / 2**30
    return f"""# Soft histogram and loss: time and memory

{platform.processor() or platform.machine()}, {memory:.0f} GiB, torch {torch.__version__}, one
thread, float32, uniform noise. Each case in a process of its own: the fastest of 3 to 25 calls (of
one, if it takes over 3 s), and the peak memory beyond the input. Ratios are of forward and
backward, or of forward where there is no gradient. "–": no gradient, or it does not fit in memory.

{table(rows)}

![Milliseconds against the number of bins and against the number of pixels](histogram.png)
"""


COLOURS = {
    OURS: "#D55E00",
    FLOOR: "#999999",
    "plain form": "#0072B2",
    "plain form, in parts": "#56B4E9",
    "kornia.enhance.histogram": "#009E73",
}


def plot(rows: list[Row], path: Path) -> None:
    figure, axes = plt.subplots(1, 2, figsize=(10, 4.2), sharey=True, layout="constrained")
    by_bins, by_samples = axes
    for name, colour in COLOURS.items():
        mine = [r for r in rows if r.method == name and r.alpha == 1000]
        style = {"color": colour, "marker": "o", "linewidth": 2.5 if name == OURS else 1.5}
        for axis, x, chosen in (
            (by_bins, lambda r: r.bins, [r for r in mine if r.size == VGA]),
            (by_samples, lambda r: r.size.samples / 3e6, [r for r in mine if r.bins == 256]),
        ):
            points = [(x(r), r.both or r.forward) for r in chosen]
            drawn = [(at, cost.milliseconds) for at, cost in points if cost]
            axis.plot(*zip(*drawn, strict=True), label=name, **style) if drawn else None
    by_bins.set(xlabel="bins K", ylabel="forward and backward [ms]", title="One 640x480 picture")
    by_bins.set_xscale("log", base=2)
    by_bins.set_xticks(BINS, [str(k) for k in BINS])
    by_samples.set(xlabel="megapixels, three channels", title="K = 256")
    by_samples.set_xscale("log")
    by_samples.set_xticks([0.3, 1, 2, 4, 8], ["0.3", "1", "2", "4", "8"])
    by_samples.minorticks_off()
    for axis in axes:
        axis.set_yscale("log")
        axis.grid(alpha=0.3)
        axis.spines[["top", "right"]].set_visible(False)
    figure.legend(*by_bins.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    figure.savefig(path, dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="one picture of 640x480")
    arguments = parser.parse_args()
    rows = [measure(*case) for case in cases(arguments.quick)]
    RESULTS.mkdir(exist_ok=True)
    text = report(rows)
    (RESULTS / "histogram.md").write_text(text)
    plot(rows, RESULTS / "histogram.png")
    print(text)


if __name__ == "__main__":
    main()
