"""The numbers under the pictures of notebook 06, against the shipped weights themselves."""

import re
from typing import Any

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio

from histmatch_lab import load_network, save_network
from histmatch_lab.data.samples import data_samples_dir
from histmatch_lab.demos.figures import compare
from histmatch_lab.recipe import Recipe
from histmatch_lab.results.tables import labels, results_for, use
from histmatch_lab.training.baselines import histogram_oracle
from histmatch_lab.training.result import Result

PLACE, IMAGE, TARGET = compare.pair_of("tonemap", 3)


def close(drawn: Any, expected: Any, **tolerance: Any) -> None:
    np.testing.assert_allclose(np.asarray(drawn), np.asarray(expected), **tolerance)


def output(recipe, image, task="tonemap"):
    path = data_samples_dir() / "weights" / task / f"{recipe}.safetensors"
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


def test_the_tone_curves_are_the_networks_answers_to_greys():
    frame = compare.tone_curves(lam=1.0, task="tonemap")
    casts = [float(cast) for cast in re.findall(r" (\d\.\d{3})\b", frame.caption)]
    for place, recipe in enumerate(("l2", "vgg-lam0.003", "histmatch-k256-lam1")):
        lines = [axes.lines[1 + place] for axes in frame.figure.axes]
        greys = torch.as_tensor(lines[0].get_xdata())
        side = len(greys)
        curve = output(recipe, greys.float().expand(3, side, side)).mean(1)
        for line, channel in zip(lines, curve, strict=True):
            close(line.get_ydata(), channel, atol=1e-4)
        parted = (curve.amax(0) - curve.amin(0)).mean()
        assert casts[place] == pytest.approx(float(parted), abs=6e-4)


@pytest.mark.parametrize(
    ("loss", "recipe", "label"),
    [
        ("L2", "l2", "L2"),
        ("L2 + VGG", "vgg-lam0.003", "L2 + VGG"),
        ("L2 + histogram", "histmatch-k256-lam10", "λ = 10"),
    ],
)
def test_before_and_after_are_measured_against_the_target(loss, recipe, label):
    frame = compare.before_after(loss=loss, lam=10.0, picture=3)
    after = output(recipe, IMAGE)
    caption = (
        f"Left the input, right {label}, on {PLACE}: PSNR {decibels(IMAGE, TARGET):.1f} dB before, "
        f"{decibels(after, TARGET):.1f} dB after; EMD {emd(IMAGE, TARGET).mean():.3f} before, "
        f"{emd(after, TARGET).mean():.3f} after."
    )
    assert frame.caption == caption
    against_target = compare.before_after(left="target", loss=loss, lam=10.0, picture=3)
    assert against_target.caption == caption.replace("Left the input", "Left the target")
    for figure, picture in (
        (frame.figure, IMAGE),
        (against_target.figure, TARGET),
        (frame.after, after.clamp(0, 1)),
    ):
        close(figure.axes[0].images[0].get_array(), picture.movedim(0, -1) * 255, atol=0.51)


def test_the_histograms_are_of_the_predictions():
    frame = compare.histograms(channel="blue", lam=0.1, picture=3)
    left, right = frame.figure.axes
    aim = np.histogram(TARGET[2], 64, (0, 1))[0] / TARGET[2].numel()
    close(right.lines[0].get_ydata(), aim.cumsum(), atol=0.03)
    parts = []
    for place, (label, recipe) in enumerate(compare.losses(0.1).items()):
        prediction = output(recipe, IMAGE).clamp(0, 1)
        counts = np.histogram(prediction[2], 64, (0, 1))[0] / prediction[2].numel()
        close(right.lines[1 + place].get_ydata(), counts.cumsum(), atol=0.03)
        close(np.cumsum(left.lines[place].get_ydata()), counts.cumsum(), atol=0.03)
        parts.append(f"{label} {emd(prediction, TARGET)[2]:.3f}")
    assert frame.caption.endswith(f"in intensity: {', '.join(parts)}.")


def test_side_by_side_names_each_psnr_and_shows_the_pictures():
    frame = compare.side_by_side(lam=1.0, picture=3)
    outputs = [output(name, IMAGE) for name in ("l2", "vgg-lam0.003", "histmatch-k256-lam1")]
    oracle = histogram_oracle(IMAGE, TARGET)
    pictures = (IMAGE, *outputs, oracle)
    names = ("input", "L2", "L2 + VGG", "λ = 1", "oracle")
    parts = [f"{n} {decibels(one, TARGET):.1f}" for n, one in zip(names, pictures, strict=True)]
    assert frame.caption == f"{PLACE}, PSNR in dB: {', '.join(parts)}."
    for axes, picture in zip(frame.figure.axes, (*pictures, TARGET), strict=True):
        close(axes.images[0].get_array(), picture.clamp(0, 1).movedim(0, -1) * 255, atol=0.51)


def test_every_loss_says_how_much_each_network_changes_a_picture(tmp_path):
    """The reader's own network too."""
    recipe = Recipe("l2", crop=64).reduced()
    [l2, *_] = results_for("tonemap", "l2")
    Result.of("l2", "tonemap", l2.scores, recipe=recipe).write(tmp_path)
    save_network(recipe.make_network(), tmp_path / "weights.safetensors")
    photo = TARGET[:, ::3, ::3].contiguous()
    try:
        use(str(tmp_path))
        frame = compare.every_loss(photo, "tonemap")
    finally:
        use("")
    shown = {name: label for name, label in labels("tonemap").items() if name in compare.WEIGHTS}
    assert shown.keys() == set(compare.WEIGHTS)
    changes = [(output(name, photo).clamp(0, 1) - photo).abs().mean() for name in shown]
    parts = [f"{label} {change:.3f}" for label, change in zip(shown.values(), changes, strict=True)]
    assert f"mean per value: {', '.join(parts)}, own l2 0.0" in frame.caption
    titles = [axes.get_title("left") or axes.get_title() for axes in frame.figure.axes]
    assert titles[: len(parts) + 2] == ["your picture", *shown.values(), "own l2"]
