"""Where training runs: on one device, or as one of several processes that share each batch.

Lightning Fabric makes both the same loop. It takes a second to import, so that is left to whoever
trains.
"""

import os
from typing import TYPE_CHECKING, Literal

import torch

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def fabric_on(device: torch.device) -> "Fabric":
    """This process by itself on one device, in whatever cluster it finds itself."""
    from lightning_fabric import Fabric
    from lightning_fabric.plugins.environments import LightningEnvironment
    from lightning_fabric.strategies import SingleDeviceStrategy

    return Fabric(
        accelerator=device.type,
        strategy=SingleDeviceStrategy(device),
        precision=_precision(device.type),
        plugins=LightningEnvironment(),
    )


def fabric_as_launched() -> "Fabric":
    """This process as `torchrun` or `fabric run` started it, on a GPU of its own if there are any.

    Without either it is the only one. `fabric run` chooses the precision too; else it is bfloat16
    (mixed) on CUDA.
    """
    from lightning_fabric import Fabric

    if "LT_CLI_USED" in os.environ:  # by `fabric run`, which gives the arguments, and has launched
        return Fabric()
    fabric = Fabric(
        devices=int(os.environ.get("LOCAL_WORLD_SIZE", 1)),
        num_nodes=int(os.environ.get("GROUP_WORLD_SIZE", 1)),
        precision=_precision("cuda" if torch.cuda.is_available() else "cpu"),
    )
    fabric.launch()
    return fabric


def share(fabric: "Fabric", batch: int) -> slice:
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


def _precision(device: str) -> Literal["bf16-mixed", "32-true"]:
    return "bf16-mixed" if device == "cuda" else "32-true"
