"""`histmatch-lab collect`: what a class has handed in."""

import csv
import io
from collections import Counter
from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import track
from rich.table import Table

from histmatch_lab._checks import import_extra
from histmatch_lab._files import write_whole
from histmatch_lab.cli.shared import FOLDER, exit_codes, jobs_option
from histmatch_lab.data.images import passed_over

FORMULA = ("=", "+", "-", "@", "\t", "\r")  # how a spreadsheet knows one
BAD = ("wrong", "error", "out of time")


@click.command()
@click.argument("folder", type=FOLDER)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    default="collected.csv",
    show_default=True,
    help="The table: notebook, exercise, state, says.",
)
@click.option("--seconds", type=float, default=120, show_default=True, help="For each notebook.")
@jobs_option
def collect(folder: Path, output: Path, seconds: float, jobs: int) -> None:
    """Check the exercises in all notebooks below FOLDER, as learners have handed them in.

    Each notebook runs in a kernel of its own, for a limited time, and only the cells that its
    exercises need. A kernel may do what you may: collect only what you would open. A link out of
    FOLDER is no hand-in. Exits with 1 if a notebook could not be read.
    """
    with exit_codes():
        module = import_extra("histmatch_lab.publish.collect", "runs notebooks", "report")
        if not (notebooks := module.notebooks_below(folder)):
            raise ValueError(f"{folder} must hold notebooks, got none")
        others = [path for path in module.files_below(folder) if path not in notebooks]
        found = module.collect(folder, seconds=seconds, jobs=jobs)
        console = Console(stderr=True)
        groups = list(track(found, "Collecting", total=len(notebooks), console=console))
        text = io.StringIO()
        rows = [answer for group in groups for answer in group]
        lines = [[_plain(field) for field in row] for row in rows]
        csv.writer(text, lineterminator="\n").writerows([module.Answer._fields, *lines])
        write_whole(output, text.getvalue().encode("utf-8-sig"))  # as Excel wants it
    table = Table("notebook", "right", "of", "otherwise")
    for group in groups:
        states = Counter(answer.state for answer in group)
        bad = (f"{a.exercise or a.state}: {a.says}" for a in group if a.state in BAD)
        right, of = str(states["right"]), str(sum(bool(a.exercise) for a in group))
        table.add_row(escape(group[0].notebook), right, of, escape("\n".join(bad)))
    Console().print(table)
    click.echo(f"{len(rows)} lines in {output}")
    if others:
        click.echo(passed_over(others))
    if any(not answer.exercise for answer in rows):
        raise click.exceptions.Exit(1)


def _plain(text: str) -> str:
    """Never a formula, whatever a learner has called a file."""
    return f"'{text}" if text.startswith(FORMULA) else text
