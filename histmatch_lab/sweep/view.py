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

from histmatch_lab.sweep.cluster import Failure, Status
from histmatch_lab.sweep.run import Row


def headline(status: Status) -> str:
    """ "3 of 22 runs finished, about 4 min left; best: l2, seed 0, PSNR 18.31 dB"."""
    text = f"{len(status.rows)} of {status.of} runs finished"
    if status.failures:
        text += f", {len(status.failures)} failed"
    if status.waiting:
        text += f", {_time_left(status.seconds_left)}"
    if best := status.best:
        text += f"; best: {best['recipe']}, seed {best['seed']}, PSNR {best['psnr']:.2f} dB"
    return text


def in_terminal(statuses: Generator[Status], console: Console) -> Status:
    """Show a sweep until it ends: a bar for each run that goes on, a line for each that has ended.

    Returns the last Status.
    """
    bars = Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    of_key: dict[str, TaskID] = {}
    rows = failures = 0  # told of
    with closing(statuses), Live(console=console, refresh_per_second=4) as live:
        for status in statuses:
            if not rows and status.kept:
                console.print(f"{status.kept} runs were finished before")
                rows = status.kept
            for key in of_key.keys() - status.running.keys():
                bars.remove_task(of_key.pop(key))
            for key, place in status.running.items():
                if key not in of_key:
                    of_key[key] = bars.add_task(key, total=status.waiting[key])
                bars.update(of_key[key], completed=place.step)
            for row in status.rows[rows:]:
                console.out(_line(row), highlight=False)
            for failure in status.failures[failures:]:
                console.print(Text("failed", style="bold red"), failure.key, soft_wrap=True)
                console.out(failure.traceback, highlight=False)
            rows, failures = len(status.rows), len(status.failures)
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
    text = "\n".join([headline(status), *map(_last_line, status.failures)])
    handle.update({"text/plain": text}, raw=True)
    return status


def _time_left(seconds: float | None) -> str:
    if seconds is None:
        return "waiting for a worker"
    minutes, hours = round(seconds / 60), round(seconds / 3600)
    if minutes < 2:
        return f"about {seconds:.0f} s left"
    return f"about {minutes} min left" if minutes < 100 else f"about {hours} h left"


def _line(row: Row) -> str:
    went = f"{row['seconds']} s, {row['peak_mb']} MB, {row['device']}"
    if row["resumed_at"]:
        went += f", resumed at step {row['resumed_at']}"
    return f"finished  {row['recipe']}, seed {row['seed']}: PSNR {row['psnr']:.2f} dB  ({went})"


def _last_line(failure: Failure) -> str:
    return f"failed {failure.key}: {failure.traceback.strip().splitlines()[-1]}"
