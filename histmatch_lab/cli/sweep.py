"""`histmatch-lab sweep`: many trainings."""

from pathlib import Path

import click

from histmatch_lab._files import one_run
from histmatch_lab.cli.shared import FILE, OUT, exit_codes


@click.command()
@click.argument("file", metavar="SWEEP.yaml", type=FILE)
@click.option("--scheduler", metavar="tcp://...", help="Of a Dask cluster that is there already.")
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    help="How many runs at a time on this machine; by default one for each GPU, else each core.",
)
@click.option(
    "-o",
    "--output",
    type=OUT,
    default="runs",
    show_default=True,
    help="Folder for the table, SWEEP.csv, and what belongs to each run.",
)
def sweep(file: Path, scheduler: str | None, workers: int | None, output: Path) -> None:
    """Train and score every combination of the parameters in SWEEP.yaml.

    May be stopped at any moment: the same command goes on where it was. Exits with 1 if a run
    failed, with 2 if nothing was begun, with 130 after Ctrl-C.
    """
    if scheduler and workers:
        raise click.UsageError("--workers are made on this machine, --scheduler brings its own")
    table = output / f"{file.stem}.csv"
    with exit_codes():
        from histmatch_lab.sweep import cluster, plan, view  # which need the extra

        runs = plan.read_sweep(file)
        connected = cluster.connect(scheduler, workers)
        with exit_codes(cluster.SweepError), one_run(output), connected as client:
            status = view.watch(cluster.sweep(runs, table, client))
    click.echo(f"{len(status.results)} runs in {table}; {len(status.failures)} failed")
    for key in status.failures:
        click.echo(f"  {output / key / 'error.txt'}")
    if status.failures:
        raise click.exceptions.Exit(1)
