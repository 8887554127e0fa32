"""The numbers of the figures that compare all runs, against the shipped scores themselves."""

import csv
import re
from functools import cache
from typing import Any

import numpy as np
import pytest

from histmatch_lab.data.samples import data_samples_dir
from histmatch_lab.demos.figures import evidence
from histmatch_lab.recipe import Recipe
from histmatch_lab.results.tables import labels, results_for, use
from histmatch_lab.training.result import Result

COLUMNS = {
    "PSNR": ("psnr",),
    "CIEDE2000": ("ciede2000",),
    "EMD": ("emd_red", "emd_green", "emd_blue"),
}
BASELINES = ("input", "clahe", "oracle")
PRINTED = "histmatch-k256-lam1-bins-drop-unit"
FIGURE_6 = (
    *(*BASELINES, "l2", "l1", "histmatch-k256-lam0.1", PRINTED),
    *("vgg-lam0.003", "lpips-lam0.03"),
)


def close(drawn: Any, expected: Any, **tolerance: Any) -> None:
    np.testing.assert_allclose(np.asarray(drawn), np.asarray(expected), **tolerance)


@cache
def rows():
    """A line for each run and test picture."""
    texts = (
        (data_samples_dir() / "results" / name).read_text(encoding="utf-8")
        for name in ("runs.csv", "scores.csv")
    )
    runs, scores = (list(csv.DictReader(text.splitlines())) for text in texts)
    run_of = {run["key"]: run for run in runs}
    return tuple(run_of[score["key"]] | score for score in scores)


@cache
def values(task, recipe, measure):
    """By seed, a measure on each test picture by its name."""
    found: dict[str, dict[str, float]] = {}
    for row in rows():
        if (row["data"], row["recipe"]) == (task, recipe):
            value = float(np.mean([float(row[column]) for column in COLUMNS[measure]]))
            found.setdefault(row["seed"], {})[row["picture"]] = value
    return found


def gaps(task, recipe, measure, against="l2"):
    """By seed, the mean difference on the same pictures."""
    ours, theirs = (values(task, name, measure) for name in (recipe, against))
    return {
        seed: np.mean([ours[seed][p] - theirs[seed][p] for p in ours[seed]])
        for seed in ours
        if seed in theirs
    }


@pytest.mark.parametrize("task", ["tonemap", "retouch"])
def test_the_forest_is_of_the_shipped_scores(task):
    figure = evidence.forest(task=task).figure
    only_searched = {name for name in labels(task) if "-bins-" in name} - {PRINTED}
    assert len(only_searched) == 8
    left_out = {*BASELINES, "l2", "l2-lut", *only_searched}
    shown = [name for name in labels(task) if name not in left_out]
    ticks = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert ticks == [labels(task)[name] for name in shown]
    for panel, (measure, reach) in zip(
        figure.axes, (("PSNR", 2.5), ("CIEDE2000", 3.5), ("EMD", 0.02)), strict=True
    ):
        lines, numbers = iter(panel.lines), iter(panel.texts)
        for row, name in enumerate(shown):
            of_seeds = gaps(task, name, measure, "l2-lut" if name.endswith("lut") else "l2")
            mean = np.mean([*of_seeds.values()])
            if abs(mean) > reach:
                assert next(numbers).get_text() == f"{mean:+.2g}"
                continue
            low, high = np.asarray(next(lines).get_xdata())
            assert low <= mean <= high
            beyond = ">" * int(high >= reach) + "<" * int(low <= -reach)
            assert [next(lines).get_marker() for _ in beyond] == [*beyond]
            middle, dots = next(lines), next(lines)
            close((middle.get_xdata()[0], middle.get_ydata()[0]), (mean, -row), atol=1e-5)
            close(np.sort(dots.get_xdata()), np.sort([*of_seeds.values()]), atol=1e-4)


def test_the_forest_says_in_words_which_intervals_lie_on_one_side():
    frame = evidence.forest(task="retouch")
    names = {label: name for name, label in labels("retouch").items()}
    better, worse = re.findall(r"(?:better than L2|Worse): (.*?)\.(?= |$)", frame.caption)
    for side, text in ((1, better), (-1, worse)):
        for label in text.split("; ") if text != "none" else ():
            against = "l2-lut" if names[label].endswith("lut") else "l2"
            assert side * np.mean([*gaps("retouch", names[label], "PSNR", against).values()]) > 0


