"""The versions of a lesson, all built from the learner's notebook: learner's, solved, lecturer's.

The learner's notebook is the source. An exercise in it is a code cell tagged `exercise`: lines that
leave a `...` to the learner, and last a line `check_...(answer)`. The Markdown cell tagged
`solution` after it folds three hints and the solution away; the solution's one Python block takes
the place of the learner's lines. The heading of a section says how long it takes, as in
"## 3 The guide (10 min)".
"""

import copy
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from nbformat import NotebookNode, v4

from histmatch_lab.course.checks import all_checks

FOLDS = ("Hint 1", "Hint 2", "Hint 3", "Solution")
_DETAILS = re.compile(r"<details><summary>(.+?)</summary>(.*?)</details>", re.DOTALL)
_PYTHON = re.compile(r"^```python\n(.+?)\n```$", re.DOTALL | re.MULTILINE)
_PIECE = re.compile(r"^(?=#{2,3} |\*\*Question )", re.MULTILINE)
_SECTION = re.compile(r"^## (.+) \((\d+) min\b.*\)$", re.MULTILINE)


class Exercise(NamedTuple):
    """An exercise as a notebook holds it."""

    cell: str  # the id of its code cell
    answer: str  # the name that the learner gives a value, or writes a function for
    check: str  # the name of its check, one of `histmatch_lab.course.checks`
    solution: str  # Python code that defines `answer`


def exercises(notebook: NotebookNode) -> list[Exercise]:
    """The exercises of a learner's notebook, in order; ValueError where one lacks something."""
    pairs = pairwise([*notebook.cells, NotebookNode(metadata={}, source="")])
    return [_exercise(cell, after) for cell, after in pairs if _is_tagged(cell, "exercise")]


def _exercise(cell: NotebookNode, after: NotebookNode) -> Exercise:
    call = re.search(r"^(check_\w+)\((\w+)\)$", cell.source.rstrip().rpartition("\n")[2])
    if not call:
        raise ValueError(f"cell {cell.id}: the last line must be check_...(answer)")
    check, answer = call.groups()
    if check not in all_checks():
        raise ValueError(f"cell {cell.id}: {check} must be in histmatch_lab.course.checks")
    if not _is_tagged(after, "solution"):
        raise ValueError(f"cell {cell.id}: the next cell must be tagged solution")
    folded = dict(_DETAILS.findall(after.source))
    if tuple(folded) != FOLDS:
        raise ValueError(f"cell {after.id}: folds must be {FOLDS}, got {(*folded,)}")
    blocks = _PYTHON.findall(folded["Solution"])
    if len(blocks) != 1:
        raise ValueError(f"cell {after.id}: Solution must be 1 Python block, got {len(blocks)}")
    return Exercise(cell.id, answer, check, blocks[0])


def learner(notebook: NotebookNode) -> NotebookNode:
    """The learner's notebook as it is, not yet run."""
    result = copy.deepcopy(notebook)
    for cell in result.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    result.metadata.pop("histmatch_lab", None)
    return result


def solved(notebook: NotebookNode) -> NotebookNode:
    """The notebook, not yet run, with the solution in each exercise: every check says Right."""
    result = learner(notebook)
    cells = {cell.id: cell for cell in result.cells}
    for exercise in exercises(notebook):
        apart = "\n\n\n" if "def " in exercise.solution else "\n\n"
        call = f"{exercise.check}({exercise.answer})"
        cells[exercise.cell].source = f"{exercise.solution}{apart}{call}"
    return result


def lecturer(notebook: NotebookNode) -> NotebookNode:
    """The notebook as it is shown to a room; outputs stay.

    A table of the sections and their minutes comes first. Solutions are open, and below each stands
    what its check says to the mistakes that it knows. Sections and exercises begin slides.
    """
    checked_by = {exercise.cell: exercise.check for exercise in exercises(notebook)}
    result = copy.deepcopy(notebook)
    for cell, after in pairwise(result.cells):
        if cell.id in checked_by:
            after.source = _opened(after.source, all_checks()[checked_by[cell.id]].hints)
    title, *rest = result.cells
    pieces = [piece for cell in rest for piece in _pieces(cell)]
    table = v4.new_markdown_cell(_timetable(pieces), id="timetable")
    result.cells = [title, table, *pieces]
    begun = False
    for cell in result.cells:
        begun = begun or _begins(cell, "## ")
        cell.metadata.slideshow = {"slide_type": _slide_type(cell, begun)}
    return result


def _begins(cell: NotebookNode, *with_one_of: str) -> bool:
    return bool(cell.cell_type == "markdown" and cell.source.startswith(with_one_of))


def _is_tagged(cell: NotebookNode, tag: str) -> bool:
    return tag in cell.metadata.get("tags", [])


def _opened(folded: str, mistakes: Sequence[str]) -> str:
    shown = folded.replace("<details><summary>Solution", "<details open><summary>Solution")
    if not mistakes:
        return shown
    says = "**What learners get wrong,** and what the check says to each:"
    return "\n".join([shown, "", says, "", *(f"- {hint}" for hint in mistakes)])


def _pieces(cell: NotebookNode) -> Iterator[NotebookNode]:
    """The cell in pieces, a new one at each heading of a section or a part, and each question."""
    if cell.cell_type != "markdown":
        yield cell
        return
    for number, text in enumerate(filter(str.strip, _PIECE.split(cell.source))):
        name = f"{cell.id}-part-{number + 1}" if number else cell.id
        yield v4.new_markdown_cell(text.strip(), id=name, metadata=copy.deepcopy(cell.metadata))


def _timetable(cells: Sequence[NotebookNode]) -> str:
    rows: list[list[Any]] = []
    for cell in cells:
        if section := _SECTION.match(cell.source):
            rows.append([section[1], int(section[2]), 0])
        elif rows:
            rows[-1][2] += _is_tagged(cell, "exercise")
    rows.append(["**all**", *(sum(row[i] for row in rows) for i in (1, 2))])
    head = "**For the lecturer.**\n\n| section | minutes | exercises |\n|---|--:|--:|\n"
    return head + "\n".join(f"| {name} | {minutes} | {count} |" for name, minutes, count in rows)


def _slide_type(cell: NotebookNode, begun: bool) -> str:
    """To the right (slide), down (subslide), on the same slide (-), or for the speaker alone."""
    if _begins(cell, "# ", "## "):
        return "slide"
    if cell.cell_type == "code" and not begun:
        return "skip"
    if cell.id == "timetable" or _is_tagged(cell, "solution"):
        return "notes"
    picture = any(
        kind.startswith("image/") or "<img" in str(content)
        for output in cell.get("outputs", [])
        for kind, content in output.get("data", {}).items()
    )
    return "subslide" if picture or _begins(cell, "### ", "**Question ") else "-"
