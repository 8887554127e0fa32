"""Notebook 06: what each loss made of the same network (Fig. 3, 4 and 5 of the paper)."""

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from histmatch_lab.data.pairs import Pair
from histmatch_lab.data.tasks import TaskPairs
from histmatch_lab.demos import style
from histmatch_lab.demos.controls import Choice, Slider
from histmatch_lab.demos.demo import Frame, demo
from histmatch_lab.demos.figures.evidence import PERCEPTUAL, PRINTED, TASK, recommended
from histmatch_lab.demos.shared import CHANNEL_NAMES, decibels, smooth_histograms, tone_axes
from histmatch_lab.demos.style import gallery, styled
from histmatch_lab.hdrnet import Network
from histmatch_lab.results.tables import labels, network_of, own_names, results_for
from histmatch_lab.training.baselines import histogram_oracle
from histmatch_lab.training.evaluation import channel_emds, colour_cast, tone_curve

LAMS = (0.03, 0.1, 0.3, 1.0, 10.0)  # in intensity, of which there are weights
PAPER = PRINTED[256.0]  # what the paper found best
WEIGHTS = ("l2", "l1", *PERCEPTUAL, *map(recommended, LAMS), PAPER)
VGG = "L2 + VGG"
LOOKS = ((style.OTHER, "--"), (style.COUNTS, ":"), (style.OURS, "-"))  # of `losses`
PICTURES = 24  # of each task's test pictures

LEFT = Choice("left of the line", "input", ("input", "target"), "Right of it is the output.")
LOSS = Choice("loss", "L2 + histogram", ("L2 + histogram", "L2", VGG), "λ belongs to the first.")
LAM = Choice("λ, in intensity", 0.1, LAMS, "The larger, the more the histograms count.")
PICTURE = Slider("test picture", 1, 1, PICTURES, "None was trained on.", step=1)
CHANNEL = Choice("channel", "red", CHANNEL_NAMES, "Nearer in one, further in another?")


def losses(lam: float) -> dict[str, str]:
    """The recipes that are shown side by side: names for readers, and those of the results."""
    return {"L2": "l2", VGG: PERCEPTUAL[0], f"λ = {lam:g}": recommended(lam)}


@lru_cache(maxsize=16)
def pair_of(task: str, picture: int) -> Pair:
    """A test pair by its number, from 1."""
    return TaskPairs(task).test_pairs()[picture - 1]


@lru_cache(maxsize=32)
@torch.no_grad()
def enhanced(network: Network, image: Tensor) -> Tensor:
    """What a network makes of a picture, clamped, (3, H, W)."""
    output: Tensor = network(image[None])[0].clamp(0, 1)
    return output


emds = lru_cache(maxsize=64)(channel_emds)


@demo(left=LEFT, loss=LOSS, lam=LAM, task=TASK, picture=PICTURE)
def before_after(left: str, loss: str, lam: float, task: str, picture: int) -> Frame:
    """Before and after, with each loss."""
    place, image, target = pair_of(task, picture)
    name = f"λ = {lam:g}" if loss == LOSS.default else loss
    output = enhanced(network_of(task, losses(lam)[name]), image)
    beside = image if left == LEFT.default else target
    (before, _), (after, [right]) = (gallery([(left, p)], 1, 6.8) for p in (beside, output))
    right.set_title("")
    right.set_title(f"output, {name}", loc="right")
    emd_before, emd_after = (float(emds(shown, target).mean()) for shown in (image, output))
    caption = (
        f"Left the {left}, right {name}, on {place}: PSNR {decibels(image, target):.1f} dB before, "
        f"{decibels(output, target):.1f} dB after; EMD {emd_before:.3f} before, {emd_after:.3f} "
        f"after."
    )
    return Frame(before, caption, after)


