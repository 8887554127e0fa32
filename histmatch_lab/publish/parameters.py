"""The parameters of a notebook: what it has, and whether a value may be passed.

A name that the notebook does not have is refused, and so is one that no cell reads, or that another
cell sets again: a value passed for it would change nothing.
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
    for node in (node for tree in _code(notebook, tagged=True) for node in tree.body):
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = [target.id for target in targets if isinstance(target, ast.Name)]
            found |= dict.fromkeys(names, _literal(node.value, otherwise=None))
    return found


def parse_parameters(notebook: NotebookNode, given: Mapping[str, str]) -> dict[str, Any]:
    """What was typed for the notebook's parameters, as values of the defaults' types.

    Raises ParameterError for a name that the notebook does not have, a value of the wrong type, or
    a parameter of the notebook that nothing reads or that a later cell sets again.
    """
    known = defaults(notebook)
    for name in given.keys() - known.keys():
        names = ", ".join(known) or "none"
        raise ParameterError(f"no parameter is called {name}; known: {names}")
    nodes = [node for tree in _code(notebook, tagged=False) for node in ast.walk(tree)]
    used = [node for node in nodes if isinstance(node, ast.Name)]
    read = {node.id for node in used if isinstance(node.ctx, ast.Load)}
    changed = {node.id for node in used if not isinstance(node.ctx, ast.Load)}
    for name in known:
        if name in changed:
            raise ParameterError(f"parameter {name} is set again in another cell, which would win")
        if name not in read:
            raise ParameterError(f"parameter {name} is never read: it would change nothing")
    return {name: _typed(name, text, known[name]) for name, text in given.items()}


def _code(notebook: NotebookNode, *, tagged: bool) -> list[ast.Module]:
    """The syntax of the code cells that are, or are not, tagged `parameters`."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    chosen = [c for c in cells if ("parameters" in c.metadata.get("tags", [])) == tagged]
    return [syntax_of(cell.source) for cell in chosen]


def syntax_of(source: str) -> ast.Module:
    """The syntax of a cell's code; nothing where it has mistakes, which running it says better."""
    try:
        return ast.parse(TransformerManager().transform_cell(source))
    except SyntaxError:
        return ast.Module([], [])


def _literal(code: str | ast.expr, otherwise: Any) -> Any:
    try:
        return ast.literal_eval(code)
    except (ValueError, SyntaxError):
        return otherwise


def _typed(name: str, text: str, default: Any) -> Any:
    if isinstance(default, str):
        return text
    value = _literal(text, otherwise=text)
    if isinstance(default, float) and type(value) is int:
        return float(value)
    if default is None or type(value) is type(default):
        return value
    kind = type(default).__name__
    raise ParameterError(f"{name} must be {kind}, as its default {default!r} is, got {text!r}")
