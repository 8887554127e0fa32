"""Two movies of the same pictures, HDR and SDR: the paper's second data set.

The HDR side is BT.2020 with PQ, the SDR side BT.709; `movie_file` decodes both.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from histmatch_lab.data.images import to_levels
from histmatch_lab.data.own.movie_file import Encoding, Movie, open_movie, planes
from histmatch_lab.data.own.prepare import Existing, Made, Result, Skipped, stamp
from histmatch_lab.data.own.splits import Split, chronological_split

EVERY = 120
SIZE = (960, 540)

THUMBNAIL = (9, 16)
SYNC_FRAMES = 2000
MAX_LAG = 250
LEAST_MARGIN = 0.1


class Sync(NamedTuple):
    """Which frame of the second movie shows what the first movie's frame 0 shows, and how surely.

    Attributes:
        offset: second = first + offset.
        lags, correlations: the whole curve.
        margin: the peak less the highest other, not beside it.
    """

    offset: int
    lags: list[int]
    correlations: list[float]
    margin: float


def find_offset(first: Tensor, second: Tensor, max_lag: int = MAX_LAG) -> Sync:
    """Align two sequences of luma thumbnails, (T, P) each, that may be graded differently.

    Ranks within a frame do not change under any tone curve; their differences in time are what
    moves; normalised cross-correlation over lags has its peak where both move alike. Raises
    ValueError if either does not move, or if no lag stands out by LEAST_MARGIN.
    """
    a, b = _motion(first), _motion(second)
    reach = min(max_lag, (min(len(a), len(b)) - 1) // 2)
    if reach < 2 or not (a.any() and b.any()):
        raise ValueError("the frames to align by stand still, or are too few; state the offset")
    lags = list(range(-reach, reach + 1))
    curve = [_correlation(a, b, lag) for lag in lags]
    best = int(np.argmax(curve))
    others = [value for i, value in enumerate(curve) if abs(i - best) > 1]
    margin = curve[best] - max(others)
    if margin < LEAST_MARGIN:
        raise ValueError(
            f"no offset stands out: the best, {lags[best]}, must lead by {LEAST_MARGIN}, got "
            f"{margin:.2f}; state the offset if you know it"
        )
    return Sync(lags[best], lags, curve, margin)


def _motion(frames: Tensor) -> Tensor:
    """What changes from frame to frame, in ranks, so that a tone curve changes nothing."""
    ranks = frames.argsort(1).argsort(1).float() / frames.shape[1]
    still = (frames[1:] == frames[:-1]).all(1)
    motion = ranks.diff(dim=0)
    motion[still] = 0  # ties are broken at random
    return motion


def _correlation(a: Tensor, b: Tensor, lag: int) -> float:
    """Of a with b moved by lag frames, where both are there: at most 1."""
    count = min(len(a) - max(0, -lag), len(b) - max(0, lag))
    x, y = a[max(0, -lag) :][:count], b[max(0, lag) :][:count]
    return float((x * y).sum() / (x.norm() * y.norm()).clamp(min=1e-9))


@dataclass
class MovieSource:
    """Pairs of frames from two movies: every n-th of the first, with its twin in the second."""

    hdr: Movie
    sdr: Movie
    every: int
    size: tuple[int, int]  # width, height
    offset: int  # second = first + offset, in frames
    found: list[str]
    sync: Sync | None  # how the offset was found, None if it was stated
    split: Split = chronological_split

    @property
    def facts(self) -> dict[str, Any]:
        return {
            "source": "movies",
            "input": [*stamp(self.hdr.path.resolve()), ",".join(self.hdr.encoding)],
            "target": [*stamp(self.sdr.path.resolve()), ",".join(self.sdr.encoding)],
            "every": self.every,
            "size": list(self.size),
            "offset": self.offset,
            "encoding": "PQ BT.2020 to BT.709",
        }

    @property
    def total(self) -> int:
        return self.hdr.expected // self.every + 1

    def pairs(self, made_from: Callable[[str], Any]) -> Iterator[Result]:
        """See `Source.pairs`; both movies are read through once."""
        twins = self.sdr.frames()
        twin = next(twins, None)
        for number, frame in self.hdr.frames():
            wanted = number + self.offset
            if number % self.every or wanted < 0:
                continue
            while twin and twin[0] < wanted:
                twin = next(twins, None)
            if twin is None:
                break
            name = f"{number:07d}"
            if twin[0] > wanted:
                yield Skipped(name, f"frame {wanted} of {self.sdr.path.name} is damaged")
            elif made_from(name):
                yield Existing(name)
            else:
                before = self.hdr.picture(frame, self.size)
                after = self.sdr.picture(twin[1], self.size)
                facts = {"sources": [number, wanted]}
                yield Made(name, to_levels(before, 16), to_levels(after, 16), facts)
        for movie in (self.hdr, self.sdr):
            yield from movie.losses()


def movie_source(
    hdr: Path,
    sdr: Path,
    *,
    every: int = EVERY,
    size: tuple[int, int] = SIZE,
    hdr_as: Encoding | None = None,
    sdr_as: Encoding | None = None,
    offset: int | None = None,
) -> MovieSource:
    """Two movies, looked at and synchronised.

    Raises ValueError for a movie that cannot be used, a size that is larger than a movie or of
    another shape, or movies that do not align; ModuleNotFoundError without PyAV.
    """
    if every < 1:
        raise ValueError(f"every must be at least 1, got {every}")
    movies = open_movie(hdr, hdr=True, stated=hdr_as), open_movie(sdr, hdr=False, stated=sdr_as)
    for movie in movies:
        _check_size(movie, size)
    found = [
        f"{movie.path.name}: {movie.width} x {movie.height}, {movie.bits} bits, "
        f"{movie.encoding.matrix}, {movie.encoding.range} range, {movie.expected} frames"
        for movie in movies
    ]
    sync = None
    if offset is None:
        first, second = map(_thumbnails, movies)
        sync = find_offset(first, second)
        offset = sync.offset
        found.append(f"offset {offset:+d} frames, found by motion; it leads by {sync.margin:.2f}")
    return MovieSource(*movies, every, size, offset, found, sync)


def _check_size(movie: Movie, size: tuple[int, int]) -> None:
    width, height = size
    if width > movie.width or height > movie.height:
        raise ValueError(
            f"size must be at most {movie.path}'s, {movie.width}x{movie.height}, since nothing is "
            f"enlarged, got {width}x{height}"
        )
    if abs(width / height * movie.height / movie.width - 1) > 0.01:
        fitting = round(width * movie.height / movie.width / 2) * 2
        raise ValueError(
            f"size must have the shape of {movie.path}, {movie.width}x{movie.height}, such as "
            f"{width}x{fitting}, got {width}x{height}"
        )


def _thumbnails(movie: Movie) -> Tensor:
    """The luma of the first frames, small: (T, P)."""
    frames = (planes(frame)[0] for _, frame in islice(movie.frames(), SYNC_FRAMES))
    lumas = (torch.from_numpy(luma.astype(np.float32))[None] for luma in frames)
    return torch.stack([adaptive_avg_pool2d(luma, THUMBNAIL).flatten() for luma in lumas])
