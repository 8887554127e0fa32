"""What the figures of several notebooks share."""

from __future__ import annotations

import math
from typing import Any

import plotly.graph_objects as go
from matplotlib.axes import Axes
from torch import Tensor

from histmatch_lab.demos.style import FAINT
from histmatch_lab.histogram import bin_centers, soft_histogram

CHANNEL_NAMES = ("red", "green", "blue")


def nice_limit(value: float) -> float:
    """The next of 1, 2, 3, 5 times a power of ten: axes whose limits seldom change stay cached.

    >>> nice_limit(0.42), nice_limit(12)
    (0.5, 20)
    """
    power = 10 ** math.floor(math.log10(max(value, 1e-6)))
    return next(n * power for n in (1, 2, 3, 5, 10) if n * power >= value * (1 - 1e-9))


def smooth_histograms(image: Tensor) -> tuple[Tensor, Tensor]:
    """Centres, (64,), and shares, (3, 64), of a picture: smooth enough to be compared by eye."""
    shares = soft_histogram(image.flatten(1), 64, alpha=150.0, outside="clamp")
    return bin_centers(64), shares


def tone_axes(axes: Axes, *, margin: float = 0.05, **labels: Any) -> None:
    """Axes from intensity to intensity, with the diagonal where nothing changes."""
    axes.plot((0, 1), (0, 1), color=FAINT, linewidth=1, zorder=1)
    axes.set(xlim=(0, 1), xticks=(0, 0.5, 1), ylim=(-margin, 1 + margin), yticks=(0, 0.5, 1))
    axes.set(**labels)


def hover_figure(trace: go.Image | go.Heatmap, title: str, **layout: Any) -> go.Figure:
    """A plotly figure with a read-out under the pointer, in the course's look."""
    figure = go.Figure(trace)
    figure.update_layout(
        template="none",
        margin={"l": 60, "r": 20, "t": 40, "b": 50},
        title={"text": title, "x": 0.07, "font": {"size": 15}},
        **layout,
    )
    return figure
