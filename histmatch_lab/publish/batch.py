"""Run notebooks side by side, each in a process of its own, and report: pages and an index."""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Mapping, Sequence
from multiprocessing import connection, get_context
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.syntax import Syntax

from histmatch_lab.publish.contents import notebook_contents, write_contents
from histmatch_lab.publish.execution import read
from histmatch_lab.publish.page import write_framed, write_shared_files
from histmatch_lab.publish.parameters import ParameterError, defaults, parse_parameters
from histmatch_lab.publish.worker import NotebookRun, work

# A server imports once what all workers need, and forks them.
_PROCESSES = get_context("forkserver")
_PROCESSES.set_forkserver_preload(["histmatch_lab.publish.worker"])


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
        console: where progress and errors are shown.

    Raises:
        ValueError: before anything runs: a file is no notebook, two have one name, or a parameter
            cannot be passed (`histmatch_lab.publish.parameters.parse_parameters`).
    """
    console = console or Console()
    plans = _plan(notebooks, parameters or {})
    runs = [plan.run for plan in plans]
    folder.mkdir(parents=True, exist_ok=True)
    write_shared_files(folder)
    try:
        _run_all(plans, folder, jobs, console)
    finally:
        _write_index(_with_earlier(runs, folder), folder)
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
        seed = {**defaults(notebook), **values}.get("SEED")
        steps = sum(cell.cell_type == "code" for cell in notebook.cells) + bool(values) + 2
        plans.append(_Plan(path, NotebookRun(path.stem, parameters=values, seed=seed), steps))
    return plans


def _run_all(plans: Sequence[_Plan], folder: Path, jobs: int, console: Console) -> None:
    """Run the notebooks, `jobs` at a time, and fill in what is known of their runs."""
    threads = max(1, (os.cpu_count() or 1) // jobs)
    waiting = deque(plans)
    workers: dict[object, _Worker] = {}
    with _progress(console) as progress:
        bars = {plan.run.name: progress.add_task(plan.run.name, total=plan.steps) for plan in plans}
        try:
            while waiting or workers:
                while waiting and len(workers) < jobs:
                    worker = _Worker(waiting.popleft(), folder, threads)
                    workers[worker.messages] = worker
                for ready in connection.wait([worker.messages for worker in workers.values()]):
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
        self.process = _PROCESSES.Process(target=work, args=arguments, daemon=True)
        self.process.start()
        sender.close()  # so that the pipe ends with the process

    def receive(self) -> bool:
        """Wait for a message; False if it was the last."""
        try:
            message = self.messages.recv()
        except EOFError:
            self.process.join()
            self.run.status = "interrupted"
            if self.process.exitcode != -signal.SIGTERM:
                self.run.fail(f"its process ended with exit code {self.process.exitcode}")
            return False
        if message is True:
            return True
        vars(self.run).update(vars(message))
        self.process.join()
        return False


def _write_index(runs: Sequence[NotebookRun], folder: Path) -> None:
    """Write the table of runs, with links to the pages, and the pages' contents."""
    stored = {run.name: folder / f"{run.name}.ipynb" for run in runs}
    pages = {name: read(file) for name, file in stored.items() if file.exists()}
    write_framed(folder / "index.html", "runs.html.j2", title="Report", runs=runs, pages=pages)
    write_contents(folder, [notebook_contents(*page) for page in pages.items()])


def _with_earlier(runs: list[NotebookRun], folder: Path) -> list[NotebookRun]:
    """These runs, and those of other notebooks whose pages lie in the folder."""
    names = {run.name for run in runs}
    files = [f for f in folder.glob("[!.]*.ipynb") if not f.stem.endswith(".failed")]
    stored = [read(file).metadata.get("histmatch_lab", {}).get("run") for file in files]
    earlier = [NotebookRun(**facts) for facts in stored if facts and facts["name"] not in names]
    return sorted([*runs, *earlier], key=lambda run: run.name)


def _progress(console: Console) -> Progress:
    name, bar = TextColumn("{task.description}"), BarColumn()
    return Progress(name, bar, MofNCompleteColumn(), TimeElapsedColumn(), console=console)


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
