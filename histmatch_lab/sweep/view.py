"""How a sweep goes, while it goes: in a terminal, and in a notebook."""

import html
from collections.abc import Generator
from contextlib import closing

import ipywidgets as widgets
from IPython.display import display
from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.text import Text

from histmatch_lab.sweep.cluster import Status
from histmatch_lab.training.result import Result


def headline(status: Status) -> str:
    """ "3 of 22 runs finished, about 4 min left; best: l2, seed 0, PSNR 18.31 dB"."""
    text = f"{len(status.results)} of {status.of} runs finished"
    if status.failures:
        text += f", {len(status.failures)} failed"
    if status.waiting:
        text += f", {_time_left(status.seconds_left)}"
    if best := status.best:
        text += f"; best: {_quality(best)}"
    return text


def in_terminal(statuses: Generator[Status], console: Console) -> Status:
    """Show a sweep until it ends: a bar for each run that goes on, a line for each that has ended.

    Returns the last Status.
    """
    bars = Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    of_key: dict[str, TaskID] = {}
    printed: set[str] = set()
    with closing(statuses), Live(console=console, refresh_per_second=4) as live:
        for status in statuses:
            if not printed and status.kept:
                console.print(f"{status.kept} runs were finished before")
                printed.update(list(status.results)[: status.kept])
            for key in of_key.keys() - status.running.keys():
                bars.remove_task(of_key.pop(key))
            for key, progress in status.running.items():
                if key not in of_key:
                    of_key[key] = bars.add_task(key, total=status.waiting[key])
                bars.update(of_key[key], completed=progress.step)
            for key in [key for key in status.results if key not in printed]:
                console.out(_line(status.results[key]), highlight=False)
            for key in [key for key in status.failures if key not in printed]:
                console.print(Text("failed", style="bold red"), key, soft_wrap=True)
                console.out(status.failures[key], highlight=False)
            printed.update(status.results, status.failures)
            live.update(Group(bars, Text(headline(status))))
    return status


def in_notebook(statuses: Generator[Status]) -> Status:
    """Show a sweep below a cell until it ends; interrupting the kernel stops it.

    Returns the last Status.
    """
    bar, line = widgets.FloatProgress(min=0, max=1), widgets.HTML()
    handle = display(widgets.VBox([bar, line]), display_id=True)
    with closing(statuses):
        for status in statuses:
            bar.value = 1 - len(status.waiting) / status.of
            line.value = f'<p role="status">{html.escape(headline(status))}</p>'
    failed = (
        f"failed {key}: {text.strip().splitlines()[-1]}" for key, text in status.failures.items()
    )
    text = "\n".join([headline(status), *failed])
    handle.update({"text/plain": text}, raw=True)
    return status


def _time_left(seconds: float | None) -> str:
    if seconds is None:
        return "waiting for a worker"
    minutes, hours = round(seconds / 60), round(seconds / 3600)
    if minutes < 2:
        return f"about {seconds:.0f} s left"
    return f"about {minutes} min left" if minutes < 100 else f"about {hours} h left"


def _line(result: Result) -> str:
    facts = result.facts
    took = f"{facts['seconds']} s, {facts['peak_mb']} MB, {facts['device']}"
    if facts["resumed_at"]:
        took += f", resumed at step {facts['resumed_at']}"
    return f"finished  {_quality(result)}  ({took})"


def _quality(result: Result) -> str:
    return f"{result.name}, seed {result.seed}, PSNR {result.summary.psnr:.2f} dB"
