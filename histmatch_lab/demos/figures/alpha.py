"""Notebook 02: alpha, K and B, estimation error against usable gradient (Eq. 1-5, errata 3 and 4).

Photographs are taken here as an 8-bit screen shows them: one of 256 levels for each pixel.
"""

import torch
from matplotlib.axes import Axes
from torch import Tensor

from histmatch_lab.demos import shared, style
from histmatch_lab.demos.controls import Choice, LogSlider, Slider
from histmatch_lab.demos.demo import Frame, demo
from histmatch_lab.demos.shared import DEAD, LEVELS
from histmatch_lab.histogram import Outside, bin_edges, pixel_gradient

WINDOW = 0.06  # width of the close-up, in intensity


@demo(
    alpha=LogSlider("α", 1000, 1, 1e6, "The bumps of the pull: when do they come apart?"),
    bins=shared.BINS_CHOICE,
    bandwidth=Choice("B, bandwidth", "1", ("1", "L / 2.5"), "α on top of L / 2.5: a hard step."),
    outside=Choice("outside [0, 1]", "drop", shared.OUTSIDE_MODES, "EMD, and the pull at black."),
    photo=shared.PHOTO_CHOICE,
    channel=shared.CHANNEL_CHOICE,
    window=Slider("window starts at", 0.3, 0.0, 0.94, "The ends behave differently."),
)
def alpha_explorer(
    alpha: float,
    bins: int,
    bandwidth: str,
    outside: Outside,
    photo: Tensor,
    channel: str,
    window: float,
) -> Frame:
    """Alpha explorer: the histogram's error above, the pull on each pixel below."""
    slope = alpha if bandwidth == "1" else alpha * 2.5 * bins
    found = shared.estimate(photo, channel, bins, slope, outside)
    felt = pixel_gradient(LEVELS, bins, alpha=slope, outside=outside)
    shares = shared.level_shares(photo, channel)
    dead, wrong = (float(shares[mask].sum()) for mask in (felt.abs() < DEAD, felt <= -DEAD))

    figure, (image, zoom, whole, below) = style.subplots(
        2, 2, height=5.4, widths=(1, 1.75), gaps=(0.8, 0.75), margins=(0.7, 0.3, 0.4, 0.6)
    )
    style.picture(image, photo)
    end, edges = window + WINDOW, bin_edges(bins, dtype=torch.float64)
    inside = (edges[:-1] < end) & (edges[1:] > window)
    _draw_histograms(whole, found, edges, float(found.counts.quantile(0.99)))
    whole.axvspan(window, end, fc=(style.MARK, 0.3), ec=style.MARK, linewidth=1)
    whole.set(xlim=(0, 1), xticks=(0, 0.5, 1), title="The whole channel")
    whole.text(0.97, 0.93, f"soft sum {1 - found.leak:.3f}", transform=whole.transAxes, ha="right")
    _draw_histograms(zoom, found, edges, float(found.counts[inside].max()))
    zoom.set(xlim=(window, end), title="The window: counted and soft")
    zoom.legend(loc="upper right", ncols=2)
    points = shared.dense_points(edges, slope, window, end, shared.CLOSE_UP)
    pull = pixel_gradient(points, bins, alpha=slope, outside=outside)
    shared.draw_pull(below, points, pull, -0.5, 2.5)
    below.set(xlim=(window, end), xlabel="intensity")
    caption = (
        f"K = {bins}, slope s = {slope:.4g}, s L = {slope / bins:.3g}: the soft histogram is "
        f"{found.emd:.2f} bins (EMD) and {found.l1:.3f} (L1) from the counts, and "
        f"{found.leak:.1%} of its mass leaks out of [0, 1]. "
        f"{dead:.1%} of the pixels feel less than 1 % of the fair pull"
        + (f", and {wrong:.1%} are pulled the wrong way." if wrong else ".")
    )
    return Frame(figure, caption)


def _draw_histograms(axes: Axes, found: shared.Estimate, edges: Tensor, highest: float) -> None:
    """Counts in grey, the soft histogram over them; `highest` is the share of a high bin."""
    shared.draw_counts(axes, found.counts, edges)
    style.steps(axes, 100 * found.soft, edges, color=style.OURS, linewidth=1.5, label="soft")
    shared.limit_heights(axes, 130 * highest)
    axes.set_xlabel("intensity")