@demo(channel=CHANNEL, lam=LAM, task=TASK, picture=PICTURE)
def histograms(channel: str, lam: float, task: str, picture: int) -> Frame:
    """Fig. 3: histograms of the target and of the predictions."""
    place, image, target = pair_of(task, picture)
    index = CHANNEL_NAMES.index(channel)
    figure, (left, right) = style.subplots(1, 2, height=3.5)
    centers, shares = smooth_histograms(target)
    aim = shares[index]
    fill: Any = {"color": style.TARGET, "alpha": 0.25, "linewidth": 0, "label": "target"}
    left.fill_between(centers.numpy(), aim.numpy(), **fill)
    right.plot(centers, aim.cumsum(0), color=style.TARGET, linewidth=4, alpha=0.4, label="target")
    parts = []
    for (name, recipe), (colour, dash) in zip(losses(lam).items(), LOOKS, strict=True):
        output = enhanced(network_of(task, recipe), image)
        of_channel = smooth_histograms(output)[1][index]
        left.plot(centers, of_channel, dash, color=colour, label=name)
        right.plot(centers, of_channel.cumsum(0), dash, color=colour, label=name)
        parts.append(f"{name} {float(emds(output, target)[index]):.3f}")
    left.set(xlim=(0, 1), ylim=(0, float(aim.max()) * 1.3), yticks=(), xlabel="intensity")
    left.set_title("Histograms, smoothed to 64 bins")
    right.set(xlim=(0, 1), ylim=(0, 1.02), yticks=(0, 0.5, 1), xlabel="intensity")
    right.set(ylabel="share of pixels", title="CDFs")
    right.legend(loc="lower right")
    caption = f"EMD of {place}'s {channel} from the target's, in intensity: {', '.join(parts)}."
    return Frame(figure, caption)


@demo(lam=LAM, task=TASK, picture=PICTURE)
def side_by_side(lam: float, task: str, picture: int) -> Frame:
    """Fig. 4: the picture after each loss, and with exactly the target's histogram."""
    name, image, target = pair_of(task, picture)
    outputs = {t: enhanced(network_of(task, recipe), image) for t, recipe in losses(lam).items()}
    shown = {"input": image, **outputs, "oracle": histogram_oracle(image, target)}
    decibel = {title: f"{decibels(one, target):.1f}" for title, one in shown.items()}
    titled = [(f"{title}: {decibel[title]} dB", one) for title, one in shown.items()]
    figure, _ = gallery([*titled, ("target", target)], 3, 2.6)
    parts = ", ".join(" ".join(one) for one in decibel.items())
    return Frame(figure, f"{name}, PSNR in dB: {parts}.")


@demo(lam=LAM, task=TASK)
def tone_curves(lam: float, task: str) -> Frame:
    """Fig. 5: what each network makes of a ramp of greys."""
    curves = {n: tone_curve(network_of(task, recipe)) for n, recipe in losses(lam).items()}
    figure, axes = style.subplots(1, 3, height=3.3, gaps=(0.45, 0.5))
    greys = torch.linspace(0, 1, curves["L2"].shape[1])
    for index, (panel, channel) in enumerate(zip(axes, CHANNEL_NAMES, strict=True)):
        tone_axes(panel, margin=0.1, xlabel="grey before", title=channel)
        for (name, curve), (colour, dash) in zip(curves.items(), LOOKS, strict=True):
            panel.plot(greys, curve[index], dash, color=colour, label=name)
    axes[2].legend(loc="lower right", fontsize=8.5)
    casts = ", ".join(f"{name} {colour_cast(curve):.3f}" for name, curve in curves.items())
    return Frame(figure, f"How far the channels part on greys, on average: {casts} in intensity.")


@styled
def every_loss(photo: Tensor, task: str) -> Frame:
    """One picture, as it is, after each network, the reader's too: for a picture of your own."""
    names = {name: label for name, label in labels(task).items() if name in WEIGHTS}
    for name in own_names(task):
        if results_for(task, name)[0].weights:
            names[name] = name
    outputs = {label: enhanced(network_of(task, n), photo) for n, label in names.items()}
    shown = {"your picture": photo, **outputs}
    figure, _ = gallery([*shown.items()], 4, 2.1)
    changes = [f"{name} {float((out - photo).abs().mean()):.3f}" for name, out in outputs.items()]
    return Frame(
        figure,
        f"How much each network changes the picture, mean per value: {', '.join(changes)}.",
    )
