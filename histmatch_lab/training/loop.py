"""Training a network as the paper does: Adam, a rate that decays exponentially, any loss.

`train` is a generator, one step at a time, so that whoever asks for the steps can draw them, count
them or stop: a progress bar (`training.progress.run`), a live figure (`demos.live.watch`), a loop.
"""

import copy
import json
import math
import time
from collections.abc import Generator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

from histmatch_lab.data.pairs import PairSource
from histmatch_lab.hdrnet import Network
from histmatch_lab.losses import EnhancementLoss
from histmatch_lab.lut import ImageAdaptiveLUT
from histmatch_lab.recipe import Preset
from histmatch_lab.training.checkpoint import Checkpoint
from histmatch_lab.training.distributed import fabric_on, rank_slice
from histmatch_lab.training.evaluation import psnr
from histmatch_lab.training.seeding import generator_for

if TYPE_CHECKING:
    from lightning_fabric import Fabric

DIVERGED = 10.0  # mean absolute value of predictions; a picture's is at most 1


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

    def numbers(self) -> dict[str, float]:
        """Number, loss, terms and PSNR by name: a line of the log."""
        return {"step": self.number, "loss": self.loss, **self.terms, "psnr": self.psnr}

    def __str__(self) -> str:
        """ "loss 0.0123 (l2 0.0100, histmatch 0.0023), PSNR 20.1 dB"."""
        terms = ", ".join(f"{name} {value:.4f}" for name, value in self.terms.items())
        return f"loss {self.loss:.4f} ({terms}), PSNR {self.psnr:.1f} dB"


class History(list[Step]):
    """The steps so far; only the last keeps its pictures, so that memory does not grow."""

    def append(self, step: Step) -> None:
        if self:
            nothing = step.pred.new_empty(0)
            self[-1] = self[-1]._replace(pred=nothing, target=nothing)
        super().append(step)


def train(
    network: Network,
    pairs: PairSource,
    loss: EnhancementLoss,
    preset: Preset,
    *,
    seed: int = 0,
    folder: Path | None = None,
    fabric: "Fabric | None" = None,
) -> Generator[Step, None, None]:
    """Train the network, in place and where it is, and yield each Step.

    Chance in a step, dropout's too, depends on the seed and the step's number alone. A folder keeps
    the training, which can be resumed: see `Checkpoint`; for a fabric see `fabric_as_launched`.

    Raises:
        TrainingError: a loss or gradient is not finite, or the predictions are far outside [0, 1].
        ValueError, in all processes: the folder holds another training (seed, preset, loss,
            network), or the batch has no equal parts for them.
    """
    fabric = fabric or fabric_on(next(network.parameters()).device)
    mine, of = rank_slice(fabric, preset.batch), preset.steps(pairs)
    model, optimizer = fabric.setup(network, torch.optim.Adam(network.parameters(), preset.rate))
    facts = _facts(network, loss, preset, seed, pairs)
    loss.to(fabric.device)
    with Checkpoint(folder, facts, network, optimizer, fabric) as checkpoint:
        for number in range(checkpoint.step + 1, of + 1):
            chance = torch.manual_seed(generator_for(seed, number - 1).initial_seed())
            batch = pairs.batch(preset.batch, chance)
            source, target = (side[mine].to(fabric.device) for side in batch)
            optimizer.param_groups[0]["lr"] = preset.rate_at(number - 1, of)
            now = _forward_and_backward(number, of, fabric, model, loss, source, target)
            _check(now, network)
            with checkpoint.update(now.numbers()):
                optimizer.step()
            yield now


def seconds_to_train(
    network: Network, pairs: PairSource, loss: EnhancementLoss, preset: Preset, *, trial: int = 4
) -> float:
    """How long `train` would take here, from a few steps on a copy of the network."""
    with closing(train(copy.deepcopy(network), pairs, copy.deepcopy(loss), preset)) as steps:
        next(steps)  # the first one loads the pictures
        start = time.perf_counter()
        taken = sum(1 for _ in islice(steps, trial))
        seconds = time.perf_counter() - start
    return seconds / max(1, taken) * preset.steps(pairs)


def _forward_and_backward(
    number: int,
    of: int,
    fabric: "Fabric",
    model: nn.Module,
    loss: EnhancementLoss,
    source: Tensor,
    target: Tensor,
) -> Step:
    """The step, its numbers those of the whole batch and so the same in all processes."""
    model.zero_grad()
    pred = model(source)
    with fabric.autocast():
        total = loss(pred, target)
        if isinstance(model.module, ImageAdaptiveLUT):
            total = total + model.module.penalty()
    fabric.backward(total)
    pred = pred.detach()
    numbers = total.detach(), *loss.terms.values(), psnr(pred, target).mean(), pred.abs().mean()
    here = torch.stack(numbers)
    fabric.all_reduce(here, reduce_op="mean")  # in place
    whole, *values, decibels, size = here.tolist()
    if size > DIVERGED:
        raise TrainingError(
            f"step {number}: the predictions have grown to {size:.3g} on average, where pictures "
            "are in [0, 1]; a smaller rate or a smaller lam may help"
        )
    return Step(
        number=number,
        of=of,
        loss=whole,
        terms=dict(zip(loss.terms, values, strict=True)),
        psnr=decibels,
        pred=pred,
        target=target,
    )


def _check(now: Step, network: Network) -> None:
    for name, term in now.terms.items():
        if not math.isfinite(term):
            raise TrainingError(f"step {now.number}: the term {name!r} of the loss is {term}")
    gradients = {n: p.grad for n, p in network.named_parameters() if p.grad is not None}
    if nn.utils.get_total_norm(gradients.values()).isfinite():  # one wait for a GPU, not many
        return
    for name, gradient in gradients.items():
        if not gradient.isfinite().all():
            raise TrainingError(
                f"step {now.number}: the gradient of the loss on {name} is not finite"
            )


def _facts(
    network: Network, loss: EnhancementLoss, preset: Preset, seed: int, pairs: PairSource
) -> dict[str, str]:
    return {
        "loss": repr(loss),
        "preset": repr(preset),
        "seed": str(seed),
        "pairs": repr(pairs),
        "network": json.dumps(network.architecture),
        "encoding": getattr(pairs, "encoding", "sRGB"),
    }