@pytest.mark.parametrize(("measure", "tail", "best"), [("PSNR", 5, max), ("EMD", 95, min)])
def test_the_violins_are_of_the_shipped_scores(measure, tail, best):
    frame = evidence.violins(measure=measure, task="tonemap")
    names = {name: label for name, label in labels("tonemap").items() if name in FIGURE_6}
    by_recipe = {name: values("tonemap", name, measure) for name in names}
    axes = frame.figure.axes[0]
    *dots, means, tails = axes.lines
    for line, seeds in zip(dots, by_recipe.values(), strict=True):
        expected = [np.mean([*seed.values()]) for seed in seeds.values()]
        close(np.sort(line.get_xdata()), np.sort(expected), atol=2e-5)
    flat = {
        n: np.concatenate([[*seed.values()] for seed in s.values()]) for n, s in by_recipe.items()
    }
    close(means.get_xdata(), [v.mean() for v in flat.values()], rtol=1e-6)
    close(tails.get_xdata(), [np.percentile(v, tail) for v in flat.values()], rtol=1e-6)
    trained = [name for name in flat if name not in BASELINES]
    winner = best(trained, key=lambda name: flat[name].mean())
    best_mean = f"{names[winner]} has the best mean of all losses, {flat[winner].mean():.3g};"
    assert best_mean in frame.caption
    ends = f"L2 has {flat['l2'].mean():.3g}, the input {flat['input'].mean():.3g}."
    assert frame.caption.endswith(ends)


@pytest.mark.parametrize("task", ["tonemap", "retouch"])
def test_the_papers_search_is_of_the_shipped_scores(task):
    frame = evidence.bins_and_lam(task=task)
    cells = [text.get_text() for text in frame.figure.axes[0].texts]
    expected = {}
    for bins in (256, 100, 50):
        for lam in (0.1, 1, 10):
            of_seeds = gaps(task, f"histmatch-k{bins}-lam{lam:g}-bins-drop-unit", "PSNR")
            expected[bins, lam] = np.mean([*of_seeds.values()])
    assert cells == [f"{gap:+.1f} dB\nλ = {lam * bins:g}" for (bins, lam), gap in expected.items()]
    bins, lam = max(expected, key=expected.__getitem__)
    assert f"On {task} K = {bins} with λ = {lam:g} (" in frame.caption


@pytest.mark.parametrize(("measure", "best"), [("PSNR", max), ("EMD", min)])
def test_the_search_for_lambda_is_of_the_shipped_scores(measure, best):
    frame = evidence.lam_axis(measure=measure, task="tonemap")
    axes = frame.figure.axes[0]
    found = {lam: f"histmatch-k256-lam{lam:g}" for lam in evidence.LAMS}
    there = {lam: name for lam, name in found.items() if name in labels("tonemap")}
    means = {
        lam: np.mean([*gaps("tonemap", name, measure).values()]) for lam, name in there.items()
    }
    close(axes.lines[0].get_xdata(), [*means])
    close(axes.lines[0].get_ydata(), [*means.values()], atol=2e-5)
    for line, name in zip(axes.lines[1:], there.values(), strict=False):
        close(
            np.sort(line.get_ydata()),
            np.sort([*gaps("tonemap", name, measure).values()]),
            atol=2e-5,
        )
    lam = best(means, key=lambda lam: means[lam])
    assert f"the best λ is {lam:g}, {means[lam]:+.3g} against L2" in frame.caption
    errors = [10 ** (-v / 10) for s in values("tonemap", "l2", "PSNR").values() for v in s.values()]
    assert f"an error of {np.sqrt(np.mean(errors)):.3f}, as of L2" in frame.caption


def test_the_readers_own_results_stand_beside_the_shipped(tmp_path):
    [l2, *_] = results_for("tonemap", "l2")
    recipe = Recipe("l2", crop=64).reduced()
    better = [score._replace(psnr=40.0) for score in l2.scores]
    Result.of("l2", "tonemap", better, recipe=recipe).write(tmp_path)
    try:
        use(str(tmp_path))
        drawn = evidence.violins(measure="PSNR", task="tonemap")
        forest = evidence.forest(task="tonemap")
        other = evidence.violins(measure="PSNR", task="retouch")
    finally:
        use("")
    [axes] = drawn.figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()][-1] == "own l2"
    assert "own l2 has the best mean of all losses, 40" in drawn.caption
    assert "own l2" in forest.caption
    assert "own" not in other.caption
