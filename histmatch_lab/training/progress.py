"""Training under a progress bar, in a terminal or below a notebook's cell."""

from collections.abc import Generator
from contextlib import closing

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from histmatch_lab.training.loop import History, Step


def run(steps: Generator[Step, None, None], console: Console | None = None) -> History:
    """Go through the steps of `train`; Ctrl-C ends them early, with what was learned.

    console: where to draw.
    """
    history = History()
    columns = (
        BarColumn(12),  # so that the line fits below a cell, and need not be scrolled
        "{task.completed}/{task.total}",
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    # Once a second: of thousands of messages that nobody reads in time, a kernel loses the last.
    with Progress(*columns, console=console, refresh_per_second=1) as progress:
        task = progress.add_task("", total=None)
        try:
            with closing(steps):
                for step in steps:
                    history.append(step)
                    progress.update(
                        task, completed=step.number, total=step.of, description=str(step)
                    )
        except KeyboardInterrupt:
            done = history[-1].number if history else 0
            progress.console.print(f"Stopped after step {done}; what was learned is kept.")
        finally:
            progress.refresh()  # in a notebook, rich leaves the bar where it last drew it
    return history
