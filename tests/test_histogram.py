"""The histogram against the plain formula of Eq. 1-3, written out here in float64."""

import math
from typing import get_args

import numpy as np
import pytest
import scipy.stats  # type: ignore[import-untyped]
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from histmatch_lab import (
    bin_centers,
    bin_edges,
    emd,
    gradient_ripple,
    hard_histogram,
    soft_cdf,
    soft_histogram,
)
from histmatch_lab._binning import Edges, Lattice, Window, choose
from histmatch_lab.histogram import Outside
from histmatch_lab.ops.mass import _nan_unless_finite

# some of the inputs here are meant to lie outside
pytestmark = pytest.mark.filterwarnings("ignore:most values lie outside")

EIGHT_BIT = (-0.5 / 255, 255.5 / 255)  # erratum 6: each 8-bit level in the middle of a bin
MODES = get_args(Outside)


def plain(values, bins, *, alpha=1000.0, bandwidth=1.0, range=(0.0, 1.0), outside="drop"):
    """Eq. 3 as it stands, (..., N) -> (..., bins)."""
    low, high = range
    edges = torch.linspace(low, high, bins + 1, dtype=torch.float64)
    values = values.double()
    if outside == "reflect":
        mirrors = (values, 2 * low - values, 2 * high - values)
        kernel = {"alpha": alpha, "bandwidth": bandwidth, "range": range}
        return sum(plain(mirror, bins, **kernel) for mirror in mirrors)
    above = torch.sigmoid((alpha / bandwidth) * (values.unsqueeze(-1) - edges))
    if outside == "clamp":
        ends = torch.ones_like(above[..., :1])
        above = torch.cat([ends, above[..., 1:-1], 0 * ends], dim=-1)
    return (above[..., :-1] - above[..., 1:]).mean(-2)


def gradient_of(histogram, values, weights):
    values = values.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(histogram(values), values, weights)
    return gradient.double()


def relative(gradient: Tensor, wanted: Tensor) -> float:
    return ((gradient - wanted).norm() / wanted.norm()).item()


def photograph(generator: torch.Generator, rows: int, samples: int) -> Tensor:
    """Something like a photograph's intensities: deep shadows, mid-tones, clipped highlights."""
    tones = torch.randn(rows, samples, generator=generator) * 0.3 + 0.4
    return tones.clamp(0, 1)


def inputs() -> dict[str, Tensor]:
    g = torch.Generator().manual_seed(7)
    spread = photograph(g, 2, 3000)
    return {
        "photograph": spread,
        "8-bit photograph": (spread * 255).round() / 255,
        "outside the range": torch.randn(2, 3000, generator=g) * 2,
        "all equal": torch.full((1, 3000), 100 / 255),
        "one pixel": torch.tensor([[0.50195]]),
        "few pixels": torch.rand(2, 5, generator=g),
    }


INPUTS = inputs()


@pytest.mark.parametrize("outside", MODES)
@pytest.mark.parametrize("slope", [1, 30, 640, 1000, 5000, 1e5, 1e6])
@pytest.mark.parametrize("bins", [1, 2, 50, 100, 256, 1024])
def test_equals_the_plain_formula(bins, slope, outside):
    kernel = {"alpha": slope, "outside": outside}
    weights = torch.randn(2, bins, generator=torch.Generator().manual_seed(bins))
    for name, values in INPUTS.items():
        if bins * values.numel() > 1e6:
            values = values[:1, ::3]
        wanted = plain(values, bins, **kernel)
        got = soft_histogram(values, bins, **kernel)
        cdf = soft_cdf(values, bins, **kernel)
        assert got.dtype == torch.float32
        assert (got - wanted).abs().max() < 2e-6, name
        assert (cdf - wanted.cumsum(-1)).abs().max() < 2e-6, name
        assert torch.diff(cdf, prepend=0 * cdf[:, :1]).sub(got).abs().max() < 1e-6, name

        weight = weights[: len(values)]
        wanted = gradient_of(lambda v: plain(v, bins, **kernel), values.double(), weight.double())
        if wanted.norm() > 1e-12:  # below, no pixel feels an edge
            got = gradient_of(lambda v: soft_histogram(v, bins, **kernel), values, weight)
            assert relative(got, wanted) < 1e-3, name


