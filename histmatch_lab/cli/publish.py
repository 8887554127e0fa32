"""`histmatch-lab report`, `site` and `lecturer`: the course as pages."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from histmatch_lab.cli.types import FILE, OUT


@click.command()
@click.argument("notebooks", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "-p",
    "--parameter",
    "parameters",
    type=(str, str),
    metavar="NAME VALUE",
    multiple=True,
    help="A parameter that each of the notebooks must have; may be repeated.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default="report",
    show_default=True,
    help="Folder for the pages.",
)
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    default=2,
    show_default=True,
    help="How many notebooks run at a time.",
)
def report(
    notebooks: tuple[Path, ...], parameters: tuple[tuple[str, str], ...], output: Path, jobs: int
) -> None:
    """Run NOTEBOOKS (all of ./notebooks if none is named), write a page of each and an index.

    Exits with 1 if a cell, a widget or a page failed, with 2 if it was asked for something that
    cannot be, with 130 after Ctrl-C.
    """
    with _report_extra():
        from histmatch_lab.publish import batch
    paths = _all_if_none(notebooks)
    try:
        runs = batch.report(paths, output, parameters=dict(parameters), jobs=jobs)
    except ValueError as problem:
        raise click.UsageError(str(problem)) from None
    states = {run.status for run in runs}
    if states & {"interrupted", "not run"}:
        raise click.exceptions.Exit(130)
    if states != {"passed"}:
        raise click.exceptions.Exit(1)


@click.command()
@click.argument("notebooks", nargs=-1, type=FILE)
@click.option("-o", "--output", type=OUT, default="site", show_default=True, help="Its folder.")
def site(notebooks: tuple[Path, ...], output: Path) -> None:
    """Write the course as a site that opens from a file: NOTEBOOKS as they were run.

    Without NOTEBOOKS all of ./notebooks. Nothing is run again; `report` does that.
    """
    with _report_extra():
        from histmatch_lab.publish import write_site
    try:
        write_site(_all_if_none(notebooks), output)
    except ValueError as problem:
        raise click.UsageError(str(problem)) from None
    click.echo(output / "index.html")


@click.command()
@click.argument("notebooks", nargs=-1, type=FILE)
@click.option("-o", "--output", type=OUT, default="lecturer", show_default=True, help="Its folder.")
def lecturer(notebooks: tuple[Path, ...], output: Path) -> None:
    """Write the lecturer's version of NOTEBOOKS (all of ./notebooks if none is named), with slides.

    Beside it lie learner/ (nothing run) and solved/ (solutions filled in). Figures are those that
    the notebooks have stored. The slides need a network: they fetch reveal.js and MathJax.
    """
    with _report_extra():
        from histmatch_lab.course import lessons
    paths = _all_if_none(notebooks)
    try:
        lessons.publish(paths, output)
    except ValueError as problem:
        raise click.UsageError(str(problem)) from None
    click.echo(f"Lessons written to {output}: {len(paths)}")


@contextmanager
def _report_extra() -> Iterator[None]:
    """Where the block imports what the extra brings: say how to get it if it is not there."""
    try:
        yield
    except ModuleNotFoundError as missing:
        command = "pip install 'histmatch-lab[report]'"
        raise click.UsageError(f"{missing.name} is missing; to get it: {command}") from None


def _all_if_none(notebooks: tuple[Path, ...]) -> tuple[Path, ...]:
    paths = notebooks or tuple(sorted(Path("notebooks").glob("*.ipynb")))
    if not paths:
        raise click.UsageError("no notebooks in ./notebooks; name some, or go to the course")
    return paths
