"""The expensive sum of the package: how much smoothed mass lies below each bin edge.

For samples x_p, edges e_k and slope s, with sigma the logistic function,

    forward    F_k  = mean over p of sigma(s (e_k - x_p))
    backward   dx_p = -(s / N) sum over k of g_k sigma'(s (e_k - x_p)).

As written, this takes N x (K + 1) sigmoids, all kept. ``choose`` takes the cheaper of two methods.

``Window`` is exact to rounding: only the few edges around each sample need a sigmoid; each edge
above gains exactly 1 from it, which a count and a running sum provide.

``Lattice`` is exact to 1.1e-6 in a bin. In cells so narrow that sigma is nearly quadratic across
one, the sums of 1, f and f^2 over a cell's samples are enough (f from -1/2 to 1/2 is the position
in the cell); F is their convolution with the quadratics, by FFT: the cost grows with N + K. The
backward pass is the transpose: each sample evaluates its cell's quadratic of g and sigma'.

Positions and sums are float64: at s = 1e6 a float32 edge is off by 6 % of the kernel's width.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, NamedTuple, Union

import torch
from torch import Tensor

from histmatch_lab.kernels import takes_over

if TYPE_CHECKING:
    from histmatch_lab.kernels.histogram import Bands

REACH = 37.0  # sigma(-37) < 2^-53: beyond, float64 cannot tell sigma from 0 or 1
CELL = 0.08  # widest cell, in units of 1/s: the quadratic is then off by 5e-7 at most
STRETCH = 2**17  # samples of a row whose count and sum share one float64, see Lattice._moments
FEW = 4096  # samples of a row
WHOLE = 2.0**52  # from here to 2^53 float64 holds the integers, which are its low bits


class Edges(NamedTuple):
    """Edges low + k width, k = 0 ... bins, each smoothed by a sigmoid of the given slope."""

    low: float
    width: float
    bins: int
    slope: float

    @property
    def slope_per_bin(self) -> float:
        return max(self.slope * self.width, 1e-30)  # never 0: it is divided by


def choose(rows: Tensor, edges: Edges) -> "Method":
    """The lattice where it saves work; the window for float64, few samples or a sharp kernel.

    On an NVIDIA GPU a kernel of our own, but for few samples, whose sums would take more memory.
    """
    if rows.shape[1] >= FEW and takes_over("histogram", rows):
        from histmatch_lab.kernels.histogram import Bands

        return Bands(edges)
    window, lattice = Window(edges), Lattice(edges)
    samples = rows.shape[1]
    lattice_pays = samples * window.size > samples + 2 * lattice.cells  # as measured
    return lattice if lattice_pays and rows.dtype == torch.float32 else window


@dataclass(frozen=True)
class Window:
    """Each sample with the ``size`` edges around it, as many as lie within REACH / s."""

    edges: Edges

    @cached_property
    def size(self) -> int:
        within_reach = math.ceil(2 * REACH / self.edges.slope_per_bin)
        return min(self.edges.bins, within_reach) + 1

    def mass(self, rows: Tensor, weights: Tensor | None = None) -> Tensor:
        count, edge_count = len(rows), self.edges.bins + 1
        partly = rows.new_zeros(count, edge_count, dtype=torch.float64)
        whole = rows.new_zeros(count, edge_count + 1, dtype=torch.float64)
        for row, column in _blocks(rows, self.size):
            index, z = self._near_edges(rows[row, column])  # (rows, samples, size)
            above, near = index[..., -1] + 1, z.sigmoid_()
            weight = whole.new_ones(()).expand_as(above)
            if weights is not None:
                weight = weights[row, column]
                near *= weight[..., None]
            partly[row].scatter_add_(1, index.flatten(1), near.flatten(1))
            whole[row].scatter_add_(1, above, weight)
        return (partly + whole.cumsum(1)[:, :-1]) / rows.shape[1]

    def gradient(self, rows: Tensor, upstream: Tensor) -> Tensor:
        scaled = upstream * (-self.edges.slope / rows.shape[1])
        gradient = torch.empty_like(rows)
        for row, column in _blocks(rows, self.size):
            index, z = self._near_edges(rows[row, column])
            weight = scaled[row].gather(1, index.flatten(1)).view_as(z)
            gradient[row, column] = (weight * torch.sigmoid(z) * torch.sigmoid(-z)).sum(-1)
        return gradient

    def _near_edges(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The edges around each sample, and s (e - x) for each: (..., N) -> (..., N, size)."""
        low, width, slope = self.edges.low, self.edges.width, self.edges.slope
        x = x.double().unsqueeze(-1)
        first = ((x - low) / width - REACH / self.edges.slope_per_bin).ceil_()
        first = _clamp_index(first, self.edges.bins + 1 - self.size).long()
        index = first + torch.arange(self.size, device=x.device)
        return index, (index.double() * width + low - x) * slope