@pytest.mark.parametrize("range_", [(-1.0, 1.0), EIGHT_BIT, (0.0, 255.0), (1000.0, 1001.0)])
@pytest.mark.parametrize("outside", MODES)
def test_any_range(range_, outside):
    low, high = range_
    values = INPUTS["photograph"] * (high - low) + low
    options = {"alpha": 1000 / (high - low), "range": range_, "outside": outside}
    weights = torch.randn(2, 256, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    wanted = plain(values, 256, **options)
    assert (soft_histogram(values, 256, **options) - wanted).abs().max() < 2e-6
    wanted = gradient_of(lambda v: plain(v, 256, **options), values.double(), weights)
    got = gradient_of(lambda v: soft_histogram(v, 256, **options), values, weights.float())
    assert relative(got, wanted) < 1e-3


# Both forms, called as the library calls them, wherever its own choice would fall.


@pytest.mark.parametrize("form", [Window, Lattice])
@pytest.mark.parametrize(
    ("bins", "slope"), [(1, 1), (1, 1000), (2, 40), (50, 1000), (256, 1), (256, 1000), (1024, 100)]
)
def test_both_forms_everywhere(form, bins, slope):
    edges = Edges(0.0, 1 / bins, bins, slope)
    upstream = torch.randn(2, bins + 1, dtype=torch.float64)
    for name, values in INPUTS.items():
        values, weights = values[:, :1000], upstream[: len(values)]

        def below(v):
            ends = torch.linspace(0, 1, bins + 1, dtype=torch.float64)
            return torch.sigmoid(slope * (ends - v.double().unsqueeze(-1))).mean(-2)

        assert (form(edges).mass(values) - below(values)).abs().max() < 6e-7, name
        wanted = gradient_of(below, values.double(), weights)
        if wanted.norm() > 1e-12:
            got = form(edges).gradient(values, weights).double()
            assert relative(got, wanted) < 1e-4, name


def test_the_quadratic_holds_its_error_at_every_place_in_a_cell():
    edges = Edges(0.0, 1 / 256, 256, 1000.0)
    values = 0.5 + torch.linspace(-0.003, 0.003, 301)[:, None]  # some eighty cells
    error = Lattice(edges).mass(values) - Window(edges).mass(values)
    assert 1e-8 < error.abs().max() < 6e-7  # the lower bound shows that the test can see it


def test_choice_of_form():
    edges = Edges(0.0, 1 / 256, 256, 1000.0)
    picture = torch.rand(3, 100_000)
    assert isinstance(choose(picture, edges), Lattice)
    assert isinstance(choose(picture.double(), edges), Window)
    assert isinstance(choose(picture[:, :100], edges), Window)
    assert isinstance(choose(picture, Edges(0.0, 1 / 256, 256, 1e6)), Window)


def test_nothing_jumps_at_the_switch_between_forms():
    values = torch.rand(1, 20_000, generator=torch.Generator().manual_seed(3))
    slopes = [200.0 * 1.2**i for i in range(40)]
    forms = {type(choose(values, Edges(0.0, 1 / 256, 256, slope))) for slope in slopes}
    assert forms == {Window, Lattice}
    for slope in slopes:
        got = soft_histogram(values, alpha=slope)
        wanted = Window(Edges(0.0, 1 / 256, 256, slope)).mass(values).diff()
        assert (got - wanted).abs().max() < 2e-6


def test_long_rows_keep_counts_and_sums_apart():
    # longer than a stretch, all in one cell: where a packed count would run into the sum
    values = torch.full((1, 600_001), 0.123456)
    assert isinstance(choose(values, Edges(0.0, 1 / 50, 50, 1000.0)), Lattice)
    wanted = plain(values[:, :1], 50)
    assert (soft_histogram(values, 50) - wanted).abs().max() < 2e-6


def test_deterministic():
    values = torch.rand(3, 100_000, requires_grad=True)
    weights = torch.randn(3, 256)
    first, second = (soft_histogram(values) for _ in range(2))
    assert torch.equal(first, second)
    gradients = [torch.autograd.grad(h, values, weights)[0] for h in (first, second)]
    assert torch.equal(*gradients)


@pytest.mark.parametrize("outside", MODES)
@pytest.mark.parametrize("slope", [3.0, 40.0, 500.0])
def test_gradcheck_in_float64(slope, outside):
    g = torch.Generator().manual_seed(5)
    values = torch.rand(2, 6, dtype=torch.float64, generator=g) * 1.4 - 0.2
    values.requires_grad_()
    for function in (soft_histogram, soft_cdf):
        assert torch.autograd.gradcheck(
            lambda v, f=function: f(v, 20, alpha=slope, outside=outside), values
        )


def test_float64_is_exact():
    values = torch.rand(2, 500, dtype=torch.float64)
    assert (soft_histogram(values) - plain(values, 256)).abs().max() < 1e-13


def test_backward_cannot_be_differentiated():
    values = torch.rand(1, 10, requires_grad=True)
    (gradient,) = torch.autograd.grad(soft_histogram(values)[0, 3], values, create_graph=True)
    with pytest.raises(RuntimeError, match="differentiated once"):
        gradient.square().sum().backward()


finite = st.floats(-4, 4, width=32) | st.sampled_from([0.0, 1.0, 1 / 255, 0.5, -1e30, 1e30, 1e-40])


@settings(max_examples=150, deadline=None)
@given(
    values=st.lists(finite, min_size=1, max_size=12),
    bins=st.integers(1, 300),
    slope=st.floats(1, 1e6),
    outside=st.sampled_from(MODES),
    copies=st.sampled_from([1, 4000]),  # few pixels, and enough for the lattice
)
def test_any_values(values, bins, slope, outside, copies):
    few = torch.tensor(values)
    got = soft_histogram(few.repeat(copies), bins, alpha=slope, outside=outside)
    assert (got - plain(few, bins, alpha=slope, outside=outside)).abs().max() < 2e-6
    assert got.min() > -2e-6


# Shapes and types


def test_leading_shapes():
    values = torch.rand(2, 3, 4, 50)
    assert soft_histogram(values, 10).shape == (2, 3, 4, 10)
    assert soft_cdf(values[0, 0, 0], 10).shape == (10,)
    assert hard_histogram(values, 10).shape == (2, 3, 4, 10)
    each = torch.stack([soft_histogram(row, 10) for row in values.reshape(-1, 50)])
    assert torch.allclose(soft_histogram(values, 10).reshape(-1, 10), each, atol=1e-7)


def test_many_rows_and_long_rows_agree():
    # rows are treated together when short, in parts when long
    values = torch.rand(40, 3001)
    joint = soft_histogram(values, 50, alpha=100)
    each = torch.stack([soft_histogram(row, 50, alpha=100) for row in values])
    assert torch.allclose(joint, each, atol=1e-7)


def test_views_of_other_memory_layouts():
    image = torch.rand(2, 3, 40, 50).to(memory_format=torch.channels_last).requires_grad_()
    strided = image.flatten(2)[..., ::2]
    assert torch.equal(soft_histogram(strided), soft_histogram(strided.contiguous()))
    soft_histogram(strided)[..., 5].sum().backward()
    assert image.grad is not None
    assert image.grad.flatten(2)[..., ::2].abs().sum() > 0
    assert image.grad.flatten(2)[..., 1::2].abs().sum() == 0


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(dtype):
    values = torch.rand(1, 500).to(dtype).requires_grad_()
    got = soft_histogram(values)
    assert got.dtype == torch.float32
    assert (got - plain(values.detach(), 256)).abs().max() < 2e-6
    got[0, :100].sum().backward()
    assert values.grad is not None
    assert values.grad.dtype == dtype


def test_autocast_changes_nothing():
    values = torch.rand(1, 30_000)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = soft_histogram(values)
    assert inside.dtype == torch.float32
    assert torch.equal(inside, soft_histogram(values))


def test_no_graph_without_requires_grad():
    values = torch.rand(1, 100)
    assert not soft_histogram(values).requires_grad
    with torch.no_grad():
        assert not soft_histogram(values.requires_grad_()).requires_grad


# Bad input


@pytest.mark.parametrize("function", [soft_histogram, soft_cdf, hard_histogram])
def test_bad_values_are_refused(function):
    with pytest.raises(TypeError, match="divide by 255"):
        function(torch.arange(256))
    with pytest.raises(TypeError, match=r"values must be a torch\.Tensor, got ndarray"):
        function(np.zeros(4))
    for bad in (math.nan, math.inf, -math.inf):
        with pytest.raises(ValueError, match="values must be finite"):
            function(torch.tensor([0.1, bad]))
    for empty in (torch.zeros(0), torch.zeros(3, 0), torch.zeros(0, 3), torch.tensor(0.5)):
        with pytest.raises(ValueError, match="at least one sample"):
            function(empty)


def test_large_finite_values_are_not_mistaken_for_infinity():
    assert soft_histogram(torch.full((8,), 3e38)).sum() == 0


@pytest.mark.parametrize("function", [soft_histogram, soft_cdf, hard_histogram])
def test_pictures_that_are_not_flattened_are_refused(function):
    for shape in ((2, 3, 64, 48), (1, 1, 8, 8)):
        with pytest.raises(ValueError, match=r"looks like pictures .* use values\.flatten\(2\)"):
            function(torch.rand(shape))
    assert function(torch.rand(2, 5, 64, 48), 4).shape == (2, 5, 64, 4)


@pytest.mark.filterwarnings("error:most values lie outside")
@pytest.mark.parametrize("outside", MODES)
def test_a_warning_if_most_values_lie_outside(outside):
    values = torch.rand(2, 999)
    with pytest.warns(UserWarning, match="most values lie outside the range"):
        soft_histogram(values * 255, outside=outside)
    if outside != "reflect":  # which takes [-1, 0] for the mirror of [0, 1]
        with pytest.warns(UserWarning, match="most values lie outside the range"):
            soft_cdf(values * 2 - 1.1, outside=outside)
    soft_histogram(values, alpha=0.1, outside=outside)  # whose kernel alone lies outside
    soft_histogram(values * 1.9, outside=outside)
    soft_histogram(values * 255, range=(0, 255), outside=outside)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bins": 0}, "bins must be at least 1, got 0"),
        ({"alpha": 0}, "alpha must be positive"),
        ({"alpha": math.nan}, "alpha must be positive"),
        ({"bandwidth": -1.0}, "bandwidth must be positive"),
        ({"alpha": 1e300, "bandwidth": 1e-300}, "alpha / bandwidth"),
        ({"range": (1.0, 1.0)}, "range must be finite with low < high"),
        ({"range": (0.0, math.inf)}, "range must be finite"),
        ({"range": (0.0,)}, "range must be two numbers"),
        ({"outside": "mirror"}, "outside must be one of 'drop', 'clamp', 'reflect', got 'mirror'"),
    ],
)
def test_bad_options_are_refused(options, message):
    for function in (soft_histogram, soft_cdf):
        with pytest.raises(ValueError, match=message):
            function(torch.rand(4), **options)


