"""Notebook 06: what each loss made of the same network (Fig. 3, 4, 5 and 6 of the paper)."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Any

import matplotlib as mpl
import numpy as np
import torch
from torch import Tensor

from histmatch_lab.color import srgb_to_linear
from histmatch_lab.data.retouch import degrade, retouch
from histmatch_lab.data.scenes import TEST_NAMES
from histmatch_lab.demos.controls import Choice, Photograph, Slider
from histmatch_lab.demos.demo import Frame, demo
from histmatch_lab.demos.figures.learning import smooth_histograms
from histmatch_lab.demos.style import (
    COUNTS,
    FAINT,
    MARK,
    OTHER,
    OURS,
    RC_PARAMS,
    SEQUENTIAL,
    TARGET,
    picture,
    subplots,
)
from histmatch_lab.results.shipped import BINS, LAMS, Recipe, scores_of, seed_means, shipped_network
from histmatch_lab.training.evaluation import channel_emds, colour_cast, psnr, tone_curve

AS_IT_IS = "as it is"
ALL_LAMS = (0.01, *LAMS)
MEASURES = {  # label, whether more is better
    "PSNR": ("psnr", "PSNR, dB", True),
    "SSIM": ("ssim", "SSIM", True),
    "CIEDE2000": ("ciede2000", "CIEDE2000", False),
    "EMD": ("emd", "EMD, intensity", False),
}

EXPERT = Choice("expert", "local", ("local", "undecided"), "The undecided expert's look isn't in the input.")
LOSS = Choice("loss", "l2+histmatch", ("l2+histmatch", "l2", "l1"), "λ belongs to the first of them.")
LAM = Choice("λ, in intensity", 0.1, ALL_LAMS, "The larger, the more the histograms count.")
FLAW = Choice("input", "flaw 1", ("flaw 1", "flaw 2", "flaw 3", AS_IT_IS), "Badly taken, or as it is.")
PHOTO = Photograph("photograph", "oakland_zoo_otters", "None of these was trained on.", names=TEST_NAMES)
CHANNEL = Choice("channel", "red", ("red", "green", "blue"), "The experts warm the lights: more red, less blue.")
MEASURE = Choice("measure", "PSNR", tuple(MEASURES), "Does the same loss win in each?")


@lru_cache(maxsize=8)
def input_and_target(photo: Tensor, expert: str, flaw: str) -> tuple[Tensor, Tensor]:
    """The picture with a flaw, and what the expert makes of it; both (3, H, W)."""
    number = 0 if flaw == AS_IT_IS else int(flaw.split()[1])
    generator = torch.Generator().manual_seed(100 + number)
    target = retouch(photo, expert, generator=generator)
    return (degrade(srgb_to_linear(photo), generator) if number else photo), target


@lru_cache(maxsize=32)
@torch.no_grad()
def prediction(photo: Tensor, expert: str, flaw: str, recipe: str) -> Tensor:
    """What the shipped network of a recipe makes of the input, clamped, (3, H, W)."""
    image, _ = input_and_target(photo, expert, flaw)
    output: Tensor = shipped_network(expert, recipe)(image[None])[0].clamp(0, 1)
    return output


emds = lru_cache(maxsize=64)(channel_emds)
means_by_seed = cache(seed_means)


@cache
def values_of(expert: str, name: str, field: str) -> list[float]:
    """A measure on each test picture, with each seed."""
    return [getattr(row.score, field) for row in scores_of(expert, name)]


@demo(
    swipe=Slider("swipe", 0.5, 0, 1, "Left of the line the input, right of it the output.", step=0.02),
    loss=LOSS,
    lam=LAM,
    expert=EXPERT,
    flaw=FLAW,
    photo=PHOTO,
)
def before_after(
    swipe: float, loss: str, lam: float, expert: str, flaw: str, photo: Tensor
) -> Frame:
    """Before and after, with each loss."""
    image, target = input_and_target(photo, expert, flaw)
    name = Recipe(loss, lam).name
    output = prediction(photo, expert, flaw, name)
    edge = round(swipe * photo.shape[2])
    both = torch.cat([image[..., :edge], output[..., edge:]], -1)
    figure, (left, right) = subplots(
        1, 2, height=3.5, margins=(0.1, 0.1, 0.4, 0.1), gaps=(0.2, 0.4)
    )
    picture(left, both, "Input | output")
    left.plot((edge, edge), (0, photo.shape[1] - 1), color="white", linewidth=2)
    picture(right, target, "What the expert made of it")
    before, after = (
        (float(psnr(shown[None], target[None])), float(emds(shown, target).mean()))
        for shown in (image, output)
    )
    caption = (
        f"{name}, {expert} expert: PSNR {before[0]:.1f} dB before, {after[0]:.1f} dB after; "
        f"EMD {before[1]:.3f} before, {after[1]:.3f} after. The line stands at {swipe:.0%}."
    )
    return Frame(figure, caption)


@demo(channel=CHANNEL, lam=LAM, expert=EXPERT, flaw=FLAW, photo=PHOTO)
def histograms(channel: str, lam: float, expert: str, flaw: str, photo: Tensor) -> Frame:
    """Fig. 3: histograms of the target and of the predictions."""
    _, target = input_and_target(photo, expert, flaw)
    index = ("red", "green", "blue").index(channel)
    ours = Recipe("l2+histmatch", lam).name
    figure, (left, right) = subplots(1, 2, height=3.5)
    centers, shares = smooth_histograms(target)
    wanted = shares[index]
    left.fill_between(
        centers.numpy(), wanted.numpy(), color=TARGET, alpha=0.25, linewidth=0, label="target"
    )
    right.plot(centers, wanted.cumsum(0), color=TARGET, linewidth=4, alpha=0.4, label="target")
    parts = []
    for name, colour, dash in (("l2", OTHER, "--"), (ours, OURS, "-")):
        output = prediction(photo, expert, flaw, name)
        of_channel = smooth_histograms(output)[1][index]
        left.plot(centers, of_channel, dash, color=colour, label=name)
        right.plot(centers, of_channel.cumsum(0), dash, color=colour, label=name)
        parts.append(f"{name} {float(emds(output, target)[index]):.3f}")
    top = float(wanted.max()) * 1.3
    left.set(xlim=(0, 1), ylim=(0, top), yticks=(), xlabel="intensity")
    left.set_title("Histograms, smoothed to 64 bins")
    right.set(xlim=(0, 1), ylim=(0, 1.02), yticks=(0, 0.5, 1), xlabel="intensity")
    right.set(ylabel="share of pixels", title="CDFs")
    right.legend(loc="lower right")
    caption = f"EMD of the {channel} channel from the target's, in intensity: {', '.join(parts)}."
    return Frame(figure, caption)


@demo(
    across=Slider("zoom across", 0.5, 0, 1, "Faces, skies and greys show a cast first.", step=0.05),
    down=Slider("zoom down", 0.5, 0, 1, "Shadows and lights are treated differently.", step=0.05),
    lam=LAM,
    expert=EXPERT,
    flaw=FLAW,
    photo=PHOTO,
)
def side_by_side(
    across: float, down: float, lam: float, expert: str, flaw: str, photo: Tensor
) -> Frame:
    """Fig. 4: the picture after each loss, and a detail."""
    image, target = input_and_target(photo, expert, flaw)
    ours = Recipe("l2+histmatch", lam).name
    shown = {"input": image}
    for name in ("l2", "l1", ours):
        shown[name] = prediction(photo, expert, flaw, name)
    shown["target"] = target
    figure, axes = subplots(2, 5, height=3.6, margins=(0.05, 0.05, 0.35, 0.05), gaps=(0.08, 0.1))
    side = min(photo.shape[1:]) // 3
    top, left = (
        round(p * (n - side)) for p, n in ((down, photo.shape[1]), (across, photo.shape[2]))
    )
    titles = {ours: f"l2+histmatch, λ {lam:g}"}
    parts = []
    for column, (name, output) in enumerate(shown.items()):
        picture(axes[column], output, titles.get(name, name))
        picture(axes[5 + column], output[:, top : top + side, left : left + side])
        if name != "target":
            parts.append(f"{titles.get(name, name)} {float(psnr(output[None], target[None])):.1f}")
    box = ((left, left + side, left + side, left, left), (top, top, top + side, top + side, top))
    axes[0].plot(*box, color=MARK, linewidth=2)
    caption = (
        f"PSNR in dB: {', '.join(parts)}. The detail is at {across:.0%} across, {down:.0%} down."
    )
    return Frame(figure, caption)


@demo(lam=LAM, expert=EXPERT)
def tone_curves(lam: float, expert: str) -> Frame:
    """Fig. 5: what each network makes of a ramp of greys."""
    ours = Recipe("l2+histmatch", lam).name
    names = {"l2": (OTHER, "--"), "l1": (COUNTS, ":"), ours: (OURS, "-")}
    curves = {name: _curve(expert, name) for name in names}
    figure, axes = subplots(1, 3, height=3.3, gaps=(0.45, 0.5))
    greys = torch.linspace(0, 1, curves[ours].shape[1])
    for index, (panel, channel) in enumerate(zip(axes, ("red", "green", "blue"), strict=True)):
        panel.plot((0, 1), (0, 1), color=FAINT, linewidth=1, zorder=1)
        for name, (colour, dash) in names.items():
            panel.plot(greys, curves[name][index], dash, color=colour, label=name)
        panel.set(xlim=(0, 1), xticks=(0, 0.5, 1), ylim=(-0.1, 1.1), yticks=(0, 0.5, 1))
        panel.set(xlabel="grey before", title=channel)
    axes[2].legend(loc="lower right", fontsize=8.5)
    casts = ", ".join(f"{name} {colour_cast(curve):.3f}" for name, curve in curves.items())
    return Frame(figure, f"How far the channels part on greys, on average: {casts} in intensity.")


@lru_cache(maxsize=32)
def _curve(expert: str, recipe: str) -> Tensor:
    return tone_curve(shipped_network(expert, recipe))


SHOWN = {
    "input": "input",
    "clahe": "CLAHE",
    "l1": "L1",
    "l2": "L2",
    "histmatch-k256-lam0.01": "λ 0.01",
    "histmatch-k256-lam0.1": "λ 0.1",
    "histmatch-k256-lam1": "λ 1",
    "histmatch-k256-lam10": "λ 10",
    "histmatch-k256-lam1-clamp": "λ 1\nclamp",
    "histmatch-k256-lam1-bins": "λ 1\npaper",
}


@demo(measure=MEASURE, expert=EXPERT)
def violins(measure: str, expert: str) -> Frame:
    """Fig. 6: each loss over all test pictures and seeds."""
    field, label, more_is_better = MEASURES[measure]
    values = [values_of(expert, name, field) for name in SHOWN]
    figure, (axes,) = subplots(1, 1, height=4.0, margins=(0.75, 0.2, 0.4, 0.75))
    places = range(len(SHOWN))
    drawn: Any = axes.violinplot(values, list(places), widths=0.85, showextrema=False)
    for body, name in zip(drawn["bodies"], SHOWN, strict=True):
        ours = "histmatch" in name
        body.set(facecolor=OURS if ours else FAINT, edgecolor="none", alpha=0.55 if ours else 0.9)
    tail = 5 if more_is_better else 95
    means = [float(np.mean(v)) for v in values]
    tails = [float(np.percentile(v, tail)) for v in values]
    for place, name in enumerate(SHOWN):
        seeds = means_by_seed(expert, name, field)
        axes.plot([place] * len(seeds), seeds, ".", color=COUNTS, markersize=4)
    axes.plot(places, means, "+", color="black", markersize=13, markeredgewidth=2, label="mean")
    axes.plot(places, tails, "x", color="black", markersize=8, label=f"{tail}th percentile")
    axes.set_xticks(list(places), list(SHOWN.values()))
    axes.set(xlim=(-0.6, len(SHOWN) - 0.4), ylabel=label)
    axes.set(xlabel="orange: L2 + histogram, K = 256", title="Dots: the mean of each seed")
    axes.legend(loc="best", ncols=2)
    trained = list(zip(means, SHOWN.values(), strict=True))[2:]
    mean, best = max(trained) if more_is_better else min(trained)
    caption = (
        f"{measure} for the {expert} expert: the best mean has {best.replace(chr(10), ' ')}, "
        f"{mean:.3g}; L2 has {means[3]:.3g}, the input {means[0]:.3g}."
    )
    return Frame(figure, caption)


@demo(
    units=Choice("λ counted in", "intensity", ("intensity", "bins"), "When do the three lines meet?"),
    measure=MEASURE,
    expert=EXPERT,
)
def bins_and_lam(units: str, measure: str, expert: str) -> Frame:
    """The grid search over K and λ, in both units."""
    field, label, more_is_better = MEASURES[measure]
    names = [[Recipe("l2+histmatch", lam, k).name for lam in LAMS] for k in BINS]
    seeds = [[means_by_seed(expert, name, field) for name in row] for row in names]
    means = np.array([[np.mean(values) for values in row] for row in seeds])
    figure, (left, right) = subplots(1, 2, height=3.6, gaps=(0.95, 0.85))
    left.imshow(means if more_is_better else -means, cmap=SEQUENTIAL, aspect="auto")
    low, high = means.min(), means.max()
    for row in range(3):
        for column in range(3):
            share = (means[row, column] - low) / max(high - low, 1e-9)
            light = share > 0.6 if more_is_better else share < 0.4
            text, ink = f"{means[row, column]:.4g}", "black" if light else "white"
            left.text(column, row, text, ha="center", va="center", color=ink)
    left.set(xticks=range(3), xticklabels=[f"{lam:g}" for lam in LAMS], xlabel="λ, in intensity")
    left.set(yticks=range(3), yticklabels=[str(k) for k in BINS], ylabel="K, bins", title=label)
    left.grid(visible=False)
    looks = zip((COUNTS, TARGET, OURS), (":", "--", "-"), ("o", "s", "^"), strict=True)
    for k, of_k, row_means, (colour, dash, mark) in zip(BINS, seeds, means, looks, strict=True):
        weights = [lam / k if units == "bins" else lam for lam in LAMS]
        right.plot(weights, row_means, dash, color=colour, label=f"K = {k}")
        for weight, values in zip(weights, of_k, strict=True):
            right.plot([weight] * len(values), values, mark, color=colour, markersize=3.5)
    right.set(xscale="log", xlabel=f"λ, in {units}", ylabel=label, title="Dots: seeds")
    right.legend(loc="best")
    best_k, best_lam = divmod(int((means if more_is_better else -means).argmax()), len(LAMS))
    shown = LAMS[best_lam] / (BINS[best_k] if units == "bins" else 1)
    across = float(np.ptp(means, axis=0).mean())
    along = float(np.ptp(means, axis=1).mean())
    caption = (
        f"{measure} for the {expert} expert is best at K = {BINS[best_k]}, λ = {shown:.3g} in "
        f"{units}. At the same λ in intensity, K moves it by {across:.2g} on average; at the "
        f"same K, λ moves it by {along:.2g}."
    )
    return Frame(figure, caption)


def every_loss(photo: Tensor, expert: str) -> Frame:
    """One picture, as it is, after each shipped network: for a picture of your own."""
    names = ["l2", "l1", *(Recipe("l2+histmatch", lam).name for lam in ALL_LAMS)]
    with mpl.rc_context(RC_PARAMS):
        figure, axes = subplots(
            2, 4, height=4.2, margins=(0.05, 0.05, 0.35, 0.05), gaps=(0.1, 0.35)
        )
        picture(axes[0], photo, "your picture")
        for panel, name in zip(axes[1:], names, strict=False):
            picture(panel, prediction(photo, expert, AS_IT_IS, name), name)
        _, target = input_and_target(photo, expert, AS_IT_IS)
        picture(axes[-1], target, "the expert")
    changes = ", ".join(
        f"{name} {float((prediction(photo, expert, AS_IT_IS, name) - photo).abs().mean()):.3f}"
        for name in names
    )
    return Frame(figure, f"How much each network changes the picture, mean per value: {changes}.")
