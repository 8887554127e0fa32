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
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from histmatch_lab._checks import import_extra
from histmatch_lab._files import write_whole
from histmatch_lab.data.tasks import open_pairs
from histmatch_lab.recipe import Recipe
from histmatch_lab.sweep.plan import Job
from histmatch_lab.training.distributed import best_device
from histmatch_lab.training.evaluation import write_table
from histmatch_lab.training.harness import train_and_score
from histmatch_lab.training.loop import Step
from histmatch_lab.training.result import FILE, Result

distributed = import_extra("distributed", "spreads the runs of a sweep", "cluster")
dask = import_extra("dask", "spreads the runs of a sweep", "cluster")

TOPIC = "histmatch-lab sweep"
ERROR = "error.txt"
NOTIFY_EVERY = 0.5  # seconds
# By default freed memory is given back at once, and a step of training takes twice as long for it
_KEEP_MEMORY = {"distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_": None}
# Ctrl-C reaches every process of a terminal; the workers end when this one cancels their runs
_IGNORE_SIGINT = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)"


class SweepError(RuntimeError):
    """A sweep cannot go on where it is."""


@dataclass
class Status:
    """How a sweep goes; the dictionaries are by the keys of the runs."""

    kept: int  # how many runs were finished before it began
    results: dict[str, Result]  # of the finished runs, those first
    waiting: dict[str, int]  # how many steps each of the others has
    failures: dict[str, str] = field(default_factory=dict)  # tracebacks
    steps: dict[str, int] = field(default_factory=dict)  # where each was when last heard of

    @property
    def running(self) -> dict[str, int]:
        """The steps of those that were begun and have not ended."""
        return {key: step for key, step in self.steps.items() if key in self.waiting}


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
        gpus = torch.cuda.device_count() or int(best_device().type != "cpu")
        cluster.scale(workers or gpus or dask.system.CPU_COUNT)
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


def sweep(runs: Sequence[Recipe], table: Path, client: Any) -> Generator[Status]:
    """Run what is not finished yet, and yield the Status, again and again, until all have ended.

    Closing the generator ends the other runs. The table's folder holds those of the runs. Raises
    SweepError if the scheduler is lost.
    """
    jobs = {job.key: job for job in map(Job.here, runs)}
    folders = {key: table.parent / key for key in jobs}
    results = {key: Result.read(f) for key, f in folders.items() if (f / FILE).exists()}
    waiting = {key: _steps(job.recipe) for key, job in jobs.items() if key not in results}
    status = Status(len(results), results, waiting)
    client.subscribe_topic(TOPIC, lambda event: status.steps.update([event[1]]))
    futures = {}
    for number, key in enumerate(waiting):
        folders[key].mkdir(parents=True, exist_ok=True)
        # the first part of the key is Dask's group; those of a large one are handed out one by one
        task = _work, jobs[key], folders[key].resolve()
        futures[key] = client.submit(*task, key=(TOPIC, key), pure=False, priority=-number)
    try:
        while waiting:
            yield status
            time.sleep(NOTIFY_EVERY / 2)
            for key in [key for key in futures if futures[key].done()]:
                ended = _outcome(futures[key])
                if ended is None:
                    continue
                del waiting[key], futures[key]
                if isinstance(ended, str):
                    status.failures[key] = ended
                    write_whole(folders[key] / ERROR, ended.encode())
                    continue
                results[key] = ended
                ended.write(folders[key])
                (folders[key] / ERROR).unlink(missing_ok=True)
                _write(table, results, jobs)
        _write(table, results, jobs)
        yield status
    finally:
        client.cancel(list(futures.values()))


def _steps(recipe: Recipe) -> int:
    return recipe.schedule.steps(open_pairs(recipe.data, recipe.crop))


def _write(table: Path, results: dict[str, Result], keys: Iterable[str]) -> None:
    """The finished runs in the order of the keys."""
    if results:
        write_table(table, [results[key].row() | {"key": key} for key in keys if key in results])


def _outcome(future: Any) -> Result | str | None:
    """A run's result or traceback; None if its worker was lost, and it begins again."""
    if future.status == "error":  # not of the run, which returns its own: such as of a lost worker
        return "".join(traceback.format_exception(future.exception()))
    if future.status == "cancelled":
        raise SweepError("the scheduler was lost; what was finished is kept")
    with suppress(TimeoutError):
        return future.result(timeout="10s")
    return None


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
    notified = 0.0

    def notify(step: Step) -> None:
        nonlocal notified
        if worker.state.tasks[worker.get_current_task()].state == "cancelled":
            raise SweepError("nobody waits for this run any more")
        if time.monotonic() - notified >= NOTIFY_EVERY or step.number == step.of:
            worker.log_event(TOPIC, (job.key, step.number))
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
