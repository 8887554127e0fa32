"""The files of one training, from which it is resumed after an interrupt."""

import io
import json
import os
import pickle
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import torch

from histmatch_lab._files import one_run, write_whole
from histmatch_lab.hdrnet import Network, save_network

if TYPE_CHECKING:
    from lightning_fabric import Fabric

SAVE_EVERY = 100  # steps


class Checkpoint:
    """Keeps a training in a folder: weights.safetensors, log.jsonl (a step a line) and state.pt.

    As a context manager, it resumes what the folder holds, and saves every 100 steps and at the
    end, whatever the end is. The training goes on to the same weights, bit for bit on a CPU, as one
    that was never interrupted; the number of processes may change in between. Of several processes
    only the first needs the folder.

    The log is appended to, so that the bytes written are proportional to the steps; and before the
    state, so that after a kill it may be too long for it, which is mended on resuming.

    Args:
        folder: None keeps nothing.
        facts: what tells this training from another, by name.

    Attributes:
        step: the last one that was taken, counted from 1; 0 at the beginning.
    """

    def __init__(
        self,
        folder: Path | None,
        facts: dict[str, str],
        network: Network,
        optimizer: torch.optim.Optimizer,
        fabric: "Fabric",
    ) -> None:
        self.folder, self.facts, self.fabric = folder, facts, fabric
        self.network, self.optimizer = network, optimizer
        self.step = 0
        self._keeps = folder is not None and fabric.is_global_zero
        self._whole = True
        self._unsaved: list[str] = []
        self._log_end = 0  # in bytes: where the log of the saved state ends

    def __enter__(self) -> Self:
        """Raises ValueError, in all processes, if the folder holds another training or none that
        can be read, or another run writes to it."""
        with ExitStack() as stack:
            if self.folder:
                problem, state = self.fabric.broadcast(self._open(self.folder, stack))
                if problem:
                    raise ValueError(problem)
                if state:
                    self._restore(self.folder, state)
            self._held = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        with self._held:
            self._save()

    @contextmanager
    def update(self, entry: dict[str, float]) -> Iterator[None]:
        """Round the update of the weights by a step; entry is its line of the log.

        An interrupt inside may have changed some weights and not others: nothing is saved then.
        """
        self._whole = False
        yield
        self.step += 1
        if self._keeps:
            self._unsaved.append(f"{json.dumps(entry)}\n")
        self._whole = True
        if self.step % SAVE_EVERY == 0:
            self._save()

    def _save(self) -> None:
        if not (self.folder and self._keeps and self._whole):
            return
        with (self.folder / "log.jsonl").open("ab") as log:
            log.truncate(self._log_end)  # what an interrupt has left half done
            log.write("".join(self._unsaved).encode())
            end = log.tell()
        state = {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "facts": self.facts,
        }
        data = io.BytesIO()
        torch.save(state, data)
        write_whole(self.folder / "state.pt", data.getvalue())
        self._log_end, self._unsaved = end, []
        facts = self.facts | {"steps": str(self.step)}
        save_network(self.network, self.folder / "weights.safetensors", facts)

    def _open(self, folder: Path, stack: ExitStack) -> tuple[str, dict[str, Any] | None]:
        """Why the folder cannot be had, or nothing if it is; and the state in it, if there is one.

        Only the first process looks, and tells the others.
        """
        state = folder / "state.pt"
        try:
            if self._keeps:
                stack.enter_context(one_run(folder))
                if (log := folder / "log.jsonl").is_symlink():  # it is appended to in its place
                    raise ValueError(f"{log} must be a file of its own, got a link")
                if state.exists():  # weights_only: what would run code on loading is refused
                    return "", torch.load(state, weights_only=True, map_location="cpu")
        except ValueError as problem:
            return str(problem), None
        except (pickle.UnpicklingError, RuntimeError, EOFError, LookupError) as problem:
            return f"{state} must be the state of a training, got {problem}", None
        return "", None

    def _restore(self, folder: Path, state: dict[str, Any]) -> None:
        for name, fact in self.facts.items():
            there = state["facts"].get(name, fact)  # an older state may not say
            if there != fact:
                raise ValueError(
                    f"folder {folder} holds another training: its {name} must be {fact}, "
                    f"got {there}"
                )
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step = state["step"]
        log = folder / "log.jsonl"
        if self._keeps and log.exists():
            lines = log.read_bytes().splitlines(keepends=True)[: self.step]
            self._log_end = sum(len(line) for line in lines if line.endswith(b"\n"))
            os.truncate(log, self._log_end)
