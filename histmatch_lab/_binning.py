"""The one costly sum of the package: how much smoothed mass lies below each bin edge.

For samples x_p, edges e_k and slope s, with sigma the logistic function,

    forward    F_k  = mean over p of sigma(s (e_k - x_p))
    backward   dx_p = -(s / N) sum over k of g_k sigma'(s (e_k - x_p)).

Written down as it stands, this evaluates N x (K + 1) sigmoids and keeps them for backward. Two
forms do less; ``choose`` takes the one with less work.

``Window``   is exact to rounding. Further than 37 / s from a sample, sigma is 0 or 1 to float64
             precision, so each sample meets only the few edges around it; the edges above gain
             one whole sample each, which is a count and a running sum.
``Lattice``  is exact to 1.1e-6 in a bin. It cuts each bin into cells so small that sigma is a
             quadratic in each, and sums 1, f and f^2 over the samples of a cell, f being the
             place in it from -1/2 to 1/2: all that a quadratic can see of them. What is left is a
             convolution of these short sequences with the quadratics' coefficients, by FFT; N
             and K no longer meet. Backward is the transpose: g convolved with quadratics that
             follow sigma' gives three numbers per cell, and each sample looks up its cell's.

Positions and sums are float64: at s = 1e6 a float32 edge alone errs by 6 % of a kernel's width,
and a float32 sum over a picture by 4e-5.
"""

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import torch
from torch import Tensor

REACH = 37.0  # sigma(-37) < 2^-53: beyond, float64 cannot tell sigma from 0 or 1
CELL = 0.08  # widest cell, in units of 1/s: there the quadratic errs by 5e-7 at most
STRETCH = 2**17  # samples of a row whose count and sum share one float64, see Lattice._moments
WHOLE = 2.0**52  # from here on float64 has whole numbers only, in the low bits as they are


@dataclass(frozen=True)
class Edges:
    """Edges low + k width, k = 0 ... bins, each smoothed by a sigmoid of the given slope."""

    low: float
    width: float
    bins: int
    slope: float

    @property
    def slope_per_bin(self) -> float:
        return max(self.slope * self.width, 1e-30)  # so that it can be divided by


def mass_below(values: Tensor, edges: Edges) -> Tensor:
    """The share of smoothed samples below each edge: (..., N) -> (..., bins + 1), float64.

    On a GPU a row with NaN or infinity in it gives NaN.
    """
    rows = values.reshape(-1, values.shape[-1])
    below = _MassBelow.apply(rows, choose(rows, edges))
    if rows.device.type != "cpu":
        below = below + _nan_unless_finite(rows.detach())
    return below.reshape(*values.shape[:-1], -1)


def _nan_unless_finite(rows: Tensor) -> Tensor:
    """0 or NaN for each row, (rows, 1), without asking the device which."""
    low, high = rows.aminmax(dim=1, keepdim=True)
    return low * 0 + high * 0


class _MassBelow(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, method: "Window | Lattice") -> Tensor:
        ctx.save_for_backward(rows)
        ctx.method = method
        return method.mass(rows)

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, None]:
        (rows,) = ctx.saved_tensors
        return _Gradient.apply(rows, upstream, ctx.method), None


