"""Two films of the same pictures, HDR and SDR: the paper's second data set.

What a film stores are Y'CbCr codes; here they become display-encoded R'G'B' in [0, 1], BT.2020
with PQ on the HDR side and BT.709 on the SDR side, by the matrix, range and bit depth that its
tags say. Nothing is guessed: untagged films are refused unless their encoding is stated. Decoding
streams: memory does not grow with the length of a film.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from histmatch_lab._extras import import_extra
from histmatch_lab.color import YCBCR_WEIGHTS, ycbcr_to_rgb
from histmatch_lab.data.images import resize
from histmatch_lab.data.own.prepare import Kept, Made, Skipped
from histmatch_lab.data.own.prepared import to_levels

if TYPE_CHECKING:
    from av import VideoFrame

EVERY = 120
SIZE = (960, 540)
# ITU-T H.273 code points
MATRICES = {1: "bt709", 5: "bt601", 6: "bt601", 9: "bt2020"}
RANGES = {1: "limited", 2: "full"}
PQ_TRANSFER, HLG_TRANSFER = 16, 18
BT2020_PRIMARIES = 9
UNSPECIFIED = (0, 2)

THUMBNAIL = (9, 16)
SYNC_FRAMES = 2000
MAX_LAG = 250
LEAST_MARGIN = 0.1


class FilmError(ValueError):
    """A film cannot be used; the message names it, says what was found and what to do."""


class Encoding(NamedTuple):
    """How a film's codes mean colours: a key of YCBCR_WEIGHTS, and "limited" or "full"."""

    matrix: str
    range: str

    @classmethod
    def parse(cls, text: str) -> Encoding:
        """From "bt2020,limited"; ValueError for anything else."""
        matrix, _, span = text.partition(",")
        if matrix not in YCBCR_WEIGHTS or span not in RANGES.values():
            raise ValueError(
                f"encoding is {text!r}; wanted is one of {', '.join(YCBCR_WEIGHTS)}, a comma, and "
                "limited or full, such as bt709,limited"
            )
        return cls(matrix, span)


@dataclass
class Film:
    """A film that has been opened once, for what it says about itself.

    Attributes:
        encoding: from its tags, with what was stated in the place of missing ones.
        expected: how many frames it should have, 0 if it does not say.
        lost: how many frames were damaged when it was last read.
        ended: how many frames it then had, None if it was not read to its end.
    """

    path: Path
    width: int
    height: int
    bits: int
    encoding: Encoding
    transfer: int
    primaries: int
    rate: Fraction
    expected: int
    lost: int = 0
    ended: int | None = None

    def frames(self) -> Iterator[tuple[int, VideoFrame]]:
        """Number and frame of each that is whole, in order.

        After a damaged packet the frames that lean on it, up to the next key frame, count as lost.
        A frame's number follows from its time, so that a loss does not shift what comes after.
        """
        av = pyav()
        self.lost, self.ended = 0, None
        first, wait_for_key, number = None, False, -1
        with av.open(str(self.path)) as container:
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            stream.codec_context.options = {"err_detect": "explode"}
            packets = container.demux(stream)
            while True:
                try:
                    packet = next(packets, None)
                    if packet is None:
                        break
                    decoded = packet.decode()
                except av.error.InvalidDataError:
                    wait_for_key = True
                    continue
                except av.error.EOFError:
                    break
                for frame in decoded:
                    if frame.pts is None:
                        continue
                    first = frame.pts if first is None else first
                    at = round((frame.pts - first) * stream.time_base * self.rate)
                    wait_for_key = (wait_for_key and not frame.key_frame) or frame.is_corrupt
                    if wait_for_key:
                        continue
                    self.lost += at - number - 1
                    number = at
                    yield number, frame
        self.ended = number + 1

    def losses(self) -> Iterator[Skipped]:
        """What the last reading could not give, in words."""
        if self.lost:
            yield Skipped(self.path.name, f"{self.lost} frames are damaged and were left out")
        if self.ended is not None and self.ended < self.expected - 1:
            yield Skipped(
                self.path.name,
                f"it ends after {self.ended} of {self.expected} frames; what was there was used",
            )

    def picture(self, frame: VideoFrame, size: tuple[int, int]) -> Tensor:
        """A frame as display-encoded R'G'B' in [0, 1], (3, height, width) at size (width, height).

        Codes beyond black and white are clipped.
        """
        planes = [torch.from_numpy(plane.astype(np.float32)) for plane in _planes(frame)]
        luma, *chroma = planes
        codes = torch.stack([luma, *(_upsample(c, luma.shape) for c in chroma)])
        rgb = ycbcr_to_rgb(
            codes,
            matrix=self.encoding.matrix,
            bits=self.bits,
            full_range=self.encoding.range == "full",
        ).clamp(0, 1)
        return rgb if size == (self.width, self.height) else resize(rgb, size[::-1])


