"""What training and evaluation ask of data: pairs of an input picture and its target."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor


class Pair(NamedTuple):
    """A whole picture before and after: (3, H, W) float32 in [0, 1], display-encoded, both."""

    name: str
    input: Tensor
    target: Tensor


class PairSource(Protocol):
    """Training pairs by the batch, and whole pictures to test on that are in none of them."""

    def __len__(self) -> int:
        """How many training pictures there are."""
        ...

    def batch(self, size: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Inputs and targets, (size, 3, crop, crop) float32 in [0, 1] each.

        All chance comes from the generator: the same state gives the same batch.
        """
        ...

    def test_pairs(self) -> Sequence[Pair]:
        """The test set, the same at every call."""
        ...


def draw_index(count: int, generator: torch.Generator) -> int:
    """One of 0 to count - 1.

    >>> draw_index(1, torch.Generator())
    0
    """
    return int(torch.randint(count, (), generator=generator))
