"""What the study lacks is a sweep; what was run is kept with its scores, once."""

import pytest
import yaml
from click.testing import CliRunner

from histmatch_lab.data.samples import ENVIRONMENT_VARIABLE, data_samples_dir
from histmatch_lab.recipe import Recipe
from histmatch_lab.sweep.plan import read_sweep
from histmatch_lab.training.evaluation import Score, write_table
from histmatch_lab.training.harness import data_hash
from histmatch_lab.training.result import Result
from tools import study

SWEEP = "data: retouch\npreset: study\ncrop: 0\nloss: [l2, l1]\nseed: [0, 1]\n"


@pytest.fixture
def samples(tmp_path, monkeypatch):
    """The shipped pairs with no result of the study."""
    folder = tmp_path / "data_samples"
    folder.mkdir()
    for path in data_samples_dir().iterdir():
        if path.name != "results":
            (folder / path.name).symlink_to(path)
    (folder / "results").mkdir()
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(folder))
    return folder


def run(*arguments: object) -> str:
    result = CliRunner().invoke(study.main, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result.output


def finished(recipe: Recipe, folder, psnr: float) -> dict[str, object]:
    scores = [Score(f"p{n}", psnr + n, 0.5, 9.0, 0.1, 0.2, 0.3, 0.0) for n in range(2)]
    facts = {"data_hash": data_hash(recipe.data), "code": "of before"}
    result = Result.of(recipe.name, recipe.data, scores, recipe=recipe, facts=facts)
    (folder / f"{recipe.name}{recipe.seed}").mkdir(exist_ok=True)
    result.write(folder / f"{recipe.name}{recipe.seed}")
    return {"key": f"{recipe.name}{recipe.seed}"} | result.row()


@pytest.mark.usefixtures("samples")
def test_what_is_shipped_is_not_missing(tmp_path):
    sweep = tmp_path / "sweep.yaml"
    sweep.write_text(SWEEP)
    assert len(yaml.safe_load(run("missing", sweep))) == 4
    runs = read_sweep(sweep)
    write_table(tmp_path / "some.csv", [finished(run, tmp_path, 20.0) for run in runs[:3]])
    run("ship", tmp_path / "some.csv")

    rest = tmp_path / "rest.yaml"
    rest.write_text(run("missing", sweep))
    assert read_sweep(rest) == runs[3:]

    write_table(tmp_path / "rest.csv", [finished(run, tmp_path, 30.0) for run in runs[2:]])
    run("ship", tmp_path / "rest.csv")
    there = {result.recipe: result for result in study.shipped()}
    assert there.keys() == set(runs)
    assert [there[run].scores[1].psnr for run in runs] == [21.0, 21.0, 31.0, 31.0]
    assert sorted(path.name for path in study.folder().iterdir()) == ["runs.csv", "scores.csv"]


@pytest.mark.usefixtures("samples")
def test_other_data_are_another_run(tmp_path):
    sweep = tmp_path / "sweep.yaml"
    sweep.write_text(SWEEP)
    [first, *_] = read_sweep(sweep)
    row = finished(first, tmp_path, 20.0)
    other = Result.read(tmp_path / str(row["key"]))
    other.facts["data_hash"] = "another"
    other.write(tmp_path / str(row["key"]))
    write_table(tmp_path / "some.csv", [row])
    run("ship", tmp_path / "some.csv")
    assert len(yaml.safe_load(run("missing", sweep))) == 4


@pytest.mark.usefixtures("samples")
def test_a_run_without_its_scores_is_not_shipped(tmp_path):
    recipe = Recipe("l2", data="retouch", preset="study", crop=0).reduced()
    row = finished(recipe, tmp_path, 20.0)
    (tmp_path / str(row["key"]) / "result.json").unlink()
    write_table(tmp_path / "some.csv", [row])
    result = CliRunner().invoke(study.main, ["ship", str(tmp_path / "some.csv")])
    assert result.exit_code == 1
    assert "its runs must be beside it, l2 is not" in result.output
    assert not study.folder().exists()
