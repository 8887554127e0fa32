"""Where training runs: on one device, or as one of several processes that share each batch.

Lightning Fabric makes both the same loop. It takes a second to import, so that is left to whoever
trains.
"""

import logging
import os
import sys
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from lightning_fabric import Fabric

# Fabric's hint on precision would stand above each training on a GPU
logging.getLogger("lightning_fabric.utilities.rank_zero").addFilter(
    lambda record: "set_float32_matmul_precision" not in record.getMessage()
)


def best_device() -> torch.device:
    """CUDA, else Apple's MPS, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def use_threads(device: torch.device, threads: int | None = None) -> None:
    """Compute with so many threads of this process; without a number, with one on a CPU.

    The layers of a network on small crops are too small to be divided: one training alone takes as
    long with one thread as with two. Two trainings side by side on two cores take many times
    longer with two threads each, since the threads of one spin while they wait for a core that
    those of the other hold. On a GPU torch's own number stays.
    """
    if threads is not None or device.type == "cpu":
        torch.set_num_threads(threads or 1)


def peak_bytes(*, children: bool = False) -> int:
    """Largest resident memory of this process, or else of one that it has started, so far."""
    if sys.platform == "win32":  # where nothing of Python's own tells it
        return 0
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    who = resource.RUSAGE_CHILDREN if children else resource.RUSAGE_SELF
    return resource.getrusage(who).ru_maxrss * unit


def fabric_on(device: torch.device) -> "Fabric":
    """This process by itself on one device, in whatever cluster it finds itself."""
    from lightning_fabric import Fabric
    from lightning_fabric.plugins.environments import LightningEnvironment
    from lightning_fabric.strategies import SingleDeviceStrategy

    return Fabric(
        accelerator=device.type,
        strategy=SingleDeviceStrategy(device),
        plugins=LightningEnvironment(),
    )


def fabric_as_launched() -> "Fabric":
    """This process as `torchrun` or `fabric run` started it, on a GPU of its own if there are any.

    Without either it is the only one. All train one network together: each takes its part of the
    batch, and the steps are those of one process with the whole batch, up to rounding. The terms of
    the loss must be means over pictures for that; ours are. All must go through the same steps.

    `fabric run` chooses the precision too; else it is float32, in which a step of these small
    networks takes as long on a GPU as in bfloat16 (benchmarks/results/gpu.md).
    """
    from lightning_fabric import Fabric

    if "LT_CLI_USED" in os.environ:  # by `fabric run`, which gives the arguments, and has launched
        return Fabric()
    fabric = Fabric(
        devices=int(os.environ.get("LOCAL_WORLD_SIZE", 1)),
        num_nodes=int(os.environ.get("GROUP_WORLD_SIZE", 1)),
    )
    fabric.launch()
    return fabric


def rank_slice(fabric: "Fabric", batch: int) -> slice:
    """Which pictures of a batch are this process's: equal parts, in the order of the ranks.

    The mean over the processes is then the mean over the batch, of the terms of a loss and of their
    gradients. Raises ValueError for a batch that has no equal parts.
    """
    size, left = divmod(batch, fabric.world_size)
    if left:
        raise ValueError(
            f"batch must be a multiple of the number of processes, {fabric.world_size}, got {batch}"
        )
    return slice(fabric.global_rank * size, (fabric.global_rank + 1) * size)
