"""Notebook 06: what all runs of the study say together (Fig. 6 of the paper), and how surely."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from histmatch_lab.demos import style
from histmatch_lab.demos.controls import Choice
from histmatch_lab.demos.demo import Frame, demo
from histmatch_lab.demos.shared import SEARCHED_BINS
from histmatch_lab.recipe import Recipe
from histmatch_lab.results.tables import (
    COMPARED,
    difference,
    l2_beside,
    labels,
    own_names,
    results_for,
    seed_gaps,
    seed_means,
    values_of,
)
from histmatch_lab.training.evaluation import Difference

LAMS = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 10.0, 256.0)  # in intensity; the last is 1 in bins


def as_printed(lam: float, units: str, bins: int = 256) -> str:
    """The name of the recipe without the repairs, as the paper has the loss."""
    return Recipe("l2+histmatch", lam, bins=bins, units=units, outside="drop", range="unit").name


# By λ in intensity.
PRINTED = {
    0.1: as_printed(0.1, "intensity"),
    1.0: as_printed(1.0, "intensity"),
    256.0: as_printed(1.0, "bins"),
}

# The paper's rivals, at the weights where both terms are about equal in the end.
PERCEPTUAL = Recipe("l2+vgg", 0.003).name, Recipe("l2+lpips", 0.03).name

# The paper's search for K and λ, in its units.
SEARCHED_LAMS = (0.1, 1.0, 10.0)
SEARCHED = {
    (bins, lam): as_printed(lam, "bins", bins) for bins in SEARCHED_BINS for lam in SEARCHED_LAMS
}


class Measure(NamedTuple):
    """A field of `Score`: how it is shown, whether more is better, and how far a figure reaches."""

    field: str
    label: str
    sign: int
    reach: float


MEASURES = {
    "PSNR": Measure("psnr", "PSNR, dB", 1, 2.5),
    "CIEDE2000": Measure("ciede2000", "CIEDE2000", -1, 3.5),
    "EMD": Measure("emd", "EMD, intensity", -1, 0.02),
    "SSIM": Measure("ssim", "SSIM", 1, 0.03),
    "over-enhancement": Measure("excess", "over-enhancement", -1, 0.05),
}

MEASURE = Choice("measure", "PSNR", tuple(MEASURES), "Does the same loss win in each?")
TASK = Choice("task", "tonemap", COMPARED, "The same losses on other pairs.")
EVERY_TASK = Choice(
    "task",
    "tonemap",
    (*COMPARED, "misaligned_12", "misaligned_6", "misaligned_0", "spoiled", "ambiguous"),
    "Where does a histogram help?",
)


def recommended(lam: float) -> str:
    """The name of the recipe that the course recommends, with this λ."""
    return Recipe("l2+histmatch", lam).name


@demo(task=EVERY_TASK)
def forest(task: str) -> Frame:
    """Each recipe against L2, on the same pictures and seeds, in three measures."""
    names, shown = labels(task), _rivals(task)
    rows = max(2, len(shown))
    margins, height = (2.3, 0.15, 0.4, 0.7), 1.1 + 0.27 * rows
    figure, axes = style.subplots(1, 3, height=height, margins=margins, gaps=(0.2, 0))
    for panel, what in zip(axes, list(MEASURES.values())[:3], strict=True):
        gaps = {n: difference(task, n, l2_beside(task, n), what.field) for n in shown}
        for row, (name, gap) in enumerate(gaps.items()):
            _draw_difference(panel, -row, task, name, gap, what)
        if what.field == "psnr":
            verdicts = _verdicts({names[name]: gap for name, gap in gaps.items()})
        panel.axvline(0, color=style.OTHER, linestyle="--", linewidth=1)
        better = "better →" if what.sign > 0 else "← better"
        panel.set(xlim=(-what.reach, what.reach), ylim=(0.4 - rows, 0.6))
        panel.set_xlabel(f"{what.label}, minus L2's\n{better}")
        panel.set_yticks(range(0, -len(shown), -1), [])
        panel.xaxis.set_major_locator(MaxNLocator(4, prune="both"))
    axes[0].set_yticks(range(0, -len(shown), -1), [names[name] for name in shown])
    figure.suptitle(f"{task}: difference from L2, 95 % intervals; dots: seeds", fontsize=11)
    return Frame(figure, f"In PSNR on {task}: {verdicts}.")


def _rivals(task: str) -> list[str]:
    """All that was trained but L2 and what only the search has."""
    trained = [name for name in labels(task) if results_for(task, name)[0].recipe]
    left_out = {*SEARCHED.values()} - {*PRINTED.values()}
    return [name for name in trained if name not in (l2_beside(task, name), *left_out)]


def _draw_difference(
    axes: Axes, row: float, task: str, name: str, gap: Difference, what: Measure
) -> None:
    """One line of the forest; what lies beyond the axis is a number at its end."""
    colour = style.OURS if "histmatch" in name else style.COUNTS
    if abs(gap.mean) > what.reach:
        end = np.sign(gap.mean) * what.reach * 0.96
        side = "right" if gap.mean > 0 else "left"
        axes.text(end, row, f"{gap.mean:+.2g}", color=colour, ha=side, va="center")
        return
    axes.plot((gap.low, gap.high), (row, row), color=colour, linewidth=2)
    if gap.high > what.reach:
        axes.plot(0.98 * what.reach, row, ">", color=colour, markersize=5)
    if gap.low < -what.reach:
        axes.plot(-0.98 * what.reach, row, "<", color=colour, markersize=5)
    axes.plot(gap.mean, row, "s", color=colour, markersize=5)
    seeds = seed_gaps(task, name, l2_beside(task, name), what.field)
    axes.plot(seeds, [row - 0.28] * len(seeds), ".", color=style.COUNTS, markersize=3)


def _verdicts(gaps: Mapping[str, Difference]) -> str:
    """In words, which intervals lie on one side of 0; by the names for readers."""
    better = [name for name, gap in gaps.items() if gap.low > 0]
    worse = [name for name, gap in gaps.items() if gap.high < 0]
    others = len(gaps) - len(better) - len(worse)
    text = f"better than L2: {'; '.join(better) or 'none'}. Worse: {'; '.join(worse) or 'none'}"
    return f"{text}. Of the other {others} these pictures cannot tell" if others else text


@demo(measure=MEASURE, task=TASK)
def violins(measure: str, task: str) -> Frame:
    """Fig. 6: each loss over all test pictures and seeds."""
    what, shown = MEASURES[measure], _of_figure_6(task)
    values = {name: values_of(task, name, what.field) for name in shown}
    means = {name: float(np.mean(of_one)) for name, of_one in values.items()}
    places = [-row for row in range(len(shown))]
    rows = max(len(_of_figure_6(each)) for each in TASK.options)
    margins, height = (2.3, 0.2, 0.4, 0.6), 1.0 + 0.33 * rows
    figure, (axes,) = style.subplots(1, 1, height=height, margins=margins)
    look: Any = {"orientation": "horizontal", "widths": 0.85, "showextrema": False}
    bodies: Any = axes.violinplot([*values.values()], places, **look)["bodies"]
    for place, body, name in zip(places, bodies, shown, strict=True):
        colour, alpha = (style.OURS, 0.55) if "histmatch" in name else (style.FAINT, 0.9)
        body.set(facecolor=colour, edgecolor="none", alpha=alpha)
        seeds = seed_means(task, name, what.field)
        axes.plot(seeds, [place] * len(seeds), ".", color=style.COUNTS, markersize=4)
    tail = 5 if what.sign > 0 else 95
    tails = [np.percentile(of_one, tail) for of_one in values.values()]
    axes.plot([*means.values()], places, "k+", markersize=11, markeredgewidth=2, label="mean")
    axes.plot(tails, places, "kx", markersize=6, label=f"{tail}th percentile")
    axes.set_yticks(places, [*shown.values()])
    axes.set(ylim=(0.4 - rows, 0.6), xlabel=what.label)
    axes.set_title("All test pictures and seeds; dots: the mean of each seed")
    axes.legend(loc="best")
    trained = [name for name in shown if results_for(task, name)[0].recipe]
    best = max(trained, key=lambda name: what.sign * means[name])
    return Frame(
        figure,
        f"{measure} on {task}: {shown[best]} has the best mean of all losses, {means[best]:.3g}; "
        f"L2 has {means['l2']:.3g}, the input {means['input']:.3g}.",
    )


def _of_figure_6(task: str) -> dict[str, str]:
    """By name, the labels of the paper's five losses, ours, the baselines and the reader's own."""
    paper = {"l2", "l1", recommended(0.1), PRINTED[LAMS[-1]], *PERCEPTUAL}
    known = paper | {*own_names(task)}
    return {
        name: label
        for name, label in labels(task).items()
        if name in known or not results_for(task, name)[0].recipe
    }


@demo(measure=MEASURE, task=TASK)
def lam_axis(measure: str, task: str) -> Frame:
    """The search for λ, from where the histogram is hardly heard to where nothing else is."""
    what, found = MEASURES[measure], labels(task)
    figure, (axes,) = style.subplots(1, 1, height=3.9, margins=(1.0, 0.2, 0.45, 0.7))

    def draw(names: Mapping[float, str], colour: str, dash: str, label: str) -> dict[float, float]:
        """One line, of those that were trained; its means by λ."""
        there = {lam: name for lam, name in names.items() if name in found}
        gaps = {lam: seed_gaps(task, name, "l2", what.field) for lam, name in there.items()}
        means = {lam: float(np.mean(of_one)) for lam, of_one in gaps.items()}
        axes.plot([*means], [*means.values()], dash, color=colour, label=label)
        for lam, of_one in gaps.items():
            axes.plot([lam] * len(of_one), of_one, ".", color=colour, markersize=5)
        return means

    means = draw({lam: recommended(lam) for lam in LAMS}, style.OURS, "-", "repaired")
    draw(PRINTED, style.COUNTS, "o", "unrepaired")
    axes.axhline(0, color=style.OTHER, linestyle="--", label="L2")
    balance = 2 * error_of_l2(task)
    axes.axvline(balance, color=style.MARK, linewidth=1, label="λ/2 = error of L2")
    axes.set(xscale="log", xlabel="λ, in intensity (256: the paper's 1, if it counts bins)")
    axes.set(ylabel=f"{what.label}, minus L2's", title="Dots: seeds, paired with those of L2")
    axes.legend(loc="best")
    best = max(means, key=lambda lam: what.sign * means[lam])
    return Frame(
        figure,
        f"{measure} on {task}: the best λ is {best:g}, {means[best]:+.3g} against L2. The pulls "
        f"balance at an error of λ/2; an error of {balance / 2:.3f}, as of L2, balances "
        f"λ = {balance:.2f}.",
    )


@demo(task=TASK)
def bins_and_lam(task: str) -> Frame:
    """The paper's search for λ and K together, in its units and unrepaired."""
    gaps = {
        key: float(np.mean(seed_gaps(task, name, "l2", "psnr"))) for key, name in SEARCHED.items()
    }
    rows = SEARCHED_BINS[::-1]
    gains = np.array([[gaps[bins, lam] for lam in SEARCHED_LAMS] for bins in rows])
    figure, (axes,) = style.subplots(1, 1, height=2.6, margins=(2.0, 2.0, 0.45, 0.6))
    texts = {
        str(bins): [f"{gaps[bins, lam]:+.1f} dB\nλ = {lam * bins:g}" for lam in SEARCHED_LAMS]
        for bins in rows
    }
    columns = [f"{lam:g}" for lam in SEARCHED_LAMS]
    style.number_map(axes, gains, texts, columns, cmap=style.SEQUENTIAL)
    axes.set(xlabel="λ in bins", ylabel="K, bins")
    axes.set_title("PSNR minus L2's; below it λ in intensity")
    best, worst = max(gaps, key=gaps.__getitem__), min(gaps, key=gaps.__getitem__)
    said = [
        f"K = {bins} with λ = {lam:g} ({gaps[bins, lam]:+.1f} dB)" for bins, lam in (best, worst)
    ]
    return Frame(figure, f"On {task} {said[0]} is nearest to L2, {said[1]} furthest from it.")


def error_of_l2(task: str) -> float:
    """The root mean square error of the L2 networks on the test pictures, from their PSNR."""
    return float(np.sqrt(np.mean(10 ** (-np.array(values_of(task, "l2", "psnr")) / 10))))
