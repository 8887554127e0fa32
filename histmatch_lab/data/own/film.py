"""A procedural scene in nits, graded for SDR, and both as real films: what the course's film
notebook runs on, and what tests know each pixel of.

    python -m histmatch_lab.data.own.film data_samples/movies
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from histmatch_lab.color import convert_primaries, linear_to_srgb, nits_to_pq, rgb_to_ycbcr
from histmatch_lab.data.own.movies import pyav

WIDTH, HEIGHT, RATE = 320, 180, 24
PATCHES = ((1, 0, 0), (0, 1, 0), (0, 0, 1), (0, 1, 1), (1, 0, 1), (1, 1, 0))  # of BT.709


class Codec(NamedTuple):
    """How a film is stored; the numbers are H.273's, 2 for not saying."""

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


def light(number: int, width: int = WIDTH, height: int = HEIGHT) -> Tensor:
    """Frame `number` of the scene in nits, linear BT.709, (3, height, width).

    A dim blue evening, 0.1 to 20 nits; a sun of 1,500 nits and a lamp of 400 on their ways across
    it; and at the bottom six saturated patches, in which a wrong matrix shows.
    """
    across = torch.linspace(0, width / height, width)
    down = torch.linspace(0, 1, height)[:, None]
    time = number / RATE
    sky = 0.1 + 20 * torch.exp(-4 * (0.75 - down).abs()) * (1 + 0.3 * torch.sin(5 * across + time))
    scene = torch.tensor([0.8, 0.9, 1.3])[:, None, None] * sky
    for speed, phase, row, nits, colour, radius in (
        (0.6, 0.0, 0.35, 1500.0, (1.0, 0.8, 0.5), 0.09),
        (-1.1, 2.0, 0.6, 400.0, (0.6, 0.8, 1.0), 0.06),
    ):
        x = width / height * (0.5 + 0.42 * math.sin(speed * time + phase))
        y = row + 0.12 * math.cos(2.3 * speed * time)
        glow = torch.exp(-((across - x) ** 2 + (down - y) ** 2) / radius**2)
        scene = scene + nits * torch.tensor(colour)[:, None, None] * glow
    for place, patch in enumerate(PATCHES):
        middle = width / height * (place + 1.5) / 8
        inside = _soft_box((across - middle) / 0.09) * _soft_box((down - 0.87) / 0.07)
        scene = scene + inside * (80.0 * torch.tensor(patch)[:, None, None] - scene)
    return scene


def _soft_box(distance: Tensor) -> Tensor:
    """1 inside, 0 outside, with an edge that halved chroma can follow."""
    return torch.sigmoid((1 - distance.abs()) / 0.08)


def hdr(nits: Tensor) -> Tensor:
    """Light in nits, linear BT.709, as PQ values in BT.2020."""
    return nits_to_pq(convert_primaries(nits, "bt709", "bt2020").clamp(min=0))


def sdr(nits: Tensor) -> Tensor:
    """A grade for SDR: 100 nits of diffuse white, Reinhard's shoulder above, as sRGB values."""
    relative = nits / 100
    return linear_to_srgb(relative * (1 + relative / 16) / (1 + relative)).clamp(0, 1)


def encode(
    path: Path, codec: Codec, frame: Callable[[int], Tensor], count: int, **tags: int
) -> None:
    """Write a film of `count` frames; frame(i) gives R'G'B' in [0, 1], (3, H, W).

    tags: in the place of the codec's, as a wrong film would have them.
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
