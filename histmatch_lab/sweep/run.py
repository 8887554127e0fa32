"""One run of a sweep: what it is known by, and how it is trained and scored.

Nothing here knows of Dask, so that a run is the same wherever it happens.
"""

import hashlib
import json
import platform
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import torch

import histmatch_lab
from histmatch_lab.data.own.prepared import MANIFEST
from histmatch_lab.data.retouch import EXPERTS
from histmatch_lab.data.samples import data_samples_dir
from histmatch_lab.recipe import NETWORKS
from histmatch_lab.sweep.plan import Settings
from histmatch_lab.training.distributed import best_device, use_threads
from histmatch_lab.training.evaluation import evaluate, summarize
from histmatch_lab.training.loop import Step, train
from histmatch_lab.training.seeding import seed_everything

Row = dict[str, Any]
LOOK_EVERY = 0.1  # seconds between two looks at the memory


class Job(NamedTuple):
    """A run, and what its numbers depend on beside its parameters.

    Attributes:
        settings: its parameters.
        code: the hash of this package, without the figures and the exercises.
        data: the hash of its data.
    """

    settings: Settings
    code: str
    data: str

    @classmethod
    def here(cls, settings: Settings) -> "Job":
        """The run with the code and the data of this machine."""
        return cls(settings, code_hash(), data_hash(settings.data))

    @property
    def key(self) -> str:
        """The name of its result: another one as soon as a parameter, code or data is another."""
        facts = json.dumps([self.settings.parameters | {"data": self.data}, self.code])
        digest = hashlib.sha256(facts.encode()).hexdigest()
        return f"{self.settings.name}-seed{self.settings.seed}-{digest[:12]}"


@cache
def code_hash() -> str:
    """A hash of the package. Any change to it makes new runs: rather one too many than a stale."""
    folder = Path(histmatch_lab.__file__).parent
    files = {path.relative_to(folder): path for path in folder.rglob("*.py")}
    return _hash_of(
        [files[name] for name in sorted(files) if name.parts[0] not in ("demos", "course")]
    )


@cache
def data_hash(data: str) -> str:
    """A hash of the shipped photographs, or of the manifest, which has those of its pictures."""
    if data not in EXPERTS:
        return _hash_of([Path(data) / MANIFEST])
    folders = (data_samples_dir() / name for name in ("photos", "scenes"))
    return _hash_of(sorted(path for folder in folders for path in folder.glob("[!.]*")))


def _hash_of(files: list[Path]) -> str:
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in files]
    return hashlib.sha256("".join(digests).encode()).hexdigest()[:12]


def train_and_score(job: Job, folder: Path | None, on_step: Callable[[Step], None]) -> Row:
    """The row of one run: its parameters, its scores on the test pictures, and how it went.

    Args:
        job: what to run.
        folder: the state is kept there, and a run that was broken off goes on from it; None keeps
            none.
        on_step: is told of each step; what it raises ends the run, with its state kept.

    Raises:
        RuntimeError: if the code or the data here are not those of the job.
        TrainingError, FileNotFoundError and others: see `train` and the loss.
    """
    settings, here = job.settings, Job.here(job.settings)
    for name in ("code", "data"):
        if getattr(here, name) != getattr(job, name):
            raise RuntimeError(
                f"the {name} of the worker {platform.node()} is {getattr(here, name)}, not "
                f"{getattr(job, name)} as where the sweep was begun; make them the same"
            )
    device, pairs = best_device(), settings.pairs()
    use_threads(device)
    seed_everything(settings.seed)
    network = NETWORKS[settings.network]().to(device)
    taken, start = 0, time.perf_counter()
    with _peak_memory(device) as megabytes:
        loss, schedule = settings.make(), settings.schedule
        steps = train(network, pairs, loss, schedule, seed=settings.seed, folder=folder)
        with closing(steps):
            for step in steps:
                taken += 1
                on_step(step)
        seconds = time.perf_counter() - start
        network.eval()
        scores = evaluate(lambda image: network(image.to(device)), pairs.test_pairs())
    summary = {name: round(value, 5) for name, value in summarize(scores)._asdict().items()}
    gpu = torch.cuda.get_device_name() if device.type == "cuda" else device.type
    return {
        "recipe": settings.name,
        **{name: settings.parameters.get(name, "") for name in settings.__dataclass_fields__},
        **summary,
        "steps": schedule.steps(pairs),
        "resumed_at": schedule.steps(pairs) - taken,
        "seconds": round(seconds, 1),
        "peak_mb": round(megabytes()),
        "device": "CPU, 1 thread" if device.type == "cpu" else gpu,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "code": job.code,
        "data_hash": job.data,
    }


@contextmanager
def _peak_memory(device: torch.device) -> Iterator[Callable[[], float]]:
    """The most memory while the block runs, in MB: the GPU's tensors, or the whole process."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
        yield lambda: torch.cuda.max_memory_allocated() / 1e6
        return
    process, done = psutil.Process(), threading.Event()
    peak = process.memory_info().rss

    def look() -> None:
        nonlocal peak
        while not done.wait(LOOK_EVERY):
            peak = max(peak, process.memory_info().rss)

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield lambda: peak / 1e6
    finally:
        done.set()
        thread.join()
