"""Training a network as the paper does: Adam, a rate that decays exponentially, any loss.

`train` is a generator, one step at a time, so that whoever asks for the steps can draw them, count
them or stop: a progress bar (`run`), a live figure (`histmatch_lab.ui.watch`), a plain loop.
"""

import copy
import io
import json
import math
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor

from histmatch_lab._checks import checked_positive
from histmatch_lab._files import write_whole
from histmatch_lab.data.pairs import PairSource
from histmatch_lab.evaluation import psnr
from histmatch_lab.hdrnet import HDRNet, save_network
from histmatch_lab.losses import EnhancementLoss
from histmatch_lab.seeding import generator_for

SAVE_EVERY = 100  # steps
DIVERGED = 100  # times the least loss


class TrainingError(RuntimeError):
    """Training cannot go on; the message names the step and the term of the loss."""


@dataclass(frozen=True)
class Preset:
    """How long and how fast to learn.

    Attributes:
        epochs: in each of which there are as many training pairs as training pictures.
        batch: pairs in a step.
        rate, last_rate: Adam's learning rate at the first and at the last step; in between it
            falls by the same factor at each step.
    """

    epochs: int
    batch: int
    rate: float
    last_rate: float

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            checked_positive(name, value)

    def steps(self, pairs: PairSource) -> int:
        return self.epochs * max(1, len(pairs) // self.batch)

    def rate_at(self, step: int, of: int) -> float:
        return self.rate * (self.last_rate / self.rate) ** (step / max(1, of - 1))


PRESETS = {
    "quick": Preset(epochs=80, batch=4, rate=2e-3, last_rate=2e-4),
    "class": Preset(epochs=160, batch=4, rate=2e-3, last_rate=1e-4),
    # 500 epochs from 1e-4 are the paper's; it names neither the batch nor where the rate ends
    "paper": Preset(epochs=500, batch=4, rate=1e-4, last_rate=1e-5),
}


class Step(NamedTuple):
    """What one step of training did.

    Attributes:
        number, of: this step, counted from 1, and how many there are.
        loss: the total that was descended on.
        terms: its terms by name, before lambda.
        psnr: mean over the batch, in dB.
        pred, target: the batch as it was before the step, (B, 3, H, W), detached.
    """

    number: int
    of: int
    loss: float
    terms: dict[str, float]
    psnr: float
    pred: Tensor
    target: Tensor


def train(
    network: HDRNet,
    pairs: PairSource,
    loss: EnhancementLoss,
    preset: Preset,
    *,
    seed: int = 0,
    folder: Path | None = None,
) -> Iterator[Step]:
    """Train the network, in place and where it is, and yield each Step.

    The batch of a step depends on the seed and on the number of the step alone. With a folder, it
    holds weights.safetensors, log.jsonl (a step a line) and state.pt, written every 100 steps and
    whenever the generator is closed or ends; a run that finds a state there goes on from it, to the
    same weights, bit for bit on a CPU, as one that was never stopped.

    Raises:
        TrainingError: if a loss or a gradient is not finite, or the loss is a hundred times its
            least so far.
        ValueError: if the folder holds the state of another run (seed, preset, loss, network).
    """
    device = next(network.parameters()).device
    loss.to(device)
    optimizer = torch.optim.Adam(network.parameters(), preset.rate)
    of = preset.steps(pairs)
    run = _Folder(folder, _facts(network, loss, preset, seed, pairs)) if folder else None
    done, least_loss = run.resume(network, optimizer) if run else (0, math.inf)
    whole = True  # an interrupt may come between two parameters' updates: not a state to keep
    try:
        for step in range(done, of):
            source, target = pairs.batch(preset.batch, generator_for(seed, step))
            source, target = source.to(device), target.to(device)
            for group in optimizer.param_groups:
                group["lr"] = preset.rate_at(step, of)
            with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
                pred = network(source)
                total = loss(pred, target)
            optimizer.zero_grad()
            total.backward()
            least_loss = min(least_loss, _checked(total, loss, step + 1, least_loss))
            _check_gradients(network, step + 1)
            whole = False
            optimizer.step()
            now = _describe_step(step + 1, of, total, loss, pred.detach(), target)
            if run:
                run.log(now)
            whole = True
            if run and now.number % SAVE_EVERY == 0:
                run.save(network, optimizer, least_loss)
            yield now
    finally:
        if run and whole:
            run.save(network, optimizer, least_loss)


def run(steps: Iterator[Step]) -> list[Step]:
    """Go through the steps under a progress bar; Ctrl-C ends them early, with what was learned.

    Returns the steps without their pictures but for the last.
    """
    history: list[Step] = []
    columns = (
        BarColumn(),
        "{task.completed}/{task.total}",
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    # Once a second: of thousands of messages that nobody reads in time, a kernel loses the last.
    with Progress(*columns, refresh_per_second=1) as progress:
        task = progress.add_task("", total=None)
        try:
            for step in steps:
                remember(history, step)
                progress.update(
                    task, completed=step.number, total=step.of, description=describe(step)
                )
        except KeyboardInterrupt:
            progress.console.print(f"Stopped after step {len(history)}; what was learned is kept.")
        finally:
            close(steps)
    return history


def remember(history: list[Step], step: Step) -> None:
    """Append a step; only the last keeps its pictures."""
    if history:
        nothing = step.pred.new_empty(0)
        history[-1] = history[-1]._replace(pred=nothing, target=nothing)
    history.append(step)


def close(steps: Iterable[Step]) -> None:
    """End a generator of steps now, so that it saves its state now."""
    if hasattr(steps, "close"):
        steps.close()


def describe(step: Step) -> str:
    """ "loss 0.0123 (l2 0.0100, histmatch 0.0023), PSNR 20.1 dB"."""
    terms = ", ".join(f"{name} {value:.4f}" for name, value in step.terms.items())
    return f"loss {step.loss:.4f} ({terms}), PSNR {step.psnr:.1f} dB"


def seconds_to_train(
    network: HDRNet, pairs: PairSource, loss: EnhancementLoss, preset: Preset, *, trial: int = 4
) -> float:
    """How long `train` would take here, from a few steps on a copy of the network."""
    steps = train(copy.deepcopy(network), pairs, copy.deepcopy(loss), preset)
    next(steps)  # the first one loads the pictures
    start = time.perf_counter()
    taken = sum(1 for _, _ in zip(range(trial), steps, strict=False))
    seconds = time.perf_counter() - start
    close(steps)
    return seconds / max(1, taken) * preset.steps(pairs)


def best_device() -> torch.device:
    """CUDA, else Apple's MPS, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def _checked(total: Tensor, loss: EnhancementLoss, step: int, least: float) -> float:
    value = total.item()
    for name, term in loss.terms.items():
        if not math.isfinite(term.item()):
            raise TrainingError(f"step {step}: the term {name!r} of the loss is {term.item()}")
    if value > DIVERGED * max(least, 1e-6):
        worst = max(loss.terms, key=lambda name: loss.terms[name].item())
        raise TrainingError(
            f"step {step}: the loss has grown to {value:.3g}, from {least:.3g} at its least; its "
            f"largest term is {worst!r}. A smaller rate or a smaller lam may help"
        )
    return value


def _check_gradients(network: HDRNet, step: int) -> None:
    for name, parameter in network.named_parameters():
        if parameter.grad is not None and not parameter.grad.isfinite().all():
            raise TrainingError(f"step {step}: the gradient of the loss on {name} is not finite")


def _describe_step(
    number: int, of: int, total: Tensor, loss: EnhancementLoss, pred: Tensor, target: Tensor
) -> Step:
    terms = {name: term.item() for name, term in loss.terms.items()}
    decibels = psnr(pred, target).mean().item()
    return Step(number, of, total.item(), terms, decibels, pred, target)


def _facts(
    network: HDRNet, loss: EnhancementLoss, preset: Preset, seed: int, pairs: PairSource
) -> dict[str, str]:
    return {
        "loss": repr(loss),
        "preset": repr(preset),
        "seed": str(seed),
        "pairs": repr(pairs),
        "network": json.dumps(network.architecture),
    }


class _Folder:
    """The files of one run. The log is written with the state, so that they agree."""

    def __init__(self, folder: Path, facts: dict[str, str]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.facts = folder, facts
        self.lines: list[str] = []

    def resume(self, network: HDRNet, optimizer: torch.optim.Optimizer) -> tuple[int, float]:
        """The number of steps done and the least loss so far."""
        path = self.folder / "state.pt"
        if not path.exists():
            return 0, math.inf
        state = torch.load(path, weights_only=True, map_location="cpu")
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

    def log(self, step: Step) -> None:
        entry = {"step": step.number, "loss": step.loss, **step.terms, "psnr": step.psnr}
        self.lines.append(json.dumps(entry))

    def save(self, network: HDRNet, optimizer: torch.optim.Optimizer, least_loss: float) -> None:
        state: dict[str, Any] = {
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
