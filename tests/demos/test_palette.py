"""Figures for those who see fewer colours, and for those who print in grey.

Colour blindness is simulated after Machado, Oliveira and Fernandes (2009), at full severity.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.colors import to_rgba

from histmatch_lab.data.own.movies import Sync
from histmatch_lab.data.pairs import Pair
from histmatch_lab.demos import Frame, all_demos
from histmatch_lab.demos.figures.learning import training_so_far
from histmatch_lab.demos.figures.own_data import joint_histogram, sync_curve
from histmatch_lab.demos.shared import DARKER, LIGHTER
from histmatch_lab.demos.style import (
    COUNTS,
    DIVERGING,
    FAINT,
    MARK,
    OTHER,
    OURS,
    SEQUENTIAL,
    TARGET,
    subplots,
)
from histmatch_lab.hdrnet import HDRNet
from histmatch_lab.training.loop import Step

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it warns of optional packages that it could use
    import colour

    # Severity 1 is blindness; for blue the authors call their model an approximation, and so does
    # the warning.
    BLIND = {
        name: colour.blindness.matrix_cvd_Machado2009(name, 1.0)
        for name in ("Protanomaly", "Deuteranomaly", "Tritanomaly")
    }

APART = 10  # CIEDE2000; 1 is just seen side by side, from 10 on two thin lines are told apart
GREY = 15  # difference in L* from which two greys are told apart in print
WIDER = 0.7  # points; less does not tell two lines apart
PALETTE = (OURS, COUNTS, TARGET, OTHER, MARK, FAINT)


def seen(rgb: Any, deficit: str | None = None) -> Any:
    """sRGB in [0, 1], (..., 3), as L*a*b* of what is seen."""
    linear = colour.cctf_decoding(np.asarray(rgb)[..., :3], function="sRGB")
    if deficit:
        linear = np.clip(linear @ BLIND[deficit].T, 0, 1)
    xyz = colour.RGB_to_XYZ(linear, "sRGB", apply_cctf_decoding=False)
    return colour.XYZ_to_Lab(xyz, colour.RGB_COLOURSPACES["sRGB"].whitepoint)


def apart(one: Any, other: Any, deficit: str | None) -> float:
    return float(colour.delta_E(seen(one, deficit), seen(other, deficit), method="CIE 2000"))


class Look(NamedTuple):
    """How a curve, an area or a cloud of dots is drawn: its colour over white, and the rest."""

    rgb: tuple[float, ...]
    form: tuple[Any, ...]
    width: float


def looks(axes: Axes) -> Iterator[Look]:
    """All that must be told apart within the axes; bars that stand at named ticks need not."""
    for line in axes.lines:
        dash = "None" if len(np.atleast_1d(line.get_xdata())) < 2 else line.get_linestyle()
        ink = _over_white(line.get_color(), line.get_alpha())
        yield Look(ink, ("line", str(dash), str(line.get_marker())), line.get_linewidth())
    bars = {id(bar) for container in axes.containers for bar in container}
    for patch in (p for p in axes.patches if id(p) not in bars):
        filled = patch.get_fill()
        colour_of = patch.get_facecolor() if filled else patch.get_edgecolor()
        outlined = filled and to_rgba(patch.get_edgecolor()) != to_rgba(colour_of)
        form = ("area", str(patch.get_hatch()), str(patch.get_linestyle()), filled, outlined)
        yield Look(_over_white(colour_of), form, patch.get_linewidth())
    for dots in (c for c in axes.collections if isinstance(c, PathCollection)):
        [path] = dots.get_paths()
        outline = len(np.asarray(path.vertices))
        yield Look(_over_white(dots.get_facecolor()[0]), ("dots", outline), 0)


def _over_white(ink: Any, alpha: float | None = None) -> tuple[float, ...]:
    *rgb, opacity = to_rgba(ink, alpha)
    return tuple(1 - opacity * (1 - c) for c in rgb)


def confused(axes: Axes) -> list[str]:
    """Pairs of one form in two colours that look alike to someone, or in grey print."""
    found = []
    for one, other in combinations(set(looks(axes)), 2):
        if one.rgb == other.rgb or one.form != other.form or abs(one.width - other.width) > WIDER:
            continue
        nearest = min(apart(one.rgb, other.rgb, deficit) for deficit in (None, *BLIND))
        if nearest < APART:
            found.append(f"{one} and {other}: CIEDE2000 of {nearest:.0f}")
        if abs(seen(one.rgb)[0] - seen(other.rgb)[0]) < GREY:
            found.append(f"{one} and {other}: the same grey")
    return found


def figures() -> Iterator[Any]:
    for name, demo in all_demos().items():
        last = {"step": demo.controls["step"].positions[-1]} if "step" in demo.controls else {}
        yield pytest.param(lambda demo=demo, last=last: demo(**last), id=name.rsplit(":")[-1])
    yield pytest.param(_training, id="training_so_far")
    yield pytest.param(lambda: sync_curve(Sync(1, [0, 1, 2], [0.1, 0.9, 0.2], 0.7)), id="sync")
    pair = Pair("pair", torch.rand(3, 8, 8), torch.rand(3, 8, 8))
    yield pytest.param(lambda: joint_histogram([pair]), id="joint_histogram")


def _training() -> Frame:
    network = HDRNet(low_resolution=8, width=2, hidden=(4,), grid_size=4, depth=2)
    batch = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    pair = Pair("pair", batch[0], batch[0].flip(-1))
    terms = {"l2": 0.1, "histmatch": 0.2, "l1": 0.3, "vgg": 0.4}
    steps = [Step(n, 2, 0.1, terms, 20.0, batch, batch.flip(-1)) for n in (1, 2)]
    return training_so_far(network, pair)(steps)


@pytest.mark.parametrize("make", list(figures()))
def test_a_figure_can_be_read_without_colours(make):
    assert [found for axes in make().figure.axes for found in confused(axes)] == []


@pytest.mark.parametrize("deficit", [None, *BLIND])
def test_every_two_colours_of_the_palette_stay_apart(deficit):
    for one, other in combinations(PALETTE, 2):
        assert apart(to_rgba(one), to_rgba(other), deficit) >= APART, (one, other)


@pytest.mark.parametrize("deficit", [None, *BLIND])
def test_a_map_of_one_quantity_only_gets_lighter(deficit):
    steps = seen(colormaps[SEQUENTIAL](np.linspace(0, 1, 32)), deficit)[:, 0]
    assert (np.diff(steps) > 0).all()


@pytest.mark.parametrize("deficit", [None, *BLIND])
def test_the_two_signs_of_a_map_stay_apart(deficit):
    # In grey print they do not: there the sentence below the figure tells them apart.
    below, above = colormaps[DIVERGING]([0.25, 0.75])
    assert apart(below, above, deficit) >= APART
    assert apart(to_rgba(LIGHTER), to_rgba(DARKER), deficit) >= APART


@pytest.mark.parametrize(
    ("one", "other", "says"),
    [
        ({"color": OURS}, {"color": OTHER}, "the same grey"),
        ({"color": "#C86432"}, {"color": "#8C7832"}, "CIEDE2000"),
        ({"color": OURS}, {"color": OTHER, "linewidth": 2.0}, "the same grey"),
    ],
)
def test_colours_that_are_confused_are_found(one, other, says):
    _, (axes,) = subplots()
    axes.plot([0, 1], [0, 1], **one)
    axes.plot([0, 1], [1, 0], **other)
    assert any(says in found for found in confused(axes))


@pytest.mark.parametrize("form", [{"linestyle": "--"}, {"linewidth": 4}, {"marker": "o"}])
def test_another_form_is_enough(form):
    _, (axes,) = subplots()
    axes.plot([0, 1], [0, 1], color=OURS)
    axes.plot([0, 1], [1, 0], color=OTHER, **form)
    assert confused(axes) == []
