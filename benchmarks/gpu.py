"""Histogram, slicing and training steps on an NVIDIA GPU, beside their peers in the same run.

    make bench-gpu                          writes benchmarks/results/gpu.md, about a minute
    python -m benchmarks.gpu --rehearse     tiny sizes on a CPU, writes nothing

Needs torch for CUDA (which brings triton and numpy) and safetensors; kornia takes part if it is
there. The median of repeated calls, the L2 cache emptied before each.
"""

from __future__ import annotations

import argparse
import importlib.util
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from histmatch_lab import (
    EnhancementLoss,
    HDRNet,
    HistogramMatchingLoss,
    kernels,
    slice_and_apply,
    soft_histogram,
    wasserstein_1d,
)

RESULT = Path(__file__).parent / "results" / "gpu.md"
Call = Callable[[], object]
Network = Callable[[], HDRNet]


@dataclass(frozen=True)
class Place:
    """Where to measure, and how large the pictures are."""

    device: torch.device
    frame: tuple[int, int, int, int]
    crops: tuple[int, int, int, int]

    def milliseconds(self, call: Call) -> float:
        if self.device.type != "cuda":
            start = time.perf_counter()
            call()
            return 1000 * (time.perf_counter() - start)
        from triton.testing import do_bench

        return float(do_bench(call, warmup=25, rep=200, return_mode="median"))

    def noise(self, *shape: int, seed: int) -> Tensor:
        generator = torch.Generator(self.device).manual_seed(seed)
        return torch.rand(shape, generator=generator, device=self.device)

    def picture(self, shape: tuple[int, ...], seed: int) -> Tensor:
        """Large shapes and some grain, as in a photograph."""
        batch, channels, height, width = shape
        coarse = self.noise(batch, channels, 9, 16, seed=seed)
        shapes = F.interpolate(coarse, (height, width), mode="bicubic", align_corners=False)
        return (shapes + 0.02 * self.noise(*shape, seed=seed + 1)).clamp(0, 1)


GPU = Place(torch.device("cuda"), (4, 3, 1080, 1920), (4, 3, 480, 854))
REHEARSAL = Place(torch.device("cpu"), (2, 3, 24, 40), (2, 3, 48, 64))


@contextmanager
def without_kernels() -> Iterator[None]:
    faster, kernels.FASTER = kernels.FASTER, frozenset()
    try:
        yield
    finally:
        kernels.FASTER = faster


def attempt(place: Place, prepare: Callable[[], Call]) -> float | str:
    """Milliseconds; or why not, so that one failure does not take the others' results along."""
    try:
        return place.milliseconds(prepare())
    except Exception as error:
        return f"{type(error).__name__}: {str(error).strip().splitlines()[0][:60]}"
    finally:
        if place.device.type == "cuda":
            torch.cuda.empty_cache()


def cell(value: float | str, digits: int = 3) -> str:
    return value if isinstance(value, str) else f"{value:.{digits}g}"


def ratio(value: float | str, reference: float | str) -> str:
    if isinstance(value, str) or isinstance(reference, str):
        return "–"
    return f"{value / reference:.3g}"


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---", *["--:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def forward_and_backward(run: Callable[..., Tensor], *inputs: Tensor) -> Call:
    leaves = [tensor.detach().clone().requires_grad_() for tensor in inputs]
    upstream = torch.rand_like(run(*leaves))
    return lambda: torch.autograd.grad(run(*leaves), leaves, upstream)


# Histogram and loss


def plain(values: Tensor, bins: int = 256, alpha: float = 1000.0) -> Tensor:
    """Eq. 3 as it stands, in parts that fit in memory and are computed again for the gradient."""
    edges = torch.linspace(0, 1, bins + 1, device=values.device)

    def part(values: Tensor) -> Tensor:
        above = torch.sigmoid(alpha * (values.unsqueeze(-1) - edges))
        return (above[..., :-1] - above[..., 1:]).sum(-2)

    rows = []
    for row in values.flatten(0, -2):
        parts = [checkpoint(part, piece, use_reentrant=False) for piece in row.split(2**20)]
        rows.append(torch.stack(parts).sum(0))
    return torch.stack(rows) / values.shape[-1]


def kornia_histogram(values: Tensor) -> Tensor:
    from kornia.enhance import histogram

    centres = (torch.arange(256, device=values.device) + 0.5) / 256
    spread = torch.tensor(math.pi / math.sqrt(3) / 1000, device=values.device)
    return histogram(values.flatten(0, -2), centres, spread)


