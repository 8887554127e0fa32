"""What the paper claims, measured on what is shipped: Fig. 2, 3, 5, 6 and the searches for K and
lambda. docs/ledger.toml names a function here for each claim that has a number.

Where recipes compete, a claim holds only if the 95 % interval of `comparison.difference` lies on
its side of 0 in every comparison, for every expert.
"""

from typing import Literal, NamedTuple

import torch

from histmatch_lab.data.samples import open_photo, photo_names
from histmatch_lab.histogram import hard_histogram, soft_histogram
from histmatch_lab.perceptual import receptive_field
from histmatch_lab.results.shipped import (
    BINS,
    EXPERTS,
    LAMS,
    RECIPES,
    Recipe,
    difference,
    photograph,
    scores_of,
    seed_means,
    shipped_network,
)
from histmatch_lab.training.evaluation import colour_cast, tone_curve

# What the paper found best, in its own unit.
PAPER = Recipe("l2+histmatch", lam=1.0, bins=256, units="bins").name
HISTMATCH = [name for name, recipe in RECIPES.items() if "histmatch" in recipe.loss]
EIGHT_BIT = (-0.5 / 255, 255.5 / 255)  # erratum 6: each level in the middle of a bin

_TOGETHER = "\N{NO-BREAK SPACE}"

Measure = Literal["psnr", "emd"]


class Finding(NamedTuple):
    """What became of a claim here.

    Attributes:
        holds: whether we find what the paper says.
        numbers: what was measured, one line each, with unit, interval and spread over seeds.
        data: what it was measured on.
    """

    holds: bool
    numbers: tuple[str, ...]
    data: str


class Duel(NamedTuple):
    """One recipe against another, for one expert.

    Attributes:
        won: whether ours is better and the interval does not hold 0.
        lost: whether it is worse and the interval does not hold 0.
        gap: ours minus theirs.
        text: the gap with its unit, its interval and its spread over seeds.
    """

    won: bool
    lost: bool
    gap: float
    text: str


def duel(expert: str, ours: str, theirs: str, measure: Measure = "psnr") -> Duel:
    """Ours against theirs, in PSNR (more is better) or in EMD (less is better)."""
    gap = difference(expert, ours, theirs, measure)
    above, below = gap.low > 0, gap.high < 0
    won, lost = (above, below) if measure == "psnr" else (below, above)
    digits, unit = (2, " dB") if measure == "psnr" else (4, "")
    mean, low, high = (_signed(value, digits) for value in gap)
    mine, other = (seed_means(expert, name, measure) for name in (ours, theirs))
    if len(other) == 1:  # a baseline, which no seed changes
        other = other * len(mine)
    by_seed = [a - b for a, b in zip(mine, other, strict=True)]
    spread = (max(by_seed) - min(by_seed)) / 2
    interval = f"{mean}{unit} [{low}, {high}],".replace(" ", _TOGETHER)
    text = f"{interval} seeds{_TOGETHER}±{spread:.{digits}f}"
    return Duel(won, lost, gap.mean, text)


def highest_psnr() -> Finding:
    """Fig. 6: the paper's setting against both pixel losses."""
    return _against(PAPER, {"l2": "L2", "l1": "L1"})


def substantial_improvement() -> Finding:
    """Abstract and conclusion: is any of our recipes with the term better than L2, in PSNR?"""
    return _best_of_all("psnr")


def pixel_losses_miss_the_colours() -> Finding:
    """Background: does any recipe with the term come nearer to the target's histogram than L2?"""
    finding = _best_of_all("emd")
    alone = [f"{e}, L2 against the input: {duel(e, 'l2', 'input', 'emd').text}" for e in EXPERTS]
    return finding._replace(numbers=(*alone, *finding.numbers))


def closer_histograms() -> Finding:
    """Fig. 3: the paper's setting against L2, in EMD."""
    return _against(PAPER, {"l2": "L2"}, "emd")


def best_bins() -> Finding:
    """The search for K: 256 against the others, at lambda = 1 in intensity."""
    finding = _against(_name(256, 1.0), {_name(k, 1.0): f"K = {k}" for k in BINS if k != 256})
    duels = [
        duel(expert, _name(256, lam), _name(bins, lam))
        for expert in EXPERTS
        for lam in LAMS
        for bins in BINS
        if bins != 256
    ]
    won, lost = sum(d.won for d in duels), sum(d.lost for d in duels)
    everywhere = f"over all λ: better in {won} of {len(duels)} comparisons, worse in {lost}"
    return finding._replace(numbers=(*finding.numbers, everywhere))


