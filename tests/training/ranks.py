"""Two processes that train one network together on the CPU (gloo), and what they are told to do.

They live through a module of tests: to start one takes seconds.
"""

from __future__ import annotations

import multiprocessing
import os
import socket
import warnings
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import torch
from lightning_fabric import Fabric
from torch import Tensor
from torch.nn.utils import parameters_to_vector

from histmatch_lab import EnhancementLoss, HDRNet, seed_everything
from histmatch_lab.data.pairs import Pair
from histmatch_lab.recipe import Preset
from histmatch_lab.training.distributed import fabric_as_launched, fabric_on, rank_slice
from histmatch_lab.training.loop import train
from histmatch_lab.training.seeding import generator_for

SEED = 3
PATIENCE = 300  # seconds; a busy machine takes a minute to start a process
CPU = torch.device("cpu")

fabric: Fabric | None = None  # of this process; none in that of the tests


def named(loss: str) -> EnhancementLoss:
    options: dict[str, Any] = {"units": "intensity"} if "histmatch" in loss else {}
    return EnhancementLoss(loss, **options)


class Brighter:
    """Noise, of another brightness in each picture, to noise half as bright.

    Were a process to train on another's part of the batch, or on all of it, its loss would differ.

    Args:
        stop_at: the step before which there is an interrupt, counted from 0 in each process.
        spoilt: the picture of each batch whose target is infinite.
    """

    def __init__(
        self, dtype: torch.dtype, *, stop_at: int | None = None, spoilt: int | None = None
    ) -> None:
        self.dtype, self.stop_at, self.spoilt = dtype, stop_at, spoilt
        self.calls = 0

    def __repr__(self) -> str:
        return f"Brighter({self.dtype})"

    def __len__(self) -> int:
        return 8

    def batch(self, size: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        if self.calls == self.stop_at:
            raise KeyboardInterrupt
        self.calls += 1
        brightness = torch.rand(size, 1, 1, 1, generator=generator)
        image = brightness * torch.rand(size, 3, 24, 24, generator=generator)
        image, target = image.to(self.dtype), 0.5 * image.to(self.dtype)
        if self.spoilt is not None:
            target[self.spoilt] = torch.inf
        return image, target

    def test_pairs(self) -> list[Pair]:
        return []


def tiny(dtype: torch.dtype = torch.float64) -> HDRNet:
    seed_everything(7)
    network = HDRNet(low_resolution=32, width=4, hidden=(8,), grid_size=8, depth=4)
    return network.to(dtype)


class Ranks:
    """Calls a function of this module in all processes."""

    def __init__(self, world_size: int) -> None:
        spawn = multiprocessing.get_context("spawn")
        port = free_port()
        self.pools = [
            ProcessPoolExecutor(1, spawn, initializer=_join, initargs=(rank, world_size, port))
            for rank in range(world_size)
        ]

    def __call__(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> list[Any]:
        """What each process returned."""
        return [call.result(PATIENCE) for call in self._submit(function, args, kwargs)]

    def errors(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> list[str]:
        """What each process raised, in words; a process that hangs is a TimeoutError here."""
        calls = self._submit(function, args, kwargs)
        return [repr(call.exception(PATIENCE)) for call in calls]

    def close(self) -> None:
        for pool in self.pools:
            pool.shutdown()

    def _submit(self, function: Callable[..., Any], args: Any, kwargs: Any) -> list[Future[Any]]:
        return [pool.submit(function, *args, **kwargs) for pool in self.pools]


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def _join(rank: int, world_size: int, port: int) -> None:
    """Become one of the processes, as torchrun would have it."""
    os.environ |= {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(world_size),
        "LOCAL_WORLD_SIZE": str(world_size),
        "GROUP_WORLD_SIZE": "1",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "TORCHELASTIC_RUN_ID": "test",
    }
    torch.set_num_threads(1)
    warnings.simplefilter("error")
    global fabric
    fabric = fabric_as_launched()


class Outcome(NamedTuple):
    """Of one training in one process; plain numbers, which travel between processes."""

    curve: list[tuple[float, ...]]  # loss, terms and PSNR of each step
    weights: list[float]
    pictures: set[int]  # that this process trained on in a step


def run(loss: str, preset: Preset, pairs: Brighter, folders: Path | None = None) -> Outcome:
    """Train the tiny network until the end or a KeyboardInterrupt.

    Each process has a folder of its own, named by its rank, as on machines that share no disk.
    """
    network = tiny(pairs.dtype)
    folder = folders / os.environ.get("RANK", "0") if folders else None
    curve, pictures = [], set()
    steps = train(network, pairs, named(loss), preset, seed=SEED, folder=folder, fabric=fabric)
    with suppress(KeyboardInterrupt):
        for step in steps:
            curve.append((step.loss, *step.terms.values(), step.psnr))
            pictures.add(len(step.pred))
    return Outcome(curve, parameters_to_vector(network.parameters()).tolist(), pictures)


def loss_on_part(loss: str, dtype: torch.dtype) -> tuple[float, list[float]]:
    """The loss on this process's part of a batch, and its gradient on that part's predictions."""
    pred, target = (
        side[rank_slice(fabric or fabric_on(CPU), 4)] for side in unlike_pictures(dtype)
    )
    pred.requires_grad_()
    value = named(loss)(pred, target)
    value.backward()
    return value.item(), pred.grad.flatten().tolist()


def unlike_pictures(dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Four predictions, one darker than the other, and their targets."""
    generator = generator_for(SEED, 0)
    pred, target = torch.rand(2, 4, 3, 16, 16, generator=generator, dtype=dtype)
    dark = torch.linspace(0.2, 1, 4, dtype=dtype).view(4, 1, 1, 1)
    return pred * dark, target
