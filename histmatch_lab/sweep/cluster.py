"""A sweep on Dask: each run is one task, on worker processes here or on machines anywhere.

    OUT/NAME.csv          the table of the sweep NAME.yaml, a finished run a line
    OUT/KEY/result.json   the same line: with it, and not before, the run is finished
    OUT/KEY/error.txt     the traceback, if the last try failed
    OUT/KEY/              what `train` keeps: weights, log, and the state to go on from

The result travels back through Dask, and the process that began the sweep writes it: workers need
no shared file system, and there is one writer. Workers that do see OUT keep the state there, and a
run that was broken off goes on from it on any of them; elsewhere it begins anew.
"""

import json
import logging
import os
import time
import traceback
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import torch

from histmatch_lab._extras import import_extra
from histmatch_lab._files import write_whole
from histmatch_lab.sweep.plan import Settings
from histmatch_lab.sweep.run import Job, Row, train_and_score
from histmatch_lab.training.distributed import best_device
from histmatch_lab.training.evaluation import write_table
from histmatch_lab.training.loop import Step

distributed = import_extra("distributed", "Dask", "spreads the runs of a sweep", "cluster")
dask = import_extra("dask", "Dask", "spreads the runs of a sweep", "cluster")

TOPIC = "histmatch-lab sweep"
TELL_EVERY = 0.5  # seconds
# By default freed memory is given back at once, and a step of training takes twice as long for it
_KEEP_MEMORY = {"distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_": None}
# Ctrl-C reaches every process of a terminal; when to end, the workers hear from us
_DEAF_TO_CTRL_C = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)"


class SweepError(RuntimeError):
    """A sweep cannot go on where it is."""


class Failure(NamedTuple):
    """A run that failed: its key, and the traceback."""

    key: str
    traceback: str


class Place(NamedTuple):
    """Where a run is: at which step, and at which one it was taken up."""

    step: int
    resumed_at: int


@dataclass
class Status:
    """How a sweep goes.

    Attributes:
        kept: how many runs were finished before it began.
        rows: the finished runs, those first.
        failures: the failed ones.
        waiting: by key, how many steps each of the others has.
        places: by key, where each run was last.
        began: on the clock of `time.monotonic`.
    """

    kept: int
    rows: list[Row]
    waiting: dict[str, int]
    failures: list[Failure] = field(default_factory=list)
    places: dict[str, Place] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)

    @property
    def of(self) -> int:
        """How many runs there are."""
        return len(self.rows) + len(self.failures) + len(self.waiting)

    @property
    def running(self) -> dict[str, Place]:
        """Where those are that were begun and have not ended."""
        return {key: place for key, place in self.places.items() if key in self.waiting}

    @property
    def best(self) -> Row | None:
        """The finished run with the highest PSNR."""
        return max(self.rows, key=lambda row: float(row["psnr"]), default=None)

    @property
    def seconds_left(self) -> float | None:
        """About how long the others take, if steps go on as until now; None before the first."""
        taken = sum(place.step - place.resumed_at for place in self.places.values())
        left = sum(self.waiting.values()) - sum(place.step for place in self.running.values())
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
        "preload": [_DEAF_TO_CTRL_C],
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


def sweep(runs: Sequence[Settings], table: Path, client: Any) -> Generator[Status]:
    """Run what is not finished yet, and yield the Status, again and again, until all have ended.

    Closing the generator ends the runs that are not finished.

    Args:
        runs: such as `read_sweep` gives.
        table: where the table goes; the folders of the runs are beside it.
        client: see `connect`.

    Raises:
        SweepError: if the scheduler is lost.
    """
    jobs = {job.key: job for job in map(Job.here, runs)}
    rows = {key: row for key in jobs if (row := _stored(table.parent / key))}
    waiting = {
        key: job.settings.schedule.steps(job.settings.pairs())
        for key, job in jobs.items()
        if key not in rows
    }
    status = Status(len(rows), list(rows.values()), waiting)

    def hear(event: tuple[float, dict[str, Any]]) -> None:
        status.places[event[1]["key"]] = Place(*event[1]["place"])

    client.subscribe_topic(TOPIC, hear)
    futures = {key: _submit(client, jobs[key], table.parent / key) for key in waiting}
    try:
        while waiting:
            yield status
            time.sleep(TELL_EVERY / 2)
            for key in [key for key in waiting if futures[key].done()]:
                ended = _outcome(key, futures[key])
                if ended is None:
                    continue
                del waiting[key], futures[key]
                _keep(ended, table.parent / key)
                if isinstance(ended, Failure):
                    status.failures.append(ended)
                    continue
                status.rows.append(ended)
                rows[key] = ended
                write_table(table, [rows[key] for key in jobs if key in rows])
        if rows:
            write_table(table, [rows[key] for key in jobs if key in rows])
        yield status
    finally:
        client.cancel(list(futures.values()))


def _stored(folder: Path) -> Row | None:
    path = folder / "result.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def _keep(ended: Row | Failure, folder: Path) -> None:
    if isinstance(ended, Failure):
        write_whole(folder / "error.txt", ended.traceback.encode())
        return
    write_whole(folder / "result.json", json.dumps(ended, indent=1).encode())
    (folder / "error.txt").unlink(missing_ok=True)


def _submit(client: Any, job: Job, folder: Path) -> Any:
    folder.mkdir(parents=True, exist_ok=True)
    # the first part of the key is Dask's group; those of a large one are handed out one by one
    return client.submit(_work, job, folder.resolve(), key=(TOPIC, job.key), pure=False)


def _outcome(key: str, future: Any) -> Row | Failure | None:
    """How a run ended; None if its worker was lost on the way back, and it begins again."""
    if future.status == "error":  # not of the run, which returns its own: such as of a lost worker
        return Failure(key, "".join(traceback.format_exception(future.exception())))
    if future.status == "cancelled":
        raise SweepError("the scheduler was lost; what was finished is kept")
    try:
        ended: Row | Failure = future.result(timeout="10s")
    except TimeoutError:
        return None
    return ended


def _work(job: Job, folder: Path) -> Row | Failure:
    """The task, in a worker. It hands back a traceback as text: Dask drops a long one."""
    try:
        return _run(job, folder)
    except Exception:
        return Failure(job.key, traceback.format_exc())


def _run(job: Job, folder: Path) -> Row:
    worker = distributed.get_worker()
    if worker.state.nthreads > 1:
        raise SweepError(
            f"this worker has {worker.state.nthreads} threads, and runs would share its random "
            "numbers; start it with --nthreads 1"
        )
    first, told = 0, 0.0

    def tell(step: Step) -> None:
        nonlocal first, told
        if worker.state.tasks[worker.get_current_task()].state == "cancelled":
            raise SweepError("nobody waits for this run any more")
        first = first or step.number
        if time.monotonic() - told >= TELL_EVERY or step.number == step.of:
            place = Place(step.number, resumed_at=first - 1)
            worker.log_event(TOPIC, {"key": job.key, "place": place})
            told = time.monotonic()

    return train_and_score(job, folder if folder.is_dir() else None, tell)
