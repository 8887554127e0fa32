"""Notebook 07: one's own pairs, looked at before anything is trained on them."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from matplotlib.colors import LogNorm
from torch import Tensor

from histmatch_lab.color import convert_primaries, linear_to_srgb, luminance, pq_to_nits
from histmatch_lab.data.own.movies import Sync
from histmatch_lab.data.pairs import Pair
from histmatch_lab.demos import evening, style
from histmatch_lab.demos.controls import Slider
from histmatch_lab.demos.demo import Frame, demo
from histmatch_lab.demos.style import gallery, styled

SDR_WHITE = 100.0  # nits that a screen shows as white at exposure 0
LEVELS = 64


@styled
def contact_sheet(pairs: Sequence[Pair]) -> Frame:
    """Up to five pairs, the input above its target, as their values are."""
    shown = pairs[:5]
    inputs = [(f"{pair.name}, input", pair.input) for pair in shown]
    figure, _ = gallery([*inputs, *(("target", pair.target) for pair in shown)], len(shown), 1.7)
    changes = [f"{p.name} {float((p.target - p.input).abs().mean()):.2f}" for p in shown]
    return Frame(figure, f"Mean change from input to target, in intensity: {', '.join(changes)}.")


@styled
def joint_histogram(pairs: Sequence[Pair]) -> Frame:
    """Which target luma goes with which input luma, over all pixels of the pairs."""
    before, after = (
        torch.cat([luminance(image).flatten() for image in side]).double()
        for side in ([p.input for p in pairs], [p.target for p in pairs])
    )
    cells = (before * LEVELS).long().clamp(0, LEVELS - 1)
    counts = torch.bincount(cells, minlength=LEVELS)
    curve = torch.bincount(cells, after, minlength=LEVELS) / counts.clamp(min=1)
    rest = (after - curve[cells]).square().mean() / after.var(correction=0).clamp(min=1e-12)
    joint, *_ = np.histogram2d(before, after, bins=LEVELS, range=((0, 1), (0, 1)))
    figure, (axes, bar) = style.subplots(
        1, 2, height=4.4, widths=(40, 1), margins=(2.2, 2.6, 0.4, 0.6), gaps=(0.2, 0)
    )
    shown = np.ma.masked_equal(joint.T / joint.sum(), 0)
    image = axes.imshow(
        shown, origin="lower", extent=(0, 1, 0, 1), cmap=style.SEQUENTIAL, norm=LogNorm()
    )
    figure.colorbar(image, cax=bar, label="share of pixels")
    bar.grid(visible=False)
    centers = (torch.arange(LEVELS) + 0.5) / LEVELS
    seen = counts > 0
    axes.plot(centers[seen], curve[seen], color=style.OURS, label="mean target: the best curve")
    axes.plot((0, 1), (0, 1), "--", color=style.FAINT, linewidth=1, label="no change")
    axes.set(xlabel="luma of the input", ylabel="luma of the target")
    axes.legend(loc="lower right", fontsize=8.5, labelcolor=style.COUNTS)
    caption = (
        f"One tone curve for all {len(pairs)} pairs explains {1 - float(rest):.0%} of the variance "
        "of the target's luma."
    )
    return Frame(figure, caption)


@styled
def sync_curve(sync: Sync) -> Frame:
    """How alike two movies move, shifted against each other."""
    figure, (axes,) = style.subplots(1, 1, height=2.6)
    axes.plot(sync.lags, sync.correlations, color=style.COUNTS)
    peak = max(sync.correlations)
    axes.plot([sync.offset], [peak], "o", color=style.OURS, label=f"offset {sync.offset:+d}")
    axes.set(xlabel="SDR frame minus HDR frame", ylabel="correlation of motion")
    axes.legend(loc="upper right")
    return Frame(
        figure,
        f"The movies move alike at an offset of {sync.offset:+d} frames: correlation {peak:.2f}, "
        f"which is {sync.margin:.2f} more than at any other offset but its neighbours.",
    )


@lru_cache(maxsize=8)
def _scene(number: int) -> Tensor:
    return evening.hdr(evening.light(number))


@demo(
    stops=Slider("exposure, stops", 0, -6, 6, "Down: a sun. Up: the evening sky.", step=1),
    frame=Slider("frame", 30, 0, 95, "The sun and the lamp wander.", step=5),
    across=Slider("read at, across", 0.78, 0, 1, "The light under the cross, in nits.", step=0.02),
    down=Slider("read at, down", 0.34, 0, 1, "The patches below have 80 nits.", step=0.02),
)
def pq_on_screen(stops: int, frame: int, across: float, down: float) -> Frame:
    """An HDR frame on an SDR screen."""
    stored = _scene(frame)
    colours = _bt709(stored)
    light = luminance(colours)
    row, column = (round(p * (n - 1)) for p, n in zip((down, across), light.shape, strict=True))
    nits = float(light[row, column])
    shown = {
        "The values of the file, as they are (PQ)": stored,
        f"On a screen at {stops:+d} stops": on_screen(colours, stops),
    }
    figure, both = gallery([*shown.items()], 2, 3.0)
    for axes in both:
        axes.plot([column], [row], "+", color=style.MARK, markersize=14, markeredgewidth=2)
    share = float((light * 2.0**stops > SDR_WHITE).float().mean())
    caption = (
        f"Under the cross, {across:.0%} across and {down:.0%} down: {nits:.4g} nits. At "
        f"{stops:+d} stops white is {SDR_WHITE * 2.0**-stops:.4g} nits, and {share:.1%} of the "
        "picture are brighter than that."
    )
    return Frame(figure, caption)


@styled
def exposures(stored: Tensor, stops: Sequence[int] = (-4, -2, 0, 2)) -> Frame:
    """An HDR picture, PQ in BT.2020, at several exposures on an SDR screen."""
    colours = _bt709(stored)
    light = luminance(colours)
    shown = [(f"{stop:+d} stops", on_screen(colours, stop)) for stop in stops]
    figure, _ = gallery(shown, len(stops), 1.9)
    low, high = torch.quantile(light.flatten()[::7], torch.tensor([0.01, 0.99])).tolist()
    return Frame(
        figure,
        f"The light goes from {low:.3g} nits (1 % of the pixels are darker) to {high:.4g} nits "
        f"(1 % are brighter); the brightest pixel has {float(light.max()):.4g} nits.",
    )


def on_screen(colours: Tensor, stops: float) -> Tensor:
    """Light in nits, BT.709, (3, H, W), as sRGB with 100 nits as white at exposure 0; clipped."""
    return linear_to_srgb(colours * 2.0**stops / SDR_WHITE).clamp(0, 1)


def _bt709(stored: Tensor) -> Tensor:
    """Linear light in nits, BT.709, with colours outside it clipped."""
    return convert_primaries(pq_to_nits(stored), "bt2020", "bt709").clamp(min=0)
