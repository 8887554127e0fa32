"""What the study lacks is a sweep; what was run is kept with its scores, once."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from histmatch_lab.data.samples import ENVIRONMENT_VARIABLE, data_samples_dir
from histmatch_lab.data.tasks import TaskPairs
from histmatch_lab.hdrnet import load_network, network_facts, save_network
from histmatch_lab.recipe import Recipe
from histmatch_lab.results.tables import COMPARED, RUNS, load, weights
from histmatch_lab.sweep.plan import read_sweep
from histmatch_lab.training.evaluation import Score, read_table, write_table
from histmatch_lab.training.harness import BASELINES, data_hash
from histmatch_lab.training.result import Result
from tools import study

SWEEP = "data: retouch\npreset: study\ncrop: 0\nloss: [l2, l1]\nseed: [0, 1]\n"


@pytest.fixture
def samples(tmp_path, monkeypatch):
    """The shipped pairs with no result and no weights."""
    folder = tmp_path / "data_samples"
    folder.mkdir()
    for path in data_samples_dir().iterdir():
        if path.name not in ("results", "weights"):
            (folder / path.name).symlink_to(path)
    (folder / "results").mkdir()
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(folder))
    return folder


def shipped() -> dict[Recipe | None, Result]:
    """The shipped trainings."""
    found = load(data_samples_dir() / "results" / RUNS)
    return {result.recipe: result for result in found if result.recipe}


def run(*arguments: object) -> str:
    result = CliRunner().invoke(study.main, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result.output


def write_sweep(folder: Path) -> Path:
    (folder / "sweep.yaml").write_text(SWEEP)
    return folder / "sweep.yaml"


def finished(recipe: Recipe, folder, psnr: float) -> dict[str, object]:
    scores = [Score(f"p{n}", psnr + n, 0.5, 9.0, 0.1, 0.2, 0.3, 0.0) for n in range(2)]
    facts = {"data_hash": data_hash(recipe.data), "code": "of before"}
    result = Result.of(recipe.name, recipe.data, scores, recipe=recipe, facts=facts)
    (folder / f"{recipe.name}{recipe.seed}").mkdir(exist_ok=True)
    result.write(folder / f"{recipe.name}{recipe.seed}")
    return {"key": f"{recipe.name}{recipe.seed}"} | result.row()


@pytest.mark.usefixtures("samples")
def test_what_is_shipped_is_not_missing(tmp_path):
    sweep = write_sweep(tmp_path)
    assert len(yaml.safe_load(run("missing", sweep))) == 4
    runs = read_sweep(sweep)
    write_table(tmp_path / "some.csv", [finished(run, tmp_path, 20.0) for run in runs[:3]])
    run("ship", tmp_path / "some.csv")

    rest = tmp_path / "rest.yaml"
    rest.write_text(run("missing", sweep))
    assert read_sweep(rest) == runs[3:]

    write_table(tmp_path / "rest.csv", [finished(run, tmp_path, 30.0) for run in runs[2:]])
    run("ship", tmp_path / "rest.csv")
    assert run("missing", sweep) == ""
    there = shipped()
    assert there.keys() == set(runs)
    assert [there[run].scores[1].psnr for run in runs] == [21.0, 21.0, 31.0, 31.0]
    names = sorted(path.name for path in (data_samples_dir() / "results").iterdir())
    assert names == ["runs.csv", "scores.csv"]


@pytest.mark.usefixtures("samples")
def test_other_data_are_another_run(tmp_path):
    sweep = write_sweep(tmp_path)
    [first, *_] = read_sweep(sweep)
    row = finished(first, tmp_path, 20.0)
    other = Result.read(tmp_path / str(row["key"]))
    other.facts["data_hash"] = "another"
    other.write(tmp_path / str(row["key"]))
    write_table(tmp_path / "some.csv", [row])
    run("ship", tmp_path / "some.csv")
    assert len(yaml.safe_load(run("missing", sweep))) == 4


def test_a_run_without_its_scores_is_not_shipped(samples, tmp_path):
    recipe = Recipe("l2", data="retouch", preset="study", crop=0).reduced()
    row = finished(recipe, tmp_path, 20.0)
    (tmp_path / str(row["key"]) / "result.json").unlink()
    write_table(tmp_path / "some.csv", [row])
    result = CliRunner().invoke(study.main, ["ship", str(tmp_path / "some.csv")])
    assert result.exit_code == 1
    assert "its runs must be beside it, l2 is not" in result.output
    assert not any((samples / "results").iterdir())


@pytest.mark.usefixtures("samples")
def test_weights_of_each_loss_are_shipped_with_what_they_are(tmp_path):
    """Also from a table whose runs differ in more than the loss."""
    common: dict[str, Any] = {"data": "retouch", "crop": 0}
    recipes = [
        Recipe("l2", preset="study", **common),
        Recipe("l2", preset="study", seed=1, **common),
        Recipe("l2+w1", lam=0.3, preset="study", **common),
        Recipe("l2", preset="study-lut", network="lut", **common),
    ]
    rows = [finished(recipe.reduced(), tmp_path, 20.0) for recipe in recipes]
    for row, recipe in zip(rows, recipes, strict=True):
        folder = tmp_path / str(row["key"])
        save_network(recipe.make_network(), folder / "weights.safetensors", {"note": "kept"})
    write_table(tmp_path / "some.csv", rows)
    run("ship", tmp_path / "some.csv")

    another = finished(Recipe("l1", preset="study", **common).reduced(), tmp_path, 20.0)
    write_table(tmp_path / "another.csv", [another])
    run("ship", tmp_path / "another.csv")  # beside what is there
    names = {row["recipe"] for row in read_table(data_samples_dir() / "results" / RUNS)}
    assert names == {"l2", "l2-lut", "l1", "w1-lam0.3", *BASELINES}

    found = sorted((data_samples_dir() / "weights").rglob("*.safetensors"))
    assert found == [weights("retouch", "l2")]
    facts = network_facts(weights("retouch", "l2"))
    assert (facts["preset"], facts["seed"], facts["note"]) == ("study", "0", "kept")
    assert load_network(weights("retouch", "l2")).architecture["hidden"] == [64, 64]


def test_the_baselines_are_scored_on_the_whole_test_set(samples, tmp_path):
    [recipe, *_] = read_sweep(write_sweep(tmp_path))
    write_table(tmp_path / "some.csv", [finished(recipe, tmp_path, 20.0)])
    run("ship", tmp_path / "some.csv")
    found = load(samples / "results" / RUNS)
    others = {(r.data, r.name): len(r.scores) for r in found if not r.recipe}
    sizes = {task: len(TaskPairs(task).test_pairs()) for task in COMPARED}
    assert others == {(task, name): sizes[task] for task in COMPARED for name in BASELINES}
