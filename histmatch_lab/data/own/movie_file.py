"""One movie file, decoded to R'G'B'.

What a movie stores are Y'CbCr codes; here they become display-encoded R'G'B' in [0, 1], by the
matrix, range and bit depth that its tags say. Nothing is guessed: untagged movies are refused
unless their encoding is stated. Decoding streams: memory does not grow with the length.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from histmatch_lab._checks import import_extra
from histmatch_lab.color import YCBCR_WEIGHTS, ycbcr_to_rgb
from histmatch_lab.data.images import resize
from histmatch_lab.data.own.prepare import Skipped

if TYPE_CHECKING:
    from av import VideoFrame

# ITU-T H.273 code points
MATRICES = {1: "bt709", 5: "bt601", 6: "bt601", 9: "bt2020"}
RANGES = {1: "limited", 2: "full"}
PQ_TRANSFER, HLG_TRANSFER = 16, 18
BT2020_PRIMARIES = 9
UNSPECIFIED = (0, 2)


class Encoding(NamedTuple):
    """What a movie's codes mean: a key of YCBCR_WEIGHTS, and "limited" or "full"."""

    matrix: str
    range: str

    @classmethod
    def parse(cls, text: str) -> Encoding:
        """From a text such as "bt2020,limited"; ValueError for anything else.

        >>> Encoding.parse("bt709,limited")
        Encoding(matrix='bt709', range='limited')
        """
        matrix, _, span = text.partition(",")
        if matrix not in YCBCR_WEIGHTS or span not in RANGES.values():
            raise ValueError(
                f"encoding must be one of {', '.join(YCBCR_WEIGHTS)}, a comma, and limited or "
                f"full, such as bt709,limited, got {text!r}"
            )
        return cls(matrix, span)


@dataclass
class Movie:
    """A movie that has been opened once, for what it says about itself."""

    path: Path
    width: int
    height: int
    bits: int
    encoding: Encoding  # from its tags, with what was stated in the place of missing ones
    transfer: int
    primaries: int
    rate: Fraction
    expected: int  # how many frames it should have, 0 if it does not say
    lost: int = 0  # how many were damaged when it was last read
    ended: int | None = None  # how many it then had, None if it was not read to its end

    def frames(self) -> Iterator[tuple[int, VideoFrame]]:
        """Number and frame of each that is whole, in order.

        After a damaged packet the frames that lean on it, up to the next key frame, count as lost.
        A frame's number follows from its time, so that a loss does not shift what comes after.
        """
        av = pyav()
        self.lost, self.ended = 0, None
        first, number, wait_for_key = None, -1, False
        with av.open(str(self.path)) as container:
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            stream.codec_context.options = {"err_detect": "explode"}
            for pts, frame in _decoded(av, container.demux(stream)):
                if frame is None:
                    wait_for_key = True
                    continue
                first = pts if first is None else first
                at = round((pts - first) * stream.time_base * self.rate)
                wait_for_key = (wait_for_key and not frame.key_frame) or frame.is_corrupt
                if not wait_for_key:
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
        luma, *chroma = (torch.from_numpy(codes.astype(np.float32)) for codes in planes(frame))
        codes = torch.stack([luma, *(_upsample(c, luma.shape) for c in chroma)])
        rgb = ycbcr_to_rgb(
            codes,
            matrix=self.encoding.matrix,
            bits=self.bits,
            full_range=self.encoding.range == "full",
        ).clamp(0, 1)
        return rgb if size == (self.width, self.height) else resize(rgb, size[::-1])


def pyav() -> Any:
    """PyAV; ModuleNotFoundError, which says how to get it, without it."""
    return import_extra("av", "reads movies", "movies")


