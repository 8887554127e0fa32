"""Run notebooks side by side, and report on each: pages, an index, and what went wrong."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from threading import Event, current_thread, main_thread
from typing import Any

import nbformat
from jupyter_core.utils import ensure_event_loop
from nbformat import NotebookNode
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.syntax import Syntax

from histmatch_lab._files import write_whole
from histmatch_lab.publish import write_index, write_page
from histmatch_lab.publish.notebooks import NotebookError, Watch, execute, read
from histmatch_lab.publish.parameters import ParameterError, defaults, parse_parameters


@dataclass
class Run:
    """What is known of one notebook's run.

    Attributes:
        name: the notebook's, without its ending.
        status: "not run", "interrupted", "failed" or "passed".
        parameters: those that were passed.
        seed: the value of the notebook's parameter SEED, if it has one.
        seconds: from the kernel's start to its end.
        peak_bytes, device, versions: see `histmatch_lab.publish.notebooks.Watch`.
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


@dataclass(frozen=True)
class _Plan:
    path: Path
    cells: int
    run: Run


def report(
    notebooks: Sequence[Path],
    folder: Path,
    *,
    parameters: Mapping[str, str] | None = None,
    jobs: int = 2,
    console: Console | None = None,
) -> list[Run]:
    """Execute notebooks and write their pages and an index.html into a folder.

    A notebook that fails does not stop the others. Its page of an earlier run stays; what it got to
    is kept as NAME.failed.ipynb. After Ctrl-C the index says what was finished and what was not.

    Args:
        notebooks: files; each needs its own name.
        folder: where pages and executed notebooks go.
        parameters: what was typed for parameters; every notebook must have them.
        jobs: how many run at a time, each with its share of the cores.
        console: where progress and errors are shown.

    Raises:
        ParameterError: before anything runs; see `histmatch_lab.publish.parameters.parse_parameters`.
        ValueError: a file is no notebook, or two have one name.
    """
    console = console or Console()
    plans = _plan(notebooks, parameters or {})
    folder.mkdir(parents=True, exist_ok=True)
    stop = Event()
    threads = max(1, (os.cpu_count() or 1) // jobs)
    runs = [plan.run for plan in plans]
    try:
        with (
            _ctrl_c_sets(stop),
            _progress(console) as progress,
            ThreadPoolExecutor(jobs) as pool,
        ):
            waiting = {}
            for plan in plans:
                bar = progress.add_task(plan.run.name, total=plan.cells + 1)  # the page is a step
                step = partial(progress.advance, bar)
                future = pool.submit(_execute, plan, folder, Watch(stop, step, threads))
                waiting[future] = plan.run, step
            for future in as_completed(waiting):
                run, step = waiting[future]
                _publish(run, future.result(), folder)
                step()
                _tell(run, console)
        if stop.is_set():
            console.print("Interrupted: what was finished is kept.")
    finally:
        write_index(_with_earlier(runs, folder), folder / "index.html")
        console.print(escape(str(folder / "index.html")), soft_wrap=True)
    return runs


@contextmanager
def _ctrl_c_sets(stop: Event) -> Iterator[None]:
    """Let the first Ctrl-C set `stop`; a second one interrupts as usual.

    An exception raised in the middle of a page can end in some library's `except`, and be lost.
    """
    if current_thread() is not main_thread():  # which alone may handle signals
        yield
        return
    usual = signal.getsignal(signal.SIGINT)

    def ask_to_stop(*_: object) -> None:
        stop.set()
        signal.signal(signal.SIGINT, usual)

    signal.signal(signal.SIGINT, ask_to_stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)


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
        seed = {**defaults(notebook), **values}.get("SEED")
        cells = sum(cell.cell_type == "code" for cell in notebook.cells) + bool(values)
        plans.append(_Plan(path, cells, Run(path.stem, parameters=values, seed=seed)))
    return plans


def _execute(plan: _Plan, folder: Path, watch: Watch) -> NotebookNode | None:
    """Run one notebook and fill in its Run; None if it did not pass."""
    run, start = plan.run, time.monotonic()
    if watch.stop.is_set():
        return None
    run.status = "interrupted"  # unless it gets further
    aside = folder.resolve() / f".{run.name}.partial.ipynb"
    failed = folder / f"{run.name}.failed.ipynb"
    notebook = None
    try:
        notebook = execute(plan.path.resolve(), aside, run.parameters, watch)
        failed.unlink(missing_ok=True)
    except NotebookError as error:
        if not watch.stop.is_set():
            run.status = "failed"
            run.error, run.cell, run.number = str(error), error.cell, error.number
            if aside.exists():
                aside.replace(failed)
    finally:
        ensure_event_loop().close()  # nbclient leaves this thread's open
    aside.unlink(missing_ok=True)
    run.seconds = time.monotonic() - start
    run.peak_bytes, run.device, run.versions = watch.peak_bytes, watch.device, watch.versions
    run.finished = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return notebook


def _publish(run: Run, notebook: NotebookNode | None, folder: Path) -> None:
    """Write page and executed notebook. Not in the threads: matplotlib draws in one at a time."""
    if notebook is None:
        return
    try:
        write_page(notebook, folder / f"{run.name}.html")
    except Exception as problem:  # a page that cannot be made must not cost the others theirs
        run.status = "failed"
        run.error = f"the notebook ran, but not its page: {type(problem).__name__}: {problem}"
        return
    run.status = "passed"
    notebook.metadata["histmatch_lab"] = {"run": asdict(run)}
    write_whole(folder / f"{run.name}.ipynb", nbformat.writes(notebook).encode())


def _with_earlier(runs: list[Run], folder: Path) -> list[Run]:
    """These runs, and those of other notebooks whose pages lie in the folder."""
    names = {run.name for run in runs}
    files = [f for f in folder.glob("[!.]*.ipynb") if not f.stem.endswith(".failed")]
    stored = [read(file).metadata.get("histmatch_lab", {}).get("run") for file in files]
    earlier = [Run(**facts) for facts in stored if facts and facts["name"] not in names]
    return sorted([*runs, *earlier], key=lambda run: run.name)


def _progress(console: Console) -> Progress:
    name, bar = TextColumn("{task.description}"), BarColumn()
    return Progress(name, bar, MofNCompleteColumn(), TimeElapsedColumn(), console=console)


def _tell(run: Run, console: Console) -> None:
    if run.status in ("interrupted", "not run"):
        return
    facts = f"{run.seconds:.1f} s, {run.peak_bytes / 1e6:.0f} MB, {run.device}"
    if run.status == "passed":
        console.print(f"passed  {escape(run.name)}  ({escape(facts)})", soft_wrap=True)
        return
    number = f", cell [{run.number}]" if run.number else ""
    console.print(f"[bold red]{run.status}[/]  {escape(run.name + number)}", soft_wrap=True)
    if run.cell:
        console.print(Syntax(run.cell, "python", background_color="default", word_wrap=True))
    console.out(run.error, highlight=False)
