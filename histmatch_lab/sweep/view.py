"""How a sweep goes, while it goes: in a terminal, or below a notebook's cell."""

from collections.abc import Generator
from contextlib import closing

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from histmatch_lab.sweep.cluster import Status
from histmatch_lab.training.result import Result


def headline(status: Status) -> str:
    """ "3 of 22 runs finished; best: l2, seed 0, PSNR 18.31 dB"."""
    of = len(status.results) + len(status.failures) + len(status.waiting)
    text = f"{len(status.results)} of {of} runs finished"
    if status.failures:
        text += f", {len(status.failures)} failed"
    if status.results:
        best = max(status.results.values(), key=lambda result: result.summary.psnr)
        text += f"; best: {_quality(best)}"
    return text


def watch(statuses: Generator[Status], console: Console | None = None) -> Status:
    """Show a sweep until it ends: a bar for all, one for each run that goes on, a line for its end.

    Ctrl-C, or interrupting the kernel, stops the sweep. Returns the last Status.
    """
    columns = BarColumn(12), MofNCompleteColumn(), TimeRemainingColumn()
    bars = Progress(*columns, TextColumn("{task.description}"), console=console)
    whole, of_key, total, printed = bars.add_task(""), dict[str, TaskID](), 0, set[str]()
    with closing(statuses), bars:
        for status in statuses:
            if status.kept and not printed:
                bars.console.print(f"{status.kept} runs were finished before")
                printed.update(list(status.results)[: status.kept])
            for key in of_key.keys() - status.running.keys():
                bars.remove_task(of_key.pop(key))
            for key, step in status.running.items():
                if key not in of_key:
                    of_key[key] = bars.add_task(key, total=status.waiting[key])
                bars.update(of_key[key], completed=step)
            for key in [key for key in status.results if key not in printed]:
                bars.console.out(_line(status.results[key]), highlight=False)
            for key in [key for key in status.failures if key not in printed]:
                bars.console.print(f"[bold red]failed[/] {escape(key)}", soft_wrap=True)
                bars.console.out(status.failures[key], highlight=False)
            printed.update(status.results, status.failures)
            left = sum(status.waiting.values())
            total = max(total, left)  # what it was at first
            done = total - left + sum(status.running.values())
            bars.update(whole, total=total, completed=done, description=headline(status))
    return status


def _line(result: Result) -> str:
    facts = result.facts
    took = f"{facts['seconds']} s, {facts['peak_mb']} MB, {facts['device']}"
    if facts["resumed_at"]:
        took += f", resumed at step {facts['resumed_at']}"
    return f"finished  {_quality(result)}  ({took})"


def _quality(result: Result) -> str:
    return f"{result.name}, seed {result.seed}, PSNR {result.summary.psnr:.2f} dB"
