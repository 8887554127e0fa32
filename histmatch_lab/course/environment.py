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

_ROOT = Path(__file__).resolve().parents[2]
_WHY = {
    "torch": "computes the histogram, the losses and their gradients",
    "numpy": "hands numbers from torch to the figures",
    "ipywidgets": "makes the sliders",
    "matplotlib": "draws the figures",
    "plotly": "draws the maps that read out under the pointer",
    "jupyterlab": "is where the notebooks are read",
}
_COLAB_OWN = ("torch", "numpy", "ipywidgets", "plotly", "matplotlib")
_LEFT = 'style="text-align:left"'


@dataclass(frozen=True)
class Item:
    """One thing that the course needs.

    Attributes:
        name: what it is.
        found: its version or state on this machine.
        fine: whether it is good enough.
        why: what the course does with it.
        fix: the command or action that puts it right; empty where nothing is to be done.
    """

    name: str
    found: str
    fine: bool
    why: str
    fix: str = ""


@dataclass(frozen=True)
class Report:
    """All items; a notebook shows it as a table, a terminal as lines."""

    items: tuple[Item, ...]

    @property
    def fine(self) -> bool:
        """Whether everything is good enough."""
        return all(item.fine for item in self.items)

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
        names = ("what", "found", "fine", "why it matters", "what to do")
        head = "".join(f'<th scope="col" {_LEFT}>{name}</th>' for name in names)
        rows = "".join(_item_row(item) for item in self.items)
        return (
            f"<p><b>{html.escape(self.summary)}</b></p>"
            f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        )


def check_environment() -> Report:
    """Look at Python, the libraries, the device, the data and the folder; never raises."""
    libraries = [name for name in _WHY if not (name == "jupyterlab" and on_colab())]
    looks: list[tuple[str, Callable[[], Item]]] = [
        ("Python", _python),
        *((name, partial(_library, name)) for name in libraries),
        ("device", _device),
        ("threads", _threads),
        ("data_samples", _data_samples),
        ("write access", _write_access),
    ]
    return Report(tuple(_look(name, look) for name, look in looks))


def _look(name: str, look: Callable[[], Item]) -> Item:
    try:
        return look()
    except Exception as problem:
        found = f"unknown ({type(problem).__name__}: {problem})"
        return Item(name, found, False, "the course needs it", "put right what is missing above it")


def _python() -> Item:
    found = f"{platform.python_version()} in {Path(sys.prefix).name}"
    fine = sys.version_info >= (3, 11)
    fix = "" if fine else "install Python 3.11 or newer, then run make lab"
    return Item("Python", found, fine, "runs everything", fix)


def _library(name: str) -> Item:
    least, why = _bounds().get(name, "0"), _WHY[name]
    command = f'"{sys.executable}" -m pip install "{name}>={least}"'
    if on_colab() and name in _COLAB_OWN:
        # Colab's own set fits together; an upgrade there breaks its widgets.
        command = "choose Runtime, then Disconnect and delete runtime, to get Colab's own back"
    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return Item(name, "missing", False, why, command)
    if _numbers(version) < _numbers(least):
        return Item(name, f"{version}, older than {least}", False, why, command)
    return Item(name, version, True, why)


def _device() -> Item:
    import torch

    why = "training in notebook 05 is quicker on a GPU; 00-04 need none"
    if torch.cuda.is_available():
        return Item("device", f"CUDA: {torch.cuda.get_device_name()}", True, why)
    if torch.backends.mps.is_available():
        return Item("device", f"MPS: {platform.processor() or 'Apple GPU'}", True, why)
    found = f"CPU: {platform.processor() or platform.machine()}"
    return Item("device", found, True, why, _gpu_hint())


def _gpu_hint() -> str:
    if on_colab():
        return "for a GPU: Runtime, then Change runtime type"
    if shutil.which("nvidia-smi"):
        return (
            "an NVIDIA GPU seems to be here, but this torch does not see it: "
            "choose a CUDA build on https://pytorch.org/get-started/locally"
        )
    return ""


def _threads() -> Item:
    import torch

    found = f"torch uses {torch.get_num_threads()} of {os.cpu_count()} cores"
    return Item("threads", found, True, "more cores, quicker training; two are enough for 00-04")


def _data_samples() -> Item:
    why = "the photographs of the course"
    try:
        from histmatch_lab.data.samples import photo_names

        return Item("data_samples", f"{len(photo_names())} photographs", True, why)
    except (FileNotFoundError, ImportError) as problem:
        fix = "run git checkout -- data_samples in the clone, and the notebook from inside it"
        return Item("data_samples", str(problem), False, why, fix)


def _write_access() -> Item:
    why, folder = "saving a notebook, and what it makes", Path.cwd()
    try:
        with tempfile.TemporaryFile(dir=folder):
            return Item("write access", f"in {folder.name}", True, why)
    except OSError as problem:
        fix = "copy the course to a folder of your own: cp -r . ~/histmatch-lab"
        return Item("write access", f"{folder}: {problem.strerror}", False, why, fix)


def on_colab() -> bool:
    """Whether this runs on Google Colab."""
    return "COLAB_RELEASE_TAG" in os.environ or "google.colab" in sys.modules


def _bounds() -> dict[str, str]:
    """The oldest version of each library that the course was tried with."""
    # by its path, since as a script this file can import nothing of the package
    colab = runpy.run_path(str(Path(__file__).with_name("colab.py")))
    lines = colab["requirements"](_ROOT, "lab")
    matches = (re.match(r"([\w.-]+)>=([\d.]+)", line) for line in lines)
    return {match[1]: match[2] for match in matches if match}


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version.split("+")[0])[:3])


def _item_row(item: Item) -> str:
    sign = "✓" if item.fine else "<b>✗ put right</b>"
    name, found, why, fix = map(html.escape, (item.name, item.found, item.why, item.fix))
    cells = (name, found, sign, why, f"<code>{fix}</code>" if fix else "")
    return f"<tr>{''.join(f'<td {_LEFT}>{cell}</td>' for cell in cells)}</tr>"


if __name__ == "__main__":
    print(check_environment())
