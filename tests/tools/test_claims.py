"""What the paper claims, measured again by hand where the library does it."""

from itertools import product

import pytest
import torch

from histmatch_lab.data.samples import data_samples_dir
from histmatch_lab.recipe import PAPER_BINS, PAPER_LAMS, Recipe
from histmatch_lab.results.tables import COMPARED, difference, load, recipes, results_for, use
from histmatch_lab.training.evaluation import Difference, colour_cast
from histmatch_lab.training.result import Result
from tools import claims
from tools.claims import Finding, compared

FOUND = {
    name: function()
    for name, function in vars(claims).items()
    if getattr(function, "__annotations__", None) == {"return": Finding}
}


@pytest.fixture
def gaps(monkeypatch):
    """Put in the place of `tables.difference` what each of its calls shall give."""

    def give(gap_of):
        monkeypatch.setattr(claims, "difference", gap_of)

    return give


def test_each_claim_has_numbers_and_data():
    assert len(FOUND) == 10
    for found in FOUND.values():
        assert found.numbers
        assert all(any(sign.isdigit() for sign in line) for line in found.numbers)
        assert found.data


@pytest.mark.parametrize("measure", ["psnr", "emd"])
@pytest.mark.parametrize(
    ("interval", "more"), [((0.1, 0.3), "more"), ((-0.1, 0.3), "neither"), ((-0.3, -0.1), "less")]
)
def test_more_decibels_are_better_and_a_longer_way_is_worse(gaps, measure, interval, more):
    gaps(lambda *_: Difference(sum(interval) / 2, *interval))
    got = compared("local", "l1", "l2", measure)
    expected = {"more": (True, False), "neither": (False, False), "less": (False, True)}[more]
    assert (got.better, got.worse) == (expected if measure == "psnr" else expected[::-1])


def test_a_claim_holds_only_where_every_interval_does(gaps):
    def all_but(expert, theirs):
        def gap(at, _, other, __="psnr"):
            low = -0.1 if (at, other) == (expert, theirs) else 0.1
            return Difference(0.2, low, 0.3)

        return gap

    gaps(all_but("nobody", "none"))
    assert claims.highest_psnr().holds
    assert claims.substantial_improvement().holds
    for expert, theirs in product(COMPARED, ("l1", "l2")):
        gaps(all_but(expert, theirs))
        assert not claims.highest_psnr().holds
        assert claims.substantial_improvement().holds == (theirs == "l1")


def test_one_recipe_has_to_be_better_for_every_expert(gaps):
    """Not one recipe here and another there."""
    histmatch = [name for name, recipe in recipes().items() if "histmatch" in recipe.loss]
    best = dict(zip(COMPARED, histmatch, strict=False))
    gaps(lambda at, ours, *_: Difference(0.2, 0.1 if ours == best[at] else -0.1, 0.3))
    assert not claims.substantial_improvement().holds


def test_a_comparison_says_the_difference_and_half_the_range_of_its_seeds():
    expert, ours, theirs = "ambiguous", claims.PAPER, "l2"
    means = torch.tensor(
        [
            [[score.psnr for score in result.scores] for result in results_for(expert, name)]
            for name in (ours, theirs)
        ]
    ).mean(-1)
    by_seed = means[0] - means[1]
    spread = (by_seed.max() - by_seed.min()) / 2
    mean, low, high = difference(expert, ours, theirs)
    expected = f"{mean:+.2f} dB [{low:+.2f}, {high:+.2f}], seeds ±{spread:.2f}"
    text = compared(expert, ours, theirs).text.replace("\N{NO-BREAK SPACE}", " ")
    assert text == expected.replace("-", "−")


def test_the_papers_setting_is_in_the_papers_unit():
    recipe = recipes()[claims.PAPER]
    assert (recipe.bins, recipe.paper_lam, recipe.outside) == (256, 1.0, "drop")


def test_the_searches_compare_what_they_say():
    bins, lam = FOUND["best_bins"].numbers, FOUND["best_lam"].numbers
    for expert in COMPARED:
        for line, ours, theirs in (
            (bins, "histmatch-k256-lam1-drop", "histmatch-k50-lam1-drop"),
            (lam, "histmatch-k256-lam1-drop", "histmatch-k256-lam0.1-drop"),
        ):
            label = "K = 50" if theirs.startswith("histmatch-k50") else "λ = 0.1"
            [text] = [t for t in line if t.startswith(f"{expert}, against {label}:")]
            assert text.endswith(compared(expert, ours, theirs).text)


def test_the_cast_of_a_tone_curve_is_how_far_its_channels_part():
    ramp = torch.linspace(0, 1, 5)
    assert colour_cast(ramp.expand(3, 5)) == 0
    assert colour_cast(torch.stack([ramp, ramp + 0.1, ramp - 0.2])) == pytest.approx(0.3)


def test_in_the_papers_unit_the_quick_sweep_prefers_few_bins_and_a_small_lam():
    """What the ledger says in words of results/quick.csv."""
    found: dict[tuple[int, float], float] = {}
    for result in load(data_samples_dir() / "results" / "quick.csv"):
        recipe = result.recipe
        if recipe and recipe.loss == "l2+histmatch":
            assert (recipe.units, recipe.outside) == ("bins", "drop")
            key = recipe.bins, recipe.lam
            found[key] = found.get(key, 0) + result.summary.psnr
    assert found.keys() == set(product(PAPER_BINS, PAPER_LAMS))
    assert all(max(PAPER_BINS, key=lambda k: found[k, lam]) != 256 for lam in PAPER_LAMS)
    assert all(max(PAPER_LAMS, key=lambda w: found[k, w]) == 0.1 for k in PAPER_BINS)


def test_a_run_with_vgg_is_compared_like_any_other(tmp_path):
    """The ledger says that none is shipped; the reader's own can be measured against L2."""
    assert not [
        recipe for recipe in recipes().values() if {"vgg", "lpips"} & {*recipe.loss.split("+")}
    ]
    [l2, *_] = results_for("local", "l2")
    recipe = Recipe("l2+vgg", preset="classroom").reduced()
    better = [score._replace(psnr=score.psnr + 1) for score in l2.scores]
    Result.of(recipe.name, "local", better, recipe=recipe).write(tmp_path)
    try:
        [own] = use(str(tmp_path))
        found = compared("local", own.name, "l2")
    finally:
        use("")
    assert found.better
    assert found.text.startswith("+1.00")