class _Gradient(torch.autograd.Function):
    """A function of its own so that a second derivative fails instead of missing a term."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, upstream: Tensor, method: "Window | Lattice") -> Tensor:  # noqa: ARG004
        return method.gradient(rows, upstream)

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> None:  # noqa: ARG004
        raise RuntimeError("the soft histogram can be differentiated once, not twice")


def choose(rows: Tensor, edges: Edges) -> "Window | Lattice":
    """The lattice where it saves work; the window for float64, few samples or a sharp kernel."""
    window, lattice = Window(edges), Lattice(edges)
    samples = rows.shape[1]
    lattice_pays = samples * window.size > samples + 2 * lattice.cells  # as measured
    return lattice if lattice_pays and rows.dtype == torch.float32 else window


@dataclass(frozen=True)
class Window:
    """Each sample meets the ``size`` edges around it, as many as lie within REACH / s."""

    edges: Edges

    @cached_property
    def size(self) -> int:
        within_reach = math.ceil(2 * REACH / self.edges.slope_per_bin)
        return min(self.edges.bins, within_reach) + 1

    def mass(self, rows: Tensor) -> Tensor:
        count, edge_count = len(rows), self.edges.bins + 1
        partly = rows.new_zeros(count, edge_count, dtype=torch.float64)
        whole = rows.new_zeros(count, edge_count + 1, dtype=torch.float64)
        height, width = _block_shape(rows, self.size)
        for x, partly_here, whole_here in zip(
            rows.split(height), partly.split(height), whole.split(height), strict=True
        ):
            for part in x.split(width, dim=1):
                index, z = self._meet(part)
                partly_here.scatter_add_(1, index.flatten(1), z.sigmoid_().flatten(1))
                above = index[..., -1] + 1
                whole_here.scatter_add_(1, above, whole.new_ones(()).expand_as(above))
        return (partly + whole.cumsum(1)[:, :-1]) / rows.shape[1]

    def gradient(self, rows: Tensor, upstream: Tensor) -> Tensor:
        scaled = upstream * (-self.edges.slope / rows.shape[1])
        gradient = torch.empty_like(rows)
        height, width = _block_shape(rows, self.size)
        for x, out, weight in zip(
            rows.split(height), gradient.split(height), scaled.split(height), strict=True
        ):
            for part, out_part in zip(x.split(width, 1), out.split(width, 1), strict=True):
                index, z = self._meet(part)
                pull = weight.gather(1, index.flatten(1)).view_as(z)
                out_part.copy_((pull * torch.sigmoid(z) * torch.sigmoid(-z)).sum(-1))
        return gradient

    def _meet(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The edges that each sample meets, and s (e - x) for each: (..., N) -> (..., N, size)."""
        low, width, slope = self.edges.low, self.edges.width, self.edges.slope
        x = x.double().unsqueeze(-1)
        first = ((x - low) / width - REACH / self.edges.slope_per_bin).ceil_()
        first = _address(first, self.edges.bins + 1 - self.size).long()
        index = first + torch.arange(self.size, device=x.device)
        return index, (index.double() * width + low - x) * slope


