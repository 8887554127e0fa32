"""Run notebooks side by side, each in a process of its own, and report: pages and an index."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from multiprocessing import connection, get_context
from pathlib import Path
from typing import Any, NamedTuple

import nbformat
import torch
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.syntax import Syntax

from histmatch_lab._files import one_run, write_whole
from histmatch_lab.publish.contents import notebook_contents, write_contents
from histmatch_lab.publish.execution import NotebookError, execute, read
from histmatch_lab.publish.page import write_framed, write_page, write_shared_files
from histmatch_lab.publish.parameters import ParameterError, defaults, parse_parameters
from histmatch_lab.training.distributed import peak_bytes

# A server imports once what all workers need, and forks them; Windows has none.
_PROCESSES: Any = get_context("spawn" if sys.platform == "win32" else "forkserver")
_PROCESSES.set_forkserver_preload([__name__])
_LIBRARIES = ("histmatch-lab", "torch", "numpy", "matplotlib", "ipywidgets")


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


def report(
    notebooks: Sequence[Path],
    folder: Path,
    *,
    parameters: Mapping[str, str] | None = None,
    jobs: int = 2,
    console: Console | None = None,
) -> list[NotebookRun]:
    """Execute notebooks and write their pages and an index.html into a folder.

    A notebook that fails does not stop the others. Its page of an earlier run stays; what it got to
    is kept as NAME.failed.ipynb. After Ctrl-C the index says what was finished and what was not.

    Args:
        notebooks: files; each needs its own name.
        folder: where pages and executed notebooks go.
        parameters: what was typed for parameters; every notebook must have them.
        jobs: how many run at a time, each with its share of the cores.

    Raises ValueError, before anything runs, if a file is no notebook, two have one name, another
    report is written to the folder, or a parameter cannot be passed
    (`histmatch_lab.publish.parameters.parse_parameters`).
    """
    console = console or Console()
    plans = _plan(notebooks, parameters or {})
    runs = [plan.run for plan in plans]
    with one_run(folder):
        write_shared_files(folder)
        try:
            _run_all(plans, folder, jobs, console)
        finally:
            _write_index(runs, folder)
            console.print(escape(str(folder / "index.html")), soft_wrap=True)
    return runs


class _Plan(NamedTuple):
    path: Path
    run: NotebookRun
    steps: int  # its cells, one more that asks for the device, and the page


def _plan(notebooks: Sequence[Path], parameters: Mapping[str, str]) -> list[_Plan]:
    names = [path.stem for path in notebooks]
    if len(set(names)) < len(names):
        raise ValueError(f"notebooks: two have one name among {', '.join(names)}")
    plans = []
    for path in notebooks:
        notebook = read(path)
        try:
            values = parse_parameters(notebook, parameters)
        except ParameterError as problem:
            raise ParameterError(f"{path}: {problem}") from None
        seed = (defaults(notebook) | values).get("SEED")
        steps = sum(cell.cell_type == "code" for cell in notebook.cells) + bool(values) + 2
        plans.append(_Plan(path, NotebookRun(path.stem, parameters=values, seed=seed), steps))
    return plans


def _run_all(plans: Sequence[_Plan], folder: Path, jobs: int, console: Console) -> None:
    """Run the notebooks, `jobs` at a time, and fill in what is known of their runs."""
    threads = max(1, (os.cpu_count() or 1) // jobs)
    waiting = deque(plans)
    workers: dict[Any, _Worker] = {}
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    with Progress(*columns, TimeElapsedColumn(), console=console) as progress:
        bars = {plan.run.name: progress.add_task(plan.run.name, total=plan.steps) for plan in plans}
        try:
            while waiting or workers:
                while waiting and len(workers) < jobs:
                    worker = _Worker(waiting.popleft(), folder, threads)
                    workers[worker.messages] = worker
                for ready in connection.wait(list(workers)):
                    worker = workers[ready]
                    progress.advance(bars[worker.run.name])
                    if not worker.receive():
                        del workers[ready]
                        _print(worker.run, console)
        except KeyboardInterrupt:
            for worker in workers.values():
                worker.process.terminate()
            for worker in workers.values():
                while worker.receive():
                    pass
            console.print("Interrupted: what was finished is kept.")


class _Worker:
    """A process that runs one notebook; `messages` is where it says how far it got."""

    def __init__(self, plan: _Plan, folder: Path, threads: int) -> None:
        self.run = plan.run
        self.messages, sender = _PROCESSES.Pipe(duplex=False)
        arguments = (plan.path.resolve(), plan.run, folder.resolve(), threads, sender)
        self.process = _PROCESSES.Process(target=_work, args=arguments, daemon=True)
        self.process.start()
        sender.close()  # so that the pipe ends with the process

    def receive(self) -> bool:
        """Wait for a message; False if it was the last."""
        try:
            message = self.messages.recv()
        except EOFError:
            self.process.join()
            code = self.process.exitcode
            self.run.status = "interrupted" if code == -signal.SIGTERM else "failed"
            self.run.error = f"its process ended with exit code {code}"
            return False
        if message is True:
            return True
        vars(self.run).update(vars(message))
        self.process.join()
        return False


def _work(
    path: Path, run: NotebookRun, folder: Path, threads: int, parent: connection.Connection
) -> None:
    """Run a notebook and write its page; the whole of a process that does nothing else.

    The paths are absolute, since a kernel runs in its notebook's folder. The parent gets True after
    each cell, and in the end the run, with its facts.
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
        run.status, run.error, run.cell, run.number = "failed", str(error), error.cell, error.number
        write_whole(failed, nbformat.writes(error.notebook).encode())
        return
    finally:
        run.seconds = time.monotonic() - start
        run.peak_bytes = peak_bytes(children=True)
        run.versions = {"python": platform.python_version()}
        run.versions |= {name: importlib.metadata.version(name) for name in _LIBRARIES}
        run.finished = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    failed.unlink(missing_ok=True)
    try:
        write_page(notebook, folder / f"{run.name}.html", passed=run.parameters)
    except Exception as problem:
        run.status = "failed"
        run.error = f"the notebook ran, but not its page: {type(problem).__name__}: {problem}"
        return
    run.status = "passed"
    notebook.metadata["histmatch_lab"] = {"run": asdict(run)}
    write_whole(folder / f"{run.name}.ipynb", nbformat.writes(notebook).encode())


