"""Which exercises are right in the notebooks that learners have handed in, and what the others say.

Learners' code runs in a kernel of its own for each notebook, in an empty folder, for a limited
time. This keeps mistakes apart, not malice: a kernel may do what its user may. Only the cells that
define what an exercise needs are run, so that no figure is drawn and nothing trained for it.
"""

from __future__ import annotations

import ast
import asyncio
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from nbclient.exceptions import DeadKernelError
from nbformat import NotebookNode, v4

from histmatch_lab.course.checks import all_checks
from histmatch_lab.publish.execution import THREAD_LIMITS, Client, read
from histmatch_lab.publish.parameters import syntax_of

CELL_SECONDS = 30.0  # for one cell, of the seconds for a notebook
LARGEST = 50 * 2**20  # bytes of a notebook
_CALL = re.compile(r"^(check_\w+)\((.+)\)\s*$", re.MULTILINE)
# Runs in the kernel first, so that no learner's cell has to wait for it
_LOAD = "from histmatch_lab.course.checks import all_checks\nall_checks()"
# Runs behind an exercise's cell: the same check as in the cell, whose answer is the cell's value
_ASK = """\
from histmatch_lab.course.checks import all_checks
said = all_checks()[{check!r}]({answer})
said.right, said.text"""
STATES = {True: "right", False: "wrong", None: "not answered"}


class Answer(NamedTuple):
    """What became of one exercise in one notebook: a line of the table.

    Attributes:
        notebook: its path in the folder.
        exercise: the name of its check without check_; empty if the notebook cannot be read.
        state: "right", "wrong", "not answered", "error" or "out of time".
        says: the check's words, or the error.
    """

    notebook: str
    exercise: str
    state: str
    says: str


def collect(folder: Path, *, seconds: float = 120.0, jobs: int = 2) -> Iterator[list[Answer]]:
    """The answers of each notebook below a folder, in the order of their paths.

    seconds: for all of a notebook's cells, after which what is left is out of time.
    jobs: how many notebooks run at a time.

    A notebook that cannot be read is a line that says why; it never stops the others.
    """
    answers = partial(_answers, folder=folder, seconds=seconds)
    with ThreadPoolExecutor(jobs) as pool:
        yield from pool.map(answers, notebooks_below(folder))


def notebooks_below(folder: Path) -> list[Path]:
    """Those that learners hand in."""
    return [path for path in files_below(folder) if path.suffix == ".ipynb"]


def files_below(folder: Path) -> list[Path]:
    """All but hidden files and folders, such as checkpoints; a link to a folder is one of them."""
    found = (path.relative_to(folder) for path in folder.rglob("*"))
    seen = sorted(folder / p for p in found if not any(part[0] == "." for part in p.parts))
    return [path for path in seen if path.is_symlink() or not path.is_dir()]


def _answers(path: Path, folder: Path, seconds: float) -> list[Answer]:
    name = path.relative_to(folder).as_posix()
    try:
        if not path.resolve().is_relative_to(folder.resolve()):  # to the solution, perhaps
            raise ValueError(f"a link out of the folder, to {path.resolve()}")
        if path.stat().st_size > LARGEST:
            raise ValueError("larger than 50 MiB")
        cells = [cell for cell in read(path).cells if cell.cell_type == "code"]
        asked = {call: cell for cell in cells for call in _calls(cell.source)}
        if not asked:
            return [Answer(name, "", "error", "no exercise of the course is in it")]
        found = asyncio.run(_run(_needed(cells, list(asked.values())), asked, seconds))
    except Exception as problem:  # whatever a broken notebook makes nbformat or nbclient raise
        return [Answer(name, "", "error", f"{type(problem).__name__}: {problem}")]
    return [Answer(name, check.removeprefix("check_"), *said) for check, said in found.items()]


def _calls(source: str) -> list[tuple[str, str]]:
    """The checks that a cell calls, each with its argument, as Python code."""
    return [call for call in _CALL.findall(source) if call[0] in all_checks()]


def _needed(cells: Sequence[NotebookNode], asked: Sequence[NotebookNode]) -> list[NotebookNode]:
    """The cells of the exercises, and those before them that define a name that they need."""
    needed: set[str] = set()
    kept = []
    for cell in reversed(cells):
        defined, used = _names(cell.source)
        if any(cell is one for one in asked) or defined & needed or "*" in defined:
            kept.append(cell)
            needed |= used
    return kept[::-1]


def _names(source: str) -> tuple[set[str], set[str]]:
    """What a cell defines or changes, and what it uses."""
    defined, used = set(), set()
    for node in ast.walk(syntax_of(source)):
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                defined.add(name)
            case ast.alias(name=name, asname=other):
                defined.add(other or name.partition(".")[0])
            case ast.Assign(targets=targets):
                within = [inner for target in targets for inner in ast.walk(target)]
                defined |= {inner.id for inner in within if isinstance(inner, ast.Name)}
            case ast.Name(id=name, ctx=ast.Load()):
                used.add(name)
            case ast.Name(id=name):
                defined.add(name)
    return defined, used


class _Client(Client):
    """Keeps only errors and values of cells: what learners print may have no end."""

    def output(self, outs: Any, msg: dict[str, Any], *others: Any) -> NotebookNode | None:
        kept = msg["msg_type"] in ("error", "execute_result")
        return super().output(outs, msg, *others) if kept else None


async def _run(
    cells: Sequence[NotebookNode], asked: dict[tuple[str, str], NotebookNode], seconds: float
) -> dict[str, tuple[str, str]]:
    """State and words of each exercise, by the name of its check."""
    found = {check: ("out of time", f"after {seconds:g} seconds") for check, _ in asked}
    steps: list[tuple[NotebookNode, str]] = [(v4.new_code_cell(_LOAD), "")]
    for cell in cells:
        steps.append((v4.new_code_cell(cell.source), ""))
        for check, answer in _calls(cell.source):
            steps.append((v4.new_code_cell(_ASK.format(check=check, answer=answer)), check))
    notebook = v4.new_notebook(cells=[cell for cell, _ in steps])
    limits: dict[str, Any] = {
        "timeout_func": lambda cell: seconds if cell.source == _LOAD else CELL_SECONDS,
        "interrupt_on_timeout": True,
        "allow_errors": True,
    }
    with tempfile.TemporaryDirectory() as work, tempfile.TemporaryDirectory() as sockets:
        client = _Client(notebook, Path(work), Path(sockets), **limits)
        client.shutdown_kernel = "immediate"
        env = {**os.environ, **dict.fromkeys(THREAD_LIMITS, "1")}
        async with client.async_setup_kernel(env=env, stderr=subprocess.DEVNULL):
            try:
                async with asyncio.timeout(seconds) as limit:
                    for index, (cell, check) in enumerate(steps):
                        await client.async_execute_cell(cell, index)
                        if check:
                            found[check] = _said(cell, steps[index - 1][0])
            except DeadKernelError:  # also what nbclient makes of a cancellation
                if not limit.expired():
                    raise
    return found


def _said(asking: NotebookNode, answering: NotebookNode) -> tuple[str, str]:
    """What the check said, or else the error of the cell that should answer, or of the question."""
    for output in asking.outputs:
        if output.output_type == "execute_result":
            right, text = ast.literal_eval(output.data["text/plain"])
            return STATES[right], text
    for output in (*answering.outputs, *asking.outputs):
        if output.output_type == "error":
            return "error", f"{output.ename}: {output.evalue}"
    return "out of time", f"after {CELL_SECONDS:g} seconds"
