"""The shipped weights and results: complete, small, and the same when computed again."""

import pytest
import torch

from histmatch_lab import HistogramMatchingLoss, network_facts
from histmatch_lab.data.samples import data_samples_dir
from histmatch_lab.data.scenes import ScenePairs
from histmatch_lab.results.shipped import (
    BASELINES,
    EXPERTS,
    RECIPES,
    SEEDS,
    Recipe,
    difference,
    results,
    runs,
    scores_of,
    shipped_network,
    table,
    weights_path,
)
from histmatch_lab.training.evaluation import evaluate


def test_every_recipe_was_run_for_every_expert_and_seed():
    wanted = {(e, r, s) for e in EXPERTS for r in RECIPES for s in SEEDS}
    assert {(run.expert, run.recipe, run.seed) for run in runs()} == wanted
    keys = [(row.expert, row.recipe, row.seed, row.score.picture) for row in results()]
    assert len(set(keys)) == len(keys) == 30 * (len(wanted) + len(EXPERTS) * len(BASELINES))


def test_the_weights_are_shipped_say_what_they_are_and_are_small():
    files = list((data_samples_dir() / "weights").rglob("*"))
    wanted = {weights_path(e, r.name) for e in EXPERTS for r in RECIPES.values() if r.shipped}
    assert {f for f in files if f.is_file()} == wanted
    assert sum(f.stat().st_size for f in wanted) < 8e6
    for path in wanted:
        facts = network_facts(path)
        assert (facts["expert"], facts["recipe"]) == (path.parent.name, path.stem)
        assert facts["seed"] == "0"


@pytest.mark.parametrize("expert", EXPERTS)
@pytest.mark.parametrize("recipe", ["l2", "histmatch-k256-lam1"])
def test_the_stored_scores_are_those_of_the_shipped_weights(expert, recipe):
    pairs = ScenePairs(expert).test_pairs()[:30:8]
    again = evaluate(shipped_network(expert, recipe), pairs)
    stored = {r.score.picture: r.score for r in scores_of(expert, recipe) if r.seed == 0}
    for got in again:
        wanted = stored[got.picture]
        assert got.psnr == pytest.approx(wanted.psnr, abs=0.02)
        assert got[2:7] == pytest.approx(wanted[2:7], abs=0.01, rel=0.01)


def test_a_recipe_makes_the_loss_that_its_name_says():
    images = torch.rand(2, 1, 3, 20, 20, generator=torch.Generator().manual_seed(1))
    for recipe in RECIPES.values():
        loss = recipe.make()
        total = loss(*images)
        if recipe.loss == "l2+histmatch":
            in_bins = HistogramMatchingLoss(recipe.bins, outside=recipe.outside)(*images)  # type: ignore[arg-type]
            wanted = loss.terms["l2"] + recipe.paper_lam * in_bins
            assert total.item() == pytest.approx(wanted.item(), rel=1e-5)
    assert RECIPES["histmatch-k256-lam1-bins"].units == "bins"
    assert Recipe("l2+histmatch", lam=10, bins=50).paper_lam == pytest.approx(0.2)


def test_a_difference_is_between_the_same_pictures_and_seeds():
    for expert in EXPERTS:
        there = {(r.score.picture, r.seed): r.score.psnr for r in scores_of(expert, "l2")}
        gaps = [r.score.psnr - there[r.score.picture, r.seed] for r in scores_of(expert, "l1")]
        got = difference(expert, "l1", "l2")
        assert got.mean == pytest.approx(sum(gaps) / len(gaps))
        assert got.low < got.mean < got.high
        assert difference(expert, "l2", "l1").mean == pytest.approx(-got.mean)
        assert difference(expert, "l2", "input").mean == pytest.approx(
            -difference(expert, "input", "l2").mean
        )
    with pytest.raises(ValueError, match="known: local"):
        difference("local", "l2", "l7")


def test_the_table_has_a_line_for_each():
    lines = table("local").splitlines()
    assert [line.split()[0] for line in lines[1:]] == [*BASELINES, *RECIPES]
    assert all("[" in line for line in lines[1:] if not line.startswith("l2 "))