def test_options_of_the_wrong_type_are_refused():
    with pytest.raises(TypeError, match=r"bins must be an integer, got 2\.5"):
        soft_histogram(torch.rand(4), 2.5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="alpha must be a number, got 'high'"):
        soft_histogram(torch.rand(4), alpha="high")  # type: ignore[arg-type]


def test_on_a_gpu_a_row_with_nan_becomes_nan():
    # the GPU's way of telling, which does not wait; the arithmetic is the same here
    rows = torch.tensor([[0.1, 0.2], [0.1, math.nan], [math.inf, 0.0], [-3e38, 3e38]])
    assert _nan_unless_finite(rows).isnan().flatten().tolist() == [False, True, True, False]


# Bins and counts


def test_edges_and_centres():
    assert torch.allclose(bin_edges(4), torch.tensor([0, 0.25, 0.5, 0.75, 1]))
    # erratum 2: DeepHist's centres are for [-1, 1], where 2/K is the width of a bin
    assert torch.allclose(bin_centers(4), torch.tensor([0.125, 0.375, 0.625, 0.875]))
    assert torch.allclose(bin_centers(4, range=(-1, 1)), -1 + 0.5 * (torch.arange(4) + 0.5))
    assert bin_edges(3, dtype=torch.float64).dtype == torch.float64


