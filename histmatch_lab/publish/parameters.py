"""The parameters of a notebook: what it has, and whether a value may be passed.

papermill would only warn of a name that the notebook does not have, and say nothing of one that no
cell reads or that another cell sets again.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

from IPython.core.inputtransformer2 import TransformerManager
from nbformat import NotebookNode


class ParameterError(ValueError):
    """A parameter that cannot be passed, or that the notebook does nothing with."""


def defaults(notebook: NotebookNode) -> dict[str, Any]:
    """The parameters that the cell tagged `parameters` sets, in order, with their values."""
    found: dict[str, Any] = {}
    for node in (node for cell in _parameter_cells(notebook) for node in _tree(cell).body):
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                if isinstance(target, ast.Name):
                    found[target.id] = _literal(node.value)
    return found


def parse_parameters(notebook: NotebookNode, given: Mapping[str, str]) -> dict[str, Any]:
    """What was typed for the notebook's parameters, as values of the defaults' types.

    Raises:
        ParameterError: a name that the notebook does not have, a value of the wrong type, or a
            parameter of the notebook that nothing reads or that a later cell sets again.
    """
    known = defaults(notebook)
    for name in given:
        if name not in known:
            raise ParameterError(
                f"no parameter is called {name}; known: {', '.join(known) or 'none'}"
            )
    read_names, set_names = _names_in(_other_cells(notebook))
    for name in known:
        if name in set_names:
            raise ParameterError(f"parameter {name} is set again in another cell, which would win")
        if name not in read_names:
            raise ParameterError(f"parameter {name} is never read: it would change nothing")
    return {name: _typed(name, text, known[name]) for name, text in given.items()}


def _parameter_cells(notebook: NotebookNode) -> list[NotebookNode]:
    return [c for c in _code_cells(notebook) if "parameters" in c.metadata.get("tags", [])]


def _other_cells(notebook: NotebookNode) -> list[NotebookNode]:
    return [c for c in _code_cells(notebook) if "parameters" not in c.metadata.get("tags", [])]


def _code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def _names_in(cells: list[NotebookNode]) -> tuple[set[str], set[str]]:
    """The names that the cells read, and those that they set."""
    names = [n for cell in cells for n in ast.walk(_tree(cell)) if isinstance(n, ast.Name)]
    read_names = {n.id for n in names if isinstance(n.ctx, ast.Load)}
    return read_names, {n.id for n in names if not isinstance(n.ctx, ast.Load)}


def _tree(cell: NotebookNode) -> ast.Module:
    """The cell's syntax; magics and shell lines are turned into Python first."""
    try:
        return ast.parse(TransformerManager().transform_cell(cell.source))
    except SyntaxError:
        return ast.Module(body=[], type_ignores=[])  # running the cell tells it better


def _literal(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except ValueError:
        return None


def _typed(name: str, text: str, default: Any) -> Any:
    if isinstance(default, str):
        return text
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        value = text
    if default is None or type(value) is type(default):
        return value
    if isinstance(default, float) and type(value) is int:
        return float(value)
    kind = type(default).__name__
    raise ParameterError(f"{name}: got {text!r}, wanted {kind} like its default {default!r}")
