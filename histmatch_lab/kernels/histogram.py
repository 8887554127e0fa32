"""Mass below the bin edges, and its gradient, on an NVIDIA GPU: ``_binning.py`` as two kernels.

A sample needs the sigmoids of the few edges within reach of it, other ones for each sample. To add
them up without atomics, the edges are divided into bands; a sample belongs to the band of the edge
nearest to it and takes the sigmoids at the edges in and around that band. A product of matrices,
the one of zeros and ones that say whose band is which, adds up what belongs to each. The last
column counts the samples of the band, whose sigmoid is 1 at every edge further up. Only each
program's sums are stored, and added in a fixed order: the same input gives the same bits.

Backward, each sample visits the edges within its reach.

Positions are float64 up to the distance from an edge; sigmoids float32; sums float64.
"""

import math
import struct
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import torch
import triton
import triton.language as tl
from torch import Tensor

if TYPE_CHECKING:
    from histmatch_lab._binning import Edges

REACH = 17.0  # sigma(-17) = 4e-8: further away, float32 cannot tell sigma from 0 or 1
SAMPLES = 128  # of a tile
GRADIENTS = 1024  # samples whose gradients a program computes
COLUMNS = 32  # edges that a program looks at
LEAST_STEP = 16  # edges of a band: with fewer, the reach would take most of the columns
FAR = tl.constexpr(2**20)  # bins: the sigmoid is 1 there
PROGRAMS = 2048  # that share the work: some for each multiprocessor of a large GPU


@triton.jit
def _locate(x, scale, scale_rest, origin, origin_rest, bins):
    """Each sample's nearest edge, and how far from it; NaN for a sample that is not finite."""
    x = x.to(tl.float64)
    position = x * scale + x * scale_rest + origin + origin_rest
    index = tl.floor(tl.where(position > 0, position, 0.0) + 0.5)
    index = tl.where(index < bins, index, bins + 0.0)
    return index.to(tl.int32), (position - index + (x - x)).to(tl.float32)


