"""On an NVIDIA GPU: right, the same bits again, no waiting, little memory.

    make test-gpu

Needs torch for CUDA (which brings triton and numpy), safetensors and pytest, nothing else of ours.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from torch import Tensor

from histmatch_lab import (
    EnhancementLoss,
    HDRNet,
    HistogramMatchingLoss,
    kernels,
    slice_and_apply,
    soft_cdf,
    soft_histogram,
)

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no NVIDIA GPU")

MODES = ("drop", "clamp", "reflect")
GPU = torch.device("cuda")


@pytest.fixture(params=["kernels", "torch"])
def form(request, monkeypatch):
    """Our kernels, and the code in torch that runs where they do not."""
    if request.param == "torch":
        monkeypatch.setattr(kernels, "FASTER", frozenset())
    return request.param


@pytest.fixture
def only_kernels():
    assert kernels.takes_over("histogram", torch.zeros(1, device=GPU)), "the kernels do not run"


def noise(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator(GPU).manual_seed(seed)
    return torch.randn(shape, generator=generator, device=GPU)


def pixels(samples: int = 20_011) -> Tensor:
    """Three rows: photograph-like and beyond both ends; 8-bit; all equal."""
    rows = noise(3, samples) * 0.3 + 0.4
    rows[0, :4] = torch.tensor([0.0, 1.0, -1e4, 1e4], device=GPU)
    rows[1] = (rows[1].clamp(0, 1) * 255).round() / 255
    rows[2] = 100 / 255
    return rows


def plain(values: Tensor, bins: int, alpha: float, outside: str, weights: Tensor | None) -> Tensor:
    """Eq. 3 as it stands, in float64: (rows, N) -> (rows, bins)."""
    values = values.double()
    if outside == "reflect":
        mirrors = (values, -values, 2 - values)
        return sum((plain(v, bins, alpha, "drop", weights) for v in mirrors), torch.zeros(()))
    edges = torch.linspace(0, 1, bins + 1, dtype=torch.float64, device=values.device)
    weights = torch.ones_like(values) if weights is None else weights.double()
    shares = weights / weights.sum(-1, keepdim=True)
    above = torch.stack(
        [(shares * (alpha * (values - edge)).sigmoid()).sum(-1) for edge in edges], -1
    )
    if outside == "clamp":
        above = above.clone()
        above[..., 0], above[..., -1] = 1, 0
    return above[..., :-1] - above[..., 1:]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("outside", MODES)
@pytest.mark.parametrize(("bins", "alpha"), [(50, 1000.0), (256, 30.0), (256, 1000.0), (256, 1e6)])
def test_histogram_and_gradient(bins, alpha, outside, weighted, form):
    values, upstream = pixels(), noise(3, bins)
    weights = noise(3, values.shape[1], seed=1).abs() if weighted else None
    exact = values.double().requires_grad_()
    wanted = plain(exact, bins, alpha, outside, weights)
    (slope,) = torch.autograd.grad(wanted, exact, upstream.double())
    values.requires_grad_()
    got = soft_histogram(values, bins, alpha=alpha, outside=outside, weights=weights)
    (gradient,) = torch.autograd.grad(got, values, upstream)
    assert got.dtype == torch.float32
    assert (got - wanted).abs().max() < 2e-6
    # the units that multiply matrices drop last bits, most where the weights have all 24
    tolerance = 4e-6 if weighted else 2e-6
    assert (soft_cdf(values, bins, alpha=alpha, outside=outside, weights=weights)
            - wanted.cumsum(-1)).abs().max() < tolerance  # fmt: skip
    assert (gradient - slope).norm() < 1e-3 * slope.norm()
    if form == "kernels":
        assert (gradient - slope).norm() < 1e-5 * slope.norm()


@pytest.mark.usefixtures("form")
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision(dtype):
    values = pixels().to(dtype).requires_grad_()
    wanted = plain(values.detach(), 256, 1000.0, "drop", None)
    got = soft_histogram(values)
    assert (got - wanted).abs().max() < 2e-6
    (gradient,) = torch.autograd.grad(got[:, 100].sum(), values)
    assert gradient.dtype == dtype
    assert gradient.isfinite().all()


@pytest.mark.usefixtures("form")
def test_a_bad_value_makes_its_row_nan():
    values = pixels()
    values[1, 5] = torch.nan
    values[2, 5] = torch.inf
    histogram = soft_histogram(values)
    assert histogram[0].isfinite().all()
    assert histogram[1:].isnan().all()


@pytest.mark.usefixtures("form")
@pytest.mark.parametrize(
    "sizes",
    [(1, 1, 1, 1, 3, 5), (2, 8, 16, 16, 270, 480), (1, 3, 5, 4, 4, 300), (1, 5, 1, 2, 400, 300)],
)
def test_slice_and_apply(sizes):
    batch, depth, rows, columns, height, width = sizes
    grid, image = noise(batch, 12, depth, rows, columns), noise(batch, 3, height, width)
    upstream = noise(batch, 3, height, width, seed=2)
    level = noise(batch, height, width, seed=1) * 0.4 * depth + 0.5 * depth  # beyond both ends, too
    # away from the kinks at the levels, where rounding would decide the gradient
    guide = (level.floor() + 0.01 + 0.98 * level.frac().abs() + 0.5) / depth

    def run(kind: torch.dtype) -> tuple[Tensor, ...]:
        leaves = [t.to(kind).requires_grad_() for t in (grid, guide, image)]
        out = slice_and_apply(*leaves)
        return out, *torch.autograd.grad(out, leaves, upstream.to(kind))

    for ours, exact in zip(run(torch.float32), run(torch.float64), strict=True):
        assert (ours - exact).norm() <= 1e-5 * exact.norm()


def frames(seed: int, height: int = 480, width: int = 854) -> Tensor:
    return (noise(4, 3, height, width, seed=seed) * 0.2 + 0.5).clamp(0, 1)


@pytest.mark.usefixtures("only_kernels")
def test_the_same_bits_again():
    loss, target = HistogramMatchingLoss(), frames(1)
    network = HDRNet.compact().to(GPU)
    grid, guide = network.coefficients(target).detach(), network.guide(target).detach()

    def run() -> list[Tensor]:
        leaves = [t.clone().requires_grad_() for t in (grid, guide, frames(2))]
        total = loss(slice_and_apply(*leaves), target)
        return [total, *torch.autograd.grad(total, leaves)]

    for first, again in zip(run(), run(), strict=True):
        assert torch.equal(first, again)


@contextmanager
def waiting_is_an_error() -> Iterator[None]:
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.usefixtures("only_kernels")
@pytest.mark.parametrize("outside", MODES)
@pytest.mark.parametrize("half", [False, True])
def test_a_training_step_does_not_wait(half, outside):
    network = HDRNet.compact().to(GPU)
    optimizer = torch.optim.Adam(network.parameters(), fused=True)
    loss, source, target = EnhancementLoss("l2+histmatch", outside=outside), frames(1), frames(2)

    def step() -> None:
        optimizer.zero_grad()
        with torch.autocast("cuda", torch.bfloat16, enabled=half):
            total = loss(network(source), target)
        total.backward()
        optimizer.step()

    step()  # compiles the kernels
    with waiting_is_an_error():
        step()
    assert all(p.grad.isfinite().all() for p in network.parameters())


@pytest.mark.usefixtures("only_kernels")
def test_memory_beyond_the_input():
    values = frames(1, 1080, 1920).flatten(2).requires_grad_()
    size = values.numel() * values.element_size()

    def run() -> None:
        torch.autograd.grad(soft_histogram(values).square().sum(), values)

    run()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    run()
    assert torch.cuda.max_memory_allocated() - before < 1.2 * size
