"""Photographs at one size, and what RawTherapee makes of them."""

import io
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt
from PIL import Image

from histmatch_lab.data.images import load_image, to_levels
from tools.packages import MissingError

PROFILE = Path(__file__).parent / "rawtherapee_expert.pp3"

Pixels = npt.NDArray[np.uint8]


def crop_and_scale(photograph: bytes, size: tuple[int, int], keep: str) -> Pixels:
    """A photograph in sRGB, cut to the shape of `size` (height, width) and scaled to it.

    keep: "centre" cuts both ends alike, "top" only the bottom.
    """
    whole = Image.fromarray(to_levels(load_image(photograph).movedim(0, -1).contiguous()))
    height, width = size
    scale = min(whole.width / width, whole.height / height)
    left = (whole.width - scale * width) / 2
    top = 0.0 if keep == "top" else (whole.height - scale * height) / 2
    box = (left, top, left + scale * width, top + scale * height)
    return np.asarray(whole.resize((width, height), Image.Resampling.LANCZOS, box=box))


def rawtherapee(pictures: Mapping[str, Pixels]) -> dict[str, Pixels]:
    """What RawTherapee makes of pictures in sRGB, by name, with rawtherapee_expert.pp3.

    Raises MissingError without rawtherapee-cli, RuntimeError if it fails.
    """
    if not pictures:
        return {}
    if not shutil.which("rawtherapee-cli"):
        raise MissingError("rawtherapee-cli is not there: apt-get install rawtherapee")
    with TemporaryDirectory() as folder:
        before, after = Path(folder, "before"), Path(folder, "after")
        for path in (before, after):
            path.mkdir()
        for name, picture in pictures.items():
            Image.fromarray(picture).save(before / f"{name}.png")
        run = subprocess.run(
            ["rawtherapee-cli", "-q", "-o", after, "-p", PROFILE, "-n", "-Y", "-a", "-c", before],
            env=os.environ | {"HOME": folder},  # nobody's settings
            capture_output=True,
            check=False,
        )
        missing = [name for name in pictures if not (after / f"{name}.png").exists()]
        if run.returncode or missing:
            told = run.stderr.decode(errors="replace")[-500:]
            raise RuntimeError(f"rawtherapee-cli failed on {', '.join(missing)}: {told}")
        return {name: pixels((after / f"{name}.png").read_bytes()) for name in pictures}


def jpeg(picture: Pixels) -> bytes:
    """A photograph as a camera would keep it: quality 95, no chroma subsampling."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=95, subsampling=0, optimize=True)
    return buffer.getvalue()


def pixels(file: bytes) -> Pixels:
    """A JPEG's or PNG's values, (H, W, 3), as they are."""
    return np.asarray(Image.open(io.BytesIO(file)).convert("RGB"))
