"""The library stays small: few modules lie flat, modules and functions are short, examples run.

That no import goes up a layer is held by import-linter (pyproject.toml, `make lint`).
"""

import ast
from pathlib import Path

import pytest

import histmatch_lab

LIBRARY = Path(histmatch_lab.__file__).parent
MODULES = sorted(LIBRARY.rglob("*.py"))


def _functions(tree: ast.AST) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    kinds = ast.FunctionDef | ast.AsyncFunctionDef
    return [node for node in ast.walk(tree) if isinstance(node, kinds)]


def test_at_most_twelve_modules_lie_flat():
    flat = [path.name for path in LIBRARY.glob("*.py") if path.name != "__init__.py"]
    assert len(flat) <= 12, flat


def test_modules_and_functions_are_short():
    long_modules, long_functions = [], []
    for path in MODULES:
        source = path.read_text(encoding="utf-8")
        name, lines = path.relative_to(LIBRARY).as_posix(), source.count("\n")
        if lines > 300:
            long_modules.append(f"{name}: {lines}")
        for function in _functions(ast.parse(source)):
            length = (function.end_lineno or 0) - function.lineno + 1
            if length > 40:
                long_functions.append(f"{name}:{function.name}: {length}")
    assert not long_modules
    assert not long_functions


@pytest.mark.parametrize("name", histmatch_lab.__all__)
def test_every_public_name_has_an_example_that_runs(name):
    """`make test` runs the examples: pytest --doctest-modules."""
    assert ">>> " in getattr(histmatch_lab, name).__doc__
