"""Run notebooks in place, and stamp them with what they were run from (`make notebooks`)."""

from __future__ import annotations

import hashlib
import os
import sys
import time
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from histmatch_lab._files import write_whole
from histmatch_lab.publish.notebooks import NotebookError, Watch, execute

ROOT = Path(__file__).parents[1]
LIBRARY = ROOT / "histmatch_lab"
# They handle notebooks, and are never called by one.
_HANDLERS = {
    "batch.py",
    "claims.py",
    "cli.py",
    "colab.py",
    "ledger.py",
    "lessons.py",
    "notebooks.py",
    "parameters.py",
    *(file.relative_to(LIBRARY).as_posix() for file in LIBRARY.glob("pages/*.py")),
    *(f"sweep/{name}.py" for name in ("__init__", "plan", "run", "cluster", "view")),
}


def fingerprint(notebook: NotebookNode) -> str:
    """A hash of the notebook's code cells and of the library that they call."""
    digest = hashlib.sha256()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            digest.update(cell.source.encode() + b"\0")
    for file in sorted(LIBRARY.rglob("*.py")):
        if file.relative_to(LIBRARY).as_posix() not in _HANDLERS:
            digest.update(file.relative_to(LIBRARY).as_posix().encode() + b"\0")
            digest.update(file.read_text(encoding="utf-8").encode() + b"\0")
    return digest.hexdigest()[:16]


def refresh(path: Path) -> None:
    """Run a notebook in a fresh kernel, and store outputs and stamp; untouched if it fails."""
    notebook = execute(path, None, {}, Watch(threads=os.cpu_count() or 1))
    notebook.metadata = NotebookNode(
        kernelspec={"display_name": "Python 3", "language": "python", "name": "python3"},
        language_info={"name": "python"},
        histmatch_lab={"executed_from": fingerprint(notebook)},
    )
    write_whole(path, f"{nbformat.writes(notebook)}\n".encode())


def main(paths: list[str]) -> int:
    failures = 0
    for path in map(Path, paths):
        start = time.monotonic()
        try:
            refresh(path)
            print(f"{path}: run in {time.monotonic() - start:.0f} s", flush=True)
        except NotebookError as problem:
            failures += 1
            print(f"{path}: cell [{problem.number}] failed\n{problem.cell}\n{problem}", flush=True)
    return min(failures, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