@dataclass(frozen=True)
class Lattice:
    """Cells that divide each bin evenly, so that every edge falls between two cells.
    They are stored as (blocks, cells_per_bin). A block is as wide as a bin: a bin, or part of the
    margin on either side, which keeps the two ends apart that meet in the circular convolution.
    """

    edges: Edges

    @cached_property
    def cells_per_bin(self) -> int:
        return math.ceil(self.edges.slope_per_bin / CELL)

    @cached_property
    def margin(self) -> int:
        return math.ceil(REACH / self.edges.slope_per_bin)

    @cached_property
    def blocks(self) -> int:
        """Rounded up to m 2^n with m from 8 to 16, a length with a fast FFT."""
        needed = self.edges.bins + 2 * self.margin
        unit = 2 ** max(0, needed.bit_length() - 4)
        return math.ceil(needed / unit) * unit

    @property
    def cells(self) -> int:
        return self.blocks * self.cells_per_bin

    @property
    def at_edges(self) -> slice:
        """The blocks that begin at an edge."""
        return slice(self.margin, self.margin + self.edges.bins + 1)

    def mass(self, rows: Tensor, weights: Tensor | None = None) -> Tensor:
        moments = self._moments(rows, weights)  # (3, rows, blocks, cells_per_bin)
        spectrum = torch.fft.rfft(moments, dim=2) * _forward_spectra(self, rows.device)
        near = torch.fft.irfft(spectrum.sum((0, 3)), n=self.blocks)
        in_block = moments[0].sum(-1)
        far = in_block.cumsum(1) - in_block  # the unit step that the spectra leave out
        return (near + far)[:, self.at_edges] / rows.shape[1]

    def gradient(self, rows: Tensor, upstream: Tensor) -> Tensor:
        impulses = upstream.new_zeros(len(rows), self.blocks)
        impulses[:, self.at_edges] = upstream * (-self.edges.slope / rows.shape[1])
        spectrum = torch.fft.rfft(impulses).unsqueeze(-1) * _backward_spectra(self, rows.device)
        tables = torch.fft.irfft(spectrum, n=self.blocks, dim=2).to(rows.dtype).contiguous()
        gradient = torch.empty_like(rows)
        for row, column in _blocks(rows, 1):
            constant, linear, square = (table[row].view(-1) for table in tables)
            cell, place = self._locate(rows[row, column])
            place = place.to(rows.dtype)
            slope = square.index_select(0, cell).mul_(place).add_(linear.index_select(0, cell))
            value = slope.mul_(place).add_(constant.index_select(0, cell))
            gradient[row, column] = value.view_as(gradient[row, column])
        return gradient

    def _moments(self, rows: Tensor, weights: Tensor | None) -> Tensor:
        """Sums of 1, f and f^2 over the samples of each cell: (3, rows, blocks, cells_per_bin).

        Scattered additions cost most; without weights one carries the first two sums: each sample
        adds 2 STRETCH + f, and with at most STRETCH samples rounding takes the two apart.
        """
        shape = (3, len(rows), self.blocks, self.cells_per_bin)
        moments = rows.new_zeros(shape, dtype=torch.float64)
        for row, column in _blocks(rows, 1, longest=STRETCH):
            count, first, second = (moment[row].view(-1) for moment in moments)
            cell, place = self._locate(rows[row, column])
            if weights is not None:
                power = weights[row, column].reshape(-1)
                for moment in (count, first, second):
                    moment.scatter_add_(0, cell, power)
                    power = power * place
                continue
            second.scatter_add_(0, cell, place * place)
            both = torch.zeros_like(count).scatter_add_(0, cell, place.add_(2 * STRETCH))
            whole = (both * (1 / (2 * STRETCH))).round_()
            count += whole
            first += both.sub_(whole, alpha=2 * STRETCH)
        return moments

    def _locate(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Each sample's cell, numbered on from row to row, and its position there, -1/2 to 1/2."""
        per_unit = self.cells_per_bin / self.edges.width
        origin = self.margin * self.cells_per_bin - self.edges.low * per_unit - 0.5
        position = x.to(torch.float64, copy=True).mul_(per_unit).add_(origin)
        _clamp_index(position, self.cells - 1)
        if len(x) > 1:
            position += torch.arange(len(x), device=x.device).unsqueeze(1) * self.cells
        rounded = position + WHOLE  # leaves the integer in the low bits: faster than converting
        cell = rounded.view(torch.int64) & 0xFFFFFFFF
        place = position.sub_(rounded.sub_(WHOLE))
        return cell.view(-1), place.view(-1)


@lru_cache(maxsize=2)
def _forward_spectra(lattice: Lattice, device: torch.device) -> Tensor:
    """Transformed quadratics of sigma, less its unit step so that they vanish far away."""
    z, size = _distances(lattice, device)
    sigma, *slopes = _sigmoid_derivatives(z)
    near = torch.where(z > 0, -torch.sigmoid(-z), sigma)
    return torch.fft.rfft(_quadratics(near, *slopes[:3], size=-size), dim=1).unsqueeze(1)


@lru_cache(maxsize=2)
def _backward_spectra(lattice: Lattice, device: torch.device) -> Tensor:
    """Transformed quadratics of sigma', conjugate since here it goes from edges to cells."""
    z, size = _distances(lattice, device)
    _, *slopes = _sigmoid_derivatives(z)
    return torch.fft.rfft(_quadratics(*slopes, size=-size), dim=1).unsqueeze(1).conj_physical()


def _distances(lattice: Lattice, device: torch.device) -> tuple[Tensor, float]:
    """s (e - c) from each cell's centre to the edges ahead on the circle, and s times its width."""
    ahead = torch.arange(lattice.blocks, dtype=torch.float64, device=device)
    ahead[lattice.blocks // 2 + 1 :] -= lattice.blocks
    place = torch.arange(lattice.cells_per_bin, dtype=torch.float64, device=device) + 0.5
    blocks = ahead.unsqueeze(1) - place / lattice.cells_per_bin
    slope_per_bin = lattice.edges.slope_per_bin
    return blocks * slope_per_bin, slope_per_bin / lattice.cells_per_bin


def _sigmoid_derivatives(z: Tensor) -> list[Tensor]:
    """sigma and its first four derivatives."""
    p, q = torch.sigmoid(z), torch.sigmoid(-z)
    bell = p * q
    return [p, bell, bell * (q - p), bell * (1 - 6 * bell), bell * (q - p) * (1 - 12 * bell)]


def _quadratics(value: Tensor, d1: Tensor, d2: Tensor, d3: Tensor, *, size: float) -> Tensor:
    """Coefficients of 1, f, f^2 for a function over a cell, from its derivatives at the centre:
    Taylor's, with f^3 replaced by 3/20 f, the line nearest to it, which cuts the error to 2/5.
    """
    return torch.stack([value, size * d1 + size**3 / 40 * d3, size**2 / 2 * d2])


def _clamp_index(position: Tensor, last: float) -> Tensor:
    """Into [0, last], in place; NaN, which only a GPU lets through (``ops/mass.py``), becomes 0."""
    if position.device.type != "cpu":
        position.nan_to_num_()
    return position.clamp_(0, last)


def _blocks(rows: Tensor, work: int, longest: int = 2**26) -> Iterator[tuple[slice, slice]]:
    """Rows and samples (each `work` numbers) at a time: a CPU's cache full; on a GPU far more."""
    budget = max(1, (2**17 if rows.device.type == "cpu" else 2**26) // work)
    height = max(1, budget // rows.shape[1])
    width = min(budget, longest)
    for top in range(0, len(rows), height):
        for left in range(0, rows.shape[1], width):
            yield slice(top, top + height), slice(left, left + width)


Method = Union[Window, Lattice, "Bands"]
