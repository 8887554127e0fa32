"""What the paper claims, measured on what is shipped. docs/ledger.toml names a function here for
each claim that has a number.

Where recipes compete, a claim is reproduced only if the 95 % interval of `tables.difference` lies
on its side of 0 in every comparison, on every task; it differs if none does and one lies on the
other side; else it is undecided.
"""

from collections.abc import Iterable, Sequence
from itertools import product
from typing import NamedTuple

import torch

from histmatch_lab.data.samples import open_photo, photo_names
from histmatch_lab.demos.figures.compare import PAPER
from histmatch_lab.demos.figures.evidence import LAMS, PERCEPTUAL, recommended
from histmatch_lab.histogram import hard_histogram, soft_histogram
from histmatch_lab.perceptual import receptive_field
from histmatch_lab.recipe import RANGES, Recipe
from histmatch_lab.results.tables import (
    COMPARED,
    difference,
    labels,
    photograph,
    results_for,
    seed_gaps,
)

STATUSES = ("reproduced", "differs", "undecided", "not attempted")
REPRODUCED, DIFFERS, UNDECIDED, NOT_ATTEMPTED = STATUSES
OURS = recommended(0.1)
SIGNS = {"psnr": 1, "ssim": 1, "ciede2000": -1, "emd": -1, "excess": -1}  # 1 if more is better
LABELS = {
    "psnr": "PSNR, dB",
    "ciede2000": "CIEDE2000",
    "emd": "EMD, intensity",
    "excess": "over-enhancement",
}
UNITS = {"psnr": (2, " dB"), "ciede2000": (2, " ΔE")}  # with their digits
_TOGETHER = "\N{NO-BREAK SPACE}"


class Finding(NamedTuple):
    """What was measured of a claim.

    Attributes:
        status: one of `STATUSES`.
        numbers: what was measured, one line each, with unit, interval and spread over seeds.
        data: what it was measured on.
    """

    status: str
    numbers: tuple[str, ...]
    data: str


class Comparison(NamedTuple):
    """One recipe against another on a task.

    Attributes:
        side: 1 if better, -1 if worse, 0 where the interval holds 0.
        gap: the mean difference.
        text: the difference with its interval and the spread of the seeds.
    """

    side: int
    gap: float
    text: str


def compared(task: str, ours: str, theirs: str, measure: str = "psnr") -> Comparison:
    """Ours against theirs, in a measure of `SIGNS`."""
    gap = difference(task, ours, theirs, measure)
    side = SIGNS[measure] * ((gap.low > 0) - (gap.high < 0))
    digits, unit = UNITS.get(measure, (4, ""))
    mean, low, high = (f"{value:+.{digits}f}".replace("-", "−") for value in gap)
    by_seed = seed_gaps(task, ours, theirs, measure)
    text = f"{mean}{unit} [{low}, {high}]".replace(" ", _TOGETHER)
    spread = f"seeds{_TOGETHER}±{(max(by_seed) - min(by_seed)) / 2:.{digits}f}"
    text += f", {spread if len(by_seed) > 1 else 'one seed'}"
    return Comparison(side, gap.mean, text)


def highest_psnr() -> Finding:
    """Fig. 6: the paper's setting against the losses that the paper compares with."""
    return _against((PAPER,), ("l2", "l1", *PERCEPTUAL))


def substantial_improvement() -> Finding:
    """Abstract and conclusion: is any recipe with the term better than L2, in PSNR?"""
    return _best_of_all("psnr")


def better_than_perceptual() -> Finding:
    """Introduction: the term against VGG and LPIPS, in PSNR and in the difference of colours."""
    return _against((OURS,), PERCEPTUAL, "psnr", "ciede2000")


def diverse_tasks() -> Finding:
    """Introduction: the recommended term against L2 on each task that both were trained on."""
    return _against((OURS,), ("l2",), tasks=(*COMPARED, "spoiled", "ambiguous", "misaligned_12"))


def best_bins() -> Finding:
    """The search for K: 256 against the others, at one lambda in intensity."""
    others = [Recipe("l2+histmatch", 0.1, bins).name for bins in (50, 100)]
    return _against((OURS,), others)


def best_lam() -> Finding:
    """The search for lambda: 1 in bins, which is 256 in intensity, against each smaller."""
    return _against((recommended(LAMS[-1]),), [recommended(lam) for lam in LAMS[:-1]])


def closer_estimate() -> Finding:
    """Fig. 2: L1 between soft and counted histogram, with DeepHist's kernel and the paper's.

    Holds if the paper's is closer for each photograph with its 8-bit levels centred in the bins.
    """
    found = {
        "the paper's bins": [_kernel_errors(name, RANGES["unit"]) for name in photo_names()],
        "centred bins": [_kernel_errors(name, RANGES["centred"]) for name in photo_names()],
    }
    numbers = []
    for bins, errors in found.items():
        deephist, paper = torch.tensor(errors).mean(0)
        closer = sum(ours < theirs for theirs, ours in errors)
        numbers.append(
            f"{bins}: L1 {deephist:.3f} with DeepHist's kernel, {paper:.3f} with the paper's; "
            f"closer in {closer} of {len(errors)}"
        )
    holds = all(ours < theirs for theirs, ours in found["centred bins"])
    return Finding(
        REPRODUCED if holds else DIFFERS,
        tuple(numbers),
        f"{len(photo_names())} photographs, three channels",
    )


def closer_histograms() -> Finding:
    """Fig. 3: the paper's setting against L2, in EMD."""
    return _against((PAPER,), ("l2",), "emd")