@pytest.mark.parametrize("bins", [1, 10, 50, 256])
def test_counts_equal_numpy(bins):
    values = torch.cat([INPUTS["photograph"][0], bin_edges(bins)])
    counts, _ = np.histogram(values.double(), bins, range=(0, 1))
    assert np.allclose(hard_histogram(values, bins), counts / counts.sum(), atol=1e-7)


@pytest.mark.parametrize("range_", [(0, 1), (-3.3, 7.1), (1e-8, 3e-8), (-1e6, 1e6 + 0.1)])
@pytest.mark.parametrize("bins", [1, 3, 50, 256, 99_991])
def test_counts_on_an_edge_and_next_to_it(bins, range_):
    edges = bin_edges(bins, range=range_, dtype=torch.float64)
    low, high = (torch.nextafter(edges, edges + by) for by in (-1e9, 1e9))
    far = torch.tensor([-1e300, 1e300], dtype=torch.float64)
    values = torch.cat([edges, edges[::2], low, high, far])
    counts = torch.bincount(torch.bucketize(values, edges[1:-1], right=True), minlength=bins)
    assert torch.equal(hard_histogram(values, bins, range=range_), counts.double() / len(values))


def test_counts_outside_the_range_go_to_the_end_bins():
    assert hard_histogram(torch.tensor([-3.0, 0.4, 7.0, 8.0]), 2).tolist() == [0.5, 0.5]


