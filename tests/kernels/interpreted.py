"""The kernels in Triton's interpreter, on CPU tensors, against the code in torch in float64.

``test_kernels.py`` runs this in a process of its own: Triton is told to interpret before it is
imported.
"""

from typing import get_args
from unittest import mock

import pytest
import torch
from torch import Tensor

from histmatch_lab import slice_and_apply, soft_histogram
from histmatch_lab._binning import Edges, Window
from histmatch_lab.histogram import Outside
from histmatch_lab.kernels import histogram, slicing

# What overflows to infinity on a GPU without a word, numpy warns of.
pytestmark = pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def pixels() -> Tensor:
    """Two rows of what is nasty: ends of the range, far outside it, on edges, one value."""
    rows = noise(2, 300) * 0.4 + 0.4
    rows[0, :50] = 100 / 255
    rows[1] = rows[1].clamp(0, 1)
    rows[1, :4] = torch.tensor([0.0, 1.0, -1e4, 1e4])
    rows[1, 4:50] = (rows[1, 4:50] * 255).round() / 255
    rows[1, 50:90] = torch.linspace(0.49999, 0.50001, 40)  # around an edge
    return rows


CASES = [(1, 30.0), (50, 1000.0), (60, 20.0), (256, 640.0), (256, 1e6), (256, 1e5)]


@pytest.mark.parametrize(("bins", "slope"), CASES)
def test_mass_and_gradient(bins, slope):
    edges, rows = Edges(-0.1, 1.2 / bins, bins, slope), pixels()
    kernel, exact = histogram.Bands(edges), Window(edges)
    assert (kernel.mass(rows) - exact.mass(rows.double())).abs().max() < 3e-7
    upstream = noise(2, bins + 1).double()
    wanted = exact.gradient(rows.double(), upstream)
    assert (kernel.gradient(rows, upstream) - wanted).norm() < 2e-6 * wanted.norm()


def test_weights_from_masks_to_one_pixel_that_has_nearly_all():
    edges, rows = Edges(0.0, 1 / 40, 40, 300.0), pixels()
    weights = noise(2, 300, seed=1).double().abs()
    weights[0, 100:] = 0
    weights[1, 7] = 1e6
    weights /= weights.mean(1, keepdim=True)
    wanted = Window(edges).mass(rows.double(), weights)
    assert (histogram.Bands(edges).mass(rows, weights) - wanted).abs().max() < 3e-7


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision(dtype):
    edges, rows = Edges(0.0, 1 / 40, 40, 300.0), pixels()[:1].to(dtype)
    kernel, exact = histogram.Bands(edges), Window(edges)
    assert (kernel.mass(rows) - exact.mass(rows.double())).abs().max() < 3e-7
    upstream = noise(1, 41).double()
    got, wanted = kernel.gradient(rows, upstream), exact.gradient(rows.double(), upstream)
    assert got.dtype == dtype
    assert (got - wanted).norm() < torch.finfo(dtype).eps * wanted.norm()


def test_several_programs_a_row_add_up_to_the_same_bits_again():
    edges, rows = Edges(0.0, 1 / 20, 20, 50.0), noise(1, 9000) * 0.3 + 0.5
    kernel = histogram.Bands(edges)
    with mock.patch.object(histogram._mass_kernel, "run", wraps=histogram._mass_kernel.run) as run:
        got = kernel.mass(rows)
    assert run.call_args.kwargs["grid"][0] > 1
    assert (got - Window(edges).mass(rows.double())).abs().max() < 3e-7
    assert torch.equal(got, kernel.mass(rows))


@pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning")
def test_a_bad_value_makes_its_row_nan():
    rows = torch.full((4, 150), 0.4)
    rows[1:, 140] = torch.tensor([torch.nan, torch.inf, -torch.inf])
    kernel = histogram.Bands(Edges(0.0, 1 / 40, 40, 300.0))
    mass = kernel.mass(rows)
    assert mass[0].isfinite().all()
    assert mass[1:].isnan().all()
    assert kernel.gradient(rows, noise(4, 41).double())[1:, 140].isnan().all()


@pytest.mark.parametrize("outside", get_args(Outside))
def test_the_public_histogram(outside, monkeypatch):
    rows, upstream = pixels().clamp(-0.5, 1.5), noise(2, 30)
    leaf = rows.double().requires_grad_()
    exact = soft_histogram(leaf, 30, alpha=400, outside=outside)
    (wanted,) = torch.autograd.grad(exact, leaf, upstream.double())

    monkeypatch.setattr("histmatch_lab._binning.takes_over", lambda *_: True)
    monkeypatch.setattr("histmatch_lab._binning.FEW", 0)
    leaf = rows.requires_grad_()
    got = soft_histogram(leaf, 30, alpha=400, outside=outside)
    (gradient,) = torch.autograd.grad(got, leaf, upstream)
    assert (got - exact).abs().max() < 1e-6
    assert (gradient - wanted).norm() < 1e-5 * wanted.norm()


SHAPES = [(1, 1, 1, 1, 3, 5), (2, 8, 2, 3, 7, 9), (1, 3, 4, 2, 3, 5), (1, 5, 1, 2, 12, 20)]


@pytest.mark.parametrize("shape", SHAPES)
def test_slice_and_apply(shape, monkeypatch):
    batch, depth, rows, columns, height, width = shape
    grid, image = noise(batch, 12, depth, rows, columns), noise(batch, 3, height, width)
    guide = noise(batch, height, width, seed=1) * 0.4 + 0.5  # beyond both ends, too
    guide[:, 0] = 0.5  # on the centre of a level or between two
    upstream = noise(batch, 3, height, width, seed=2)

    def run(*inputs: Tensor) -> tuple[Tensor, ...]:
        leaves = [tensor.clone().requires_grad_() for tensor in inputs]
        out = slice_and_apply(*leaves)
        return out, *torch.autograd.grad(out, leaves, upstream.to(out))

    wanted = run(grid.double(), guide.double(), image.double())
    monkeypatch.setattr(slicing, "PART", 100)  # several programs for a cell
    monkeypatch.setattr("histmatch_lab.ops.slices.takes_over", lambda *_: True)
    with mock.patch.object(slicing, "gradients", wraps=slicing.gradients) as kernels:
        got = run(grid, guide, image)
    assert kernels.called
    for ours, exact in zip(got, wanted, strict=True):
        assert (ours - exact).norm() <= 2e-6 * exact.norm()
