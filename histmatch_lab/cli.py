"""The `histmatch-lab` command."""

from __future__ import annotations

from pathlib import Path

import click


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="histmatch-lab", prog_name="histmatch-lab")
def app() -> None:
    """The histogram as a loss: a course and its library."""


@app.command()
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
    try:
        from histmatch_lab import batch
    except ModuleNotFoundError as missing:
        command = "pip install 'histmatch-lab[report]'"
        raise click.UsageError(f"{missing.name} is missing; to get it: {command}") from None
    paths = notebooks or tuple(sorted(Path("notebooks").glob("*.ipynb")))
    if not paths:
        raise click.UsageError("no notebooks in ./notebooks; name some, or go to the course")
    try:
        runs = batch.report(paths, output, parameters=dict(parameters), jobs=jobs)
    except ValueError as problem:
        raise click.UsageError(str(problem)) from None
    states = {run.status for run in runs}
    if states & {"interrupted", "not run"}:
        raise click.exceptions.Exit(130)
    if states != {"passed"}:
        raise click.exceptions.Exit(1)


@app.command()
@click.argument("weights", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument(
    "images",
    nargs=-1,
    required=True,
    metavar="IMAGE...",
    type=click.Path(exists=True, path_type=Path),
)
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Folder for the enhanced pictures; made if it is not there.",
)
def enhance(weights: Path, images: tuple[Path, ...], output: Path) -> None:
    """Enhance pictures of any size with a trained network.

    WEIGHTS is a file that training wrote, IMAGE a picture or a folder of them. Orientation and
    colour profile are respected, 16 bits are kept. Exits with 1 if a picture could not be read or
    written, with 2 if nothing was begun.
    """
    from rich.console import Console
    from rich.progress import track

    from histmatch_lab.enhance import enhance_files, pictures_in, plan
    from histmatch_lab.hdrnet import load_network

    try:
        network = load_network(weights)
        places = plan(pictures_in(images), output)
    except ValueError as problem:
        raise click.UsageError(str(problem)) from None
    console, failed = Console(stderr=True), 0
    files = enhance_files(network, places)
    for source, wrong in track(files, "Enhancing", total=len(places), console=console):
        if wrong:
            failed += 1
            console.print(f"{source}: {wrong}", markup=False, highlight=False)
    click.echo(f"{len(places) - failed} of {len(places)} pictures written to {output}")
    if failed:
        raise click.exceptions.Exit(1)


if __name__ == "__main__":
    app()
