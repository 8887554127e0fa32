"""`histmatch-lab report`, `site` and `lecturer`: the course as pages."""

from pathlib import Path
from typing import Any

import click

from histmatch_lab._checks import import_extra
from histmatch_lab.cli.shared import FILE, OUT, exit_codes, jobs_option


def _all_if_none(
    _context: click.Context, _argument: click.Parameter, notebooks: tuple[Path, ...]
) -> tuple[Path, ...]:
    paths = notebooks or tuple(sorted(Path("notebooks").glob("*.ipynb")))
    if not paths:
        raise click.UsageError("no notebooks in ./notebooks; name some, or go to the course")
    return paths


notebooks_or_all = click.argument("notebooks", nargs=-1, type=FILE, callback=_all_if_none)


def _where_typed(text: str) -> str:
    """A path means the file here; a notebook, which runs in its own folder, needs it whole."""
    path = Path(text)
    return str(path.resolve()) if path.suffix and path.is_file() else text


def _import(module: str) -> Any:
    return import_extra(f"histmatch_lab.{module}", "makes pages of notebooks", "report")


@click.command()
@notebooks_or_all
@click.option("-o", "--output", type=OUT, default="report", show_default=True, help="Its folder.")
@click.option(
    "-p",
    "--parameter",
    "parameters",
    type=(str, str),
    metavar="NAME VALUE",
    multiple=True,
    help="A parameter that each of the notebooks must have; may be repeated.",
)
@jobs_option
def report(
    notebooks: tuple[Path, ...], parameters: tuple[tuple[str, str], ...], output: Path, jobs: int
) -> None:
    """Run NOTEBOOKS (all of ./notebooks if none is named), write a page of each and an index.

    Exits with 1 if a cell, a widget or a page failed, with 2 if it was asked for something that
    cannot be, with 130 after Ctrl-C.
    """
    with exit_codes():
        batch = _import("publish.batch")
        typed = {name: _where_typed(text) for name, text in parameters}
        runs = batch.report(notebooks, output, parameters=typed, jobs=jobs)
    states = {run.status for run in runs}
    if states & {"interrupted", "not run"}:
        raise click.exceptions.Exit(130)
    if states != {"passed"}:
        raise click.exceptions.Exit(1)


@click.command()
@notebooks_or_all
@click.option("-o", "--output", type=OUT, default="site", show_default=True, help="Its folder.")
def site(notebooks: tuple[Path, ...], output: Path) -> None:
    """Write the course as a site that opens from a file: NOTEBOOKS as they were run.

    Without NOTEBOOKS all of ./notebooks; a Markdown file among them gets a page too. Nothing is run
    again; `report` does that.
    """
    with exit_codes():
        _import("publish.site").write_site(notebooks, output)
    click.echo(output / "index.html")


@click.command()
@notebooks_or_all
@click.option("-o", "--output", type=OUT, default="lecturer", show_default=True, help="Its folder.")
def lecturer(notebooks: tuple[Path, ...], output: Path) -> None:
    """Write the lecturer's version of NOTEBOOKS (all of ./notebooks if none is named), with slides.

    Beside it lie learner/ (nothing run) and solved/ (solutions filled in). Figures are those that
    the notebooks have stored; on the slides, which need no network, they move.
    """
    with exit_codes():
        _import("publish.slides").write_lessons(notebooks, output)
    click.echo(f"Lessons written to {output}: {len(notebooks)}")
