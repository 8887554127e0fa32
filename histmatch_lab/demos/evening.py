"""A procedural scene in nits and its grade for SDR: the movies in data_samples/ are made of it."""

import math

import torch
from torch import Tensor

from histmatch_lab.color import convert_primaries, linear_to_srgb, nits_to_pq

WIDTH, HEIGHT, RATE = 320, 180, 24
PATCHES = ((1, 0, 0), (0, 1, 0), (0, 0, 1), (0, 1, 1), (1, 0, 1), (1, 1, 0))  # of BT.709


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


def hdr(nits: Tensor) -> Tensor:
    """Light in nits, linear BT.709, as PQ values in BT.2020."""
    return nits_to_pq(convert_primaries(nits, "bt709", "bt2020").clamp(min=0))


def sdr(nits: Tensor) -> Tensor:
    """A grade for SDR: 100 nits of diffuse white, Reinhard's shoulder above, as sRGB values."""
    relative = nits / 100
    return linear_to_srgb(relative * (1 + relative / 16) / (1 + relative)).clamp(0, 1)


def _soft_box(distance: Tensor) -> Tensor:
    """1 inside, 0 outside, with an edge that halved chroma can follow."""
    return torch.sigmoid((1 - distance.abs()) / 0.08)
