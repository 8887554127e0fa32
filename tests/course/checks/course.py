"""The exercises of the notebooks, solved as their own solutions say, without running the rest."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from histmatch_lab.course.checks import Check, Feedback
from histmatch_lab.course.lessons import Exercise, exercises, solved

NOTEBOOKS = sorted((Path(__file__).parents[3] / "notebooks").glob("*.ipynb"))


@cache
def read(path: Path) -> NotebookNode:
    return nbformat.read(path, as_version=4)


def every_exercise() -> list[tuple[Path, Exercise]]:
    return [(path, exercise) for path in NOTEBOOKS for exercise in exercises(read(path))]


def feedback_of(path: Path, cell: str, notebook: NotebookNode) -> Feedback:
    """Run one exercise cell of a notebook, and return what its last line shows."""
    [source] = [c.source for c in notebook.cells if c.id == cell]
    *lines, last = ast.parse(source).body
    names = dict(_given(path))
    _run(lines, names)
    assert isinstance(last, ast.Expr)
    return eval(compile(ast.Expression(last.value), cell, "eval"), names)


def solution_of(path: Path, exercise: Exercise) -> tuple[Any, Check]:
    """The solution's value or function, and the check that the notebook imports for it."""
    names = dict(_given(path))
    exec(exercise.solution, names)
    return names[exercise.answer], names[exercise.check]


@cache
def _given(path: Path) -> dict[str, Any]:
    """What a solution may use: the notebook's imports, and the functions that it defines."""
    names: dict[str, Any] = {}
    for cell in solved(read(path)).cells:
        if cell.cell_type == "code" and "exercise" not in cell.metadata.get("tags", []):
            flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
            body = compile(cell.source, cell.id, "exec", flags).body
            kinds = (ast.Import, ast.ImportFrom, ast.FunctionDef)
            _run([node for node in body if isinstance(node, kinds)], names)
    return names


def _run(statements: list[ast.stmt], names: dict[str, Any]) -> None:
    exec(compile(ast.Module(statements, []), "exercise", "exec"), names)
