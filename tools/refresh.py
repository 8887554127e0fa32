"""Run notebooks in place, and stamp them with what they were run from (`make notebooks`)."""

from __future__ import annotations

import hashlib
import os
import sys
import time
from pathlib import Path

import nbformat
from IPython.core.inputtransformer2 import TransformerManager
from nbformat import NotebookNode

from histmatch_lab._files import write_whole
from histmatch_lab.publish.execution import NotebookError, execute
from histmatch_lab.training.source_code import imported_modules, modules_seen_by, source_digest

ROOT = Path(__file__).parents[1]
LIBRARY = ROOT / "histmatch_lab"


def fingerprint(notebook: NotebookNode) -> str:
    """A hash of the notebook's code cells and of the library's files that they can see."""
    code = "\0".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    python = TransformerManager().transform_cell(code.replace("\0", "\n"))
    files = modules_seen_by(imported_modules(python), LIBRARY)
    seen = f"{code}\0{source_digest(files, LIBRARY)}"
    return hashlib.sha256(seen.encode()).hexdigest()[:16]


def refresh(path: Path) -> None:
    """Run a notebook in a fresh kernel, and store outputs and stamp; untouched if it fails."""
    notebook, _ = execute(path, threads=os.cpu_count() or 1)
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