def best_lam() -> Finding:
    """The search for lambda: 1 against the others, in intensity, at K = 256."""
    finding = _against(_name(256, 1.0), {_name(256, v): f"λ = {v:g}" for v in LAMS if v != 1})
    in_bins = [
        f"{expert}, λ = 1 in bins against λ = 10: {duel(expert, PAPER, _name(256, 10.0)).text}"
        for expert in EXPERTS
    ]
    return finding._replace(numbers=(*finding.numbers, *in_bins))


def rules_fall_short() -> Finding:
    """Introduction: a trained network against CLAHE."""
    return _against("l2", {"clahe": "CLAHE"})


def closer_estimate() -> Finding:
    """Fig. 2: L1 between soft and counted histogram, with DeepHist's kernel and the paper's.

    Holds if the paper's is closer for each photograph with its 8-bit levels centred in the bins.
    """
    found = {
        "the paper's bins": [_kernel_errors(name, (0.0, 1.0)) for name in photo_names()],
        "centred bins": [_kernel_errors(name, EIGHT_BIT) for name in photo_names()],
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
    return Finding(holds, tuple(numbers), f"{len(photo_names())} photographs, three channels")


def regulariser() -> Finding:
    """Fig. 5: how far the channels part on greys. Holds if less with the paper's setting."""
    shown = {"L2": "l2", "the paper's setting": PAPER, "λ = 0.1 in intensity": _name(256, 0.1)}
    holds, numbers = True, []
    for expert in EXPERTS:
        casts = {
            label: colour_cast(tone_curve(shipped_network(expert, name)))
            for label, name in shown.items()
        }
        holds &= casts["the paper's setting"] < casts["L2"]
        numbers.append(f"{expert}: {', '.join(f'{k} {v:.2f}' for k, v in casts.items())}")
    return Finding(holds, tuple(numbers), "a ramp of greys, in intensity; the first seed alone")


def receptive_field_150() -> Finding:
    """Background: the side of what relu4_3 sees."""
    side = receptive_field("relu4_3")
    return Finding(side == 150, (f"{side} × {side} pixels",), "VGG-16's table of layers")


def _against(ours: str, others: dict[str, str], measure: Measure = "psnr") -> Finding:
    duels = {
        f"{expert}, against {label}": duel(expert, ours, name, measure)
        for expert in EXPERTS
        for name, label in others.items()
    }
    numbers = tuple(f"{label}: {found.text}" for label, found in duels.items())
    return Finding(all(found.won for found in duels.values()), numbers, _scenes(measure))


def _best_of_all(measure: Measure) -> Finding:
    """Holds if some recipe with the term beats L2 for every expert; shows each expert's best."""
    better = 1 if measure == "psnr" else -1
    duels = {e: {name: duel(e, name, "l2", measure) for name in HISTMATCH} for e in EXPERTS}
    numbers = []
    for expert, by_name in duels.items():
        best = max(by_name, key=lambda name: better * by_name[name].gap)
        numbers.append(
            f"{expert}, the best of {len(HISTMATCH)} ({_label(best)}) against L2: "
            f"{by_name[best].text}"
        )
    holds = any(all(duels[expert][name].won for expert in EXPERTS) for name in HISTMATCH)
    return Finding(holds, tuple(numbers), _scenes(measure))


def _scenes(measure: Measure) -> str:
    """The pictures that recipes are compared on."""
    rows = scores_of(EXPERTS[0], "l2")
    pictures = {row.score.picture for row in rows}
    photographs, seeds = {photograph(p) for p in pictures}, {row.seed for row in rows}
    flaws = len(pictures) // len(photographs)
    what = "PSNR" if measure == "psnr" else "EMD in intensity"
    return f"{what}; {len(photographs)} photographs × {flaws} flaws, {len(seeds)} seeds"


def _name(bins: int, lam: float) -> str:
    return Recipe("l2+histmatch", lam=lam, bins=bins).name


def _label(name: str) -> str:
    recipe = RECIPES[name]
    unusual = ", in bins" if recipe.units == "bins" else ""
    unusual += "" if recipe.outside == "drop" else f", {recipe.outside}"
    return f"K = {recipe.bins}, λ = {recipe.lam:g}{unusual}"


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


def _signed(value: float, digits: int) -> str:
    return f"{value:+.{digits}f}".replace("-", "−")
