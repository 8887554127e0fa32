"""Notebook 04: the bilateral grid of a trained HDRNet, taken apart."""

from copy import deepcopy
from functools import lru_cache
from typing import Any, NamedTuple

import plotly.graph_objects as go
import torch
from matplotlib.axes import Axes
from torch import Tensor
from torch.nn import functional as F

from histmatch_lab.color import adjust_contrast, adjust_white_balance
from histmatch_lab.demos import style
from histmatch_lab.demos.controls import Choice, Photograph, Slider, Toggle
from histmatch_lab.demos.demo import Frame, demo
from histmatch_lab.demos.shared import CHANNEL_NAMES, random_order, tone_axes
from histmatch_lab.hdrnet import HDRNet
from histmatch_lab.histogram import bin_centers
from histmatch_lab.losses import EnhancementLoss
from histmatch_lab.results.tables import network_of
from histmatch_lab.slicing import bilateral_slice, slice_and_apply

INPUTS = (*CHANNEL_NAMES, "offset")
DEPTH = 8
HOVER_SIDE = 60

PHOTO = Photograph("photograph", "china", "Where the maps change: at edges, or smoothly?")
LEVEL = Slider("luma level", 3, 0, DEPTH - 1, "Dark pixels read the low levels.", step=1)


class Parts(NamedTuple):
    """What HDRNet makes on its way: for one picture, without the batch axis."""

    grid: Tensor  # (12, D, Gh, Gw)
    guide: Tensor  # (H, W)
    coefficients: Tensor  # (12, H, W)
    output: Tensor  # (3, H, W)


def trained() -> HDRNet:
    """The network of this notebook: trained with L2 on "retouch"."""
    network = network_of("retouch", "l2")
    assert isinstance(network, HDRNet)
    return network


@lru_cache(maxsize=4)
@torch.no_grad()
def taken_apart(photo: Tensor) -> Parts:
    """The trained network's parts for a picture, (3, H, W)."""
    # In float64, so that the digits shown do not depend on the processor.
    image, network = photo[None].double(), deepcopy(trained()).double()
    grid, guide = network.coefficients(image), network.guide(image)
    parts = grid, guide, bilateral_slice(grid, guide), slice_and_apply(grid, guide, image)
    return Parts(*(part[0].float() for part in parts))


@demo(
    out=Choice("to channel", "red", CHANNEL_NAMES, "Do the three channels get the same treatment?"),
    into=Choice("from", "red", INPUTS, "The offset adds light that no channel had."),
    level=LEVEL,
    photo=PHOTO,
    presets={f"level {n}": {"out": "red", "into": "red", "level": n} for n in (0, 4, 7)},
)
def one_coefficient(out: str, into: str, level: int, photo: Tensor) -> Frame:
    """One of the twelve coefficients: on the coarse grid, and as the pixels read it."""
    parts = taken_apart(photo)
    number = 4 * CHANNEL_NAMES.index(out) + INPUTS.index(into)
    neutral = float(out == into)
    layer, read = parts.grid[number, level], parts.coefficients[number]
    cells = f"{len(layer)} x {layer.shape[1]}"
    figure, (left, middle, right) = style.subplots(
        1, 3, height=2.4, margins=style.PICTURES, gaps=(0.15, 0)
    )
    style.picture(left, photo, "The picture")
    draw_map(middle, layer - neutral, 0.5, photo, f"Level {level} of the grid, {cells}")
    draw_map(right, read - neutral, 0.5, photo, "Read at each pixel")
    low, high = read.quantile(torch.tensor([0.01, 0.99])).tolist()
    caption = (
        f"The coefficient from {into} to {out}; left alone it would be {neutral:.0f} (white), "
        f"yellow is more, violet less, full colour at 0.5 away. At level {level} the grid holds "
        f"{layer.min():.2f} to {layer.max():.2f}; 98 % of the pixels read {low:.2f} to {high:.2f}."
    )
    return Frame(figure, caption)


def draw_map(axes: Axes, values: Tensor, top: float, photo: Tensor, title: str) -> None:
    """A map of -top to top, as large as the photograph; 0 is white."""
    extent = (0, photo.shape[2], photo.shape[1], 0)
    axes.imshow(values.numpy(), cmap=style.DIVERGING, vmin=-top, vmax=top, extent=extent)
    axes.set_title(title)
    axes.set_axis_off()