def open_movie(path: Path, *, hdr: bool, stated: Encoding | None = None) -> Movie:
    """Look at a movie's head and first frame.

    hdr: whether it must be PQ with BT.2020; else it must not be. stated: what its encoding is,
    where it does not say.

    Raises ValueError for no movie, no whole frame, missing or unfit tags, an unusual pixel format;
    ModuleNotFoundError, which says how to get it, without PyAV.
    """
    av = pyav()
    if not path.is_file():
        raise ValueError(f"{path} does not exist, or is no file")
    try:
        with av.open(str(path)) as container:
            movie = _described(path, container, stated, av.time_base)
    except av.error.FFmpegError as problem:
        raise ValueError(f"{path} cannot be read as a movie: {problem.strerror}") from problem
    _check_transfer(movie, hdr, stated)
    return movie


def _described(path: Path, container: Any, stated: Encoding | None, time_base: int) -> Movie:
    if not container.streams.video:
        raise ValueError(f"{path} holds no pictures")
    stream = container.streams.video[0]
    frame = next(container.decode(stream), None)
    if frame is None:
        raise ValueError(f"{path} has no whole frame; it is cut short or damaged")
    if not re.fullmatch(r"yuvj?4(20|22|44)p(9|10|12|14|16)?(le)?", frame.format.name):
        raise ValueError(
            f"{path} has the pixel format {frame.format.name}; read are planar 4:2:0 to 4:4:4"
        )
    rate = stream.average_rate or stream.guessed_rate
    seconds = stream.duration * stream.time_base if stream.duration else None
    if seconds is None and container.duration:
        seconds = Fraction(container.duration, time_base)
    return Movie(
        path=path,
        width=frame.width,
        height=frame.height,
        bits=frame.format.components[0].bits,
        encoding=_encoding(path, int(frame.colorspace), int(frame.color_range), stated),
        transfer=int(frame.color_trc),
        primaries=int(frame.color_primaries),
        rate=rate,
        expected=stream.frames or (round(seconds * rate) if seconds else 0),
    )


def _decoded(av: Any, packets: Iterator[Any]) -> Iterator[tuple[int, VideoFrame | None]]:
    """Time and frame of each that has a time, and None for each packet that is damaged."""
    while True:
        try:
            packet = next(packets, None)
            if packet is None:
                return
            frames = packet.decode()
        except av.error.InvalidDataError:
            yield 0, None
        except av.error.EOFError:
            return
        else:
            yield from ((f.pts, f) for f in frames if f.pts is not None)


def _encoding(path: Path, matrix: int, span: int, stated: Encoding | None) -> Encoding:
    """What the tags say, the numbers of H.273, completed by what was stated."""
    if matrix not in (*MATRICES, *UNSPECIFIED):
        raise ValueError(f"{path} has the matrix number {matrix} of H.273, which is not read here")
    tags = {"matrix": MATRICES.get(matrix), "range": RANGES.get(span)}
    given = stated._asdict() if stated else {}
    for name, tag in tags.items():
        if tag and given.get(name, tag) != tag:
            raise ValueError(f"{path} is tagged with the {name} {tag}; stated is {given[name]}")
    whole = {name: tag or given.get(name) for name, tag in tags.items()}
    missing = [name for name, value in whole.items() if value is None]
    if missing:
        raise ValueError(
            f"{path} does not say its {' and '.join(missing)}; state its encoding if you know it, "
            "such as bt709,limited (a movie in HD) or bt2020,limited (HDR)"
        )
    return Encoding(**whole)  # type: ignore[arg-type]


def _check_transfer(movie: Movie, hdr: bool, stated: Encoding | None) -> None:
    if movie.transfer == HLG_TRANSFER:
        raise ValueError(f"{movie.path} is HLG, which is not read here; PQ is")
    is_pq = movie.transfer == PQ_TRANSFER
    if is_pq and not hdr:
        raise ValueError(f"{movie.path} is PQ, an HDR movie; the SDR movie comes second")
    if hdr and not is_pq and not (stated and movie.transfer in UNSPECIFIED):
        raise ValueError(f"{movie.path} is not tagged as PQ (ST 2084); the HDR movie comes first")
    if hdr and movie.primaries not in (BT2020_PRIMARIES, *UNSPECIFIED):
        raise ValueError(f"{movie.path} is PQ without BT.2020 primaries, which is not read here")


def planes(frame: VideoFrame) -> list[np.ndarray]:
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
