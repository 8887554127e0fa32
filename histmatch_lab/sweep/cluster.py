"""A sweep on Dask: each run is one task, on worker processes here or on machines anywhere.

    OUT/NAME.csv          the table of the sweep NAME.yaml, a finished run a line
    OUT/KEY/result.json   a run's result: with it, and not before, the run is finished
    OUT/KEY/error.txt     the traceback, if the last try failed
    OUT/KEY/              what `train` keeps: weights, log, and the state to resume from

The result travels back through Dask, and the process that began the sweep writes it, so that
workers need no shared file system. Workers that do see OUT keep the state there, and an interrupted
run is resumed from it on any of them; elsewhere it begins anew.
"""

import logging
import os
import platform
import time
import traceback
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import torch

from histmatch_lab._extras import import_extra
from histmatch_lab._files import write_whole
from histmatch_lab.data.sources import open_pairs
from histmatch_lab.recipe import Recipe
from histmatch_lab.sweep.plan import Job
from histmatch_lab.training.distributed import best_device
from histmatch_lab.training.evaluation import write_table
from histmatch_lab.training.harness import train_and_score
from histmatch_lab.training.loop import Step
from histmatch_lab.training.result import FILE, Result

distributed = import_extra("distributed", "Dask", "spreads the runs of a sweep", "cluster")
dask = import_extra("dask", "Dask", "spreads the runs of a sweep", "cluster")

TOPIC = "histmatch-lab sweep"
NOTIFY_EVERY = 0.5  # seconds
# By default freed memory is given back at once, and a step of training takes twice as long for it
_KEEP_MEMORY = {"distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_": None}
# Ctrl-C reaches every process of a terminal; the workers end when this one cancels their runs
_IGNORE_SIGINT = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)"


class SweepError(RuntimeError):
    """A sweep cannot go on where it is."""


class Progress(NamedTuple):
    """How far a run is: at which step, and after which one it was resumed."""

    step: int
    resumed_at: int


@dataclass
class Status:
    """How a sweep goes; the dictionaries are by the keys of the runs.

    Attributes:
        kept: how many runs were finished before it began.
        results: of the finished runs, those first.
        waiting: how many steps each of the others has.
        failures: the tracebacks of those that failed.
        progress: how far each run was when last heard of.
        began: on the clock of `time.monotonic`.
    """

    kept: int
    results: dict[str, Result]
    waiting: dict[str, int]
    failures: dict[str, str] = field(default_factory=dict)
    progress: dict[str, Progress] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)

    @property
    def of(self) -> int:
        """How many runs there are."""
        return len(self.results) + len(self.failures) + len(self.waiting)

    @property
    def running(self) -> dict[str, Progress]:
        """How far those are that were begun and have not ended."""
        return {key: progress for key, progress in self.progress.items() if key in self.waiting}

    @property
    def best(self) -> Result | None:
        """The finished run with the highest PSNR."""
        return max(self.results.values(), key=lambda result: result.summary.psnr, default=None)

    @property
    def seconds_left(self) -> float | None:
        """About how long the others take, if steps go on as until now; None before the first."""
        taken = sum(progress.step - progress.resumed_at for progress in self.progress.values())
        left = sum(self.waiting.values()) - sum(progress.step for progress in self.running.values())
        return (time.monotonic() - self.began) / taken * left if taken else None


@contextmanager
def connect(scheduler: str | None = None, workers: int | None = None) -> Iterator[Any]:
    """A Dask client: of the scheduler at this address, or of worker processes made here for it.

    workers: how many of them; by default one for each GPU, or else for each core. Raises ValueError
    if nobody answers at the address.
    """
    if scheduler:
        try:
            client = distributed.Client(scheduler, timeout="10s")
        except (OSError, ValueError) as problem:
            raise ValueError(f"nobody answers at scheduler {scheduler}: {problem}") from None
        with client:
            yield client
        return
    options = {
        "threads_per_worker": 1,
        "memory_limit": None,  # the default, a core's share, says nothing of what a run needs
        "dashboard_address": None,  # without a dashboard there is still a server of its state
        "scheduler_kwargs": {"dashboard_address": "127.0.0.1:0"},
        "silence_logs": logging.CRITICAL,
        "preload": [_IGNORE_SIGINT],
    }
    with dask.config.set(_KEEP_MEMORY), _LocalCluster(n_workers=0, **options) as cluster:
        cluster.scale(workers or _workers_here())
        with distributed.Client(cluster) as client:
            yield client


class _LocalCluster(distributed.LocalCluster):  # type: ignore[name-defined]
    """Each worker sees one GPU, where there are some."""

    def new_worker_spec(self) -> dict[int, Any]:
        [(number, spec)] = super().new_worker_spec().items()
        if count := torch.cuda.device_count():
            stated = os.environ.get("CUDA_VISIBLE_DEVICES")
            names = stated.split(",") if stated else [str(gpu) for gpu in range(count)]
            one = {"CUDA_VISIBLE_DEVICES": names[number % count]}
            spec = {**spec, "options": {**spec["options"], "env": one}}
        return {number: spec}


