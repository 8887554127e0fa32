"""The scene of `histmatch_lab.demos.evening` as real movies, HDR and SDR, for data_samples/.

python -m tools.make_movies data_samples/movies
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from histmatch_lab.color import rgb_to_ycbcr
from histmatch_lab.data.own.movie_file import pyav
from histmatch_lab.demos.evening import RATE, hdr, light, sdr


class Codec(NamedTuple):
    """How a movie is stored; the numbers are H.273's, 2 for not saying."""

    name: str
    format: str
    matrix: str
    bits: int
    tags: dict[str, int]
    options: dict[str, str]


HDR = Codec(
    "libx265",
    "yuv420p10le",
    "bt2020",
    10,
    {"color_primaries": 9, "color_trc": 16, "colorspace": 9, "color_range": 1},
    {"crf": "8", "x265-params": "log-level=error"},
)
SDR = Codec(
    "libx264",
    "yuv420p",
    "bt709",
    8,
    {"color_primaries": 1, "color_trc": 1, "colorspace": 1, "color_range": 1},
    {"crf": "8"},
)


def encode(
    path: Path, codec: Codec, frame: Callable[[int], Tensor], count: int, **tags: int
) -> None:
    """Write a movie of `count` frames; frame(i) gives R'G'B' in [0, 1], (3, H, W).

    tags: in the place of the codec's, as a wrong movie would have them.
    """
    av = pyav()
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec.name, rate=RATE, options=dict(codec.options))
        stream.height, stream.width = frame(0).shape[1:]
        stream.pix_fmt = codec.format
        for name, value in (codec.tags | tags).items():
            setattr(stream.codec_context, name, value)
        for number in range(count):
            stored = _store(av, frame(number), codec)
            for name, value in (codec.tags | tags).items():
                setattr(stored, name, value)
            stored.pts = number
            container.mux(stream.encode(stored))
        container.mux(stream.encode(None))


def _store(av: Any, rgb: Tensor, codec: Codec) -> Any:
    codes = rgb_to_ycbcr(rgb, matrix=codec.matrix, bits=codec.bits, full_range=False)
    luma, blue, red = codes
    height, width = luma.shape
    stored = av.VideoFrame(width, height, codec.format)
    kind = np.uint8 if codec.bits == 8 else np.uint16
    for plane, values in zip(stored.planes, (luma, _halve(blue), _halve(red)), strict=True):
        rows = np.zeros((plane.height, plane.line_size // np.dtype(kind).itemsize), kind)
        rows[:, : plane.width] = values.round().numpy()
        plane.update(rows.tobytes())
    return stored


def _halve(chroma: Tensor) -> Tensor:
    """4:2:0, each sample on an even column and between two rows (H.273: left)."""
    rows = (chroma[::2] + chroma[1::2]) / 2
    left = torch.cat([rows[:, :1], rows[:, 1:-1:2]], 1)
    return (left + 2 * rows[:, ::2] + rows[:, 1::2]) / 4


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    encode(folder / "evening_hdr.mkv", HDR, lambda i: hdr(light(i)), 96)
    encode(folder / "evening_sdr.mp4", SDR, lambda i: sdr(light(i + 7)), 96)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(Path(sys.argv[1]))
