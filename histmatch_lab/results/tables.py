"""Results, shipped and the reader's own: read, compared, and printed as one table.

The shipped ones are in data_samples/results, with the weights of each recipe's first seed in
data_samples/weights; `make weights` makes both.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from statistics import fmean
from typing import Any

import torch

from histmatch_lab.data.samples import data_samples_dir
from histmatch_lab.hdrnet import Network, load_network
from histmatch_lab.recipe import Recipe
from histmatch_lab.training.evaluation import (
    Difference,
    Summary,
    paired_bootstrap,
    read_table,
    summarize,
    write_table,
)
from histmatch_lab.training.result import FILE, Result

COMPARED = ("tonemap", "retouch")  # the tasks that every recipe was trained on
AROUND = ("crop", "preset", "epochs")  # what may differ beside loss, data and seed
RUNS, SCORES = "runs.csv", "scores.csv"
Place = str | Path

_own: list[Result] = []


def load(*places: Place) -> list[Result]:
    """The results in folders and tables.

    A place is a folder of `histmatch-lab train` or of notebook 05, the folder of a sweep, or a
    sweep's table; the scores of single pictures are those in the folders beside it.

    Where the trainings differ in more than the loss, the data and the seed, their names say in
    what. Raises ValueError if there is no result in a place.
    """
    found = [result for place in places for result in _load(Path(place))]
    trained = [result.recipe for result in found if result.recipe]
    differ = [name for name in AROUND if len({getattr(r, name) for r in trained}) > 1]
    return [_distinguished(result, differ) for result in found]


def write_results(folder: Path, results: Iterable[Result]) -> None:
    """A line for each in the folder's runs.csv, and for each test picture in its scores.csv."""
    keyed = [({"key": number}, result) for number, result in enumerate(results)]
    write_table(folder / SCORES, [key | line for key, r in keyed for line in r.score_rows()])
    write_table(folder / RUNS, [key | result.row() for key, result in keyed])


@cache
def shipped() -> tuple[Result, ...]:
    """The results in data_samples/results/."""
    return tuple(_load(data_samples_dir() / "results" / RUNS))


def use(places: str) -> list[Result]:
    """Put the reader's own results, and only these, beside the shipped in all that follows.

    places: as `load` takes them, with a comma between two; empty for none. Their names begin with
    "own". Returns them.
    """
    parts = [place.strip() for place in places.split(",") if place.strip()]
    network_of.cache_clear()
    _own[:] = [replace(result, name=f"own {result.name}") for result in load(*parts)]
    return list(_own)


def own_names(data: str) -> list[str]:
    """The names of the reader's own results for this data that have scores of single pictures."""
    return list(dict.fromkeys(r.name for r in _own if r.data == data and r.scores))


def results_of(data: str) -> list[Result]:
    """All results for an expert or a folder of data, the shipped first."""
    return [result for result in (*shipped(), *_own) if result.data == data]


def labels(data: str) -> dict[str, str]:
    """What the figures call each result for this data, by its name: baselines, L2 and L1, the
    histogram term by its lambda, other losses, the reader's own."""
    found = {result.name: result for result in results_of(data)}
    ordered = sorted(found.values(), key=_place)
    return {r.name: _label(r) for r in ordered}


def results_for(data: str, name: str) -> list[Result]:
    """The results of a recipe or baseline, seed by seed.

    Raises ValueError, which lists the known, if there are none.
    """
    found = [result for result in results_of(data) if result.name == name]
    if not found:
        known = sorted({f"{result.data} {result.name}" for result in (*shipped(), *_own)})
        raise ValueError(f"no results for {data} {name}; known: {', '.join(known)}")
    return found


def values_of(data: str, name: str, measure: str) -> list[float]:
    """A measure on each test picture with each seed."""
    return [getattr(s, measure) for result in results_for(data, name) for s in result.scores]


def seed_means(data: str, name: str, measure: str) -> list[float]:
    """The mean of a measure over the test pictures, seed by seed."""
    return [getattr(result.summary, measure) for result in results_for(data, name)]


def seed_gaps(data: str, ours: str, theirs: str, measure: str) -> list[float]:
    """Ours minus theirs, the means over the test pictures, for each seed that both have; a baseline
    has each."""
    mine, other = (
        {result.seed: getattr(result.summary, measure) for result in results_for(data, name)}
        for name in (ours, theirs)
    )
    if not results_for(data, theirs)[0].recipe:
        other = dict.fromkeys(mine, other[0])
    return [mine[seed] - other[seed] for seed in mine if seed in other]


def l2_beside(data: str, name: str) -> str:
    """The name of L2 alone with the network that this result's recipe has, or else of L2."""
    [first, *_] = results_for(data, name)
    if not first.recipe:
        return "l2"
    same = Recipe("l2", network=first.recipe.network).name
    return same if any(result.name == same for result in results_of(data)) else "l2"


def difference(data: str, ours: str, theirs: str, measure: str = "psnr") -> Difference:
    """Ours minus theirs, seed by seed and picture by picture, with its bootstrap interval.

    Drawn are scenes, with all their views, and seeds. A baseline counts for every seed. Raises
    ValueError where fewer than two scenes have both.
    """
    return _difference(results_for(data, ours), results_for(data, theirs), measure)


def photograph(picture: str) -> str:
    """The photograph or scene that a test picture is a variant or view of.

    >>> photograph("stream-2")
    'stream'
    """
    return picture.rsplit("-", 1)[0]


@cache
def network_of(data: str, name: str) -> Network:
    """The network that the first seed of a recipe gave; FileNotFoundError if it was not kept."""
    own = [result.weights for result in _own if (result.data, result.name) == (data, name)]
    return load_network((own and own[0]) or weights(data, name)).eval()