@demo(level=LEVEL, photo=PHOTO, presets={f"level {n}": {"level": n} for n in (0, 4, 6)})
def guide_and_level(level: int, photo: Tensor) -> Frame:
    """The guide, and who reads one level of the grid."""
    guide = taken_apart(photo).guide
    weight = _tent(guide, level)
    figure, (left, middle, right) = style.subplots(
        1, 3, height=2.7, margins=(0.1, 0.2, 0.4, 0.6), widths=(1.2, 1.2, 1.1), gaps=(0.2, 0.4)
    )
    style.picture(left, guide.expand(3, -1, -1), "The guide")
    style.picture(middle, 1 - weight * (1 - photo), f"Who reads level {level}")
    counts = torch.histc(guide, 64, 0, 1) / guide.numel()
    fill: Any = {"step": "mid", "color": style.COUNTS, "alpha": 0.35, "linewidth": 0}
    right.fill_between(bin_centers(64).numpy(), counts.numpy(), **fill)
    along, top = torch.linspace(0, 1, 801), float(counts.max())
    right.plot(along, top * _tent(along, level), color=style.OURS, label=f"weight of level {level}")
    right.set(xlim=(0, 1), xticks=(0, 0.5, 1), ylim=(0, 1.25 * top), yticks=())
    right.set(xlabel="guide", title="Grey: how often each value occurs")
    right.legend(loc="upper right")
    caption = (
        f"{(weight > 0).float().mean():.0%} of the pixels read level {level}, and it makes up "
        f"{weight.mean():.0%} of all that is read. The guide goes from {guide.min():.2f} to "
        f"{guide.max():.2f}."
    )
    return Frame(figure, caption)


def _tent(guide: Tensor, level: int) -> Tensor:
    """How much a pixel reads of a level: all in its middle, nothing in the next one's."""
    return (1 - (DEPTH * guide - 0.5 - level).abs()).clamp(min=0)


@demo(
    across=Slider("across", 0.35, 0, 1, "Cross an edge between light and dark: the matrix jumps."),
    down=Slider("down", 0.6, 0, 1, "Within one surface the matrix changes slowly."),
    photo=PHOTO,
    presets={
        "the roof": {"across": 0.35, "down": 0.6},
        "the lake": {"across": 0.66, "down": 0.6},
    },
)
def matrix_at_a_pixel(across: float, down: float, photo: Tensor) -> Frame:
    """The 3x4 matrix of one pixel, and the tone curves of its neighbourhood."""
    parts = taken_apart(photo)
    height, width = photo.shape[1:]
    y, x = round(down * (height - 1)), round(across * (width - 1))
    matrix = parts.coefficients[:, y, x].view(3, 4)
    before, after = photo[:, y, x], parts.output[:, y, x]
    figure, (left, middle, right) = style.subplots(
        1, 3, height=3.3, margins=(0.1, 0.2, 0.4, 0.6), widths=(1.15, 1, 1), gaps=(0.7, 0.4)
    )
    style.picture(left, photo, "The picture")
    left.plot(x, y, "o", color=style.MARK, markersize=13, fillstyle="none", mew=3)
    draw_matrix(middle, matrix)
    _draw_tone(right, parts.grid, (y + 0.5) / height, (x + 0.5) / width)
    right.plot(before, after, "o", color=style.MARK, markersize=8, fillstyle="none", mew=2)
    rgb = "/".join(f"{v:.2f}" for v in before), "/".join(f"{v:.2f}" for v in after)
    caption = (
        f"At {across:.0%} across and {down:.0%} down, red/green/blue {rgb[0]} becomes {rgb[1]} "
        f"(guide {parts.guide[y, x]:.2f}). The largest change of the matrix from the identity is "
        f"{(matrix - torch.eye(3, 4)).abs().max():.2f}."
    )
    return Frame(figure, caption)


def draw_matrix(axes: Axes, matrix: Tensor) -> None:
    texts = {to: [f"{value:.2f}" for value in row] for to, row in zip("RGB", matrix, strict=True)}
    shades = (matrix - torch.eye(3, 4)).numpy()
    style.number_map(axes, shades, texts, "RGB1", cmap=style.DIVERGING, vmin=-1, vmax=1)
    axes.set(xlabel="from", title="Its matrix; white: identity")


@torch.no_grad()
def _draw_tone(axes: Axes, grid: Tensor, down: float, across: float) -> None:
    """What greys of every brightness would become at this place of the picture."""
    greys = torch.linspace(0, 1, 65)
    guide = trained().guide(greys.expand(1, 3, 1, -1)).flatten()
    x, y = (2 * place - 1 + 0 * guide for place in (across, down))
    places = torch.stack([x, y, 2 * guide - 1], -1)[None, None, None]  # slicing at one place
    read = F.grid_sample(grid[None], places, padding_mode="border", align_corners=False)
    matrix = read.view(3, 4, -1)
    curves = matrix[:, :3].sum(1) * greys + matrix[:, 3]
    looks = zip(curves, "RGB", style.CHANNELS, ("-", "--", ":"), strict=True)
    for curve, name, colour, dash in looks:
        axes.plot(greys, curve, dash, color=colour, label=name)
    axes.legend(loc="lower right")
    tone_axes(axes, margin=0.1, xlabel="grey before", title="Tone curves here")


