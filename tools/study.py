"""The study's runs: which are missing, and how they get among the samples.

    python -m tools.study missing sweeps/study.yaml > runs/missing.yaml
    histmatch-lab sweep runs/missing.yaml -o runs
    python -m tools.study ship runs/missing.csv

A run is there if its recipe was trained on the same data, whatever the code was then: to train
again what a change of the code has made wrong, take its lines out of the table first.
"""

from pathlib import Path

import click
import yaml

from histmatch_lab.data.samples import data_samples_dir
from histmatch_lab.recipe import Recipe
from histmatch_lab.results.tables import RUNS, load, write_results
from histmatch_lab.sweep.plan import read_sweep
from histmatch_lab.training.harness import data_hash
from histmatch_lab.training.result import Result


@click.group()
def main() -> None:
    """What the study has, and what it lacks."""


@main.command()
@click.argument("sweep", type=click.Path(exists=True, path_type=Path))
def missing(sweep: Path) -> None:
    """Print a sweep of the runs that are not among the samples."""
    there = {_identity(result) for result in shipped()}
    runs = [run for run in read_sweep(sweep) if (run, data_hash(run.data)) not in there]
    click.echo(yaml.safe_dump([run.parameters for run in runs], sort_keys=False), nl=False)


@main.command()
@click.argument("table", type=click.Path(exists=True, path_type=Path))
def ship(table: Path) -> None:
    """Copy a sweep's finished runs into data_samples/results/study."""
    fresh = load(table)
    if without := [result.name for result in fresh if not result.scores]:
        raise click.ClickException(f"{table}: its runs must be beside it, {without[0]} is not")
    results = {_identity(result): result for result in (*shipped(), *fresh)}
    folder().mkdir(parents=True, exist_ok=True)
    write_results(folder(), results.values())


def folder() -> Path:
    return data_samples_dir() / "results" / "study"


def shipped() -> list[Result]:
    table = folder() / RUNS
    return load(table) if table.exists() else []


def _identity(result: Result) -> tuple[Recipe | None, str]:
    return result.recipe, str(result.facts.get("data_hash"))


if __name__ == "__main__":
    main()