def pixel_losses_miss_the_colours() -> Finding:
    """Background: does any recipe with the term come nearer to the target's histogram than L2?"""
    finding = _best_of_all("emd")
    alone = [
        f"{task}, L2 against the input: {compared(task, 'l2', 'input', 'emd').text}"
        for task in COMPARED
    ]
    return finding._replace(numbers=(*alone, *finding.numbers))


def regulariser() -> Finding:
    """Fig. 5: how far the channels part on greys: less with the term than with L2?"""
    sides, numbers = [], []
    for task in COMPARED:
        casts = {
            name: {r.seed: r.facts["colour_cast"] for r in results_for(task, name)}
            for name in ("l2", PAPER, OURS)
        }
        for name in (PAPER, OURS):
            gaps = [casts[name][seed] - casts["l2"][seed] for seed in casts[name]]
            sides.append(-1 if min(gaps) > 0 else 1 if max(gaps) < 0 else 0)
            each = ", ".join(f"{gap:+.3f}".replace("-", "−") for gap in gaps)
            numbers.append(f"{task}, {labels(task)[name]}, minus L2's, seed by seed: {each}")
    return Finding(_verdict(sides), tuple(numbers), "a ramp of greys, in intensity")


def over_enhancement() -> Finding:
    """Fig. 4: by how much contrast and colourfulness exceed the target's (`Score.excess`)."""
    return _against((PAPER, OURS), ("l2",), "excess")


def easier_than_squares() -> Finding:
    """Loss Function: L1 between CDFs against their squared distance, in PSNR at equal steps."""
    return _against((OURS,), (Recipe("l2+cramer", 0.1).name,))


def any_network() -> Finding:
    """Fig. 1: does a network of another kind, lookup tables, train with the term?"""
    return _against((Recipe("l2+histmatch", 0.1, network="lut").name,), ("input",))


def ssim_unsuitable() -> Finding:
    """Background: L2 against SSIM as a loss, in PSNR."""
    return _against(("l2",), ("ssim",))


def rules_fall_short() -> Finding:
    """Introduction: a trained network against CLAHE."""
    return _against(("l2",), ("clahe",))


def receptive_field_150() -> Finding:
    """Background: the side of what relu4_3 sees."""
    side = receptive_field("relu4_3")
    status = REPRODUCED if side == 150 else DIFFERS
    return Finding(status, (f"{side} × {side} pixels",), "VGG-16's table of layers")


def _against(
    ours: Sequence[str], others: Sequence[str], *measures: str, tasks: Iterable[str] = COMPARED
) -> Finding:
    """In PSNR, if no measure is named."""
    measures, sides, lines, on = measures or ("psnr",), [], [], []
    for measure, mine, task, other in product(measures, ours, tasks, others):
        names = labels(task)
        if mine in names and other in names:
            one = compared(task, mine, other, measure)
            on.append((task, mine, other))
            sides.append(one.side)
            lines.append(f"{task}, {names[mine]} against {names[other]}: {one.text}")
    return Finding(_verdict(sides), tuple(lines), _pictures(measures, on))


def _verdict(sides: Sequence[int]) -> str:
    if not sides:
        return NOT_ATTEMPTED
    if min(sides) > 0:
        return REPRODUCED
    return DIFFERS if max(sides) <= 0 and min(sides) < 0 else UNDECIDED


def _best_of_all(measure: str) -> Finding:
    """Reproduced if one recipe with the term beats L2 on every task; shows each task's best."""
    names = [name for name in labels(COMPARED[0]) if name.startswith("histmatch")]
    names = [n for n in names if all(n in labels(task) for task in COMPARED) and "lut" not in n]
    found = {task: {n: compared(task, n, "l2", measure) for n in names} for task in COMPARED}
    numbers = []
    for task, by_name in found.items():
        best = max(by_name, key=lambda name: SIGNS[measure] * by_name[name].gap)
        of = f"the best of {len(names)}, {labels(task)[best]}, against L2"
        numbers.append(f"{task}, {of}: {by_name[best].text}")
    sides = [min(found[task][name].side for task in COMPARED) for name in names]
    status = REPRODUCED if max(sides) > 0 else DIFFERS if max(sides) < 0 else UNDECIDED
    on = [(task, name, "l2") for task, name in product(COMPARED, names)]
    return Finding(status, tuple(numbers), _pictures((measure,), on))


def _pictures(measures: Sequence[str], on: Sequence[tuple[str, str, str]]) -> str:
    """The pictures and seeds of comparisons, each a task and two names."""
    parts = []
    for task in dict.fromkeys(task for task, *_ in on):
        pairs = [(mine, other) for where, mine, other in on if where == task]
        pictures = {score.picture for score in results_for(task, pairs[0][0])[0].scores}
        scenes = len({photograph(picture) for picture in pictures})
        seeds = [len(seed_gaps(task, mine, other, "psnr")) for mine, other in pairs]
        fewest, most = min(seeds), max(seeds)
        trained = f"{most} seed{'s' if most > 1 else ''}"
        trained = trained if fewest == most else f"{fewest} to {trained}"
        parts.append(f"{task}: {len(pictures)} pictures of {scenes} scenes, {trained}")
    shown = " and ".join(LABELS[measure] for measure in measures)
    return f"{shown}; {'; '.join(parts) or 'not trained yet'}"


def _kernel_errors(photo: str, span: tuple[float, float]) -> tuple[float, float]:
    """L1 from the counts, the mean over the channels: with DeepHist's kernel, with the paper's."""
    channels = open_photo(photo).flatten(1)
    counts = hard_histogram(channels, range=span)

    def error(alpha: float, bandwidth: float) -> float:
        soft = soft_histogram(
            channels, alpha=alpha, bandwidth=bandwidth, range=span, outside="reflect"
        )
        return float((soft - counts).abs().sum(-1).mean())

    return error(1.0, 1 / (2.5 * 256)), error(1000.0, 1.0)
