"""What the paper claims, measured again by hand where the library does it."""

from itertools import product

import pytest
import torch

from histmatch_lab.data.samples import data_samples_dir
from histmatch_lab.results import claims
from histmatch_lab.results.claims import Finding, duel
from histmatch_lab.results.shipped import EXPERTS, RECIPES, SEEDS, difference, results, scores_of
from histmatch_lab.training.evaluation import Difference, colour_cast, read_table

FOUND = {
    name: function()
    for name, function in vars(claims).items()
    if getattr(function, "__annotations__", None) == {"return": Finding}
}


@pytest.fixture
def gaps(monkeypatch):
    """Put in the place of `comparison.difference` what each of its calls shall give."""

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
    ("interval", "more"), [((0.1, 0.3), "won"), ((-0.1, 0.3), "neither"), ((-0.3, -0.1), "lost")]
)
def test_more_decibels_win_and_a_longer_way_loses(gaps, measure, interval, more):
    gaps(lambda *_: Difference(sum(interval) / 2, *interval))
    got = duel("local", "l1", "l2", measure)
    wanted = {"won": (True, False), "neither": (False, False), "lost": (False, True)}[more]
    assert (got.won, got.lost) == (wanted if measure == "psnr" else wanted[::-1])


def test_a_claim_holds_only_where_every_interval_does(gaps):
    def all_but(expert, theirs):
        def gap(at, _, other, __="psnr"):
            low = -0.1 if (at, other) == (expert, theirs) else 0.1
            return Difference(0.2, low, 0.3)

        return gap

    gaps(all_but("nobody", "none"))
    assert claims.highest_psnr().holds
    assert claims.substantial_improvement().holds
    for expert, theirs in product(EXPERTS, ("l1", "l2")):
        gaps(all_but(expert, theirs))
        assert not claims.highest_psnr().holds
        assert claims.substantial_improvement().holds == (theirs == "l1")


def test_one_recipe_has_to_win_for_every_expert(gaps):
    """Not one recipe here and another there."""
    winner = dict(zip(EXPERTS, claims.HISTMATCH, strict=False))
    gaps(lambda at, ours, *_: Difference(0.2, 0.1 if ours == winner[at] else -0.1, 0.3))
    assert not claims.substantial_improvement().holds


def test_a_duel_tells_the_difference_and_half_the_range_of_its_seeds():
    expert, ours, theirs = "undecided", claims.PAPER, "l2"
    means = {
        (name, seed): torch.tensor(
            [r.score.psnr for r in scores_of(expert, name) if r.seed == seed]
        ).mean()
        for name in (ours, theirs)
        for seed in SEEDS
    }
    by_seed = torch.stack([means[ours, seed] - means[theirs, seed] for seed in SEEDS])
    spread = (by_seed.max() - by_seed.min()) / 2
    mean, low, high = difference(expert, ours, theirs)
    wanted = f"{mean:+.2f} dB [{low:+.2f}, {high:+.2f}], seeds ±{spread:.2f}"
    told = duel(expert, ours, theirs).text.replace("\N{NO-BREAK SPACE}", " ")
    assert told == wanted.replace("-", "−")


def test_the_papers_setting_is_in_the_papers_unit():
    recipe = RECIPES[claims.PAPER]
    assert (recipe.bins, recipe.paper_lam, recipe.outside) == (256, 1.0, "drop")


def test_the_searches_compare_what_they_say():
    bins, lam = FOUND["best_bins"].numbers, FOUND["best_lam"].numbers
    for expert in EXPERTS:
        for line, ours, theirs in (
            (bins, "histmatch-k256-lam1", "histmatch-k50-lam1"),
            (lam, "histmatch-k256-lam1", "histmatch-k256-lam0.1"),
        ):
            label = "K = 50" if theirs.startswith("histmatch-k50") else "λ = 0.1"
            [text] = [t for t in line if t.startswith(f"{expert}, against {label}:")]
            assert text.endswith(duel(expert, ours, theirs).text)


def test_the_cast_of_a_tone_curve_is_how_far_its_channels_part():
    ramp = torch.linspace(0, 1, 5)
    assert colour_cast(ramp.expand(3, 5)) == 0
    assert colour_cast(torch.stack([ramp, ramp + 0.1, ramp - 0.2])) == pytest.approx(0.3)


def test_no_run_with_vgg_or_lpips_waits_for_its_claim():
    """If this fails, the claim "Better than VGG and LPIPS" can be attempted."""
    assert not [row for row in results() if "vgg" in row.recipe or "lpips" in row.recipe]


def test_in_the_papers_unit_the_quick_sweep_prefers_few_bins_and_a_small_lam():
    """What the ledger says in words of results/quick.csv."""
    rows = read_table(data_samples_dir() / "results" / "quick.csv")
    found = {}
    for bins, lam in product((50, 100, 256), (0.1, 1, 10)):
        scores = [
            float(r["psnr"]) for r in rows if r["recipe"] == f"histmatch-k{bins}-lam{lam}-bins"
        ]
        assert len(scores) == 2
        found[bins, lam] = sum(scores)
    assert all(max((50, 100, 256), key=lambda k: found[k, lam]) != 256 for lam in (0.1, 1, 10))
    assert all(max((0.1, 1, 10), key=lambda w: found[k, w]) == 0.1 for k in (50, 100, 256))
