"""What the course needs of a machine, what is there, and how to get what is missing.

Nothing but Python is imported at the top, so that `python histmatch_lab/course/environment.py` also
answers where torch, or this package itself, is not installed.
"""

from __future__ import annotations

import html
import importlib.metadata
import os
import platform
import re
import runpy
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

_ROOT = Path(__file__).resolve().parents[2]
_LIBRARIES = {
    "torch": "computes the histogram, the losses and their gradients",
    "numpy": "hands numbers from torch to the figures",
    "ipywidgets": "makes the sliders",
    "anywidget": "shows the live pictures",
    "matplotlib": "draws the figures",
    "plotly": "draws the maps that read out under the pointer",
    "jupyterlab": "is where the notebooks are read",
}
State = tuple[str, str]  # what was found, and how to put it right; empty where it is good enough


class Item(NamedTuple):
    """One thing that the course needs: what for, its state here, and how to put that right."""

    name: str
    why: str
    found: str
    fix: str

    @property
    def fine(self) -> bool:
        return not self.fix


@dataclass(frozen=True, repr=False)
class Report:
    """All items; a notebook shows a line that unfolds to a table, a terminal lines."""

    items: tuple[Item, ...]

    @property
    def summary(self) -> str:
        bad = ", ".join(item.name for item in self.items if not item.fine)
        return f"To be put right: {bad}." if bad else "Everything is there: you can begin."

    def __repr__(self) -> str:
        lines = [self.summary]
        for item in self.items:
            lines.append(f"{'ok  ' if item.fine else 'FIX '} {item.name}: {item.found}")
            if item.fix:
                lines.append(f"       {item.why}; {item.fix}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        lines = [_line("th", "what", "found", "fine", "why it matters", "what to do")]
        for name, why, found, fix in self.items:
            lines.append(_line("td", name, found, "✗ put right" if fix else "✓", why, fix))
        state = "" if all(item.fine for item in self.items) else " open"
        line = f"<summary><b>{html.escape(self.summary)}</b></summary>"
        return f"<details{state}>{line}<table>{''.join(lines)}</table></details>"


def _line(tag: str, *texts: str) -> str:
    cells = (f'<{tag} style="text-align:left">{html.escape(text)}</{tag}>' for text in texts)
    return f"<tr>{''.join(cells)}</tr>"


def check_environment() -> Report:
    """Look at Python, the libraries, the device, the data and the folder; never raises."""
    libraries = [name for name in _LIBRARIES if not (name == "jupyterlab" and on_colab())]
    looks: dict[str, tuple[str, Callable[[], State]]] = {
        "Python": ("runs everything", _python),
        **{name: (_LIBRARIES[name], partial(_library, name)) for name in libraries},
        "device": ("training in notebook 05 is quicker on a GPU; 00-04 need none", _device),
        "threads": ("more cores, quicker training; two are enough for 00-04", _threads),
        "data_samples": ("the photographs of the course", _data_samples),
        "write access": ("saving a notebook, and what it makes", _write_access),
    }
    return Report(tuple(_item(name, *look) for name, look in looks.items()))


def _item(name: str, why: str, look: Callable[[], State]) -> Item:
    try:
        return Item(name, why, *look())
    except Exception as problem:
        found = f"unknown ({type(problem).__name__}: {problem})"
        return Item(name, why, found, "put right what is missing above it")


def _python() -> State:
    found = f"{platform.python_version()} in {Path(sys.prefix).name}"
    fine = sys.version_info >= (3, 11)
    return found, "" if fine else "install Python 3.11 or newer, then run make lab"


def _library(name: str) -> State:
    least = _bounds().get(name, "0")
    fix = f'"{sys.executable}" -m pip install "{name}>={least}"'
    if on_colab():
        # Colab's own set fits together; an upgrade there breaks its widgets.
        fix = "choose Runtime, then Disconnect and delete runtime, to get Colab's own back"
    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "missing", fix
    if _numbers(version) < _numbers(least):
        return f"{version}, older than {least}", fix
    return version, ""


def _device() -> State:
    import torch

    if torch.cuda.is_available():
        return f"CUDA: {torch.cuda.get_device_name()}", ""
    if torch.backends.mps.is_available():
        return f"MPS: {platform.processor() or 'Apple GPU'}", ""
    hint = ""
    if on_colab():
        hint = "; for a GPU: Runtime, then Change runtime type"
    elif shutil.which("nvidia-smi"):
        hint = "; to use the NVIDIA GPU, choose a CUDA build on https://pytorch.org/get-started/locally"
    return f"CPU: {platform.processor() or platform.machine()}{hint}", ""


def _threads() -> State:
    import torch

    return f"torch uses {torch.get_num_threads()} of {os.cpu_count()} cores", ""


def _data_samples() -> State:
    try:
        from histmatch_lab.data.samples import photo_names

        return f"{len(photo_names())} photographs", ""
    except (FileNotFoundError, ImportError) as problem:
        fix = "run git checkout -- data_samples in the clone, and the notebook from inside it"
        return str(problem), fix


def _write_access() -> State:
    folder = Path.cwd()
    try:
        with tempfile.TemporaryFile(dir=folder):
            return f"in {folder.name}", ""
    except OSError as problem:
        fix = "copy the course to a folder of your own: cp -r . ~/histmatch-lab"
        return f"{folder}: {problem.strerror}", fix


def on_colab() -> bool:
    """Whether this runs on Google Colab."""
    return "COLAB_RELEASE_TAG" in os.environ or "google.colab" in sys.modules


def _bounds() -> dict[str, str]:
    """The oldest version of each library that the course was tried with."""
    # by its path, since as a script this file can import nothing of the package
    colab = runpy.run_path(str(Path(__file__).with_name("colab.py")))
    lines = "\n".join(colab["requirements"](_ROOT, "lab"))
    return dict(re.findall(r"(?m)^([\w.-]+)>=([\d.]+)", lines))


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version.split("+")[0])[:3])


if __name__ == "__main__":
    print(check_environment())
