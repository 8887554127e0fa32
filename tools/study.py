"""The study's runs: which are missing, and how they get among the samples (`make weights`).

    python -m tools.study missing sweeps/study.yaml > runs/missing.yaml
    histmatch-lab sweep runs/missing.yaml -o runs
    python -m tools.study ship runs/missing.csv

A run is there if its recipe was trained on the same data, whatever the code was then: to train
again what a change of the code has made wrong, take its lines out of the table first.
"""

from dataclasses import replace
from functools import cache
from pathlib import Path

import click
import yaml

from histmatch_lab.data.samples import data_samples_dir
from histmatch_lab.data.tasks import open_pairs
from histmatch_lab.demos.figures.compare import WEIGHTS
from histmatch_lab.hdrnet import load_network, network_facts, save_network
from histmatch_lab.recipe import Recipe
from histmatch_lab.results.tables import COMPARED, RUNS, load, weights, write_results
from histmatch_lab.sweep.plan import read_sweep
from histmatch_lab.training.harness import BASELINES, data_hash, score_baseline
from histmatch_lab.training.result import Result

# what notebook 06 does not draw
OTHERS = tuple(Recipe(loss).name for loss in ("l2+w1", "l2+cramer", "l2+sliced", "ssim"))


@click.group()
def main() -> None:
    """What the study has, and what it lacks."""


@main.command()
@click.argument("sweep", type=click.Path(exists=True, path_type=Path))
def missing(sweep: Path) -> None:
    """Print a sweep of the runs that are not among the samples; nothing if all are."""
    there = {_identity(result) for result in _there()}
    runs = [run for run in read_sweep(sweep) if (run, data_hash(run.data)) not in there]
    if runs:
        click.echo(yaml.safe_dump([run.parameters for run in runs], sort_keys=False), nl=False)


@main.command()
@click.argument("table", type=click.Path(exists=True, path_type=Path))
def ship(table: Path) -> None:
    """Put a sweep's finished runs among the samples, with a set of weights of each loss."""
    fresh = _trained(table)
    if without := [result.name for result in fresh if not result.scores]:
        raise click.ClickException(f"{table}: its runs must be beside it, {without[0]} is not")
    for result in fresh:
        if result.weights and has_weights(result):
            _copy_weights(result, result.weights)
    results = {_identity(result): result for result in (*_there(), *fresh)}
    write_results(data_samples_dir() / "results", [*_baselines(), *results.values()])


def has_weights(result: Result) -> bool:
    """Of the first seed of each loss; not of the lookup tables, which are large."""
    return result.seed == 0 and result.name in (*WEIGHTS, *OTHERS) and result.data in COMPARED


def _there() -> list[Result]:
    table = data_samples_dir() / "results" / RUNS
    return _trained(table) if table.exists() else []


def _trained(table: Path) -> list[Result]:
    """By the recipe's own name, whatever else differs between the runs of the table."""
    return [replace(result, name=result.recipe.name) for result in load(table) if result.recipe]


@cache
def _baselines() -> list[Result]:
    return [
        score_baseline(name, data, open_pairs(data, crop=0))
        for data in COMPARED
        for name in BASELINES
    ]


def _copy_weights(result: Result, source: Path) -> None:
    target = weights(result.data, result.name)
    target.parent.mkdir(parents=True, exist_ok=True)
    stated = {name: str(value) for name, value in result.row().items()}
    save_network(load_network(source), target, network_facts(source) | stated)


def _identity(result: Result) -> tuple[Recipe | None, str]:
    return result.recipe, str(result.facts.get("data_hash"))


if __name__ == "__main__":
    main()