@demo(
    loss=Choice("loss", "histmatch", ("histmatch", "l2"), "Which depends on where the pixels are?"),
    shuffled=Toggle(
        "shuffle the target", False, "Its histogram stays; every pixel goes elsewhere."
    ),
    photo=PHOTO,
    presets={
        "L2": {"loss": "l2", "shuffled": False},
        "L2, shuffled": {"loss": "l2", "shuffled": True},
        "histogram": {"loss": "histmatch", "shuffled": False},
        "histogram, shuffled": {"loss": "histmatch", "shuffled": True},
    },
)
def pull_on_the_grid(loss: str, shuffled: bool, photo: Tensor) -> Frame:
    """The pull of a loss on each pixel, and what arrives at the cells of the grid."""
    target = _target(photo, shuffled)
    on_pixels, on_cells, value = _pulls(loss, photo, shuffled)
    figure, (left, middle, right) = style.subplots(
        1, 3, height=2.4, margins=style.PICTURES, gaps=(0.15, 0)
    )
    style.picture(left, target, "The target, shuffled" if shuffled else "The target")
    for axes, pull, title in (
        (middle, on_pixels, "Pull on the pixels' brightness"),
        (right, on_cells, "What the cells receive"),
    ):
        draw_map(axes, -pull, float(pull.abs().quantile(0.98).clamp(min=1e-12)), photo, title)
    kept = float(on_cells.abs().sum() / on_pixels.abs().sum().clamp(min=1e-12))
    caption = (
        f"{loss}, now {value:.4f}: yellow asks for more light, violet for less. Pulls of both "
        f"signs within a cell cancel out: {kept:.0%} of the pull on the pixels arrives at the "
        "grid (right, its levels added up)."
    )
    return Frame(figure, caption)


@lru_cache(maxsize=8)
def _target(photo: Tensor, shuffled: bool) -> Tensor:
    target = adjust_white_balance(adjust_contrast(photo, 1.4), 0.3)
    mixed = target.flatten(1)[:, random_order(photo[0].numel(), 1)].view_as(photo)
    return mixed if shuffled else target


@lru_cache(maxsize=8)
def _pulls(loss: str, photo: Tensor, shuffled: bool) -> tuple[Tensor, Tensor, float]:
    """The gradients on the output's brightness and on the cells' offsets, and the loss."""
    parts, target = taken_apart(photo), _target(photo, shuffled)
    options: Any = {"units": "intensity", "outside": "clamp"} if loss == "histmatch" else {}
    grid = parts.grid[None].clone().requires_grad_()
    with torch.enable_grad():
        pred = slice_and_apply(grid, parts.guide[None], photo[None])
        total = EnhancementLoss(loss, **options)(pred, target[None])
        on_pred, on_grid = torch.autograd.grad(total, (pred, grid))
    return on_pred[0].sum(0), on_grid[0, 3::4].sum((0, 1)), float(total.detach())


def hover_matrix(photo: str | Tensor) -> go.Figure:
    """The picture, small; pointing at it shows the pixel's matrix and what that does.

    photo: a sample's name, a path, or a (3, H, W) tensor.
    """
    image = photo if isinstance(photo, Tensor) else PHOTO.resolve(photo)
    parts = taken_apart(image)
    height, width = (round(s * HOVER_SIDE / max(image.shape)) for s in image.shape[1:])

    def small(values: Tensor) -> Tensor:
        return F.interpolate(values[None], (height, width), mode="nearest-exact")[0]

    before, after = small(image), small(parts.output.clamp(0, 1))
    numbers = torch.cat([small(parts.coefficients), after, small(parts.guide[None])])
    places = [f"%{{customdata[{place}]:.2f}}" for place in range(16)]
    lines = [" ".join(places[start : start + 4]) for start in (0, 4, 8)]
    lines += [f"becomes {'/'.join(places[12:15])}", f"guide {places[15]}<extra></extra>"]
    trace = go.Image(
        z=(before * 255).round().int().movedim(0, -1).tolist(),
        customdata=numbers.double().round(decimals=2).movedim(0, -1).tolist(),
        hovertemplate="<br>".join(lines),
    )
    figure = go.Figure(trace)
    figure.update_layout(
        template="none",
        margin={"l": 60, "r": 20, "t": 40, "b": 50},
        title={"text": "Point at a pixel: its 3x4 matrix", "x": 0.07, "font": {"size": 15}},
        height=430,
        xaxis={"visible": False},
        yaxis={"visible": False},
        hoverlabel={"font": {"family": "monospace"}},
    )
    return figure
