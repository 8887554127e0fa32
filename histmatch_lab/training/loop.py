"""Training a network as the paper does: Adam, a rate that decays exponentially, any loss.

`train` is a generator, one step at a time, so that whoever asks for the steps can draw them, count
them or stop: a progress bar (`run`), a live figure (`histmatch_lab.demos.live.watch`), a plain loop.
"""

import copy
import json
import math
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor

from histmatch_lab.data.pairs import PairSource
from histmatch_lab.hdrnet import HDRNet
from histmatch_lab.losses import EnhancementLoss
from histmatch_lab.recipe import Preset
from histmatch_lab.training.checkpoint import RunFolder
from histmatch_lab.training.distributed import fabric_on, share
from histmatch_lab.training.evaluation import psnr
from histmatch_lab.training.seeding import generator_for

if TYPE_CHECKING:
    from lightning_fabric import Fabric

SAVE_EVERY = 100  # steps
DIVERGED = 100  # times the least loss


class TrainingError(RuntimeError):
    """Training cannot go on; the message names the step and the term of the loss."""


class Step(NamedTuple):
    """What one step of training did.

    Attributes:
        number, of: this step, counted from 1, and how many there are.
        loss: the total that was descended on.
        terms: its terms by name, before lambda.
        psnr: mean over the batch, in dB.
        pred, target: the batch as it was before the step, (B, 3, H, W), detached; of several
            processes each has its own part here, while the numbers are the whole batch's.
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
    fabric: "Fabric | None" = None,
) -> Iterator[Step]:
    """Train the network, in place and where it is, and yield each Step.

    With a fabric, such as `devices.fabric_as_launched()`, it is moved to the fabric's device, and
    all of the fabric's processes train it together: each takes its part of the batch, and the steps
    are those of one process with the whole batch, up to rounding. The terms of the loss must be
    means over pictures for that; ours are. All processes must go through the same steps.

    The batch of a step depends on the seed and on the number of the step alone. With a folder, it
    holds weights.safetensors, log.jsonl (a step a line) and state.pt, written every 100 steps and
    whenever the generator is closed or ends; a run that finds a state there goes on from it, to the
    same weights, bit for bit on a CPU, as one that was never stopped. The number of processes may
    change in between. Only the first of them needs the folder.

    Raises:
        TrainingError: if a loss or a gradient is not finite, or the loss is a hundred times its
            least so far.
        ValueError: if the folder holds the state of another run (seed, preset, loss, network), or
            the batch has no equal parts for the processes. All processes raise the same.
    """
    fabric = fabric or fabric_on(next(network.parameters()).device)
    mine = share(fabric, preset.batch)
    loss.to(fabric.device)
    model, optimizer = fabric.setup(network, torch.optim.Adam(network.parameters(), preset.rate))
    of = preset.steps(pairs)
    run = RunFolder(folder, _facts(network, loss, preset, seed, pairs), fabric) if folder else None
    done, least_loss = run.resume(network, optimizer) if run else (0, math.inf)
    whole = True  # an interrupt may come between two parameters' updates: not a state to keep
    try:
        for step in range(done, of):
            source, target = pairs.batch(preset.batch, generator_for(seed, step))
            source, target = source[mine].to(fabric.device), target[mine].to(fabric.device)
            for group in optimizer.param_groups:
                group["lr"] = preset.rate_at(step, of)
            pred = model(source)
            with fabric.autocast():
                total = loss(pred, target)
            optimizer.zero_grad()
            fabric.backward(total)
            means = _means(fabric, total, loss, pred.detach(), target)
            now = Step(step + 1, of, *means, pred.detach(), target)
            _check_loss(now, least_loss)
            _check_gradients(network, now.number)
            least_loss = min(least_loss, now.loss)
            whole = False
            optimizer.step()
            if run:
                run.log({"step": now.number, "loss": now.loss, **now.terms, "psnr": now.psnr})
            whole = True
            if run and now.number % SAVE_EVERY == 0:
                run.save(network, optimizer, least_loss)
            yield now
    finally:
        if run and whole:
            run.save(network, optimizer, least_loss)


def run(steps: Iterator[Step], console: Console | None = None) -> list[Step]:
    """Go through the steps under a progress bar; Ctrl-C ends them early, with what was learned.

    Returns the steps without their pictures but for the last. console: where to draw.
    """
    history: list[Step] = []
    columns = (
        BarColumn(12),  # so that the line fits below a cell, and need not be scrolled
        "{task.completed}/{task.total}",
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    # Once a second: of thousands of messages that nobody reads in time, a kernel loses the last.
    with Progress(*columns, console=console, refresh_per_second=1) as progress:
        task = progress.add_task("", total=None)
        try:
            for step in steps:
                remember(history, step)
                progress.update(
                    task, completed=step.number, total=step.of, description=describe(step)
                )
        except KeyboardInterrupt:
            done = history[-1].number if history else 0
            progress.console.print(f"Stopped after step {done}; what was learned is kept.")
        finally:
            close(steps)
            progress.refresh()  # in a notebook, rich leaves the bar where it last drew it
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


def _check_loss(now: Step, least: float) -> None:
    for name, term in now.terms.items():
        if not math.isfinite(term):
            raise TrainingError(f"step {now.number}: the term {name!r} of the loss is {term}")
    if now.loss > DIVERGED * max(least, 1e-6):
        worst = max(now.terms, key=now.terms.__getitem__)
        raise TrainingError(
            f"step {now.number}: the loss has grown to {now.loss:.3g}, from {least:.3g} at its "
            f"least; its largest term is {worst!r}. A smaller rate or a smaller lam may help"
        )


def _check_gradients(network: HDRNet, step: int) -> None:
    for name, parameter in network.named_parameters():
        if parameter.grad is not None and not parameter.grad.isfinite().all():
            raise TrainingError(f"step {step}: the gradient of the loss on {name} is not finite")


def _means(
    fabric: "Fabric", total: Tensor, loss: EnhancementLoss, pred: Tensor, target: Tensor
) -> tuple[float, dict[str, float], float]:
    """Loss, terms and PSNR of the whole batch, the same in all processes."""
    here = torch.stack([total.detach(), *loss.terms.values(), psnr(pred, target).mean()])
    fabric.all_reduce(here, reduce_op="mean")  # in place
    whole, *terms, decibels = here.tolist()
    return whole, dict(zip(loss.terms, terms, strict=True)), decibels


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