@dataclass(frozen=True)
class Lattice:
    """Cells that divide each bin evenly, so that every edge falls between two cells.

    They are stored as (blocks, cells_per_bin): a block is a bin, or a bin's width of the margin
    that reaches beyond the range on either side until no edge is felt.
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
        """Rounded up to m 2^n with m from 8 to 16, a length that is quick to transform.

        The convolution is circular; the margins also keep it from seeing round the corner.
        """
        needed = self.edges.bins + 2 * self.margin
        unit = 2 ** max(0, needed.bit_length() - 4)
        return math.ceil(needed / unit) * unit

    @property
    def cells(self) -> int:
        return self.blocks * self.cells_per_bin

    @property
    def edge_blocks(self) -> slice:
        """The blocks that begin at an edge."""
        return slice(self.margin, self.margin + self.edges.bins + 1)

    def mass(self, rows: Tensor) -> Tensor:
        moments = self._moments(rows)
        spectrum = torch.fft.rfft(moments, dim=2) * _forward_spectra(self, rows.device)
        near = torch.fft.irfft(spectrum.sum((0, 3)), n=self.blocks)
        in_block = moments[0].sum(-1)
        far = in_block.cumsum(1) - in_block  # the unit step that the spectra leave out
        return (near + far)[:, self.edge_blocks] / rows.shape[1]

    def gradient(self, rows: Tensor, upstream: Tensor) -> Tensor:
        impulses = upstream.new_zeros(len(rows), self.blocks)
        impulses[:, self.edge_blocks] = upstream * (-self.edges.slope / rows.shape[1])
        spectrum = torch.fft.rfft(impulses).unsqueeze(-1) * _backward_spectra(self, rows.device)
        tables = torch.fft.irfft(spectrum, n=self.blocks, dim=2).to(rows.dtype).contiguous()
        gradient = torch.empty_like(rows)
        height, width = _block_shape(rows, 1)
        for x, out, table in zip(
            rows.split(height), gradient.split(height), tables.split(height, dim=1), strict=True
        ):
            constant, linear, square = (column.view(-1) for column in table)
            for part, out_part in zip(x.split(width, 1), out.split(width, 1), strict=True):
                cell, place = self._locate(part)
                place = place.to(rows.dtype)
                pull = square.index_select(0, cell).mul_(place)
                pull = pull.add_(linear.index_select(0, cell)).mul_(place)
                out_part.copy_(pull.add_(constant.index_select(0, cell)).view_as(out_part))
        return gradient

    def _moments(self, rows: Tensor) -> Tensor:
        """Sums of 1, f and f^2 over the samples of each cell: (3, rows, blocks, cells_per_bin).

        Adding to scattered addresses is what costs time, so the first two travel in one number:
        each sample adds 2 STRETCH + f, and over a stretch f adds up to STRETCH / 2 at most.
        """
        shape = (3, len(rows), self.blocks, self.cells_per_bin)
        moments = rows.new_zeros(shape, dtype=torch.float64)
        height, _ = _block_shape(rows, 1)
        for x, sums in zip(rows.split(height), moments.split(height, dim=1), strict=True):
            count, first, second = (column.view(-1) for column in sums)
            for stretch in x.split(STRETCH, dim=1):
                cell, place = self._locate(stretch)
                second.scatter_add_(0, cell, place * place)
                both = torch.zeros_like(count).scatter_add_(0, cell, place.add_(2 * STRETCH))
                whole = (both * (1 / (2 * STRETCH))).round_()
                count += whole
                first += both.sub_(whole, alpha=2 * STRETCH)
        return moments

    def _locate(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Each sample's cell, counted on through the rows, and its place there, -1/2 to 1/2.

        Adding WHOLE rounds, and leaves the cell in the bits: quicker than asking for an integer.
        """
        per_unit = self.cells_per_bin / self.edges.width
        origin = self.margin * self.cells_per_bin - self.edges.low * per_unit - 0.5
        position = x.to(torch.float64, copy=True).mul_(per_unit).add_(origin)
        _address(position, self.cells - 1)
        if len(x) > 1:
            position += torch.arange(len(x), device=x.device).unsqueeze(1) * self.cells
        rounded = position + WHOLE
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
    spectra = torch.fft.rfft(_quadratics(*slopes, size=-size), dim=1).unsqueeze(1)
    return spectra.conj_physical()


def _distances(lattice: Lattice, device: torch.device) -> tuple[Tensor, float]:
    """s (e - c) from each cell's centre c to an edge, by how many blocks the edge lies ahead
    (round the circle), and s times a cell's width.
    """
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
    """Coefficients of 1, f, f^2 that follow a function over a cell, from its value and first
    three derivatives at the centre, where f = 0.

    This is the Taylor polynomial with its cubic term replaced by the line that fits it best over
    the cell (f^3 by 3/20 f), which cuts the error to 2/5.
    """
    return torch.stack([value, size * d1 + size**3 / 40 * d3, size**2 / 2 * d2])


def _address(position: Tensor, last: float) -> Tensor:
    """Kept from 0 to last, in place; NaN too where it was let through, see ``mass_below``."""
    if position.device.type != "cpu":
        position.nan_to_num_()
    return position.clamp_(0, last)


def _block_shape(rows: Tensor, work: int) -> tuple[int, int]:
    """Rows and samples to treat at once: what stays in a CPU's cache; on a GPU far more.

    ``work`` is how many numbers each sample needs.
    """
    budget = max(1, (2**17 if rows.device.type == "cpu" else 2**26) // work)
    return max(1, budget // rows.shape[1]), budget