def open_film(path: Path, *, hdr: bool, stated: Encoding | None = None) -> Film:
    """Look at a film's head and first frame.

    Args:
        hdr: whether it must be PQ with BT.2020; else it must not be.
        stated: what its encoding is, where it does not say.

    Raises:
        FilmError: no film, no whole frame, missing or unfit tags, an unusual pixel format.
        ModuleNotFoundError: without PyAV; it says how to get it.
    """
    av = pyav()
    if not path.is_file():
        raise FilmError(f"{path} does not exist, or is no file")
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise FilmError(f"{path} holds no pictures")
            stream = container.streams.video[0]
            frame = next(container.decode(stream), None)
            if frame is None:
                raise FilmError(f"{path} has no whole frame; it is cut short or damaged")
            rate = stream.average_rate or stream.guessed_rate
            seconds = stream.duration * stream.time_base if stream.duration else None
            if seconds is None and container.duration:
                seconds = Fraction(container.duration, av.time_base)
            matrix, codes = MATRICES.get(int(frame.colorspace)), int(frame.color_range)
            tags = {"matrix": matrix, "range": RANGES.get(codes)}
            if matrix is None and int(frame.colorspace) not in UNSPECIFIED:
                raise FilmError(
                    f"{path} has the matrix number {int(frame.colorspace)} of H.273, "
                    "which is not read here"
                )
            _check_format(path, frame.format.name)
            film = Film(
                path,
                frame.width,
                frame.height,
                frame.format.components[0].bits,
                _encoding(path, tags, stated),
                int(frame.color_trc),
                int(frame.color_primaries),
                rate,
                stream.frames or (round(seconds * rate) if seconds else 0),
            )
    except av.error.FFmpegError as problem:
        raise FilmError(f"{path} cannot be read as a film: {problem.strerror}") from problem
    _check_transfer(film, hdr, stated)
    return film


