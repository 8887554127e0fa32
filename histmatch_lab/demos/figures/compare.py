"""Notebook 06: what each loss made of the same network (Fig. 3, 4, 5 and 6 of the paper)."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from torch import Tensor

from histmatch_lab.color import srgb_to_linear
from histmatch_lab.data.retouch import degrade, retouch
from histmatch_lab.data.scenes import TEST_NAMES
from histmatch_lab.demos import style
from histmatch_lab.demos.controls import Choice, Photograph, Slider
from histmatch_lab.demos.demo import Frame, demo
from histmatch_lab.demos.shared import CHANNEL_NAMES, decibels, smooth_histograms, tone_axes
from histmatch_lab.demos.style import gallery, styled
from histmatch_lab.hdrnet import Network
from histmatch_lab.recipe import PAPER_BINS, PAPER_LAMS, Recipe
from histmatch_lab.results.tables import network_of, own_names, results_for, seed_means, values_of
from histmatch_lab.training.evaluation import channel_emds, colour_cast, tone_curve

AS_IT_IS = "as it is"
ALL_LAMS = (0.01, *PAPER_LAMS)
MEASURES = {  # the field of a score, label, 1 if more is better, else -1
    "PSNR": ("psnr", "PSNR, dB", 1),
    "SSIM": ("ssim", "SSIM", 1),
    "CIEDE2000": ("ciede2000", "CIEDE2000", -1),
    "EMD": ("emd", "EMD, intensity", -1),
}
SHOWN = {
    "input": "input",
    "clahe": "CLAHE",
    "l1": "L1",
    "l2": "L2",
    "histmatch-k256-lam0.01-drop": "λ 0.01",
    "histmatch-k256-lam0.1-drop": "λ 0.1",
    "histmatch-k256-lam1-drop": "λ 1",
    "histmatch-k256-lam10-drop": "λ 10",
    "histmatch-k256-lam1": "λ 1\nclamp",
    "histmatch-k256-lam1-bins-drop": "λ 1\npaper",
}

EXPERT = Choice("expert", "local", ("local", "ambiguous"), "The second's look isn't in the input.")
LOSS = Choice("loss", "l2+histmatch", ("l2+histmatch", "l2", "l1"), "λ belongs to the first.")
LAM = Choice("λ, in intensity", 0.1, ALL_LAMS, "The larger, the more the histograms count.")
DEGRADATIONS = ("degradation 1", "degradation 2", "degradation 3", AS_IT_IS)
DEGRADATION = Choice("input", "degradation 1", DEGRADATIONS, "Badly taken, or as it is.")
PHOTO = Photograph("photograph", "oakland_zoo_otters", "None was trained on.", names=TEST_NAMES)
CHANNEL = Choice("channel", "red", CHANNEL_NAMES, "The experts warm the lights: more red.")
MEASURE = Choice("measure", "PSNR", tuple(MEASURES), "Does the same loss win in each?")


@lru_cache(maxsize=8)
def input_and_target(photo: Tensor, expert: str, degradation: str) -> tuple[Tensor, Tensor]:
    """The picture with a degradation, and what the expert makes of it; both (3, H, W)."""
    number = 0 if degradation == AS_IT_IS else int(degradation.split()[1])
    generator = torch.Generator().manual_seed(100 + number)
    target = retouch(photo, expert, generator=generator)
    return (degrade(srgb_to_linear(photo), generator) if number else photo), target


@lru_cache(maxsize=32)
@torch.no_grad()
def enhanced(network: Network, image: Tensor) -> Tensor:
    """What a network makes of a picture, clamped, (3, H, W)."""
    output: Tensor = network(image[None])[0].clamp(0, 1)
    return output


def ours(lam: float, bins: int = 256) -> str:
    """The name of the recipe of L2 and the histogram loss, as the paper has it."""
    return Recipe("l2+histmatch", lam, bins, outside="drop").name


emds = lru_cache(maxsize=64)(channel_emds)


@demo(
    swipe=Slider("swipe", 0.5, 0, 1, "Left of the line the input, right the output.", step=0.02),
    loss=LOSS,
    lam=LAM,
    expert=EXPERT,
    degradation=DEGRADATION,
    photo=PHOTO,
)
def before_after(
    swipe: float, loss: str, lam: float, expert: str, degradation: str, photo: Tensor
) -> Frame:
    """Before and after, with each loss."""
    image, target = input_and_target(photo, expert, degradation)
    name = ours(lam) if loss == LOSS.default else loss
    output = enhanced(network_of(expert, name), image)
    edge = round(swipe * photo.shape[2])
    both = torch.cat([image[..., :edge], output[..., edge:]], -1)
    shown = [("Input | output", both), ("What the expert made of it", target)]
    figure, (left, _) = gallery(shown, 2, 3.4)
    left.plot((edge, edge), (0, photo.shape[1] - 1), color="white", linewidth=2)
    emd_before, emd_after = (float(emds(shown, target).mean()) for shown in (image, output))
    caption = (
        f"{name}, {expert} expert: PSNR {decibels(image, target):.1f} dB before, "
        f"{decibels(output, target):.1f} dB after; EMD {emd_before:.3f} before, {emd_after:.3f} "
        f"after. The line stands at {swipe:.0%}."
    )
    return Frame(figure, caption)


@demo(channel=CHANNEL, lam=LAM, expert=EXPERT, degradation=DEGRADATION, photo=PHOTO)
def histograms(channel: str, lam: float, expert: str, degradation: str, photo: Tensor) -> Frame:
    """Fig. 3: histograms of the target and of the predictions."""
    image, target = input_and_target(photo, expert, degradation)
    index = CHANNEL_NAMES.index(channel)
    figure, (left, right) = style.subplots(1, 2, height=3.5)
    centers, shares = smooth_histograms(target)
    aim = shares[index]
    fill: Any = {"color": style.TARGET, "alpha": 0.25, "linewidth": 0, "label": "target"}
    left.fill_between(centers.numpy(), aim.numpy(), **fill)
    right.plot(centers, aim.cumsum(0), color=style.TARGET, linewidth=4, alpha=0.4, label="target")
    parts = []
    for name, colour, dash in (("l2", style.OTHER, "--"), (ours(lam), style.OURS, "-")):
        output = enhanced(network_of(expert, name), image)
        of_channel = smooth_histograms(output)[1][index]
        left.plot(centers, of_channel, dash, color=colour, label=name)
        right.plot(centers, of_channel.cumsum(0), dash, color=colour, label=name)
        parts.append(f"{name} {float(emds(output, target)[index]):.3f}")
    left.set(xlim=(0, 1), ylim=(0, float(aim.max()) * 1.3), yticks=(), xlabel="intensity")
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
    degradation=DEGRADATION,
    photo=PHOTO,
)
def side_by_side(
    across: float, down: float, lam: float, expert: str, degradation: str, photo: Tensor
) -> Frame:
    """Fig. 4: the picture after each loss, and a detail."""
    image, target = input_and_target(photo, expert, degradation)
    recipes = {"l2": "l2", "l1": "l1", f"l2+histmatch, λ {lam:g}": ours(lam)}
    outputs = {t: enhanced(network_of(expert, name), image) for t, name in recipes.items()}
    shown = {"input": image, **outputs, "target": target}
    height, width = photo.shape[1:]
    side = min(height, width) // 3
    top, left = round(down * (height - side)), round(across * (width - side))
    details = [("", picture[:, top : top + side, left : left + side]) for picture in shown.values()]
    figure, axes = gallery([*shown.items(), *details], 5, 1.8, gap=0.1)
    box = ((left, left + side, left + side, left, left), (top, top, top + side, top + side, top))
    axes[0].plot(*box, color=style.MARK, linewidth=2)
    parts = [f"{t} {decibels(shown[t], target):.1f}" for t in ("input", *recipes)]
    place = f"{across:.0%} across, {down:.0%} down"
    return Frame(figure, f"PSNR in dB: {', '.join(parts)}. The detail is at {place}.")


@demo(lam=LAM, expert=EXPERT)
def tone_curves(lam: float, expert: str) -> Frame:
    """Fig. 5: what each network makes of a ramp of greys."""
    lines = {"l2": (style.OTHER, "--"), "l1": (style.COUNTS, ":"), ours(lam): (style.OURS, "-")}
    curves = {name: tone_curve(network_of(expert, name)) for name in lines}
    figure, axes = style.subplots(1, 3, height=3.3, gaps=(0.45, 0.5))
    greys = torch.linspace(0, 1, curves["l2"].shape[1])
    for index, (panel, channel) in enumerate(zip(axes, CHANNEL_NAMES, strict=True)):
        tone_axes(panel, margin=0.1, xlabel="grey before", title=channel)
        for name, (colour, dash) in lines.items():
            panel.plot(greys, curves[name][index], dash, color=colour, label=name)
    axes[2].legend(loc="lower right", fontsize=8.5)
    casts = ", ".join(f"{name} {colour_cast(curve):.3f}" for name, curve in curves.items())
    return Frame(figure, f"How far the channels part on greys, on average: {casts} in intensity.")


@demo(measure=MEASURE, expert=EXPERT)
def violins(measure: str, expert: str) -> Frame:
    """Fig. 6: each loss over all test pictures and seeds."""
    field, label, sign = MEASURES[measure]
    shown = SHOWN | {name: name.replace(" ", "\n") for name in own_names(expert)}
    values = [values_of(expert, name, field) for name in shown]
    tail = 5 if sign > 0 else 95
    means = {name: float(np.mean(v)) for name, v in zip(shown, values, strict=True)}
    tails = [np.percentile(v, tail) for v in values]
    figure, (axes,) = style.subplots(1, 1, height=4.0, margins=(0.75, 0.2, 0.4, 0.75))
    places = list(range(len(shown)))
    bodies: Any = axes.violinplot(values, places, widths=0.85, showextrema=False)["bodies"]
    for place, (body, name) in enumerate(zip(bodies, shown, strict=True)):
        color, alpha = (style.OURS, 0.55) if "histmatch" in name else (style.FAINT, 0.9)
        body.set(facecolor=color, edgecolor="none", alpha=alpha)
        seeds = seed_means(expert, name, field)
        axes.plot([place] * len(seeds), seeds, ".", color=style.COUNTS, markersize=4)
    axes.plot(places, list(means.values()), "k+", markersize=13, markeredgewidth=2, label="mean")
    axes.plot(places, tails, "kx", markersize=8, label=f"{tail}th percentile")
    axes.set_xticks(places, list(shown.values()))
    axes.set(xlim=(-0.6, len(shown) - 0.4), xlabel="orange: L2 + histogram, K = 256")
    axes.set(ylabel=label, title="Dots: the mean of each seed")
    axes.legend(loc="best", ncols=2)
    best = max(list(shown)[2:], key=lambda name: sign * means[name])
    caption = (
        f"{measure} for the {expert} expert: the best mean has {shown[best].replace(chr(10), ' ')},"
        f" {means[best]:.3g}; L2 has {means['l2']:.3g}, the input {means['input']:.3g}."
    )
    return Frame(figure, caption)


@demo(
    units=Choice("λ counted in", "intensity", ("intensity", "bins"), "Where do the lines meet?"),
    measure=MEASURE,
    expert=EXPERT,
)
def bins_and_lam(units: str, measure: str, expert: str) -> Frame:
    """The grid search over K and λ, in both units."""
    field, label, sign = MEASURES[measure]
    seeds = np.array(
        [[seed_means(expert, ours(lam, k), field) for lam in PAPER_LAMS] for k in PAPER_BINS]
    )
    means = seeds.mean(-1)  # (K, λ)
    figure, (left, right) = style.subplots(1, 2, height=3.6, gaps=(0.95, 0.85))
    texts = {
        f"{k}": [f"{mean:.4g}" for mean in row] for k, row in zip(PAPER_BINS, means, strict=True)
    }
    style.number_map(
        left, sign * means, texts, [f"{lam:g}" for lam in PAPER_LAMS], cmap=style.SEQUENTIAL
    )
    left.set(xlabel="λ, in intensity", ylabel="K, bins", title=label)
    _draw_search(right, seeds, units, label)
    best_k, best_lam = divmod(int((sign * means).argmax()), len(PAPER_LAMS))
    shown = PAPER_LAMS[best_lam] / (PAPER_BINS[best_k] if units == "bins" else 1)
    across, along = (float(np.ptp(means, axis=axis).mean()) for axis in (0, 1))
    caption = (
        f"{measure} for the {expert} expert is best at K = {PAPER_BINS[best_k]}, λ = {shown:.3g} "
        f"in {units}. At the same λ in intensity, K moves it by {across:.2g} on average; at the "
        f"same K, λ moves it by {along:.2g}."
    )
    return Frame(figure, caption)


def _draw_search(axes: Axes, seeds: np.ndarray, units: str, label: str) -> None:
    """A line for each K, through the means of the seeds; `seeds` is (K, λ, seed)."""
    looks = ((style.COUNTS, ":", "o"), (style.TARGET, "--", "s"), (style.OURS, "-", "^"))
    for k, of_k, (colour, dash, mark) in zip(PAPER_BINS, seeds, looks, strict=True):
        weights = [lam / k if units == "bins" else lam for lam in PAPER_LAMS]
        axes.plot(weights, of_k.mean(-1), dash, color=colour, label=f"K = {k}")
        axes.plot(weights, of_k, mark, color=colour, markersize=3.5)
    axes.set(xscale="log", xlabel=f"λ, in {units}", ylabel=label, title="Dots: seeds")
    axes.legend(loc="best")


@styled
def every_loss(photo: Tensor, expert: str) -> Frame:
    """One picture, as it is, after each network, the reader's too: for a picture of your own."""
    own = [name for name in own_names(expert) if results_for(expert, name)[0].weights]
    names = ["l2", "l1", *map(ours, ALL_LAMS), *own]
    outputs = {name: enhanced(network_of(expert, name), photo) for name in names}
    _, target = input_and_target(photo, expert, AS_IT_IS)
    shown = {"your picture": photo, **outputs, "the expert": target}
    figure, _ = gallery([*shown.items()], 4, 2.1)
    changes = [f"{name} {float((out - photo).abs().mean()):.3f}" for name, out in outputs.items()]
    return Frame(
        figure,
        f"How much each network changes the picture, mean per value: {', '.join(changes)}.",
    )
