"""The photographs of data_samples/, by name, wherever the course is run from."""

import difflib
import functools
import os
import re
from pathlib import Path
from typing import NamedTuple

import torch

from histmatch_lab.data.images import ImageError, load_image

ENVIRONMENT_VARIABLE = "HISTMATCH_LAB_DATA"


class Sample(NamedTuple):
    """One row of the tables in data_samples/README.md."""

    file: str
    shows: str
    author: str
    licence: str


def data_samples_dir() -> Path:
    """The folder data_samples/ of a clone of this project.

    In this order: the environment variable HISTMATCH_LAB_DATA, which names the folder itself; the
    clone that an editable install points to; the current folder and those above it, each with a
    clone named histmatch-lab in it (where Colab's `git clone` puts it).
    Raises FileNotFoundError, which says where it looked.
    """
    stated = os.environ.get(ENVIRONMENT_VARIABLE)
    if stated:
        folder = Path(stated).expanduser()
        if _is_samples(folder):
            return folder
        raise FileNotFoundError(
            f"{ENVIRONMENT_VARIABLE} must be the folder data_samples of a clone, with README.md "
            f"and photos/ in it, or not set, got {stated!r}"
        )
    here = Path.cwd()
    clones = [Path(__file__).resolve().parents[2]]
    for folder in (here, *here.parents):
        clones += [folder, folder / "histmatch-lab"]
    for clone in clones:
        if _is_samples(clone / "data_samples"):
            return clone / "data_samples"
    raise FileNotFoundError(
        f"data_samples/ is neither beside the package nor in {here} or a folder above it; "
        f"clone the project and run from inside the clone, or set {ENVIRONMENT_VARIABLE}"
    )


def photo_names() -> tuple[str, ...]:
    """The photographs that the course offers, the best one to begin with first."""
    return tuple(_samples(data_samples_dir()))


def photo(name: str, *, max_side: int | None = None) -> torch.Tensor:
    """A sample photograph as (3, H, W) float32 in [0, 1], sRGB; max_side as in `load_image`.

    Raises ValueError, which lists the names, for one that it does not know.
    """
    return _load(data_samples_dir() / _sample(name).file, max_side=max_side).clone()


def credit(name: str) -> str:
    """What to print beside a sample: "A dahlia (vultilion, CC BY 2.0)"."""
    sample = _sample(name)
    return f"{sample.shows} ({sample.author}, {sample.licence})"


def open_photo(
    name_or_path: str | os.PathLike[str], *, max_side: int | None = None
) -> torch.Tensor:
    """A sample by its name, or your own picture by its path, as `photo` and `load_image` give it.

    A sample's name means the sample, even where a file of that name exists; write ./coffee for
    the file. Raises ImageError, which lists the names, for what is neither.
    """
    if not isinstance(name_or_path, str | os.PathLike):
        raise TypeError(
            f"name_or_path must be a sample's name or a path, got {type(name_or_path).__name__}"
        )
    try:
        names = photo_names()
        known = f"Samples: {', '.join(names)}."
    except FileNotFoundError as problem:  # one's own picture needs no samples
        names, known = (), f"No samples: {problem}."
    if isinstance(name_or_path, str) and name_or_path in names:
        return photo(name_or_path, max_side=max_side)
    try:
        return load_image(name_or_path, max_side=max_side)
    except ImageError as error:
        near = difflib.get_close_matches(str(name_or_path), names, n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise ImageError(f"{error}{hint} {known}") from error


# a slider asks for the same picture at each of its moves
_load = functools.lru_cache(maxsize=8)(load_image)


def _sample(name: str) -> Sample:
    samples = _samples(data_samples_dir())
    if name not in samples:
        raise ValueError(f"name must be one of {', '.join(samples)}, got {name!r}")
    return samples[name]


@functools.cache
def _samples(folder: Path) -> dict[str, Sample]:
    readme = (folder / "README.md").read_text(encoding="utf-8")
    plain = re.sub(r"\[(.+?)\]\(.+?\)", r"\1", readme)  # without links
    rows = re.findall(r"^\| (photos/.+) \|$", plain, flags=re.MULTILINE)
    samples = (Sample(*row.split(" | ")[:4]) for row in rows)
    return {Path(sample.file).stem: sample for sample in samples}


def _is_samples(folder: Path) -> bool:
    return (folder / "README.md").is_file() and (folder / "photos").is_dir()