def test_a_sharp_kernel_counts():
    values = INPUTS["photograph"].clamp(0.0015, 0.9985)
    values = values[:, ((values * 256) % 1 - 0.5).abs().amax(0) < 0.49]  # off the edges
    assert torch.allclose(soft_histogram(values, alpha=1e7), hard_histogram(values), atol=2e-6)


# Errata


def test_erratum_1_eq_1_as_printed_has_the_area_one_over_alpha():
    i = torch.linspace(-1, 2, 300_001, dtype=torch.float64)
    for alpha, bandwidth in ((50, 1.0), (1000, 1.0), (1000, 0.5)):
        z = (0.4 - i) / (bandwidth / alpha)
        printed = torch.trapezoid(z.sigmoid() * (-z).sigmoid() / bandwidth, i)
        assert printed.item() == pytest.approx(1 / alpha, rel=1e-6)
        ours = soft_histogram(torch.tensor([0.4]), alpha=alpha, bandwidth=bandwidth).sum()
        assert ours.item() == pytest.approx(1, abs=1e-6)


def test_erratum_5_deep_shadows_lose_mass_unless_told_otherwise():
    values = torch.cat([torch.zeros(120), torch.linspace(0.1, 0.9, 880)])
    total = {mode: soft_histogram(values, outside=mode).sum().item() for mode in MODES}
    assert total["drop"] == pytest.approx(0.94, abs=1e-3)
    assert total["clamp"] == pytest.approx(1, abs=1e-6)
    assert total["reflect"] == pytest.approx(1, abs=1e-6)


def test_erratum_6_eight_bit_levels_drift_against_256_bins():
    level = torch.arange(256) / 255
    drifting, centred = level * 256 % 1, (level - EIGHT_BIT[0]) * 255 % 1
    assert (drifting - drifting.round()).abs()[1] < 0.01
    assert torch.allclose(centred, torch.tensor(0.5), atol=1e-4)
    one = level[1:2]
    split = soft_histogram(one, alpha=1e4)
    whole = soft_histogram(one, alpha=1e4, range=EIGHT_BIT)
    assert split[:2].tolist() == pytest.approx([0.46, 0.54], abs=0.01)
    assert whole[1] > 0.999


def brute_force_pull(step: float) -> Tensor:
    x = torch.linspace(0, 1, 1001, dtype=torch.float64)  # from edge to edge, in bins
    z = step * (x[:, None] - torch.arange(-3000, 3001, dtype=torch.float64))
    return step * (torch.sigmoid(z) * torch.sigmoid(-z)).sum(-1)


@pytest.mark.parametrize("step", [2.5, 3.90625, 5.0, 6.28, 6.29, 10.0, 20.0, 100.0])
def test_ripple_is_half_the_swing_of_the_pull(step):
    pull = brute_force_pull(step)
    assert pull[:-1].mean().item() == pytest.approx(1, abs=1e-6)
    wanted = (pull.max() - pull.min()).item() / 2
    assert gradient_ripple(1, alpha=step) == pytest.approx(wanted, rel=1e-9)


def test_erratum_4_ripple():
    ripple = {k: gradient_ripple(k, alpha=1000) for k in (50, 100, 256)}
    assert ripple[256] == pytest.approx(0.129, abs=5e-4)
    assert ripple[100] == pytest.approx(1.18, abs=5e-3)
    assert ripple[50] == pytest.approx(2.50, abs=5e-3)
    assert gradient_ripple(256, alpha=1, bandwidth=1 / 256 / 2.5) == pytest.approx(0.012, abs=5e-4)
    for step in (1.0, 2.5, 4.0, 6.0):
        x = 2 * math.pi**2 / step
        assert gradient_ripple(1, alpha=step) == pytest.approx(2 * x / math.sinh(x), rel=0.01)


