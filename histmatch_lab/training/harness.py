"""From a recipe to a result: the one way in which the commands, sweeps and notebooks train."""

import hashlib
import platform
import time
from collections.abc import Callable, Generator
from contextlib import closing, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from histmatch_lab.data.own.prepared import MANIFEST
from histmatch_lab.data.pairs import Pair, PairSource
from histmatch_lab.data.samples import data_samples_dir
from histmatch_lab.data.tasks import TASKS, open_pairs
from histmatch_lab.recipe import Recipe
from histmatch_lab.training.baselines import clahe, histogram_oracle
from histmatch_lab.training.distributed import best_device, peak_bytes, use_threads
from histmatch_lab.training.evaluation import colour_cast, evaluate, score, tone_curve
from histmatch_lab.training.loop import Step, train
from histmatch_lab.training.result import Result
from histmatch_lab.training.seeding import seed_everything
from histmatch_lab.training.source_code import modules_seen_by, source_digest

if TYPE_CHECKING:
    from lightning_fabric import Fabric

BASELINES: dict[str, Callable[[Pair], Tensor]] = {
    "input": lambda pair: pair.input,
    "clahe": lambda pair: clahe(pair.input),
    "oracle": lambda pair: histogram_oracle(pair.input, pair.target),
}


def train_and_score(
    recipe: Recipe, folder: Path | None = None, on_step: Callable[[Step], None] = lambda _: None
) -> Result:
    """Train a recipe's network and score it on the test pictures, see `Training`.

    on_step: called with each step; what it raises ends the training, with its state kept.
    """
    training = Training(recipe, folder)
    with closing(training.steps()) as steps:
        for step in steps:
            on_step(step)
    return training.result()


class Training:
    """One training in its parts, for those who show its steps while it goes on.

    Args:
        recipe: what to train.
        folder: keeps the state, from which an interrupted training is resumed, the weights and
            the log; None keeps nothing.
        fabric: for several processes, see `train`; by default one, on the best device.
        threads: see `use_threads`.

    Attributes:
        pairs, network, loss: what the recipe says.
        of: how many steps there are.
        finished: whether `steps` has come to the last of them.

    Raises:
        ValueError, FileNotFoundError, ModuleNotFoundError: what is wrong with the data, or missing
            for the loss.
    """

    def __init__(
        self,
        recipe: Recipe,
        folder: Path | None = None,
        *,
        fabric: "Fabric | None" = None,
        threads: int | None = None,
    ) -> None:
        self.recipe, self.folder, self.fabric = recipe.reduced(), folder, fabric
        self.device = fabric.device if fabric else best_device()
        use_threads(self.device, threads)
        self.pairs = open_pairs(recipe.data, recipe.crop)
        self.loss = recipe.make_loss()
        seed_everything(recipe.seed)
        self.network = recipe.make_network().to(self.device)
        self.of = recipe.schedule.steps(self.pairs)
        self.finished = False
        self._facts: dict[str, Any] = {"steps": 0, "resumed_at": 0, "seconds": 0.0, "peak_mb": 0}

    def steps(self) -> Generator[Step, None, None]:
        """The steps of `train`; it raises what that raises."""
        recipe = self.recipe
        inputs = self.network, self.pairs, self.loss, recipe.schedule
        steps = train(*inputs, seed=recipe.seed, folder=self.folder, fabric=self.fabric)
        taken, start = 0, time.perf_counter()
        _forget_peak(self.device)
        with closing(steps):
            for taken, step in enumerate(steps, 1):
                self._facts = {
                    "steps": step.number,
                    "resumed_at": step.number - taken,
                    "seconds": round(time.perf_counter() - start, 1),
                    "peak_mb": round(_peak_mb(self.device)),
                }
                yield step
        if not taken:
            self._facts |= {"steps": self.of, "resumed_at": self.of}
        self.finished = True

    def result(self) -> Result:
        """The scores on the test pictures; `Result.write` keeps them."""
        recipe, network = self.recipe, self.network.eval()

        def on_device(image: Tensor) -> Tensor:
            return network(image.to(self.device))

        scores = evaluate(on_device, self.pairs.test_pairs())
        facts = self._facts | {
            "device": _described(self.device),
            "torch": torch.__version__,
            "python": platform.python_version(),
            "code": code_hash(),
            "data_hash": data_hash(recipe.data),
            "colour_cast": round(colour_cast(tone_curve(on_device)), 5),
        }
        return Result.of(recipe.name, recipe.data, scores, recipe=recipe, facts=facts)


def score_baseline(name: str, data: str, pairs: PairSource) -> Result:
    """The scores of what needs no training: one of `BASELINES`."""
    make = BASELINES[name]
    scores = [score(pair.name, make(pair), pair.target) for pair in pairs.test_pairs()]
    return Result.of(name, data, scores)


@cache
def code_hash() -> str:
    """A hash of the source files that a training can see."""
    return source_digest(modules_seen_by([__name__]))[:12]


@cache
def data_hash(data: str) -> str:
    """A hash of the manifest, which has those of its pictures, and of the name of a task, as
    several are made of the same pictures."""
    folder, name = (data_samples_dir() / TASKS[data].folder, data) if data in TASKS else (data, "")
    digest = hashlib.sha256((Path(folder) / MANIFEST).read_bytes()).hexdigest()
    return hashlib.sha256(f"{digest}{name}".encode()).hexdigest()[:12]


def _described(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type != "cpu":
        return device.type
    threads = torch.get_num_threads()
    return f"CPU, {threads} thread{'s' if threads > 1 else ''}"


def _forget_peak(device: torch.device) -> None:
    """Start the peak of the memory anew; without Linux or a GPU, it stays that of the process."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    else:
        with suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")


def _peak_mb(device: torch.device) -> float:
    """Of the GPU's tensors, or of the whole process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e6
    return peak_bytes() / 1e6