@triton.jit
def _mass_kernel(
    rows, weights, sums, samples, parts, tiles, step, reach, last,
    scale, scale_rest, origin, origin_rest, bins, sharpness,
    WEIGHTED: tl.constexpr, SAMPLES: tl.constexpr, BANDS: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    program = tl.program_id(0)
    row, part = (program // parts).to(tl.int64), program % parts
    column = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    band = tl.program_id(2) * BANDS + tl.arange(0, BANDS)
    edge = tl.where(column == last, FAR, column - reach)[:, None].to(tl.float32)
    total = tl.zeros([BANDS, COLUMNS], tl.float64)
    for tile in range(part * tiles, (part + 1) * tiles):
        at = tile * SAMPLES + tl.arange(0, SAMPLES)
        there = at < samples
        x = tl.load(rows + row * samples + at, mask=there, other=0.0)
        index, place = _locate(x, scale, scale_rest, origin, origin_rest, bins)
        mine = index // step
        ahead = (index - mine * step).to(tl.float32)[None, :]  # of the band's first edge
        root = tl.rsqrt(1 + tl.exp2((ahead - edge) * sharpness + (place * sharpness)[None, :]))
        mass = root * root  # faster than a division
        if WEIGHTED:
            weight = tl.load(weights + row * samples + at, mask=there, other=0.0)
            mass *= weight.to(tl.float32)[None, :]
        belongs = (band[:, None] == tl.where(there, mine, -1)[None, :]).to(tl.float32)
        # the units that multiply matrices read 11 bits of a number: the first 11, then the rest
        first = (mass.to(tl.int32, bitcast=True) & -8192).to(tl.float32, bitcast=True)
        found = tl.dot(belongs, tl.trans(first), input_precision="tf32")
        found = tl.dot(belongs, tl.trans(mass - first), found, input_precision="tf32")
        total += found.to(tl.float64)
    width, height = tl.num_programs(1) * COLUMNS, tl.num_programs(2) * BANDS
    cell = (program.to(tl.int64) * height + band[:, None]) * width + column[None, :]
    tl.store(sums + cell, total)


@triton.jit
def _add_kernel(
    sums, below, samples, parts, bands, height, width, step, reach, last, bins,
    PARTS: tl.constexpr, EDGES: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64)
    edge = tl.program_id(1) * EDGES + tl.arange(0, EDGES)
    total = tl.zeros([PARTS, EDGES], tl.float64)
    for first in range(0, parts, PARTS):
        part = first + tl.arange(0, PARTS)
        for band in range(bands):
            column = edge - band * step + reach
            cell = ((row * parts + part) * height + band) * width
            wanted = (part < parts)[:, None] & ((column >= 0) & (edge <= bins))[None, :]
            place = cell[:, None] + tl.minimum(column, last)[None, :]
            total += tl.load(sums + place, mask=wanted, other=0.0)
    tl.store(below + row * (bins + 1) + edge, tl.sum(total, 0) / samples, mask=edge <= bins)


@triton.jit
def _gradient_kernel(
    rows, upstream, gradient, samples, blocks, size, reach,
    scale, scale_rest, origin, origin_rest, bins, sharpness,
    SAMPLES: tl.constexpr,
):  # fmt: skip
    row = (tl.program_id(0) // blocks).to(tl.int64)
    at = (tl.program_id(0) % blocks) * SAMPLES + tl.arange(0, SAMPLES)
    there = at < samples
    x = tl.load(rows + row * samples + at, mask=there, other=0.0)
    index, place = _locate(x, scale, scale_rest, origin, origin_rest, bins)
    first = tl.maximum(tl.minimum(index - reach, bins + 1 - size), 0)
    ahead = index - first
    edges = upstream + row * (bins + 1) + first
    total = tl.zeros([SAMPLES], tl.float32)
    for number in range(size):
        z = tl.abs(place + (ahead - number).to(tl.float32)) * sharpness
        tail = tl.exp2(-z)
        root = tl.rsqrt(1 + tail)
        head = root * root
        total += tl.load(edges + number) * (tail * head * head)
    tl.store(gradient + row * samples + at, total.to(gradient.dtype.element_ty), mask=there)


@dataclass(frozen=True)
class Bands:
    """Bands of ``step`` edges. Column c of a band is the edge c - ``reach`` after its first."""

    edges: "Edges"

    @cached_property
    def reach(self) -> int:
        """Edges on either side of the one nearest to a sample that may lie within reach of it."""
        return min(self.edges.bins, math.floor(REACH / self.edges.slope_per_bin + 0.5))

    def mass(self, rows: Tensor, weights: Tensor | None = None) -> Tensor:
        edges, samples = self.edges, rows.shape[1]
        step, reach, columns = self._plan()
        bands = math.ceil((edges.bins + 1) / step)
        high = min(64, max(16, triton.next_power_of_2(bands)))
        grid = (columns // COLUMNS, math.ceil(bands / high))
        width, height = columns, grid[1] * high

        tiles = math.ceil(samples / SAMPLES)
        at_least = 8 * width * height // SAMPLES  # so that the sums take little memory
        parts = max(1, min(math.ceil(PROGRAMS / (len(rows) * math.prod(grid))), tiles // at_least))
        tiles = math.ceil(tiles / parts)

        sums = rows.new_empty(len(rows) * parts, height, width, dtype=torch.float64)
        rows = rows.contiguous()
        _mass_kernel[len(rows) * parts, *grid](
            rows, rows if weights is None else weights.contiguous(), sums, samples, parts, tiles,
            step, reach, columns - 1, *self._scaling(), edges.bins, self._sharpness,
            WEIGHTED=weights is not None, SAMPLES=SAMPLES, BANDS=high, COLUMNS=COLUMNS,
        )  # fmt: skip
        below = rows.new_empty(len(rows), edges.bins + 1, dtype=torch.float64)
        _add_kernel[len(rows), math.ceil((edges.bins + 1) / 64)](
            sums, below, samples, parts, bands, height, width, step, reach, columns - 1, edges.bins,
            PARTS=min(32, triton.next_power_of_2(parts)), EDGES=64,
        )  # fmt: skip
        return below

    def gradient(self, rows: Tensor, upstream: Tensor) -> Tensor:
        samples, edges = rows.shape[1], self.edges
        rows = rows.contiguous()
        pull = (upstream * (-edges.slope / samples)).float().contiguous()
        gradient = torch.empty_like(rows)
        size = min(2 * self.reach + 1, edges.bins + 1)
        blocks = math.ceil(samples / GRADIENTS)
        _gradient_kernel[(len(rows) * blocks,)](
            rows, pull, gradient, samples, blocks, size, self.reach,
            *self._scaling(), edges.bins, self._sharpness, SAMPLES=GRADIENTS,
        )  # fmt: skip
        return gradient

    def _plan(self) -> tuple[int, int, int]:
        """Edges of a band, columns on either side of it, and columns in all."""
        columns = _whole_blocks(2 * self.reach + 1 + LEAST_STEP)
        one_band = _whole_blocks(self.edges.bins + 2)
        if one_band <= columns:
            return self.edges.bins + 1, 0, one_band
        return columns - 2 * self.reach - 1, self.reach, columns

    def _scaling(self) -> tuple[float, ...]:
        """Position in bins = x scale + origin, each as two float32: a kernel takes no float64."""
        scale, origin = 1 / self.edges.width, -self.edges.low / self.edges.width
        return *_halves(scale), *_halves(origin)

    @property
    def _sharpness(self) -> float:
        """exp(s L d) = 2^(sharpness d)"""
        return min(self.edges.slope_per_bin * math.log2(math.e), 1e30)


def _whole_blocks(columns: int) -> int:
    return COLUMNS * math.ceil(columns / COLUMNS)


def _halves(number: float) -> tuple[float, float]:
    first = struct.unpack("f", struct.pack("f", number))[0]
    return first, number - first
