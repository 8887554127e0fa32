"""The comparison of losses: one network, one kind of data, and what each loss makes of it.

    python -m histmatch_lab.results.shipped --jobs 2

trains every recipe for every expert and seed and writes data_samples/weights and
data_samples/results. What is there already is not trained again.
"""

import argparse
import multiprocessing
import platform
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import torch
from rich.progress import track

from histmatch_lab.data.pairs import Pair
from histmatch_lab.data.samples import data_samples_dir
from histmatch_lab.data.scenes import ScenePairs
from histmatch_lab.hdrnet import HDRNet, load_network, save_network
from histmatch_lab.losses import EnhancementLoss
from histmatch_lab.recipe import PRESETS
from histmatch_lab.training.baselines import clahe, histogram_oracle
from histmatch_lab.training.distributed import use_threads
from histmatch_lab.training.evaluation import (
    Difference,
    Score,
    evaluate,
    paired_bootstrap,
    read_table,
    score,
    summarize,
    write_table,
)
from histmatch_lab.training.loop import train
from histmatch_lab.training.seeding import seed_everything

EXPERTS = ("local", "undecided")
SEEDS = (0, 1, 2)
PRESET, CROP = "classroom", 160
BASELINES = ("input", "clahe", "oracle")


@dataclass(frozen=True)
class Recipe:
    """One loss with its options, as `EnhancementLoss` takes them.

    `lam` belongs to `units`: 1 in intensity is 1/bins in the paper's.
    """

    loss: str
    lam: float = 1.0
    bins: int = 256
    alpha: float = 1000.0
    units: str = "intensity"
    outside: str = "drop"

    @property
    def name(self) -> str:
        """Such as "l1" or "histmatch-k256-lam1", with what is unusual at the end."""
        options = self.options
        parts = (
            self.loss.removeprefix("l2+"),
            f"-k{self.bins}" if "bins" in options else "",
            f"-lam{self.lam:g}" if "lam" in options else "",
            f"-alpha{self.alpha:g}" if options.get("alpha", 1000) != 1000 else "",
            "-bins" if options.get("units") == "bins" else "",
            f"-{self.outside}" if options.get("outside", "drop") != "drop" else "",
        )
        return "".join(parts)

    @property
    def options(self) -> dict[str, Any]:
        """What this loss has of `lam` and the options of the histogram term, by name."""
        *others, last = self.loss.split("+")
        names = ["lam"] if others else []
        if last == "histmatch":
            names += ["bins", "alpha", "units", "outside"]
        return {name: getattr(self, name) for name in names}

    @property
    def paper_lam(self) -> float:
        """lambda in the units of Eq. 5, which counts bins."""
        return self.lam if self.units == "bins" else self.lam / self.bins

    @property
    def shipped(self) -> bool:
        """Whether the weights of its first seed are among the samples."""
        return self.lam == 1 or self.bins == 256

    def make(self) -> EnhancementLoss:
        return EnhancementLoss(self.loss, **self.options)


LAMS, BINS = (0.1, 1.0, 10.0), (50, 100, 256)
RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe("l2"),
        Recipe("l1"),
        *(Recipe("l2+histmatch", lam=lam) for lam in (*LAMS, 0.01)),
        Recipe("l2+histmatch", outside="clamp"),
        *(Recipe("l2+histmatch", bins=bins) for bins in (100, 50)),
        Recipe("l2+histmatch", units="bins"),
        *(Recipe("l2+histmatch", lam=lam, bins=bins) for bins in (100, 50) for lam in (0.1, 10.0)),
    )
}


class Run(NamedTuple):
    """One training: a recipe, an expert, a seed, and how it went."""

    expert: str
    recipe: str
    seed: int
    preset: str
    crop: int
    steps: int
    seconds: float
    device: str
    torch: str
    python: str


class Row(NamedTuple):
    """The score of one run on one test picture."""

    expert: str
    recipe: str
    seed: int
    score: Score


def weights_path(expert: str, recipe: str) -> Path:
    """Where the shipped weights of a recipe are."""
    return data_samples_dir() / "weights" / expert / f"{recipe}.safetensors"


@cache
def shipped_network(expert: str, recipe: str) -> HDRNet:
    """The network that the first seed of a recipe gave; FileNotFoundError if it is not shipped."""
    return load_network(weights_path(expert, recipe)).eval()


@cache
def results() -> tuple[Row, ...]:
    """What data_samples/results/scores.csv holds, a row for each run and test picture."""
    return tuple(
        Row(
            row.pop("expert"),
            row.pop("recipe"),
            int(row.pop("seed")),
            Score(row.pop("picture"), *map(float, row.values())),
        )
        for row in _read("scores")
    )


def runs() -> list[Run]:
    """What data_samples/results/runs.csv holds."""
    kinds = Run.__annotations__
    return [Run(**{k: kinds[k](v) for k, v in row.items()}) for row in _read("runs")]


def scores_of(expert: str, recipe: str) -> list[Row]:
    """All rows of a recipe or baseline; ValueError, which lists the known, if there are none."""
    rows = [row for row in results() if (row.expert, row.recipe) == (expert, recipe)]
    if not rows:
        known = sorted({f"{row.expert} {row.recipe}" for row in results()})
        raise ValueError(f"no results for {expert} {recipe}; known: {', '.join(known)}")
    return rows


def seed_means(expert: str, recipe: str, measure: str) -> list[float]:
    """The mean of a measure over the test pictures, seed by seed."""
    by_seed: dict[int, list[float]] = {}
    for row in scores_of(expert, recipe):
        by_seed.setdefault(row.seed, []).append(getattr(row.score, measure))
    return [sum(values) / len(values) for values in by_seed.values()]


