"""What the paper claims, measured again by hand where the library does it."""

from itertools import product

import numpy as np
import pytest
import torch

from histmatch_lab.recipe import Recipe
from histmatch_lab.results import tables
from histmatch_lab.results.tables import COMPARED, difference, labels, results_for
from histmatch_lab.training.evaluation import Difference, Score, colour_cast
from histmatch_lab.training.result import Result
from tools import claims
from tools.claims import DIFFERS, NOT_ATTEMPTED, REPRODUCED, UNDECIDED, Finding, compared

FOUND = {
    name: function()
    for name, function in vars(claims).items()
    if getattr(function, "__annotations__", None) == {"return": Finding}
}
BETTER, WORSE, NEITHER = (0.1, 0.3), (-0.3, -0.1), (-0.1, 0.3)


@pytest.fixture
def gaps(monkeypatch):
    """Put in the place of `tables.difference` what each of its calls shall give."""

    def give(interval_of):
        def gap(*comparison):
            low, high = interval_of(*comparison[:3])
            return Difference((low + high) / 2, low, high)

        monkeypatch.setattr(claims, "difference", gap)

    return give


def test_each_claim_that_was_tried_has_numbers_and_data():
    assert len(FOUND) == 16
    for found in FOUND.values():
        assert bool(found.numbers) == (found.status != NOT_ATTEMPTED)
        assert all(any(sign.isdigit() for sign in line) for line in found.numbers)
        assert found.data


@pytest.mark.parametrize("measure", ["psnr", "ssim", "emd", "ciede2000", "excess"])
@pytest.mark.parametrize(("interval", "side"), [(BETTER, 1), (NEITHER, 0), (WORSE, -1)])
def test_more_decibels_are_better_and_a_longer_way_is_worse(gaps, measure, interval, side):
    gaps(lambda *_: interval)
    got = compared("retouch", "l1", "l2", measure)
    assert got.side == (side if measure in ("psnr", "ssim") else -side)


def test_a_claim_holds_only_where_every_interval_does(gaps):
    gaps(lambda *_: BETTER)
    assert claims.highest_psnr().status == REPRODUCED
    gaps(lambda *_: WORSE)
    assert claims.highest_psnr().status == DIFFERS
    gaps(lambda *_: NEITHER)
    assert claims.highest_psnr().status == UNDECIDED
    for task, rival in product(COMPARED, ("l1", "l2", "vgg-lam0.003")):
        gaps(lambda at, _, other, odd=(task, rival): WORSE if (at, other) == odd else BETTER)
        assert claims.highest_psnr().status == UNDECIDED
        gaps(lambda at, _, other, odd=(task, rival): WORSE if (at, other) == odd else NEITHER)
        assert claims.highest_psnr().status == DIFFERS


def test_perceptual_losses_are_rivals_in_decibels_and_in_colours():
    found = claims.better_than_perceptual()
    rivals = product(("psnr", "ciede2000"), COMPARED, ("vgg-lam0.003", "lpips-lam0.03"))
    for line, (measure, task, rival) in zip(found.numbers, rivals, strict=True):
        names = labels(task)
        text = compared(task, claims.OURS, rival, measure).text
        assert line == f"{task}, {names[claims.OURS]} against {names[rival]}: {text}"
        assert ("dB" in text) == (measure == "psnr")
        assert ("ΔE" in text) == (measure == "ciede2000")
    assert found.data.startswith("PSNR, dB and CIEDE2000; tonemap: 24 pictures of 6 scenes, 3 s")


def test_one_recipe_has_to_be_better_on_every_task(gaps):
    """Not one recipe here and another there."""
    names = [name for name in labels("tonemap") if name.startswith("histmatch")]
    best = dict(zip(COMPARED, names, strict=False))
    gaps(lambda at, ours, *_: BETTER if ours == best[at] else NEITHER)
    assert claims.substantial_improvement().status == UNDECIDED
    gaps(lambda _, ours, *__: BETTER if ours == names[0] else WORSE)
    assert claims.substantial_improvement().status == REPRODUCED
    gaps(lambda at, *_: BETTER if at == COMPARED[0] else WORSE)
    assert claims.substantial_improvement().status == DIFFERS


