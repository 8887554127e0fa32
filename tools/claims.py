"""What the paper claims, measured on what is shipped: Fig. 2, 3, 5, 6 and the searches for K and
lambda. docs/ledger.toml names a function here for each claim that has a number.

Where recipes compete, a claim holds only if the 95 % interval of `tables.difference` lies on
its side of 0 in every comparison, for every expert.
"""

from typing import Literal, NamedTuple

import torch

from histmatch_lab.data.samples import open_photo, photo_names
from histmatch_lab.histogram import hard_histogram, soft_histogram
from histmatch_lab.perceptual import receptive_field
from histmatch_lab.recipe import PAPER_BINS, PAPER_LAMS, RANGES, Recipe
from histmatch_lab.results.tables import (
    COMPARED,
    difference,
    network_of,
    photograph,
    recipes,
    results_for,
)
from histmatch_lab.training.evaluation import colour_cast, tone_curve

# What the paper found best, in its own unit.
PAPER = Recipe("l2+histmatch", lam=1.0, bins=256, units="bins", outside="drop").name

_TOGETHER = "\N{NO-BREAK SPACE}"

Measure = Literal["psnr", "emd"]


class Finding(NamedTuple):
    """What was measured of a claim.

    Attributes:
        holds: whether we find what the paper says.
        numbers: what was measured, one line each, with unit, interval and spread over seeds.
        data: what it was measured on.
    """

    holds: bool
    numbers: tuple[str, ...]
    data: str


class Comparison(NamedTuple):
    """One recipe against another, for one expert.

    Attributes:
        better: whether ours is better and the interval does not hold 0.
        worse: whether it is worse and the interval does not hold 0.
        gap: ours minus theirs.
        text: the gap with its unit, its interval and its spread over seeds.
    """

    better: bool
    worse: bool
    gap: float
    text: str


def compared(expert: str, ours: str, theirs: str, measure: Measure = "psnr") -> Comparison:
    """Ours against theirs, in PSNR (more is better) or in EMD (less is better)."""
    gap = difference(expert, ours, theirs, measure)
    above, below = gap.low > 0, gap.high < 0
    better, worse = (above, below) if measure == "psnr" else (below, above)
    digits, unit = (2, " dB") if measure == "psnr" else (4, "")
    mean, low, high = (_signed(value, digits) for value in gap)
    found = (results_for(expert, name) for name in (ours, theirs))
    mine, other = ({r.seed: getattr(r.summary, measure) for r in results} for results in found)
    if not results_for(expert, theirs)[0].recipe:  # a baseline, which no seed changes
        other = dict.fromkeys(mine, other[0])
    by_seed = [mine[seed] - other[seed] for seed in mine.keys() & other.keys()]
    spread = (max(by_seed) - min(by_seed)) / 2
    interval = f"{mean}{unit} [{low}, {high}],".replace(" ", _TOGETHER)
    text = f"{interval} seeds{_TOGETHER}±{spread:.{digits}f}"
    return Comparison(better, worse, gap.mean, text)


def highest_psnr() -> Finding:
    """Fig. 6: the paper's setting against both pixel losses."""
    return _against(PAPER, {"l2": "L2", "l1": "L1"})


def substantial_improvement() -> Finding:
    """Abstract and conclusion: is any of our recipes with the term better than L2, in PSNR?"""
    return _best_of_all("psnr")


def pixel_losses_miss_the_colours() -> Finding:
    """Background: does any recipe with the term come nearer to the target's histogram than L2?"""
    finding = _best_of_all("emd")
    alone = [
        f"{e}, L2 against the input: {compared(e, 'l2', 'input', 'emd').text}" for e in COMPARED
    ]
    return finding._replace(numbers=(*alone, *finding.numbers))


def closer_histograms() -> Finding:
    """Fig. 3: the paper's setting against L2, in EMD."""
    return _against(PAPER, {"l2": "L2"}, "emd")


def best_bins() -> Finding:
    """The search for K: 256 against the others, at lambda = 1 in intensity."""
    finding = _against(_name(256, 1.0), {_name(k, 1.0): f"K = {k}" for k in PAPER_BINS if k != 256})
    pairs = [
        compared(expert, _name(256, lam), _name(bins, lam))
        for expert in COMPARED
        for lam in PAPER_LAMS
        for bins in PAPER_BINS
        if bins != 256
    ]
    better, worse = sum(c.better for c in pairs), sum(c.worse for c in pairs)
    everywhere = f"over all λ: better in {better} of {len(pairs)} comparisons, worse in {worse}"
    return finding._replace(numbers=(*finding.numbers, everywhere))


def best_lam() -> Finding:
    """The search for lambda: 1 against the others, in intensity, at K = 256."""
    finding = _against(_name(256, 1.0), {_name(256, v): f"λ = {v:g}" for v in PAPER_LAMS if v != 1})
    in_bins = [
        f"{expert}, λ = 1 in bins against λ = 10: {compared(expert, PAPER, _name(256, 10.0)).text}"
        for expert in COMPARED
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
    return Finding(holds, tuple(numbers), f"{len(photo_names())} photographs, three channels")


def regulariser() -> Finding:
    """Fig. 5: how far the channels part on greys. Holds if less with the paper's setting."""
    shown = {"L2": "l2", "the paper's setting": PAPER, "λ = 0.1 in intensity": _name(256, 0.1)}
    holds, numbers = True, []
    for expert in COMPARED:
        casts = {
            label: colour_cast(tone_curve(network_of(expert, name)))
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
    found = {
        f"{expert}, against {label}": compared(expert, ours, name, measure)
        for expert in COMPARED
        for name, label in others.items()
    }
    numbers = tuple(f"{label}: {one.text}" for label, one in found.items())
    return Finding(all(one.better for one in found.values()), numbers, _scenes(measure))


def _best_of_all(measure: Measure) -> Finding:
    """Holds if some recipe with the term beats L2 for every expert; shows each expert's best."""
    sign = 1 if measure == "psnr" else -1
    names = [name for name, recipe in recipes().items() if "histmatch" in recipe.loss]
    found = {e: {name: compared(e, name, "l2", measure) for name in names} for e in COMPARED}
    numbers = []
    for expert, by_name in found.items():
        best = max(by_name, key=lambda name: sign * by_name[name].gap)
        numbers.append(
            f"{expert}, the best of {len(names)} ({_label(best)}) against L2: {by_name[best].text}"
        )
    holds = any(all(found[expert][name].better for expert in COMPARED) for name in names)
    return Finding(holds, tuple(numbers), _scenes(measure))


def _scenes(measure: Measure) -> str:
    """The pictures that recipes are compared on."""
    seeds = results_for(COMPARED[0], "l2")
    pictures = [score.picture for score in seeds[0].scores]
    photographs = {photograph(picture) for picture in pictures}
    each = len(pictures) // len(photographs)
    what = "PSNR" if measure == "psnr" else "EMD in intensity"
    return f"{what}; {len(photographs)} photographs × {each} degradations, {len(seeds)} seeds"


def _name(bins: int, lam: float) -> str:
    return Recipe("l2+histmatch", lam=lam, bins=bins, outside="drop").name


def _label(name: str) -> str:
    recipe = recipes()[name]
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
