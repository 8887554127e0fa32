"""Views of HDR panoramas, and what the operators of pfstools make of them.

Light is linear, in nits, with the primaries of BT.709, (H, W, 3) float64.
"""

import io
import shutil
import subprocess
from collections.abc import Sequence
from tempfile import NamedTemporaryFile

import numpy as np
import numpy.typing as npt
from PIL import Image

from histmatch_lab.color import primaries_matrix
from tools.packages import MissingError

Floats = npt.NDArray[np.float64]

LUMINANCE = (0.2126, 0.7152, 0.0722)
MEAN_NITS = 8.0  # each scene's geometric mean
DARKEST, BRIGHTEST = 0.001, 4000.0  # nits
# pfstools has its light in CIE XYZ, white at D65
TO_XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)


def read_panorama(exr: bytes) -> Floats:
    """An equirectangular OpenEXR panorama, (H, 2H, 3), scaled to a geometric mean of 8 nits."""
    with NamedTemporaryFile(suffix=".exr") as file:  # pfsinexr reads no pipe
        file.write(exr)
        file.flush()
        xyz = decode_pfs(_pipe(["pfsinexr", file.name], b""))
    rgb = np.nan_to_num(xyz @ np.linalg.inv(TO_XYZ).T, posinf=65504).clip(0)
    light = rgb @ np.array(LUMINANCE)
    return rgb * (MEAN_NITS / np.exp(np.log(light[light > 0]).mean()))


def perspective(
    panorama: Floats, *, yaw: float, pitch: float, degrees: float, size: tuple[int, int]
) -> Floats:
    """What a camera sees of a panorama, clipped to 0.001 .. 4000 nits.

    Args:
        panorama: (H, 2H, 3), equirectangular.
        yaw: to the right, in radians, from the middle of the left edge.
        pitch: upwards, in radians.
        degrees: angle of view from left to right.
        size: height and width in pixels.
    """
    (height, width), (rows, columns) = size, panorama.shape[:2]
    focal = width / 2 / np.tan(np.radians(degrees / 2))
    x, y = np.meshgrid(np.arange(width) - width / 2 + 0.5, height / 2 - 0.5 - np.arange(height))
    ahead, up = focal * np.cos(pitch) - y * np.sin(pitch), focal * np.sin(pitch) + y * np.cos(pitch)
    u = ((np.arctan2(x, ahead) + yaw) / (2 * np.pi) % 1) * columns - 0.5
    v = (0.5 - np.arctan2(up, np.hypot(x, ahead)) / np.pi) * rows - 0.5
    left, top = np.floor(u).astype(int), np.floor(v).astype(int).clip(0, rows - 2)
    right, low = (u - left)[..., None], (v - top).clip(0, 1)[..., None]

    def row(number: npt.NDArray[np.int64]) -> Floats:
        first, second = (panorama[number, (left + k) % columns] for k in (0, 1))
        return first * (1 - right) + second * right

    return (row(top) * (1 - low) + row(top + 1) * low).clip(DARKEST, BRIGHTEST)


def to_bt2020(nits: Floats) -> Floats:
    """The same light with the primaries of BT.2020."""
    return nits @ primaries_matrix("bt709", "bt2020").double().numpy().T


def tone_map(nits: Floats, operator: Sequence[Sequence[str]]) -> npt.NDArray[np.uint8]:
    """What a chain of commands of pfstools makes of a view: sRGB, (H, W, 3).

    Raises MissingError without pfstools, RuntimeError if a command fails.
    """
    data = encode_pfs(nits @ TO_XYZ.T)
    for command in (*operator, ["pfsoutppm", "-"]):
        data = _pipe(command, data)
    return np.asarray(Image.open(io.BytesIO(data)))


def encode_pfs(xyz: Floats) -> bytes:
    """Absolute CIE XYZ as a stream of pfstools."""
    height, width = xyz.shape[:2]
    head = f"PFS1\n{width} {height}\n3\n1\nLUMINANCE=ABSOLUTE\nX\n0\nY\n0\nZ\n0\nENDH"
    return head.encode() + np.moveaxis(xyz, -1, 0).astype("<f4").tobytes()


def decode_pfs(stream: bytes) -> Floats:
    """CIE XYZ, (H, W, 3), from a stream of pfstools with the channels X, Y and Z."""
    file = io.BytesIO(stream)
    if file.readline() != b"PFS1\n":
        raise ValueError("stream must begin with PFS1")
    width, height = map(int, file.readline().split())
    channels, tags = (int(file.readline()) for _ in range(2))
    _skip(file, tags)
    names = []
    for _ in range(channels):
        names.append(file.readline().strip())
        _skip(file, int(file.readline()))
    file.read(len("ENDH"))
    planes = np.frombuffer(file.read(), "<f4").reshape(channels, height, width)
    return np.stack([planes[names.index(name)] for name in (b"X", b"Y", b"Z")], -1).astype(float)


def _skip(file: io.BytesIO, lines: int) -> None:
    for _ in range(lines):
        file.readline()


def _pipe(command: Sequence[str], data: bytes) -> bytes:
    if not shutil.which(command[0]):
        raise MissingError(f"{command[0]} is not there: apt-get install pfstools pfstmo")
    run = subprocess.run(command, input=data, capture_output=True, check=False)
    if run.returncode or not run.stdout:
        raise RuntimeError(f"{' '.join(command)} failed: {run.stderr.decode(errors='replace')}")
    return run.stdout
