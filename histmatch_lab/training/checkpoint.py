"""The files of one run of training, from which it goes on after it was stopped."""

import io
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from histmatch_lab._files import write_whole
from histmatch_lab.hdrnet import HDRNet, save_network

if TYPE_CHECKING:
    from lightning_fabric import Fabric


class RunFolder:
    """A folder with weights.safetensors, log.jsonl (a step a line) and state.pt.

    The log is written with the state, so that they agree. Of several processes only the first
    reads and writes, so that only it needs the folder.

    Args:
        facts: what makes this run this run and not another, by name.
    """

    def __init__(self, folder: Path, facts: dict[str, str], fabric: "Fabric") -> None:
        if fabric.is_global_zero:
            folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.facts, self.fabric = folder, facts, fabric
        self.lines: list[str] = []

    def resume(self, network: HDRNet, optimizer: torch.optim.Optimizer) -> tuple[int, float]:
        """The number of steps done and the least loss so far, once all processes are there again.

        Raises ValueError, in all of them, if the folder holds the state of another run.
        """
        state = self.fabric.broadcast(self._read())
        if state is None:
            return 0, math.inf
        for name, fact in self.facts.items():
            if state["facts"].get(name) != fact:
                raise ValueError(
                    f"folder {self.folder} holds another run: its {name} is "
                    f"{state['facts'].get(name)}, wanted is {fact}"
                )
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
        self.lines = state["log"]
        return len(self.lines), state["least_loss"]

    def log(self, entry: dict[str, Any]) -> None:
        self.lines.append(json.dumps(entry))

    def save(self, network: HDRNet, optimizer: torch.optim.Optimizer, least_loss: float) -> None:
        """Write all three files; nothing in a process that is not the first."""
        if not self.fabric.is_global_zero:
            return
        state = {
            "network": network.state_dict(),
            "optimizer": optimizer.state_dict(),
            "log": self.lines,
            "least_loss": least_loss,
            "facts": self.facts,
        }
        data = io.BytesIO()
        torch.save(state, data)
        write_whole(self.folder / "state.pt", data.getvalue())
        log = "".join(f"{line}\n" for line in self.lines)
        write_whole(self.folder / "log.jsonl", log.encode())
        steps = str(len(self.lines))
        save_network(network, self.folder / "weights.safetensors", self.facts | {"steps": steps})

    def _read(self) -> dict[str, Any] | None:
        path = self.folder / "state.pt"
        if not (self.fabric.is_global_zero and path.exists()):
            return None
        state: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
        return state