def weights(data: str, name: str) -> Path:
    """Where the shipped weights of a recipe are."""
    return data_samples_dir() / "weights" / data / f"{name}.safetensors"


def describe(results: Sequence[Result]) -> str:
    """How many trainings there are, and what they share; ValueError if there are none."""
    trained = [result for result in results if result.recipe]
    if not trained:
        raise ValueError("results must hold at least one training, got none")
    rows = [result.row() for result in trained]
    columns = ("data", *AROUND, "seed", "steps", "device", "torch")
    shared = [f"{c} {', '.join(dict.fromkeys(str(row[c]) for row in rows))}" for c in columns]
    minutes = sum(result.facts["seconds"] for result in trained) / 60
    return f"{len(rows)} runs, {minutes:.0f} minutes of training in all\n{'; '.join(shared)}"


def table(results: Sequence[Result], against: str | None = "l2") -> str:
    """A line for each name: its means over the seeds, and its difference in PSNR from another's.

    "±" is half the range of the seeds' PSNR. "5th" is the 5th percentile over all pictures and
    seeds; where only summaries were kept, the mean of theirs. The difference is of the seeds that
    both have, and so not always that of the means.

    against: the name of a result; None for no such column.
    """
    groups: dict[str, list[Result]] = {}
    for result in sorted(results, key=_place):
        groups.setdefault(result.name, []).append(result)
    names = {name: _label(group[0]) for name, group in groups.items()}
    width = max(map(len, names.values()), default=0)
    head = f"{'seeds':>5} {'PSNR':>6} {'±':>5} {'5th':>6} {'SSIM':>6} {'dE2000':>6} {'EMD':>6}"
    compared = f"  PSNR against {names[against]}, 95 %" if against in groups else ""
    lines = [f"{'':{width}} {head}{compared}"]
    for name, group in groups.items():
        gap = _gap(group, groups[against]) if against in groups and name != against else ""
        lines.append(f"{names[name]:{width}} {_means(group)}  {gap}".rstrip())
    return "\n".join(lines)


def _place(result: Result) -> tuple[Any, ...]:
    recipe = result.recipe
    if not recipe or result in _own:
        return (9,) if recipe else (-1,)
    first = ("l2", "l1", "l2+histmatch")
    family = first.index(recipe.loss) if recipe.loss in first else len(first)
    kind = recipe.outside, -recipe.bins, -recipe.bandwidth
    in_intensity = recipe.paper_lam * recipe.bins
    return (recipe.network != Recipe.network, family, recipe.loss, *kind, in_intensity)


def _label(result: Result) -> str:
    if result.recipe and result.name == result.recipe.name:
        return result.recipe.label
    return {"clahe": "CLAHE", "oracle": "histogram oracle"}.get(result.name, result.name)


def _means(group: Sequence[Result]) -> str:
    if all(result.scores for result in group):
        mean = summarize([score for result in group for score in result.scores])
    else:
        mean = Summary(*map(fmean, zip(*(result.summary for result in group), strict=True)))
    psnrs = [result.summary.psnr for result in group]
    trained = str(len(group)) if group[0].recipe else "-"
    spread = f"{(max(psnrs) - min(psnrs)) / 2:.2f}" if len(group) > 1 else "-"
    return (
        f"{trained:>5} {mean.psnr:6.2f} {spread:>5} {mean.psnr_p5:6.2f} {mean.ssim:6.3f} "
        f"{mean.ciede2000:6.2f} {mean.emd:6.3f}"
    )


def _gap(ours: Sequence[Result], theirs: Sequence[Result]) -> str:
    try:
        return str(_difference(ours, theirs, "psnr"))
    except ValueError:  # too few photographs for an interval, or single ones were not kept
        return ""


def _difference(ours: Sequence[Result], theirs: Sequence[Result], measure: str) -> Difference:
    mine, other = _by_picture(ours, measure), _by_picture(theirs, measure)
    if not any(result.recipe for result in ours):
        mine = {key: mine[key[0], 0] for key in other}
    if not any(result.recipe for result in theirs):
        other = {key: other[key[0], 0] for key in mine}
    both = [key for key in mine if key in other]
    return paired_bootstrap(
        [mine[key] for key in both],
        [other[key] for key in both],
        [photograph(picture) for picture, _ in both],
        [seed for _, seed in both],
        generator=torch.Generator().manual_seed(0),
    )


def _by_picture(results: Iterable[Result], measure: str) -> dict[tuple[str, int], float]:
    return {(s.picture, r.seed): getattr(s, measure) for r in results for s in r.scores}


def _distinguished(result: Result, differ: Sequence[str]) -> Result:
    details = (f"{name} {getattr(result.recipe, name)}" for name in differ if result.recipe)
    return replace(result, name=", ".join([result.name, *details]))


def _load(place: Path) -> list[Result]:
    if place.is_dir():
        found = [Result.read(path.parent) for path in sorted(place.rglob(FILE))]
    elif place.is_file():
        found = _of_table(place)
    else:
        raise ValueError(f"results must be in a folder or a table, and {place} is neither")
    if not found:
        raise ValueError(f"{place} must hold a {FILE} or lines of results, got none")
    return found


def _of_table(path: Path) -> list[Result]:
    """Of a sweep's table, or of `write_results`: with the scores in the folders or table beside."""
    lines: dict[str, list[dict[str, str]]] = {}
    if (scores := path.parent / SCORES).exists():
        for line in read_table(scores):
            lines.setdefault(line["key"], []).append(line)
    found = []
    for row in read_table(path):
        key = row.get("key", "")
        whole = (path.parent / key / FILE).exists()
        rest = lines.get(key, ())
        found.append(Result.read(path.parent / key) if whole else Result.from_rows(row, rest))
    return found
