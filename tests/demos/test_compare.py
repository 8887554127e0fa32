"""The numbers of notebook 06's figures, against the shipped scores and weights themselves."""

import csv
import re
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio

from histmatch_lab import load_network, save_network
from histmatch_lab.data.samples import data_samples_dir
from histmatch_lab.demos.figures import compare
from histmatch_lab.recipe import Recipe
from histmatch_lab.results.tables import results_for, use
from histmatch_lab.training.result import Result

PHOTO = compare.PHOTO.resolve("oakland_zoo_otters")
COLUMNS = {"PSNR": ("psnr",), "EMD": ("emd_red", "emd_green", "emd_blue")}
HISTMATCH = "histmatch-k{}-lam{:g}-drop"


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


def values(expert, recipe, measure):
    """By seed, a measure on each test picture."""
    found: dict[str, list[float]] = {}
    for row in rows():
        if (row["data"], row["recipe"]) == (expert, recipe):
            value = float(np.mean([float(row[column]) for column in COLUMNS[measure]]))
            found.setdefault(row["seed"], []).append(value)
    return list(found.values())


def output(recipe, image, expert="local"):
    path = data_samples_dir() / "weights" / expert / f"{recipe}.safetensors"
    with torch.no_grad():
        return load_network(path).eval()(image[None])[0]


def decibels(image, target):
    return peak_signal_noise_ratio(target.numpy(), image.clamp(0, 1).numpy(), data_range=1)


def emd(image, target):
    """Of each channel, in intensity: the area between the CDFs of the counts."""
    ours, theirs = (
        np.array([np.histogram(channel, 256, (0, 1))[0].cumsum() for channel in picture])
        / picture[0].numel()
        for picture in (image.clamp(0, 1), target)
    )
    return np.abs(ours - theirs).sum(-1) / 256


@pytest.mark.parametrize(("measure", "tail", "best"), [("PSNR", 5, max), ("EMD", 95, min)])
def test_the_violins_are_of_the_shipped_scores(measure, tail, best):
    frame = compare.violins(measure=measure, expert="local")
    by_recipe = {name: values("local", name, measure) for name in compare.SHOWN}
    axes = frame.figure.axes[0]
    *dots, means, tails = axes.lines
    for line, seeds in zip(dots, by_recipe.values(), strict=True):
        close(line.get_ydata(), np.mean(seeds, 1), rtol=1e-6)
    flat = {name: np.concatenate(seeds) for name, seeds in by_recipe.items()}
    close(means.get_ydata(), [v.mean() for v in flat.values()], rtol=1e-6)
    wanted = [np.percentile(v, tail) for v in flat.values()]
    close(tails.get_ydata(), wanted, rtol=1e-6)
    trained = [name for name in flat if name not in ("input", "clahe")]
    winner = best(trained, key=lambda name: flat[name].mean())
    shown = compare.SHOWN[winner].replace("\n", " ")
    assert f"the best mean has {shown}, {flat[winner].mean():.3g};" in frame.caption
    ends = f"L2 has {flat['l2'].mean():.3g}, the input {flat['input'].mean():.3g}."
    assert frame.caption.endswith(ends)


@pytest.mark.parametrize("units", ["intensity", "bins"])
@pytest.mark.parametrize(("measure", "sign"), [("PSNR", 1), ("EMD", -1)])
def test_the_search_is_of_the_shipped_scores(units, measure, sign):
    bins, lams = (50, 100, 256), (0.1, 1, 10)
    seeds = np.array(
        [
            [np.mean(values("local", HISTMATCH.format(k, lam), measure), 1) for lam in lams]
            for k in bins
        ]
    )
    means = seeds.mean(-1)
    frame = compare.bins_and_lam(units=units, measure=measure, expert="local")
    left, right = frame.figure.axes
    assert [text.get_text() for text in left.texts] == [f"{mean:.4g}" for mean in means.flat]
    close(left.images[0].get_array(), sign * means, rtol=1e-6)
    for place, (k, of_k) in enumerate(zip(bins, seeds, strict=True)):
        lines = right.lines[4 * place : 4 * place + 4]
        at = [lam / k if units == "bins" else lam for lam in lams]
        close(lines[0].get_xdata(), at)
        close(lines[0].get_ydata(), of_k.mean(-1), rtol=1e-6)
        for dots, seed_means in zip(lines[1:], of_k.T, strict=True):
            close(dots.get_ydata(), seed_means, rtol=1e-6)
    row, column = np.unravel_index((sign * means).argmax(), means.shape)
    lam = lams[column] / (bins[row] if units == "bins" else 1)
    assert f"is best at K = {bins[row]}, λ = {lam:.3g} in {units}." in frame.caption
    across, along = np.ptp(means, 0).mean(), np.ptp(means, 1).mean()
    assert f"K moves it by {across:.2g} on average" in frame.caption
    assert f"λ moves it by {along:.2g}." in frame.caption


def test_the_tone_curves_are_the_networks_answers_to_greys():
    frame = compare.tone_curves(lam=1.0, expert="local")
    casts = [float(cast) for cast in re.findall(r" (\d\.\d{3})\b", frame.caption)]
    for place, recipe in enumerate(("l2", "l1", "histmatch-k256-lam1-drop")):
        lines = [axes.lines[1 + place] for axes in frame.figure.axes]
        greys = torch.as_tensor(lines[0].get_xdata())
        side = len(greys)
        curve = output(recipe, greys.float().expand(3, side, side)).mean(1)
        for line, channel in zip(lines, curve, strict=True):
            close(line.get_ydata(), channel, atol=1e-4)
        parted = (curve.amax(0) - curve.amin(0)).mean()
        assert casts[place] == pytest.approx(float(parted), abs=6e-4)


