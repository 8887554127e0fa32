"""The library under PyTorch's own tools: torch.func, torch.compile, torch.library's checks."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.func import grad, jacrev, vmap

from histmatch_lab import (
    EnhancementLoss,
    HDRNet,
    ImageAdaptiveLUT,
    bilateral_slice,
    emd,
    slice_and_apply,
    soft_cdf,
    soft_histogram,
)
from histmatch_lab.ops.ramps import sum_of_ramps


def rand(*shape: int) -> Tensor:
    return torch.rand(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


SHARES, TARGET = rand(9), rand(20).softmax(-1)
GUIDE, IMAGE = rand(2, 4, 5) * 0.9 + 0.05, rand(2, 3, 4, 5)
CURVES = rand(6, 3), rand(6, 1), rand(1, 6)
OPERATIONS: dict[str, tuple[Callable[..., Tensor], tuple[Tensor, ...]]] = {
    "soft_histogram": (lambda x: soft_histogram(x, 20, alpha=60), (rand(2, 9),)),
    "weighted": (lambda x: soft_histogram(x, 20, alpha=60, weights=SHARES), (rand(2, 9),)),
    "reflect": (lambda x: soft_cdf(x, 20, alpha=60, outside="reflect"), (rand(2, 9),)),
    "soft_cdf": (lambda x: soft_cdf(x, 20, alpha=60, outside="clamp"), (rand(2, 9),)),
    "emd": (lambda x: emd(soft_histogram(x, 20, alpha=60), TARGET.expand(2, -1)), (rand(2, 9),)),
    "bilateral_slice": (bilateral_slice, (rand(2, 2, 3, 2, 2), GUIDE)),
    "slice_and_apply": (slice_and_apply, (rand(2, 12, 3, 2, 2), GUIDE, IMAGE)),
    "sum_of_ramps": (sum_of_ramps, (rand(2, 3, 7), *CURVES)),
}
operations = pytest.mark.parametrize(("function", "inputs"), OPERATIONS.values(), ids=OPERATIONS)


@operations
def test_grad_and_jacrev_equal_autograd(function, inputs):
    every = tuple(range(len(inputs)))
    leaves = [x.clone().requires_grad_() for x in inputs]
    out = function(*leaves)
    weights = rand(*out.shape)
    wanted = torch.autograd.grad(out, leaves, weights)
    got = grad(lambda *x: (function(*x) * weights).sum(), argnums=every)(*inputs)
    torch.testing.assert_close(got, wanted)
    for jacobian, gradient in zip(jacrev(function, argnums=every)(*inputs), wanted, strict=True):
        along = jacobian.flatten(0, out.ndim - 1).flatten(1)
        torch.testing.assert_close(weights.flatten() @ along, gradient.flatten())


@operations
def test_vmap_equals_a_loop(function, inputs):
    several = tuple(torch.stack([x, x.flip(0), x * 0.5], 1) for x in inputs)
    wanted = torch.stack([function(*x) for x in zip(*(s.unbind(1) for s in several), strict=True)])
    torch.testing.assert_close(vmap(function, in_dims=1)(*several), wanted)
    only_first = (1, *[None] * (len(inputs) - 1))
    wanted = torch.stack([function(first, *inputs[1:]) for first in several[0].unbind(1)])
    torch.testing.assert_close(vmap(function, only_first)(several[0], *inputs[1:]), wanted)


@operations
def test_gradients_of_each_sample(function, inputs):
    several = tuple(torch.stack([x, x.flip(0)]) for x in inputs)
    every = tuple(range(len(inputs)))
    gradient = grad(lambda *x: function(*x).square().sum(), argnums=every)
    wanted = [gradient(*x) for x in zip(*several, strict=True)]
    got = vmap(gradient)(*several)
    for each, parts in zip(got, zip(*wanted, strict=True), strict=True):
        torch.testing.assert_close(each, torch.stack(parts))


@operations
def test_a_second_derivative_is_refused(function, inputs):
    leaves = [x.clone().requires_grad_() for x in inputs]
    gradients = torch.autograd.grad(function(*leaves).square().sum(), leaves, create_graph=True)
    with pytest.raises(RuntimeError, match="differentiated once, not twice"):
        torch.autograd.grad(gradients, leaves, gradients)


EDGES = (0.0, 0.05, 20, 60.0)
UP = rand(2, 21), rand(2, 3, 4, 5), rand(2, 1, 7)
CALLS: list[tuple[str, tuple[object, ...]]] = [
    ("mass_below", (rand(2, 9), None, *EDGES)),
    ("mass_below", (rand(2, 9).float(), rand(2, 9), *EDGES)),
    ("mass_below_gradient", (rand(2, 9).float(), rand(2, 9), UP[0], *EDGES)),
    ("sliced", (rand(2, 5, 3, 2, 2), GUIDE, None)),
    ("sliced", (rand(2, 12, 3, 2, 2), GUIDE, IMAGE)),
    ("sliced_gradients", (UP[1], rand(2, 12, 3, 2, 2), GUIDE, IMAGE, True)),
    ("sliced_gradients", (UP[1], rand(2, 3, 3, 2, 2), GUIDE, None, False)),
    ("sum_of_ramps", (rand(2, 3, 7), *CURVES)),
    ("sum_of_ramps_gradients", (UP[2], rand(2, 3, 7), *CURVES, True)),
    ("sum_of_ramps_gradients", (UP[2], rand(2, 3, 7), *CURVES, False)),
]


@pytest.mark.parametrize(("name", "arguments"), CALLS)
def test_operators_are_as_they_say(name, arguments):
    """Shapes, types and strides of the results without computing them; nothing written over."""
    torch.library.opcheck(
        getattr(torch.ops.histmatch_lab, name).default,
        arguments,
        test_utils=("test_schema", "test_faketensor"),
    )


SMALL_NETWORKS = {
    "HDRNet": lambda: HDRNet(low_resolution=16, width=2, hidden=(4,), grid_size=4, depth=3),
    "ImageAdaptiveLUT": lambda: ImageAdaptiveLUT(nodes=3),
}


torchs_own = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of its parts by others


def _training_step(network: nn.Module, loss: nn.Module, backend: str | None) -> list[Tensor]:
    """The loss and the gradients in one, as it is or compiled without a break."""
    generator = torch.Generator().manual_seed(2)
    image, target = (torch.rand(2, 3, 20, 24, generator=generator) for _ in range(2))

    def step(image: Tensor, target: Tensor) -> Tensor:
        total: Tensor = loss(network(image), target)
        return total

    run = torch.compile(step, fullgraph=True, backend=backend) if backend else step
    total = run(image, target)
    gradients = torch.autograd.grad(total, list(network.parameters()))
    return [total.detach(), torch.cat([gradient.flatten() for gradient in gradients])]


@torchs_own
@pytest.mark.slow
@pytest.mark.parametrize("backend", ["aot_eager", "inductor"])
@pytest.mark.parametrize(
    ("network", "loss"),
    [
        ("HDRNet", "l2+histmatch"),
        ("ImageAdaptiveLUT", "l2+histmatch"),
        ("HDRNet", "l1+cramer"),
        ("HDRNet", "l2+w1"),
        ("HDRNet", "l2+sliced"),
    ],
)
def test_compiled_without_a_break_with_equal_gradients(network, loss, backend):
    if backend == "inductor" and loss != "l2+histmatch":
        pytest.skip("one loss is enough for the C++ compiler")
    torch.compiler.reset()
    torch.manual_seed(3)
    net = SMALL_NETWORKS[network]().eval()
    wanted = _training_step(net, EnhancementLoss(loss), None)
    got = _training_step(net, EnhancementLoss(loss), backend)
    for one, other in zip(got, wanted, strict=True):
        assert (one - other).norm() < 1e-5 * other.norm()


@torchs_own
def test_the_loss_is_one_graph():
    """The quick one of the above: no break, and the operators whole."""
    seen: list[str] = []

    def backend(graph: torch.fx.GraphModule, _: object) -> Callable[..., object]:
        seen.extend(str(node.target) for node in graph.graph.nodes)
        return graph.forward

    torch.compiler.reset()
    a, b = torch.rand(2, 1, 3, 9, 9, generator=torch.Generator().manual_seed(4))
    loss = EnhancementLoss("l1+histmatch")
    got = torch.compile(loss, fullgraph=True, backend=backend)(a, b)
    torch.testing.assert_close(got, loss(a, b))
    assert sum("mass_below" in name for name in seen) == 2


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL_NETWORKS)
def test_exported_for_any_size(name):
    network, size = SMALL_NETWORKS[name]().eval(), torch.export.Dim.DYNAMIC
    program = torch.export.export(
        network, (torch.rand(2, 3, 20, 24),), dynamic_shapes=({0: size, 2: size, 3: size},)
    )
    other = torch.rand(1, 3, 33, 17)
    torch.testing.assert_close(program.module()(other), network(other))
