"""From a recipe to a result, and the files that it depends on."""

import json
import time
from pathlib import Path

import pytest
import torch

import histmatch_lab
from histmatch_lab import load_network
from histmatch_lab.data.tasks import open_pairs
from histmatch_lab.recipe import Recipe
from histmatch_lab.training import harness
from histmatch_lab.training.evaluation import Score, evaluate, read_table, summarize, write_table
from histmatch_lab.training.harness import Training, score_baseline, train_and_score
from histmatch_lab.training.loop import Step
from histmatch_lab.training.result import FACTS, FILE, Result
from histmatch_lab.training.source_code import modules_seen_by, source_digest
from tests.data.files import prepared_pairs

PACKAGE = Path(histmatch_lab.__file__).parent


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return str(prepared_pairs(tmp_path_factory.mktemp("data")))


def test_a_result_says_how_good_and_at_what_cost(data, tmp_path):
    recipe = Recipe("l1", data=data, crop=16, epochs=3, seed=5)
    steps: list[Step] = []

    def watch(step: Step) -> None:
        steps.append(step)
        time.sleep(0.1)  # seconds are given in tenths, and before the last step is seen

    result = train_and_score(recipe, tmp_path, watch)
    network = load_network(tmp_path / "weights.safetensors").eval()
    expected = summarize(evaluate(network, open_pairs(data, 16).test_pairs()))
    assert result.summary == pytest.approx(expected, abs=1e-5)
    assert result.recipe == recipe.reduced()
    assert result.facts.keys() == FACTS.keys()
    assert (result.facts["steps"], result.facts["resumed_at"], len(steps)) == (3, 0, 3)
    assert result.facts["seconds"] >= 0.2
    assert 100 < result.facts["peak_mb"] < 10_000
    assert result.facts["device"] in ("CPU, 1 thread", "mps") or torch.cuda.is_available()
    row = result.row()
    assert (row["recipe"], row["loss"], row["seed"], row["epochs"], row["lam"]) == (
        "l1",
        "l1",
        5,
        3,
        "",
    )


def test_a_finished_training_is_scored_again_but_not_trained_again(data, tmp_path):
    recipe = Recipe("l1", data=data, crop=16, epochs=3)
    first = train_and_score(recipe, tmp_path)
    again = train_and_score(recipe, tmp_path)
    assert (again.facts["resumed_at"], again.summary) == (3, first.summary)


def test_the_same_recipe_gives_the_same_network(data):
    recipe = Recipe(data=data, crop=16, epochs=2, seed=3)
    assert train_and_score(recipe).scores == train_and_score(recipe).scores
    other = train_and_score(Recipe(data=data, crop=16, epochs=2, seed=4))
    assert other.scores != train_and_score(recipe).scores


def test_an_interrupted_training_is_resumed(data, tmp_path):
    recipe = Recipe("l2", data=data, crop=16, epochs=8)

    def stop(step: Step) -> None:
        if step.number == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_and_score(recipe, tmp_path, stop)
    resumed = train_and_score(recipe, tmp_path)
    assert (resumed.facts["steps"], resumed.facts["resumed_at"]) == (8, 5)
    assert resumed.scores == train_and_score(recipe).scores


def test_what_was_stopped_can_be_scored(data, tmp_path):
    training = Training(Recipe("l2", data=data, crop=16, epochs=8), tmp_path)
    steps = training.steps()
    next(steps)
    steps.close()
    result = training.result()
    assert (training.finished, result.facts["steps"], len(result.scores)) == (False, 1, 1)


def _result() -> Result:
    scores = [Score(f"cat-{n}", 20.0 + n, 0.5, 9.0, 0.1, 0.2, 0.3, 0.01) for n in range(3)]
    facts = dict.fromkeys(FACTS, "x") | {
        "steps": 3,
        "resumed_at": 0,
        "peak_mb": 9,
        "seconds": 1.5,
        "colour_cast": 0.1,
    }
    return Result.of(
        "l2", "retouch", scores, recipe=Recipe("l2", data="retouch").reduced(), facts=facts
    )


def test_a_result_is_kept_and_read(tmp_path):
    result = _result()
    result.write(tmp_path)
    read = Result.read(tmp_path)
    assert read.weights is None
    assert (read.recipe, read.facts) == (result.recipe, result.facts)
    assert [score[:7] for score in read.scores] == [score[:7] for score in result.scores]
    assert read.summary == pytest.approx(result.summary, abs=1e-5)
    assert json.loads((tmp_path / FILE).read_text())["run"]["psnr"] == 21.0


def test_tables_are_read_by_the_names_of_their_columns(tmp_path):
    result = _result()
    write_table(tmp_path / "runs.csv", [dict(reversed(result.row().items()))])
    [row] = read_table(tmp_path / "runs.csv")
    read = Result.from_rows(row, ())
    assert (read.name, read.data, read.recipe, read.facts) == (
        result.name,
        result.data,
        result.recipe,
        result.facts,
    )
    assert read.summary == pytest.approx(result.summary, abs=1e-5)
    write_table(tmp_path / "s.csv", [dict(reversed(row.items())) for row in result.score_rows()])
    again = Result.from_rows(row, read_table(tmp_path / "s.csv"))
    assert [score[:7] for score in again.scores] == [score[:7] for score in result.scores]


def test_the_baselines_are_scored(data):
    pairs = open_pairs(data, 16)
    found = {name: score_baseline(name, data, pairs) for name in harness.BASELINES}
    assert found["input"].summary == summarize(evaluate(lambda image: image, pairs.test_pairs()))
    assert found["oracle"].summary.emd < found["input"].summary.emd
    assert not any(result.recipe for result in found.values())
    row = found["clahe"].row()
    assert (row["recipe"], row["data"], row["loss"], row["seed"]) == ("clahe", data, "", "")
    assert Result.from_rows(row, ()).recipe is None


def test_the_peak_of_memory_is_of_the_training_alone():
    device = torch.device("cpu")
    harness._forget_peak(device)
    before = harness._peak_mb(device)
    block = torch.ones(75_000_000)  # 300 MB
    del block
    assert 250 < harness._peak_mb(device) - before < 350
    harness._forget_peak(device)
    assert harness._peak_mb(device) - before < 100


def test_the_code_of_a_training_is_what_it_imports():
    seen = {path.relative_to(PACKAGE).as_posix() for path in modules_seen_by([harness.__name__])}
    assert {"losses.py", "recipe.py", "hdrnet.py", "data/tasks.py", "training/loop.py"} <= seen
    apart = {"demos", "publish", "cli", "course", "results", "sweep"}
    assert not [name for name in seen if name.split("/")[0] in apart]


@pytest.mark.parametrize(
    ("file", "changes"),
    [
        ("losses.py", True),
        ("training/loop.py", True),
        ("data/tasks.py", True),
        ("demos/live.py", False),
        ("publish/site.py", False),
        ("cli/train.py", False),
        ("course/lessons.py", False),
        ("results/tables.py", False),
        ("sweep/view.py", False),
    ],
)
def test_only_an_edit_that_a_training_can_see_changes_its_hash(monkeypatch, file, changes):
    read = Path.read_text

    def edited(path: Path, *arguments: str, **options: str) -> str:
        text = read(path, *arguments, **options)
        return text + "# edited\n" if path == PACKAGE / file else text

    def digest() -> str:
        return source_digest(modules_seen_by([harness.__name__]))

    assert (PACKAGE / file).exists()
    before = digest()
    assert before.startswith(harness.code_hash())
    monkeypatch.setattr(Path, "read_text", edited)
    assert (digest() != before) == changes