def difference(expert: str, ours: str, theirs: str, measure: str = "psnr") -> Difference:
    """Ours minus theirs, seed by seed and picture by picture, with its bootstrap interval.

    Drawn are photographs, with all their flaws and seeds. A baseline counts for every seed.
    """
    mine, other = (
        {
            (row.score.picture, row.seed): getattr(row.score, measure)
            for row in scores_of(expert, name)
        }
        for name in (ours, theirs)
    )
    if ours in BASELINES:
        mine = {key: mine[key[0], 0] for key in other}
    if theirs in BASELINES:
        other = {key: other[key[0], 0] for key in mine}
    both = [key for key in mine if key in other]
    return paired_bootstrap(
        [mine[key] for key in both],
        [other[key] for key in both],
        [photograph(picture) for picture, _ in both],
        generator=torch.Generator().manual_seed(0),
    )


def photograph(picture: str) -> str:
    """The photograph that a test picture such as "stream-2" is a variant of."""
    return picture.rsplit("-", 1)[0]


def table(expert: str) -> str:
    """Every recipe's means over pictures and seeds, and its difference in PSNR from L2."""
    names = [n for n in (*BASELINES, *RECIPES) if any(r.recipe == n for r in results())]
    lines = [
        f"{'':27} {'PSNR':>6} {'seeds ±':>7} {'5th':>6} {'SSIM':>6} {'dE2000':>6} {'EMD':>6}  "
        "PSNR against L2, 95 %"
    ]
    for name in names:
        means = summarize([row.score for row in scores_of(expert, name)])
        seeds = seed_means(expert, name, "psnr")
        spread = f"{(max(seeds) - min(seeds)) / 2:7.2f}" if len(seeds) > 1 else f"{'-':>7}"
        against = "" if name == "l2" else str(difference(expert, name, "l2"))
        lines.append(
            f"{name:27} {means.psnr:6.2f} {spread} {means.psnr_p5:6.2f} {means.ssim:6.3f} "
            f"{means.ciede2000:6.2f} {means.emd:6.3f}  {against}"
        )
    return "\n".join(lines)


def _read(table: str) -> list[dict[str, str]]:
    path = data_samples_dir() / "results" / f"{table}.csv"
    return read_table(path) if path.exists() else []


def train_one(expert: str, recipe: Recipe, seed: int) -> tuple[Run, list[Row], HDRNet]:
    """Train and score one run, on one thread of the CPU."""
    use_threads(torch.device("cpu"))
    pairs = ScenePairs(expert, crop=CROP)
    seed_everything(seed)
    network = HDRNet.compact()
    start = time.perf_counter()
    steps = sum(1 for _ in train(network, pairs, recipe.make(), PRESETS[PRESET], seed=seed))
    seconds = round(time.perf_counter() - start, 1)
    rows = [Row(expert, recipe.name, seed, s) for s in evaluate(network, pairs.test_pairs())]
    versions = torch.__version__, platform.python_version()
    run = Run(expert, recipe.name, seed, PRESET, CROP, steps, seconds, "CPU, 1 thread", *versions)
    return run, rows, network


def score_baselines(expert: str) -> Iterator[Row]:
    """The input itself, CLAHE, and the oracle that is told the target's histogram."""

    def predictions(pair: Pair) -> Iterator[torch.Tensor]:
        image = pair.input[None]
        yield from (image, clahe(image), histogram_oracle(image, pair.target[None]))

    for pair in ScenePairs(expert).test_pairs():
        for name, pred in zip(BASELINES, predictions(pair), strict=True):
            yield Row(expert, name, 0, score(pair.name, pred[0], pair.target))


def _tidy(row: Row) -> dict[str, Any]:
    scores = row.score._asdict()
    del scores["lpips"]  # its weights are not shipped
    numbers = {k: v if k == "picture" else round(v, 5) for k, v in scores.items()}
    return {"expert": row.expert, "recipe": row.recipe, "seed": row.seed, **numbers}


def _write(trained: Sequence[Run], rows: Sequence[Row]) -> None:
    folder = data_samples_dir() / "results"
    folder.mkdir(exist_ok=True)
    order = {name: place for place, name in enumerate((*BASELINES, *RECIPES))}
    ranked = sorted(rows, key=lambda r: (r.expert, order[r.recipe], r.seed))
    write_table(folder / "scores.csv", [_tidy(row) for row in ranked])
    ran = sorted(trained, key=lambda r: (r.expert, order[r.recipe], r.seed))
    if ran:
        write_table(folder / "runs.csv", [run._asdict() for run in ran])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--jobs", type=int, default=2, help="trainings at a time, a thread each")
    jobs = parser.parse_args().jobs
    trained, rows = runs(), list(results())
    known = {(run.expert, run.recipe, run.seed) for run in trained}
    for expert in EXPERTS:
        if not any(row.expert == expert and row.recipe in BASELINES for row in rows):
            rows.extend(score_baselines(expert))
    _write(trained, rows)
    todo = [
        (expert, recipe, seed)
        for seed in SEEDS
        for recipe in RECIPES.values()
        for expert in EXPERTS
        if (expert, recipe.name, seed) not in known
    ]
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        futures = [pool.submit(train_one, *task) for task in todo]
        for future in track(as_completed(futures), "Training", total=len(futures)):
            run, scored, network = future.result()
            trained.append(run)
            rows.extend(scored)
            recipe = RECIPES[run.recipe]
            if run.seed == SEEDS[0] and recipe.shipped:
                path = weights_path(run.expert, run.recipe)
                path.parent.mkdir(parents=True, exist_ok=True)
                facts = {name: str(fact) for name, fact in (asdict(recipe) | run._asdict()).items()}
                save_network(network, path, facts)
            _write(trained, rows)


if __name__ == "__main__":
    main()