def test_a_comparison_says_the_difference_and_half_the_range_of_its_seeds():
    by_seed = {
        name: {r.seed: np.mean([s.psnr for s in r.scores]) for r in results_for("tonemap", name)}
        for name in (claims.OURS, "l2")
    }
    ours, theirs = by_seed.values()
    spread = np.ptp([ours[seed] - theirs[seed] for seed in ours]) / 2
    mean, low, high = difference("tonemap", claims.OURS, "l2")
    expected = f"{mean:+.2f} dB [{low:+.2f}, {high:+.2f}], seeds ±{spread:.2f}"
    text = compared("tonemap", claims.OURS, "l2").text.replace("\N{NO-BREAK SPACE}", " ")
    assert text == expected.replace("-", "−")


def test_the_papers_setting_is_in_the_papers_unit():
    recipe = results_for("tonemap", claims.PAPER)[0].recipe
    assert recipe
    assert (recipe.bins, recipe.paper_lam, recipe.outside, recipe.range) == (256, 1, "drop", "unit")


@pytest.mark.parametrize(
    ("claim", "ours", "rivals"),
    [
        (
            "highest_psnr",
            Recipe(lam=1, units="bins", outside="drop", range="unit"),
            ("l2", "l1", "vgg-lam0.003", "lpips-lam0.03"),
        ),
        ("best_lam", Recipe(lam=256), [Recipe(lam=lam).name for lam in claims.LAMS[:-1]]),
        ("best_bins", Recipe(), [Recipe(bins=bins).name for bins in (50, 100)]),
        ("ssim_unsuitable", Recipe("l2"), ("ssim",)),
        ("rules_fall_short", Recipe("l2"), ("clahe",)),
        ("easier_than_squares", Recipe(), (Recipe("l2+cramer").name,)),
        ("any_network", Recipe(network="lut"), ("input",)),
    ],
)
def test_a_finding_compares_what_it_says(claim, ours, rivals):
    found = list(FOUND[claim].numbers)
    for task, rival in product(COMPARED, rivals):
        names = labels(task)
        if ours.name in names and rival in names:
            line = f"{task}, {names[ours.name]} against {names[rival]}: "
            assert found.pop(0) == line + compared(task, ours.name, rival).text
    assert not found


def test_the_cast_of_a_tone_curve_is_how_far_its_channels_part():
    ramp = torch.linspace(0, 1, 5)
    assert colour_cast(ramp.expand(3, 5)) == 0
    assert colour_cast(torch.stack([ramp, ramp + 0.1, ramp - 0.2])) == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("casts", "status"),
    [((0.1, 0.2), REPRODUCED), ((0.5, 0.6), DIFFERS), ((0.1, 0.6), UNDECIDED)],
)
def test_a_regulariser_parts_the_channels_less_with_every_seed(monkeypatch, casts, status):
    def result(recipe: Recipe, cast: float) -> Result:
        scores = (Score("p", 20.0, 0.5, 9.0, 0.1, 0.1, 0.1),)
        facts = {"colour_cast": cast}
        return Result.of(recipe.name, task, scores, recipe=recipe.reduced(), facts=facts)

    results = []
    for task, seed in product(COMPARED, (0, 1)):
        printed = Recipe(lam=1.0, units="bins", outside="drop", range="unit", data=task, seed=seed)
        results += [
            result(printed, casts[seed]),
            result(Recipe(data=task, seed=seed), casts[seed]),
            result(Recipe("l2", data=task, seed=seed), 0.4),
        ]
    monkeypatch.setattr(tables, "shipped", lambda: tuple(results))
    assert claims.regulariser().status == status