def counted(values: Tensor) -> Tensor:
    return torch.stack([torch.histc(row, 256, 0, 1) for row in values.flatten(0, -2)])


def histograms(place: Place) -> str:
    pictures = {
        "photograph-like": place.picture(place.frame, seed=1).flatten(2),
        "noise": place.noise(*place.frame, seed=1).flatten(2),
        "one colour": torch.full(place.frame, 0.4, device=place.device).flatten(2),
    }
    target = place.picture(place.frame, seed=3).flatten(2)
    photograph = pictures["photograph-like"]
    loss = HistogramMatchingLoss()
    read = attempt(place, lambda: lambda: photograph.sum())
    cases: list[tuple[str, Callable[[Tensor], Tensor], Tensor, bool, bool]] = [
        *(
            (f"ours, {name}", soft_histogram, values, True, True)
            for name, values in pictures.items()
        ),
        ("ours, in bfloat16", soft_histogram, photograph.bfloat16(), True, True),
        ("ours, reflect", partial(soft_histogram, outside="reflect"), photograph, True, True),
        ("ours, alpha = 100", partial(soft_histogram, alpha=100), photograph, True, True),
        ("our code in torch", soft_histogram, photograph, False, True),
        ("plain form in torch", plain, photograph, True, True),
        ("torch.histc (no gradient)", counted, photograph, True, False),
        (
            "loss: ours, both pictures",
            lambda x: loss(x.unsqueeze(-1), target.unsqueeze(-1)),
            photograph,
            True,
            True,
        ),
        ("loss: W1 by sorting", lambda x: wasserstein_1d(x, target), photograph, True, True),
    ]
    kornia = ""
    if importlib.util.find_spec("kornia"):
        few = photograph[:1, :, :20_000]
        cases.append(("kornia.enhance.histogram", kornia_histogram, few, True, True))
        kornia = " kornia gets 20,000 pixels of each channel of one picture."
    rows = []
    reference: float | str = "–"
    for name, run, values, with_kernels, differentiable in cases:
        with nullcontext() if with_kernels else without_kernels():
            forward = attempt(place, partial(lambda run, values: lambda: run(values), run, values))
            both: float | str = "–"
            if differentiable:
                both = attempt(place, partial(forward_and_backward, run, values))
        reference = both if name == "ours, photograph-like" else reference
        rows.append([name, cell(forward), cell(both), ratio(both, reference), ratio(both, read)])
        print(rows[-1], flush=True)
    head = ["K = 256, alpha = 1000", "forward, ms", "and backward, ms", "ours = 1", "reading = 1"]
    return f"""## Histogram and loss

{place.frame[0]} pictures of {place.frame[3]}x{place.frame[2]}, three channels. Reading the pixels \
once (`sum`) takes {cell(read)} ms.{kornia}

{table(head, rows)}

Extra memory of forward and backward: {memory(place, photograph)} of the input's."""


def memory(place: Place, values: Tensor) -> str:
    if place.device.type != "cuda":
        return "–"
    call = forward_and_backward(soft_histogram, values)
    call()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    call()
    extra = torch.cuda.max_memory_allocated() - before
    return f"{extra / (values.numel() * values.element_size()):.2f}"


# Slicing


def by_grid_sample(grid: Tensor, guide: Tensor, image: Tensor) -> Tensor:
    """One 5-D grid_sample, then the affine map."""
    _, height, width = guide.shape
    y = (2 * torch.arange(height, device=guide.device) + 1) / height - 1
    x = (2 * torch.arange(width, device=guide.device) + 1) / width - 1
    places = torch.stack(
        [x.expand_as(guide), y[:, None].expand_as(guide), 2 * guide - 1], -1
    ).unsqueeze(1)
    affine = F.grid_sample(grid, places, padding_mode="border", align_corners=False).squeeze(2)
    matrix = affine.unflatten(1, (3, 4))
    return (matrix[:, :, :3] * image.unsqueeze(1)).sum(2) + matrix[:, :, 3]