class Sync(NamedTuple):
    """Which frame of the second film shows what the first film's frame 0 shows, and how surely.

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
    FilmError if either does not move, or if no lag stands out by LEAST_MARGIN.
    """
    moves = []
    for frames in (first, second):
        ranks = frames.argsort(1).argsort(1).float() / frames.shape[1]
        still = (frames[1:] == frames[:-1]).all(1)
        motion = ranks.diff(dim=0)
        motion[still] = 0  # ties are broken at random
        moves.append(motion)
    a, b = moves
    reach = min(max_lag, (min(len(a), len(b)) - 1) // 2)
    if reach < 2 or not (a.any() and b.any()):
        raise FilmError("the frames to align by stand still, or are too few; state the offset")
    lags = list(range(-reach, reach + 1))
    curve = []
    for lag in lags:
        count = min(len(a) - max(0, -lag), len(b) - max(0, lag))
        x, y = a[max(0, -lag) :][:count], b[max(0, lag) :][:count]
        curve.append(float((x * y).sum() / (x.norm() * y.norm()).clamp(min=1e-9)))
    best = int(np.argmax(curve))
    others = [value for i, value in enumerate(curve) if abs(i - best) > 1]
    margin = curve[best] - max(others)
    if margin < LEAST_MARGIN:
        raise FilmError(
            f"no offset stands out: the best, {lags[best]}, leads by {margin:.2f} of the wanted "
            f"{LEAST_MARGIN}; state the offset if you know it"
        )
    return Sync(lags[best], lags, curve, margin)


def synchronise(hdr: Film, sdr: Film, frames: int = SYNC_FRAMES) -> Sync:
    """`find_offset` on the first frames of two films."""
    first, second = (torch.stack([*islice(_thumbnails(film), frames)]) for film in (hdr, sdr))
    return find_offset(first, second)


@dataclass
class MovieSource:
    """Pairs of frames from two films: every n-th of the first, with its twin in the second.

    Attributes:
        size: (width, height) of the pairs.
        offset: second = first + offset, in frames.
        sync: how the offset was found, None if it was stated.
    """

    hdr: Film
    sdr: Film
    every: int
    size: tuple[int, int]
    offset: int
    found: list[str] = field(default_factory=list)
    sync: Sync | None = None

    @property
    def facts(self) -> dict[str, Any]:
        return {
            "source": "movies",
            "input": _told(self.hdr),
            "target": _told(self.sdr),
            "every": self.every,
            "size": list(self.size),
            "offset": self.offset,
            "encoding": "PQ BT.2020 to BT.709",
        }

    @property
    def total(self) -> int:
        return self.hdr.expected // self.every + 1

    def pairs(self, made_from: Callable[[str], Any]) -> Iterator[Made | Kept | Skipped]:
        """See `Source.pairs`; both films are read through once."""
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
                yield Kept(name)
            else:
                before = self.hdr.picture(frame, self.size)
                after = self.sdr.picture(twin[1], self.size)
                facts = {"sources": [number, wanted]}
                yield Made(name, to_levels(before, 16), to_levels(after, 16), facts)
        for film in (self.hdr, self.sdr):
            yield from film.losses()


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
    """Two films, looked at and synchronised.

    Raises FilmError for a film that cannot be used, a size that is larger than a film or of
    another shape, or films that do not align; ModuleNotFoundError without PyAV.
    """
    if every < 1:
        raise ValueError(f"every must be at least 1, got {every}")
    films = open_film(hdr, hdr=True, stated=hdr_as), open_film(sdr, hdr=False, stated=sdr_as)
    for film in films:
        _check_size(film, size)
    found = [
        f"{film.path.name}: {film.width} x {film.height}, {film.bits} bits, "
        f"{film.encoding.matrix}, {film.encoding.range} range, {film.expected} frames"
        for film in films
    ]
    sync = None
    if offset is None:
        sync = synchronise(*films)
        offset = sync.offset
        found.append(f"offset {offset:+d} frames, found by motion; it leads by {sync.margin:.2f}")
    return MovieSource(*films, every, size, offset, found, sync)


def pyav() -> Any:
    """PyAV; ModuleNotFoundError, which says how to get it, without it."""
    return import_extra("av", "PyAV", "reads films", "movies")


def _encoding(path: Path, tags: dict[str, str | None], stated: Encoding | None) -> Encoding:
    told = stated._asdict() if stated else {}
    for name, tag in tags.items():
        if tag and told.get(name, tag) != tag:
            raise FilmError(f"{path} is tagged with the {name} {tag}; stated is {told[name]}")
    whole = {name: tag or told.get(name) for name, tag in tags.items()}
    missing = [name for name, value in whole.items() if value is None]
    if missing:
        raise FilmError(
            f"{path} does not say its {' and '.join(missing)}; state its encoding if you know it, "
            "such as bt709,limited (a film in HD) or bt2020,limited (HDR)"
        )
    return Encoding(**whole)  # type: ignore[arg-type]


def _check_transfer(film: Film, hdr: bool, stated: Encoding | None) -> None:
    if film.transfer == HLG_TRANSFER:
        raise FilmError(f"{film.path} is HLG, which is not read here; PQ is")
    is_pq = film.transfer == PQ_TRANSFER
    if not hdr and is_pq:
        raise FilmError(f"{film.path} is PQ, an HDR film; the SDR film comes second")
    if not hdr:
        return
    if not is_pq and not (stated and film.transfer in UNSPECIFIED):
        raise FilmError(f"{film.path} is not tagged as PQ (ST 2084); the HDR film comes first")
    if film.primaries not in (BT2020_PRIMARIES, *UNSPECIFIED):
        raise FilmError(f"{film.path} is PQ without BT.2020 primaries, which is not read here")


def _check_format(path: Path, name: str) -> None:
    if not re.fullmatch(r"yuvj?4(20|22|44)p(9|10|12|14|16)?(le)?", name):
        raise FilmError(f"{path} has the pixel format {name}; read are planar 4:2:0 to 4:4:4")


def _check_size(film: Film, size: tuple[int, int]) -> None:
    width, height = size
    if width > film.width or height > film.height:
        raise FilmError(
            f"{film.path} has {film.width} x {film.height} pixels; size is {width}x{height}, and "
            "nothing is enlarged"
        )
    if abs(width / height * film.height / film.width - 1) > 0.01:
        fitting = round(width * film.height / film.width / 2) * 2
        raise FilmError(
            f"{film.path} has {film.width} x {film.height} pixels, another shape than "
            f"{width}x{height}; {width}x{fitting} fits it"
        )


def _told(film: Film) -> list[Any]:
    status = film.path.stat()
    place = str(film.path.resolve())
    return [place, status.st_size, status.st_mtime_ns, ",".join(film.encoding)]


def _planes(frame: VideoFrame) -> list[np.ndarray]:
    """Y', Cb and Cr codes, (H, W) each, chroma at its own size."""
    kind = np.dtype(np.uint8 if frame.format.components[0].bits == 8 else "<u2")
    return [
        np.frombuffer(memoryview(plane), kind).reshape(plane.height, -1)[:, : plane.width]
        for plane in frame.planes
    ]


def _upsample(chroma: Tensor, size: torch.Size) -> Tensor:
    """Chroma at luma's size, linearly; it lies between two rows, on the even columns."""
    height, width = size
    if chroma.shape[1] < width:
        following = torch.cat([chroma[:, 1:], chroma[:, -1:]], 1)
        chroma = torch.stack([chroma, (chroma + following) / 2], -1).flatten(1)[:, :width]
    if chroma.shape[0] < height:
        above = torch.cat([chroma[:1], chroma[:-1]])
        below = torch.cat([chroma[1:], chroma[-1:]])
        pair = ((3 * chroma + above) / 4, (3 * chroma + below) / 4)
        chroma = torch.stack(pair, 1).flatten(0, 1)[:height]
    return chroma


def _thumbnails(film: Film) -> Iterator[Tensor]:
    for _, frame in film.frames():
        luma = torch.from_numpy(_planes(frame)[0].astype(np.float32))
        yield adaptive_avg_pool2d(luma[None], THUMBNAIL).flatten()