def _workers_here() -> int:
    if best_device().type == "cpu":
        return int(dask.system.CPU_COUNT)
    return max(1, torch.cuda.device_count())


def sweep(runs: Sequence[Recipe], table: Path, client: Any) -> Generator[Status]:
    """Run what is not finished yet, and yield the Status, again and again, until all have ended.

    Closing the generator ends the other runs.

    The table's folder holds those of the runs. Raises SweepError if the scheduler is lost.
    """
    jobs = {job.key: job for job in map(Job.here, runs)}
    finished = [key for key in jobs if (table.parent / key / FILE).exists()]
    status = Status(
        kept=len(finished),
        results={key: Result.read(table.parent / key) for key in finished},
        waiting={key: _steps(job) for key, job in jobs.items() if key not in finished},
    )

    def listen(event: tuple[float, dict[str, Any]]) -> None:
        status.progress[event[1]["key"]] = Progress(*event[1]["progress"])

    client.subscribe_topic(TOPIC, listen)
    futures = {key: _submit(client, jobs[key], table.parent / key) for key in status.waiting}
    try:
        while status.waiting:
            yield status
            time.sleep(NOTIFY_EVERY / 2)
            for key in [key for key in futures if futures[key].done()]:
                ended = _outcome(futures[key])
                if ended is not None:
                    del status.waiting[key], futures[key]
                    _keep(ended, table.parent / key)
                    if isinstance(ended, str):
                        status.failures[key] = ended
                    else:
                        status.results[key] = ended
                    _write(table, status.results, jobs)
        _write(table, status.results, jobs)
        yield status
    finally:
        client.cancel(list(futures.values()))


def _steps(job: Job) -> int:
    return job.recipe.schedule.steps(open_pairs(job.recipe.data, job.recipe.crop))


def _keep(ended: Result | str, folder: Path) -> None:
    if isinstance(ended, str):
        write_whole(folder / "error.txt", ended.encode())
        return
    ended.write(folder)
    (folder / "error.txt").unlink(missing_ok=True)


def _write(table: Path, results: dict[str, Result], keys: Iterable[str]) -> None:
    """The finished runs in the order of the keys."""
    rows = [results[key].row() | {"key": key} for key in keys if key in results]
    if rows:
        write_table(table, rows)


def _submit(client: Any, job: Job, folder: Path) -> Any:
    folder.mkdir(parents=True, exist_ok=True)
    # the first part of the key is Dask's group; those of a large one are handed out one by one
    return client.submit(_work, job, folder.resolve(), key=(TOPIC, job.key), pure=False)


def _outcome(future: Any) -> Result | str | None:
    """A run's result or traceback; None if its worker was lost, and it begins again."""
    if future.status == "error":  # not of the run, which returns its own: such as of a lost worker
        return "".join(traceback.format_exception(future.exception()))
    if future.status == "cancelled":
        raise SweepError("the scheduler was lost; what was finished is kept")
    try:
        ended: Result | str = future.result(timeout="10s")
    except TimeoutError:
        return None
    return ended


def _work(job: Job, folder: Path) -> Result | str:
    """The task, in a worker. It returns a traceback as text: Dask drops a long one."""
    try:
        return _run(job, folder)
    except Exception:
        return traceback.format_exc()


def _run(job: Job, folder: Path) -> Result:
    worker = distributed.get_worker()
    if worker.state.nthreads > 1:
        raise SweepError(
            f"this worker has {worker.state.nthreads} threads, and runs would share its random "
            "numbers; start it with --nthreads 1"
        )
    _check_same(job)
    first, notified = 0, 0.0

    def notify(step: Step) -> None:
        nonlocal first, notified
        if worker.state.tasks[worker.get_current_task()].state == "cancelled":
            raise SweepError("nobody waits for this run any more")
        first = first or step.number
        if time.monotonic() - notified >= NOTIFY_EVERY or step.number == step.of:
            progress = Progress(step.number, resumed_at=first - 1)
            worker.log_event(TOPIC, {"key": job.key, "progress": progress})
            notified = time.monotonic()

    return train_and_score(job.recipe, folder if folder.is_dir() else None, notify)


def _check_same(job: Job) -> None:
    """Raises SweepError if the code or the data here are not those of the job."""
    here = Job.here(job.recipe)
    for name in ("code", "data"):
        if getattr(here, name) != getattr(job, name):
            raise SweepError(
                f"the {name} of the worker {platform.node()} is {getattr(here, name)}, not "
                f"{getattr(job, name)} as where the sweep was begun; make them the same"
            )
