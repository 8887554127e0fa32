"""What the operators share, so that ``torch.func`` takes them."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def operator(name: str) -> Callable[[Callable[..., Any]], Any]:
    """Make a function an operator of PyTorch, which ``vmap`` calls for each: the work in a call is
    large beside the call.
    """

    def make(function: Callable[..., Any]) -> Any:
        made = torch.library.custom_op(f"histmatch_lab::{name}", function, mutates_args=())

        @made.register_vmap
        def _(info: Any, in_dims: tuple[int | None, ...], *arguments: Any) -> tuple[Any, Any]:
            pairs = list(zip(arguments, in_dims, strict=True))
            results = [
                made(*(value if dim is None else value.select(dim, index) for value, dim in pairs))
                for index in range(info.batch_size)
            ]
            if isinstance(results[0], Tensor):
                return torch.stack(results), 0
            stacked = [torch.stack(parts) for parts in zip(*results, strict=True)]
            return stacked, [0] * len(stacked)

        return made

    return make


class Once(torch.autograd.Function):
    """A gradient, whose own derivative fails, also where ``once_differentiable`` would miss a term.

    (A subclass names the arguments of its ``forward``: ``torch.compile`` counts them.)
    """

    generate_vmap_rule = True

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> None:  # noqa: ARG004
        raise RuntimeError("this operation can be differentiated once, not twice")