def test_ripple_at_extremes():
    assert gradient_ripple(10, alpha=1e-300) < 1e-290
    assert gradient_ripple(10, alpha=1e200) == pytest.approx(1e199 / 8)
    with pytest.raises(ValueError, match="bins"):
        gradient_ripple(0)


def test_ripple_is_what_pixels_feel():
    values = (0.5 + torch.linspace(0, 1 / 256, 400, dtype=torch.float64)).requires_grad_()
    soft_cdf(values).sum().backward()  # every CDF entry too high: each edge pulls
    assert values.grad is not None
    pull = -values.grad * 400 / 256
    swing = (pull.max() - pull.min()) / 2
    assert swing.item() == pytest.approx(gradient_ripple(256), rel=1e-3)


# Eq. 5


def test_emd_of_soft_histograms_approaches_that_of_the_pixels():
    a, b = INPUTS["photograph"] * 0.5 + 0.1, INPUTS["photograph"].flip(0) * 0.8 + 0.1
    for x, y in zip(a, b, strict=True):
        wanted = scipy.stats.wasserstein_distance(x.numpy(), y.numpy())
        got = emd(soft_histogram(x, 1024, alpha=1e4), soft_histogram(y, 1024, alpha=1e4)) / 1024
        assert got.item() == pytest.approx(wanted, rel=2e-3)


@pytest.mark.parametrize("outside", MODES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])  # lattice and window
def test_weights_are_shares_of_their_sum(outside, dtype):
    g = torch.Generator().manual_seed(8)
    values = torch.rand(2, 3, 5000, generator=g, dtype=dtype) * 1.1 - 0.05
    weights = torch.rand(2, 3, 5000, generator=g) * (torch.rand(5000, generator=g) > 0.3)
    edges = torch.arange(65, dtype=torch.float64) / 64
    share = weights.double() / weights.double().sum(-1, keepdim=True)

    def mass_between_edges(x: Tensor) -> Tensor:
        below = torch.sigmoid(1000 * (edges - x[..., None].double()))
        if outside == "clamp":
            below[..., 0], below[..., -1] = 0, 1
        return (share[..., None] * below).sum(-2).diff()

    expected = mass_between_edges(values)
    if outside == "reflect":
        expected += mass_between_edges(-values) + mass_between_edges(2 - values)
    got = soft_histogram(values, 64, outside=outside, weights=weights)
    assert (got - expected).abs().max() < (2e-6 if dtype == torch.float32 else 1e-12)
    summed = soft_cdf(values, 64, outside=outside, weights=weights)
    assert (summed - expected.cumsum(-1)).abs().max() < 4e-6


def test_a_mask_leaves_pixels_out():
    values = INPUTS["photograph"]
    mask = torch.arange(values.shape[-1]) % 3 == 0
    kept = soft_histogram(values[..., mask], 32)
    assert (soft_histogram(values, 32, weights=mask) - kept).abs().max() < 2e-6
    equal = soft_histogram(values, 32, weights=torch.full_like(values, 7.0))
    assert (equal - soft_histogram(values, 32)).abs().max() < 2e-6


def test_gradient_with_weights():
    g = torch.Generator().manual_seed(9)
    values = torch.rand(2, 7, generator=g, dtype=torch.float64, requires_grad=True)
    weights = torch.tensor([0.0, 1, 2, 3, 0, 1, 1])
    assert torch.autograd.gradcheck(lambda x: soft_histogram(x, 5, weights=weights), (values,))
    many = torch.rand(1, 4000, generator=g).requires_grad_()  # the lattice
    share = torch.rand(4000, generator=g)
    soft_histogram(many, 256, weights=share)[0, :100].sum().backward()
    exact = many.detach().double().requires_grad_()
    soft_histogram(exact, 256, weights=share)[0, :100].sum().backward()
    assert many.grad is not None
    assert exact.grad is not None
    assert (many.grad - exact.grad).abs().max() < 1e-4 * exact.grad.abs().max()


@pytest.mark.parametrize(
    ("weights", "problem"),
    [
        (torch.ones(4), r"broadcast to the shape of values, \(2, 3\), got \(4,\)"),
        (torch.tensor([1.0, -1, 2]), "0 or more"),
        (torch.zeros(3), "not all 0"),
        (torch.tensor([1.0, torch.nan, 1]), "finite"),
    ],
)
def test_weights_that_cannot_be(weights, problem):
    with pytest.raises(ValueError, match=f"^weights must.*{problem}"):
        soft_histogram(torch.rand(2, 3), 4, weights=weights)
