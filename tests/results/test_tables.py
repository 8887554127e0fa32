"""The shipped weights and results, and the reader's own beside them."""

from dataclasses import replace
from pathlib import Path

import pytest

from histmatch_lab import network_facts, save_network
from histmatch_lab.data.samples import data_samples_dir
from histmatch_lab.data.scenes import ScenePairs
from histmatch_lab.recipe import Recipe
from histmatch_lab.results import tables
from histmatch_lab.results.tables import (
    COMPARED,
    describe,
    difference,
    load,
    network_of,
    own_names,
    recipes,
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
from tools.ship_weights import has_weights

SWEEPS = Path(__file__).parents[2] / "sweeps"
DROP = "histmatch-k256-lam1-drop"
QUICK = data_samples_dir() / "results" / "quick.csv"


@pytest.fixture(autouse=True)
def _nothing_of_the_readers_own():
    yield
    use("")


def test_the_shipped_results_are_the_whole_shipped_sweep_and_the_baselines():
    expected = {(run.data, run.name, run.seed): run for run in read_sweep(SWEEPS / "shipped.yaml")}
    trained = {(r.data, r.name, r.seed): r.recipe for r in shipped() if r.recipe}
    assert trained == expected
    assert len(expected) == 84
    others = {(result.data, result.name) for result in shipped() if not result.recipe}
    assert others == {(data, name) for data in COMPARED for name in BASELINES}
    for result in shipped():
        assert len({score.picture for score in result.scores}) == len(result.scores) == 30


def test_the_weights_are_shipped_say_what_they_are_and_are_small():
    files = {path for path in (data_samples_dir() / "weights").rglob("*") if path.is_file()}
    recipes_ = {r.recipe for r in shipped() if r.recipe and has_weights(r.recipe)}
    assert files == {weights(recipe.data, recipe.name) for recipe in recipes_}
    assert sum(path.stat().st_size for path in files) < 8e6
    for path in files:
        facts = network_facts(path)
        recipe = Recipe.from_text(facts)
        assert (recipe.data, recipe.name, recipe.seed) == (path.parent.name, path.stem, 0)
        assert recipe in recipes_
        assert facts["steps"] == "800"


@pytest.mark.parametrize(
    ("expert", "recipe"),
    [
        ("local", "l2"),
        *(pytest.param("ambiguous", name, marks=pytest.mark.slow) for name in ("l2", DROP)),
        pytest.param("local", DROP, marks=pytest.mark.slow),
    ],
)
def test_the_stored_scores_are_those_of_the_shipped_weights(expert, recipe):
    pairs = ScenePairs(expert).test_pairs()[:30:8]
    again = evaluate(network_of(expert, recipe), pairs)
    [first, *_] = results_for(expert, recipe)
    stored = {score.picture: score for score in first.scores}
    assert first.seed == 0
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
    with pytest.raises(ValueError, match="known: ambiguous clahe"):
        difference("local", "l2", "l7")


def test_the_table_has_a_line_for_each():
    lines = table(results_of("local")).splitlines()
    assert [line.split()[0] for line in lines[1:]] == [*BASELINES, *recipes()]
    assert all("[" in line for line in lines[1:] if not line.startswith("l2 "))


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
    assert head.endswith("PSNR against l2, 95 %")
    assert l2.split() == ["l2", "18.50", "0.50", "17.15", "0.500", "9.00", "0.100"]
    assert l1.split()[:3] == ["l1", "16.25", "-"]
    assert l1.split()[7] == "-1.75"  # from seed 0 of l2 alone, on the same pictures
    alone = table([replace(results[2], scores=())])
    assert "against" not in alone
    assert "against" not in table(results, against=None)
    assert alone.splitlines()[1].split() == l1.split()[:7]


def test_a_description_says_what_trainings_share():
    text = describe([_result("l2", (17.0,), 0), _result("l2", (18.0,), 1)])
    assert text == (
        "2 runs, 3 minutes of training in all\n"
        "data local; network compact; crop 160; preset quick; epochs 80; seed 0, 1; steps 400; "
        "device CPU; torch 2"
    )
    with pytest.raises(ValueError, match="at least one training, got none"):
        describe([])


def test_the_shipped_table_of_a_sweep_is_the_whole_quick_sweep():
    results = load(QUICK)
    runs = read_sweep(SWEEPS / "quick.yaml")
    assert [result.recipe for result in results] == list(runs)
    assert [result.name for result in results] == [run.name for run in runs]
    assert describe(results).startswith("22 runs")
    assert [line.split()[0] for line in table(results).splitlines()[1:]] == [
        *dict.fromkeys(run.name for run in runs)
    ]


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
    pictures = [score.picture for score in results_for("local", "l2")[0].scores]
    recipe = Recipe("l2", crop=64).reduced()
    scores = [Score(picture, 30.0, 0.5, 9.0, 0.1, 0.1, 0.1) for picture in pictures]
    Result.of("l2", "local", scores, recipe=recipe, facts={"seconds": 1.0}).write(tmp_path)
    save_network(recipe.make_network(), tmp_path / "weights.safetensors")
    before = table(results_of("local")).splitlines()

    both = use(f"{tmp_path}, {QUICK}")
    assert [result.name for result in both[:2]] == ["own l2, crop 64", "own l2, crop 160"]
    assert own_names("local") == ["own l2, crop 64"]  # of the sweep only summaries were kept
    [own] = use(str(tmp_path))
    assert own.name == "own l2"
    assert own_names("local") == ["own l2"]
    assert own_names("ambiguous") == []
    lines = table(results_of("local")).splitlines()
    assert len(lines) == len(before) + 1
    assert lines[-1].startswith("own l2 ")
    assert "[" in lines[-1]
    assert values_of("local", "own l2", "psnr") == [30.0] * 30
    assert seed_means("local", "own l2", "psnr") == [pytest.approx(30.0)]
    gap = difference("local", "own l2", "l2").mean
    assert gap == pytest.approx(30 - seed_means("local", "l2", "psnr")[0])
    assert network_of("local", "own l2").architecture == recipe.make_network().architecture

    assert use("") == []
    assert table(results_of("local")).splitlines() == before


def test_a_sweeps_table_finds_the_scores_beside_it(tmp_path):
    result = _result("l2", (17.0, 18.0), 0)
    (tmp_path / "key").mkdir()
    result.write(tmp_path / "key")
    rows = [result.row() | {"key": "key"}, _result("l1", (9.0,), 0).row() | {"key": "gone"}]
    write_table(tmp_path / "tiny.csv", rows)
    there, gone = load(tmp_path / "tiny.csv")
    assert (len(there.scores), there.weights) == (2, None)
    assert (gone.scores, gone.weights, gone.summary.psnr) == ((), None, 9.0)
    assert tables.own_names("local") == []
