"""What runs on Apple's GPUs, tried without one: a device that only knows shapes, and refuses what
theirs refuses from torch 2.6 on; and the values of the forms that are taken there, on the CPU.

Autograd needs a device that is there. So what has no gradient on theirs is refused forwards, too,
as is a conversion whose way back would make float64 there.
"""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional as F
from torch.utils import backend_registration
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from histmatch_lab import (
    EnhancementLoss,
    HDRNet,
    ImageAdaptiveLUT,
    bilateral_slice,
    bin_centers,
    hard_histogram,
    slice_and_apply,
    soft_histogram,
)
from histmatch_lab.color import convert_primaries, nits_to_pq, pq_to_nits
from histmatch_lab.ops import devices
from histmatch_lab.ops.ramps import _ramps, _ramps_gradients
from histmatch_lab.ops.slices import sliced_plainly

MISSING = ("grid_sampler_2d", "_upsample_bilinear2d_aa", "histmatch_lab.sliced")


class Apple(TorchDispatchMode):
    """Refuses what an Apple GPU refuses, of tensors that are there."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        tensors = [t for t in tree_leaves((args, kwargs, result)) if isinstance(t, Tensor)]
        there = [t for t in tensors if t.device.type == "apple"]
        if any(t.dtype == torch.float64 for t in there):
            raise TypeError(f"{func}: no float64 there")
        here = {t.dtype for t in tensors if t.device.type == "cpu" and t.ndim}
        if there and torch.float64 in here and "copy" in str(func):
            raise TypeError(f"{func}: copies and converts float64 at once")
        if there and any(name in str(func) for name in MISSING):
            raise NotImplementedError(f"{func}: missing there")
        return result


@pytest.fixture(scope="module")
def device():
    if not hasattr(backend_registration, "_setup_privateuseone_for_python_backend"):
        pytest.skip("this torch knows no device without a driver")
    backend_registration._setup_privateuseone_for_python_backend("apple")
    return torch.device("apple")


@pytest.fixture
def apple(monkeypatch, device):
    monkeypatch.setattr(devices, "APPLE", "apple")
    backend = torch.get_device_module("apple")
    monkeypatch.setattr(backend, "get_amp_supported_dtype", lambda: [torch.half], raising=False)
    with FakeTensorMode(), Apple(), torch.no_grad():
        yield device


@pytest.mark.parametrize(
    ("refused", "what"),
    [
        (lambda x: x.double(), "no float64"),
        (lambda x: x.to("cpu", torch.float64), "at once"),
        (lambda x: F.interpolate(x, (2, 2), mode="bilinear", antialias=True), "missing"),
        (
            lambda x: F.grid_sample(x, x[..., :2], "bilinear", "border", False),
            "missing",
        ),
    ],
)
def test_the_stand_in_refuses(apple, refused, what):
    with pytest.raises((TypeError, NotImplementedError), match=what):
        refused(torch.rand(1, 3, 4, 5, device=apple))


@pytest.mark.parametrize(
    "network",
    [
        lambda: HDRNet(low_resolution=16, width=2, hidden=(4,), grid_size=4),
        lambda: ImageAdaptiveLUT(nodes=5),
    ],
    ids=["HDRNet", "ImageAdaptiveLUT"],
)
def test_networks(apple, network):
    with apple:
        net, image = network(), torch.rand(2, 3, 33, 44)
    assert net(image).device.type == "apple"


@pytest.mark.parametrize("name", ["histmatch", "cramer", "w1", "sliced"])
def test_losses(apple, name):
    with apple:
        loss, image, target = EnhancementLoss(name), torch.rand(1, 3, 9, 9), torch.rand(1, 3, 9, 9)
    total = loss(image, target)
    assert (total.device.type, total.dtype) == ("apple", torch.float32)


def test_everything_else(apple):
    values = torch.rand(2, 3, 50, device=apple)
    weights = torch.rand(50, device=apple)
    for outside in ("drop", "clamp", "reflect"):
        assert soft_histogram(values, 9, outside=outside, weights=weights).device.type == "apple"
    grid, guide = torch.rand(1, 2, 3, 4, 5, device=apple), torch.rand(1, 6, 7, device=apple)
    results = [
        hard_histogram(values),
        bin_centers(4, device=apple),
        bilateral_slice(grid, guide),
        pq_to_nits(values),
        nits_to_pq(values),
        convert_primaries(values[..., None], "bt2020", "bt709"),
    ]
    assert {(result.device.type, result.dtype) for result in results} == {("apple", torch.float32)}


def test_within_the_operators(apple):
    pixels, curves = torch.rand(1, 3, 7, device=apple), [(6, 3), (6, 1), (1, 6)]
    inputs = [pixels, *(torch.rand(size, device=apple) for size in curves)]
    level = _ramps._init_fn(*inputs)
    _ramps_gradients._init_fn(level, *inputs, True)


# The form for MPS gives what the other gives.


@pytest.mark.parametrize(
    ("cells", "size"), [((3, 4, 5), (9, 7)), ((1, 1, 1), (2, 3)), ((8, 2, 6), (1, 1))]
)
def test_slicing_plainly(cells, size):
    g = torch.Generator().manual_seed(1)
    grid = torch.randn(2, 12, *cells, generator=g, dtype=torch.float64)
    guide = torch.rand(2, *size, generator=g, dtype=torch.float64) * 1.4 - 0.2
    image = torch.rand(2, 3, *size, generator=g, dtype=torch.float64)
    ours = [x.clone().requires_grad_() for x in (grid, guide, image)]
    plain = [x.clone().requires_grad_() for x in (grid, guide, image)]
    got, wanted = sliced_plainly(*plain), slice_and_apply(*ours)
    torch.testing.assert_close(got, wanted)
    torch.testing.assert_close(sliced_plainly(grid, guide), bilateral_slice(grid, guide))
    upstream = torch.randn(got.shape, generator=g, dtype=torch.float64)
    for one, other in zip(
        torch.autograd.grad(got, plain, upstream),
        torch.autograd.grad(wanted, ours, upstream),
        strict=True,
    ):
        torch.testing.assert_close(one, other)
