"""Put a sweep's results among the samples, with the weights of each first seed (`make weights`).

    python -m tools.ship_weights runs/shipped.csv

Runs that are among the samples already are replaced, the others stay.
"""

import sys
from pathlib import Path

from histmatch_lab.data.samples import data_samples_dir
from histmatch_lab.data.sources import open_pairs
from histmatch_lab.hdrnet import load_network, network_facts, save_network
from histmatch_lab.recipe import Recipe
from histmatch_lab.results.tables import COMPARED, load, shipped, weights, write_results
from histmatch_lab.training.harness import BASELINES, score_baseline
from histmatch_lab.training.result import Result


def ship(table: Path) -> None:
    """Copy what belongs to the sweep's table; ValueError if a run was not finished."""
    fresh = [result for result in load(table) if result.recipe]
    if missing := [result.name for result in fresh if not result.scores]:
        raise ValueError(f"{table} must have its runs beside it, got none for {missing[0]}")
    for result in fresh:
        if result.weights and result.recipe and has_weights(result.recipe):
            _copy_weights(result, result.weights)
    scored = [
        score_baseline(name, data, open_pairs(data, crop=160))
        for data in COMPARED
        for name in BASELINES
    ]
    everything = {_identity(result): result for result in (*scored, *shipped(), *fresh)}
    ordered = sorted(everything.values(), key=lambda result: COMPARED.index(result.data))
    write_results(data_samples_dir() / "results", ordered)


def has_weights(recipe: Recipe) -> bool:
    """Of the first seed, without the search for K, to save space."""
    return recipe.seed == 0 and recipe.bins == 256


def _copy_weights(result: Result, source: Path) -> None:
    target = weights(result.data, result.name)
    target.parent.mkdir(parents=True, exist_ok=True)
    stated = {name: str(value) for name, value in result.row().items()}
    save_network(load_network(source), target, network_facts(source) | stated)


def _identity(result: Result) -> tuple[str, str, int]:
    return result.data, result.name, result.seed


if __name__ == "__main__":
    ship(Path(sys.argv[1]))