def _write_index(runs: Sequence[NotebookRun], folder: Path) -> None:
    """Write the table of these runs and of those whose pages lie there, and the pages' contents."""
    files = [f for f in sorted(folder.glob("[!.]*.ipynb")) if not f.stem.endswith(".failed")]
    stored = {file.stem: read(file) for file in files}
    known = {run.name: run for run in runs}
    for name, page in stored.items():
        if facts := page.metadata.get("histmatch_lab", {}).get("run"):
            known.setdefault(name, NotebookRun(**facts))
    pages = {name: page for name, page in stored.items() if name in known}
    shown = [known[name] for name in sorted(known)]
    write_framed(folder / "index.html", "runs.html.j2", title="Report", runs=shown, pages=pages)
    write_contents(folder, [notebook_contents(*page) for page in pages.items()])


def _print(run: NotebookRun, console: Console) -> None:
    if run.status == "passed":
        facts = f"{run.seconds:.1f} s, {run.peak_bytes / 1e6:.0f} MB, {run.device}"
        console.print(f"passed  {escape(run.name)}  ({escape(facts)})", soft_wrap=True)
        return
    number = f", cell [{run.number}]" if run.number else ""
    console.print(f"[bold red]{run.status}[/]  {escape(run.name + number)}", soft_wrap=True)
    if run.cell:
        console.print(Syntax(run.cell, "python", background_color="default", word_wrap=True))
    console.out(run.error, highlight=False)