def slices(place: Place) -> str:
    batch, _, height, width = place.frame
    rows = []
    for size in ((1, 1080, 1440), (batch, height, width)):
        count, height, width = size if place.device.type == "cuda" else (1, 20, 30)
        image = place.picture((count, 3, height, width), seed=1)
        grid, guide = place.noise(count, 12, 8, 16, 16, seed=2), image.mean(1)
        for name, run, chosen in (
            ("ours", slice_and_apply, nullcontext),
            ("our strips in torch", slice_and_apply, without_kernels),
            ("5-D grid_sample", by_grid_sample, nullcontext),
        ):
            with chosen():
                inputs = (grid, guide, image)
                forward = attempt(
                    place, partial(lambda run, inputs: lambda: run(*inputs), run, inputs)
                )
                both = attempt(place, partial(forward_and_backward, run, *inputs))
            if name == "ours":
                ours = both
            rows.append(
                [
                    f"{count} of {width}x{height}, {name}",
                    cell(forward),
                    cell(both),
                    ratio(both, ours),
                ]
            )
            print(rows[-1], flush=True)
    head = ["16x16x8 grid", "forward, ms", "and backward, ms", "ours = 1"]
    return f"## Slice and apply\n\n{table(head, rows)}"


# Training steps


def training_step(build: Network, name: str, pair: tuple[Tensor, Tensor], how: str) -> Call:
    """One step on one pair of batches; how: words of "bf16", "compiled", "graph"."""
    device = pair[0].device.type
    network, loss = build().to(device), EnhancementLoss(name).to(device)
    capturable = "graph" in how
    optimizer = torch.optim.Adam(network.parameters(), capturable=capturable)
    model = torch.compile(network) if "compiled" in how else network
    criterion = torch.compile(loss) if "compiled" in how else loss

    def step() -> None:
        optimizer.zero_grad(set_to_none=False)
        with torch.autocast(
            device, torch.bfloat16, enabled="bf16" in how, cache_enabled=not capturable
        ):
            total = criterion(model(pair[0]), pair[1])
        total.backward()
        optimizer.step()

    return captured(step) if capturable else step


def captured(step: Call) -> Call:
    """The step as a CUDA graph."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph.replay


def training(place: Place) -> str:
    pair = place.picture(place.crops, seed=1), place.picture(place.crops, seed=3).sqrt()
    ways = ["float32", "bf16"]
    if place.device.type == "cuda":
        ways += ["bf16 graph", "bf16 compiled graph"]
    rows = []
    for network, how in product((HDRNet.compact, HDRNet.paper), ways):

        def step(name: str, network: Network = network, how: str = how) -> float | str:
            prepare = partial(training_step, network, name, pair, how)
            return attempt(place, prepare)

        whole = step("l2+histmatch")
        alone = "–" if "compiled" in how else step("l2")  # to compile takes a while
        rows.append([f"{network.__name__}, {how}", *shares(whole, alone, len(pair[0]))])
        print(rows[-1], flush=True)
    batch, _, height, width = place.crops
    head = ["l2+histmatch", "step, ms", "images per second", "share of the histogram term"]
    return f"""## Training steps

Whole pictures of {width}x{height}, {batch} a step, already on the GPU; Adam. The share is the \
part of a step's time that the histogram term takes. To copy such a batch to the GPU from pinned \
memory takes {cell(attempt(place, lambda: copying(place, pair)))} ms, which can go on beside a step.

{table(head, rows)}"""


def copying(place: Place, pair: tuple[Tensor, ...]) -> Call:
    held = [side.cpu() for side in pair]
    if place.device.type == "cuda":
        held = [side.pin_memory() for side in held]
    return lambda: [side.to(place.device, non_blocking=True) for side in held]


def shares(whole: float | str, alone: float | str, batch: int) -> list[str]:
    if isinstance(whole, str):
        return [whole, "–", "–"]
    share = alone if isinstance(alone, str) else f"{1 - alone / whole:.0%}"
    return [cell(whole), f"{1000 * batch / whole:.0f}", share]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rehearse", action="store_true", help="tiny sizes on a CPU")
    place = REHEARSAL if parser.parse_args().rehearse else GPU
    card = "rehearsal on a CPU"
    if place is GPU:
        import triton

        card = f"{torch.cuda.get_device_name()}, triton {triton.__version__}"
    start = time.perf_counter()
    parts = [part(place) for part in (histograms, slices, training)]
    text = "\n\n".join([f"# On a GPU\n\n{card}, torch {torch.__version__}.", *parts]) + "\n"
    print(text, f"{time.perf_counter() - start:.0f} s", sep="\n")
    if place is GPU:
        RESULT.write_text(text)


if __name__ == "__main__":
    main()