@pytest.mark.parametrize(
    ("loss", "recipe"), [("l2", "l2"), ("l1", "l1"), ("l2+histmatch", "histmatch-k256-lam10-drop")]
)
def test_before_and_after_are_measured_against_the_expert(loss, recipe):
    frame = compare.before_after(loss=loss, lam=10.0, degradation="degradation 2")
    image, target = compare.input_and_target(PHOTO, "local", "degradation 2")
    after = output(recipe, image)
    caption = (
        f"{recipe}, local expert: PSNR {decibels(image, target):.1f} dB before, "
        f"{decibels(after, target):.1f} dB after; EMD {emd(image, target).mean():.3f} before, "
        f"{emd(after, target).mean():.3f} after. The line stands at 50%."
    )
    assert frame.caption == caption
    shown = frame.figure.axes[0].images[0].get_array()
    half = shown.shape[1] // 2
    both = torch.cat([image[..., :half], after[..., half:]], -1).clamp(0, 1)
    close(shown, both.movedim(0, -1) * 255, atol=0.51)


def test_the_histograms_are_of_the_predictions():
    frame = compare.histograms(channel="blue", lam=0.1)
    image, target = compare.input_and_target(PHOTO, "local", "degradation 1")
    left, right = frame.figure.axes
    aim = np.histogram(target[2], 64, (0, 1))[0] / target[2].numel()
    close(right.lines[0].get_ydata(), aim.cumsum(), atol=0.03)
    parts = []
    for place, recipe in enumerate(("l2", "histmatch-k256-lam0.1-drop")):
        prediction = output(recipe, image).clamp(0, 1)
        counts = np.histogram(prediction[2], 64, (0, 1))[0] / prediction[2].numel()
        close(right.lines[1 + place].get_ydata(), counts.cumsum(), atol=0.03)
        close(np.cumsum(left.lines[place].get_ydata()), counts.cumsum(), atol=0.03)
        parts.append(f"{recipe} {emd(prediction, target)[2]:.3f}")
    assert frame.caption.endswith(f"in intensity: {', '.join(parts)}.")


def test_side_by_side_names_each_psnr_and_shows_the_same_detail_of_each():
    frame = compare.side_by_side(lam=1.0, across=0.0, down=1.0)
    image, target = compare.input_and_target(PHOTO, "local", "degradation 1")
    outputs = [output(name, image) for name in ("l2", "l1", "histmatch-k256-lam1-drop")]
    psnrs = [decibels(picture, target) for picture in (image, *outputs)]
    names = ("input", "l2", "l1", "l2+histmatch, λ 1")
    parts = [f"{name} {psnr:.1f}" for name, psnr in zip(names, psnrs, strict=True)]
    assert frame.caption.startswith(f"PSNR in dB: {', '.join(parts)}.")
    side = min(PHOTO.shape[1:]) // 3
    for axes, picture in zip(frame.figure.axes[5:], (image, *outputs, target), strict=True):
        detail = picture.clamp(0, 1)[:, -side:, :side].movedim(0, -1) * 255
        close(axes.images[0].get_array(), detail, atol=0.51)


def test_every_loss_says_how_much_each_network_changes_a_picture():
    photo = PHOTO[:, ::3, ::3].contiguous()
    frame = compare.every_loss(photo, "local")
    names = ("l2", "l1", *(HISTMATCH.format(256, lam) for lam in (0.01, 0.1, 1, 10)))
    changes = [(output(name, photo).clamp(0, 1) - photo).abs().mean() for name in names]
    parts = [f"{name} {change:.3f}" for name, change in zip(names, changes, strict=True)]
    assert frame.caption.endswith(f"mean per value: {', '.join(parts)}.")
    titles = [axes.get_title("left") or axes.get_title() for axes in frame.figure.axes]
    assert titles == ["your picture", *names, "the expert"]


def test_the_readers_own_results_stand_beside_the_shipped(tmp_path):
    [l2, *_] = results_for("local", "l2")
    recipe = Recipe("l2", crop=64).reduced()
    better = [score._replace(psnr=40.0) for score in l2.scores]
    Result.of("l2", "local", better, recipe=recipe).write(tmp_path)
    save_network(recipe.make_network(), tmp_path / "weights.safetensors")
    photo = PHOTO[:, ::8, ::8]
    try:
        use(str(tmp_path))
        drawn = compare.violins(measure="PSNR", expert="local")
        row = compare.every_loss(photo, "local")
        other = compare.violins(measure="PSNR", expert="ambiguous")
    finally:
        use("")
    axes = drawn.figure.axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()][-1] == "own\nl2"
    assert "the best mean has own l2, 40" in drawn.caption
    assert "own" not in other.caption
    change = re.search(r"own l2 (\d\.\d+)\.$", row.caption)
    assert change
    assert float(change[1]) < 0.01  # an untrained network is nearly the identity
    assert [panel.get_title("left") for panel in row.figure.axes][7:9] == ["own l2", "the expert"]
