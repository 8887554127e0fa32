"""One notebook of a report: run, timed, and written as a page, in a process of its own."""

from __future__ import annotations

import importlib.metadata
import platform
import resource
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import nbformat
import torch

from histmatch_lab._files import write_whole
from histmatch_lab.publish.execution import NotebookError, execute
from histmatch_lab.publish.page import write_page

_LIBRARIES = ("histmatch-lab", "torch", "numpy", "matplotlib", "ipywidgets")
_MAXRSS_UNIT = 1 if sys.platform == "darwin" else 1024  # bytes


@dataclass
class NotebookRun:
    """What is known of one notebook's run.

    Attributes:
        name: the notebook's, without its ending.
        status: "not run", "interrupted", "failed" or "passed".
        parameters: those that were passed.
        seed: the value of the notebook's parameter SEED, if it has one.
        seconds: from the kernel's start to its end.
        peak_bytes: largest resident memory of the kernel, or of a process that it started. At least
            that of the process that started the kernel, as operating systems count.
        device: where torch computed: "cpu" or the name of the accelerator; empty if it failed.
        versions: of Python and the libraries.
        finished: when, in UTC.
        error, cell, number: what went wrong, the source of the cell where, its execution count.
    """

    name: str
    status: str = "not run"
    parameters: dict[str, Any] = field(default_factory=dict)
    seed: Any = None
    seconds: float | None = None
    peak_bytes: int = 0
    device: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    finished: str = ""
    error: str = ""
    cell: str = ""
    number: int | None = None

    def fail(self, error: str, cell: str = "", number: int | None = None) -> None:
        """Say that it failed, why, and in which cell."""
        self.status, self.error, self.cell, self.number = "failed", error, cell, number


def work(path: Path, run: NotebookRun, folder: Path, threads: int, parent: Connection) -> None:
    """Run a notebook and write its page; the whole of a process that does nothing else.

    Args:
        path: the notebook, absolute: a kernel runs in its folder.
        run: what is planned; sent back with the facts of the run.
        folder: where the page and the executed notebook go, absolute.
        threads: how many a library in the kernel may use.
        parent: gets True after each cell, and in the end the run.
    """
    torch.set_num_threads(1)  # pages are drawn side by side: more threads wait for each other
    # Ctrl-C is for the process that started this one, which then ends it by SIGTERM.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    try:
        _run(path, run, folder, threads, lambda: parent.send(True))
    except SystemExit:
        run.status = "interrupted"
    parent.send(run)


def _run(
    path: Path, run: NotebookRun, folder: Path, threads: int, on_cell: Callable[[], None]
) -> None:
    failed = folder / f"{run.name}.failed.ipynb"
    start = time.monotonic()
    try:
        notebook, run.device = execute(path, run.parameters, threads=threads, on_cell=on_cell)
    except NotebookError as error:
        run.fail(str(error), error.cell, error.number)
        write_whole(failed, nbformat.writes(error.notebook).encode())
        return
    finally:
        run.seconds = time.monotonic() - start
        run.peak_bytes = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * _MAXRSS_UNIT
        run.versions = {"python": platform.python_version()}
        run.versions |= {name: importlib.metadata.version(name) for name in _LIBRARIES}
        run.finished = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    failed.unlink(missing_ok=True)
    try:
        write_page(notebook, folder / f"{run.name}.html")
    except Exception as problem:
        run.fail(f"the notebook ran, but not its page: {type(problem).__name__}: {problem}")
        return
    run.status = "passed"
    notebook.metadata["histmatch_lab"] = {"run": asdict(run)}
    write_whole(folder / f"{run.name}.ipynb", nbformat.writes(notebook).encode())
