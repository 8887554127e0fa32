"""The shipped weights and results, and the reader's own beside them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from histmatch_lab import network_facts, save_network
from histmatch_lab.data.samples import data_samples_dir
from histmatch_lab.data.tasks import TaskPairs
from histmatch_lab.demos.figures.compare import PAPER, WEIGHTS
from histmatch_lab.recipe import Recipe
from histmatch_lab.results import tables
from histmatch_lab.results.tables import (
    COMPARED,
    describe,
    difference,
    labels,
    load,
    network_of,
    own_names,
    results_for,
    results_of,
    seed_means,
    shipped,
    table,
    use,
    values_of,
    weights,
)
from histmatch_lab.sweep.plan import read_sweep
from histmatch_lab.training.evaluation import Score, evaluate, write_table
from histmatch_lab.training.harness import BASELINES
from histmatch_lab.training.result import Result
from tools.study import has_weights

SWEEP = Path(__file__).parents[2] / "sweeps" / "study.yaml"
TEST_PICTURES = {"tonemap": 24, "retouch": 30}


@pytest.fixture(autouse=True)
def _nothing_of_the_readers_own():
    yield
    use("")


def test_the_shipped_results_are_runs_of_the_study_and_the_baselines():
    expected = set(read_sweep(SWEEP))
    trained = [r.recipe for r in shipped() if r.recipe]
    assert len(set(trained)) == len(trained)
    assert set(trained) <= expected
    others = {(result.data, result.name) for result in shipped() if not result.recipe}
    assert others == {(data, name) for data in COMPARED for name in BASELINES}
    for result in shipped():
        pictures = {score.picture for score in result.scores}
        assert len(pictures) == len(result.scores)
        assert len(pictures) == TEST_PICTURES.get(result.data, len(pictures))


def test_weights_of_each_loss_and_task_are_shipped_and_small():
    files = {path for path in (data_samples_dir() / "weights").rglob("*") if path.is_file()}
    assert files == {weights(r.data, r.name) for r in shipped() if has_weights(r)}
    assert files >= {weights(data, name) for data in COMPARED for name in WEIGHTS}
    assert sum(path.stat().st_size for path in files) < 10e6
    for path in files:
        facts = network_facts(path)
        recipe = Recipe.from_text(facts)
        assert (recipe.data, recipe.name, recipe.seed) == (path.parent.name, path.stem, 0)
        assert int(facts["steps"]) >= 2000
    losses = {(path.parent.name, network_facts(path)["loss"]) for path in files}
    assert losses == {(run.data, run.loss) for run in read_sweep(SWEEP) if run.data in COMPARED}


@pytest.mark.parametrize(
    ("task", "recipe"),
    [
        ("tonemap", "l2"),
        *(pytest.param("retouch", name, marks=pytest.mark.slow) for name in ("l2", PAPER)),
        pytest.param("tonemap", PAPER, marks=pytest.mark.slow),
    ],
)
def test_the_stored_scores_are_those_of_the_shipped_weights(task, recipe):
    pairs = TaskPairs(task).test_pairs()[::8]
    again = evaluate(network_of(task, recipe), pairs)
    [first] = [result for result in results_for(task, recipe) if result.seed == 0]
    stored = {score.picture: score for score in first.scores}
    for got in again:
        expected = stored[got.picture]
        assert got.psnr == pytest.approx(expected.psnr, abs=0.02)
        assert got[2:7] == pytest.approx(expected[2:7], abs=0.01, rel=0.01)


def test_a_difference_is_between_the_same_pictures_and_seeds():
    for expert in COMPARED:
        there = {(s.picture, r.seed): s.psnr for r in results_for(expert, "l2") for s in r.scores}
        gaps = [
            score.psnr - there[score.picture, result.seed]
            for result in results_for(expert, "l1")
            for score in result.scores
        ]
        got = difference(expert, "l1", "l2")
        assert got.mean == pytest.approx(sum(gaps) / len(gaps))
        assert got.low < got.mean < got.high
        assert difference(expert, "l2", "l1").mean == pytest.approx(-got.mean)
        assert difference(expert, "l2", "input").mean == pytest.approx(
            -difference(expert, "input", "l2").mean
        )
    with pytest.raises(ValueError, match=r"known: .*retouch clahe"):
        difference("retouch", "l2", "l7")


def test_the_table_has_a_line_for_each():
    lines = table(results_of("retouch")).splitlines()
    for line, name in zip(lines[1:], labels("retouch").values(), strict=True):
        assert line.startswith(f"{name} ")
    assert all("[" in line for line in lines[1:] if not line.startswith("L2 "))


def test_readers_see_names_in_an_order_that_tells_something():
    results = [
        Result.of("clahe", "mine", ONE),
        *(_named(loss, lam=lam) for loss in ("l2+cramer", "l2+histmatch") for lam in (1, 0.1)),
        _named("l2+histmatch", lam=1, units="bins", outside="drop", range="unit"),
        *(_named(loss) for loss in ("ssim", "l1", "l2")),
        _named("l2", network="lut"),
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "shipped", lambda: tuple(results))
        assert [*tables.labels("mine").values()] == [
            "CLAHE",
            "L2",
            "L1",
            "λ = 0.1",
            "λ = 1",
            "λ = 1 in bins, as printed",
            "L2 + Cramér",
            "L2 + Cramér, λ = 1",
            "SSIM",
            "L2, LUT",
        ]
        assert tables.l2_beside("mine", "ssim") == "l2"
        assert tables.l2_beside("mine", "l2-lut") == "l2-lut"
        results += [_named("l1", network="paper"), Result.of("input", "mine", ONE)]
        assert tables.l2_beside("mine", "l1-paper") == "l2"  # nobody trained the paper's with L2
        assert tables.l2_beside("mine", "input") == "l2"


def test_seeds_are_compared_with_the_same_seeds():
    results = [_result("l2", (17.0, 19.0), 0), _result("l2", (18.0, 21.0), 1)]
    results += [_result("l1", (10.0, 12.0), seed) for seed in (1, 2)]
    results += [Result.of("input", "tonemap", [ONE[0]._replace(psnr=9.0)])]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "shipped", lambda: tuple(results))
        assert tables.seed_gaps("tonemap", "l1", "l2", "psnr") == [11.0 - 19.5]
        assert tables.seed_gaps("tonemap", "l2", "input", "psnr") == [18.0 - 9.0, 19.5 - 9.0]


ONE = (Score("p", 20.0, 0.5, 9.0, 0.1, 0.1, 0.1),)


def _named(loss: str, **recipe: Any) -> Result:
    made = Recipe(loss, data="mine", **recipe).reduced()
    return Result.of(made.name, "mine", ONE, recipe=made)


def _result(name: str, psnrs: tuple[float, ...], seed: int, **recipe: object) -> Result:
    scores = [Score(f"p{n}-1", psnr, 0.5, 9.0, 0.1, 0.1, 0.1) for n, psnr in enumerate(psnrs)]
    made = Recipe(name, seed=seed, **recipe).reduced()  # type: ignore[arg-type]
    facts = {"steps": 400, "seconds": 90.0, "device": "CPU", "torch": "2"}
    return Result.of(made.name, made.data, scores, recipe=made, facts=facts)


def test_the_means_of_a_table_are_over_pictures_and_seeds():
    results = [
        _result("l2", (17.0, 19.0), 0),
        _result("l2", (18.0, 20.0), 1),
        _result("l1", (16.0, 16.5), 0),
    ]
    head, l2, l1 = table(results).splitlines()
    assert head.endswith("PSNR against L2, 95 %")
    assert l2.split() == ["L2", "2", "18.50", "0.50", "17.15", "0.500", "9.00", "0.100"]
    assert l1.split()[:4] == ["L1", "1", "16.25", "-"]
    assert l1.split()[8] == "-1.75"  # from seed 0 of l2 alone, on the same pictures
    alone = table([replace(results[2], scores=())])
    assert "against" not in alone
    assert "against" not in table(results, against=None)
    assert alone.splitlines()[1].split() == l1.split()[:8]


def test_a_description_says_what_trainings_share():
    text = describe([_result("l2", (17.0,), 0), _result("l2", (18.0,), 1)])
    assert text == (
        "2 runs, 3 minutes of training in all\n"
        "data tonemap; crop 0; preset quick; epochs 80; seed 0, 1; steps 400; "
        "device CPU; torch 2"
    )
    with pytest.raises(ValueError, match="at least one training, got none"):
        describe([])


def test_names_say_in_what_trainings_differ_beside_the_loss(tmp_path):
    for place, crop in (("a", 160), ("b", 64)):
        (tmp_path / place).mkdir()
        _result("l2", (17.0, 18.0), 0, crop=crop).write(tmp_path / place)
    assert [result.name for result in load(tmp_path / "a")] == ["l2"]
    assert [result.name for result in load(tmp_path)] == ["l2, crop 160", "l2, crop 64"]


def test_what_holds_no_result_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"must hold a result.json or lines of results, got none"):
        load(tmp_path)
    with pytest.raises(
        ValueError, match=r"must be in a folder or a table, and .*nowhere is neither"
    ):
        use(str(tmp_path / "nowhere"))


def test_the_readers_own_results_stand_beside_the_shipped(tmp_path):
    pictures = [score.picture for score in results_for("tonemap", "l2")[0].scores]
    recipe = Recipe("l2", crop=64).reduced()
    scores = [Score(picture, 30.0, 0.5, 9.0, 0.1, 0.1, 0.1) for picture in pictures]
    Result.of("l2", "tonemap", scores, recipe=recipe, facts={"seconds": 1.0}).write(tmp_path)
    save_network(recipe.make_network(), tmp_path / "weights.safetensors")
    before = table(results_of("tonemap")).splitlines()

    summary = _result("l2", (17.0,), 0)
    write_table(tmp_path / "swept.csv", [{"key": "gone"} | summary.row()])
    both = use(f"{tmp_path}, {tmp_path / 'swept.csv'}")
    assert [result.name for result in both] == ["own l2, crop 64", "own l2, crop 0"]
    assert own_names("tonemap") == ["own l2, crop 64"]  # of the other only a summary was kept
    [own] = use(str(tmp_path))
    assert own.name == "own l2"
    assert own_names("tonemap") == ["own l2"]
    assert own_names("retouch") == []
    lines = table(results_of("tonemap")).splitlines()
    assert len(lines) == len(before) + 1
    assert lines[-1].startswith("own l2 ")
    assert "[" in lines[-1]
    assert values_of("tonemap", "own l2", "psnr") == [30.0] * 24
    assert seed_means("tonemap", "own l2", "psnr") == [pytest.approx(30.0)]
    gap = difference("tonemap", "own l2", "l2").mean
    assert gap == pytest.approx(30 - results_for("tonemap", "l2")[0].summary.psnr)
    assert network_of("tonemap", "own l2").architecture == recipe.make_network().architecture

    assert use("") == []
    assert table(results_of("tonemap")).splitlines() == before


def test_a_sweeps_table_finds_the_scores_beside_it(tmp_path):
    result = _result("l2", (17.0, 18.0), 0)
    (tmp_path / "key").mkdir()
    result.write(tmp_path / "key")
    rows = [result.row() | {"key": "key"}, _result("l1", (9.0,), 0).row() | {"key": "gone"}]
    write_table(tmp_path / "tiny.csv", rows)
    there, gone = load(tmp_path / "tiny.csv")
    assert (len(there.scores), there.weights) == (2, None)
    assert (gone.scores, gone.weights, gone.summary.psnr) == ((), None, 9.0)
    assert tables.own_names("tonemap") == []
