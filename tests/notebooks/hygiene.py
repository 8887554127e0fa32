"""What a stored notebook must be like; each rule yields sentences on what is wrong."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from nbformat import NotebookNode

from histmatch_lab.publish.parameters import ParameterError, parse_parameters

LONGEST_CELL = 15
_HEADING = re.compile(r"^(#{1,6}) +(.+?)[ #]*$", re.M)
_FENCED = re.compile(r"^ *```.*?^ *```", re.M | re.S)
_MACHINE = re.compile(r"/(?:home|Users|root|work|tmp)/[\w.-]+|[A-Z]:\\Users|site-packages")


def problems(notebook: NotebookNode, fingerprint: str) -> list[str]:
    """All that is wrong with a notebook whose present fingerprint is this."""
    rules = (_top, _headings, _parameters, _length, _order, _outputs, _pictures, _state)
    stamp = notebook.metadata.get("histmatch_lab", {}).get("executed_from")
    stale = [] if stamp == fingerprint else ["outputs are stale: run `make notebooks`"]
    return [*stale, *(problem for rule in rules for problem in rule(notebook))]


def _code(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def _all_outputs(notebook: NotebookNode) -> Iterator[NotebookNode]:
    return (output for cell in _code(notebook) for output in cell.outputs)


def _top(notebook: NotebookNode) -> Iterator[str]:
    first = next((cell for cell in notebook.cells if cell.cell_type == "markdown"), None)
    for word in ("Objectives", "Minutes", "Prerequisites"):
        if first is None or word not in first.source:
            yield f"the first cell does not say: {word}"


def _headings(notebook: NotebookNode) -> Iterator[str]:
    prose = "\n\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")
    found = headings(prose)
    if [level for level, _ in found].count(1) != 1 or found[0][0] != 1:
        yield "one heading of the first level must stand at the top, and no other"
    for (before, _), (level, text) in pairwise(found):
        if level > before + 1:
            yield f"a heading skips a level: {text}"


def headings(prose: str) -> list[tuple[int, str]]:
    """Level and text of each heading in Markdown, in order."""
    outside_code = _FENCED.sub("", prose)
    return [(len(h[1]), h[2]) for h in _HEADING.finditer(outside_code)]


def _parameters(notebook: NotebookNode) -> Iterator[str]:
    tagged = [c for c in _code(notebook) if "parameters" in c.metadata.get("tags", [])]
    if len(tagged) > 1:
        yield f"{len(tagged)} cells are tagged parameters"
    for cell in tagged:
        for node in ast.parse(cell.source).body:
            target = node.targets[0] if isinstance(node, ast.Assign) else None
            if not isinstance(target, ast.Name):
                yield f"parameters must be plain NAME = value lines: {ast.unparse(node)}"
    try:
        parse_parameters(notebook, {})
    except ParameterError as problem:
        yield str(problem)


def _length(notebook: NotebookNode) -> Iterator[str]:
    for cell in _code(notebook):
        lines = (line.strip() for line in cell.source.splitlines())
        count = sum(bool(line) and not line.startswith(("#", "import ", "from ")) for line in lines)
        if count > LONGEST_CELL:
            yield f"a cell has {count} lines: {cell.source.splitlines()[0]}"


def _order(notebook: NotebookNode) -> Iterator[str]:
    counts = [cell.execution_count for cell in _code(notebook)]
    if counts != list(range(1, len(counts) + 1)):
        yield f"cells were not run once, in order: {counts}"


def _outputs(notebook: NotebookNode) -> Iterator[str]:
    for output in _all_outputs(notebook):
        if output.output_type == "error":
            yield f"an error is stored: {output.ename}"
        for text in _texts(output):
            if found := _MACHINE.search(text):
                yield f"an output names a machine's folder: {found[0]}"


def _texts(output: NotebookNode) -> Iterator[str]:
    yield "".join(output.get("text", ""))
    for kind in ("text/plain", "text/html", "text/markdown"):
        text = "".join(output.get("data", {}).get(kind, ""))
        yield re.sub(r'"data:[^"]*"', "", text)  # a picture's letters may spell anything


def _pictures(notebook: NotebookNode) -> Iterator[str]:
    for output in _all_outputs(notebook):
        for kind in output.get("data", {}):
            if kind.startswith("image/") and not _described(output, kind):
                yield f"a picture ({kind}) has no alt text and no words beside it"
        for image in re.findall(
            r"<img [^>]*>", "".join(output.get("data", {}).get("text/html", ""))
        ):
            if not re.search(r'\balt="[^"]', image):
                yield "a picture (text/html) has no alt text"


def _described(output: Any, kind: str) -> bool:
    if output.metadata.get(kind, {}).get("alt"):
        return True
    words = "".join(output.data.get("text/plain", ""))
    return words != "" and not words.startswith("<")  # "<Figure size 640x480 ...>" tells nothing


def _state(notebook: NotebookNode) -> Iterator[str]:
    for key in ("widgets", "papermill"):
        if key in notebook.metadata:
            yield f"metadata.{key} is stored"
    for cell in notebook.cells:
        for key in ("papermill", "execution"):
            if key in cell.metadata:
                yield f"a cell's metadata.{key} is stored"
