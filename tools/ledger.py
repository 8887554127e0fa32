"""The ledger: where each symbol, equation, figure, section, claim and erratum of the paper is.

    python -m tools.ledger

checks docs/ledger.toml against code, notebooks, tests and results, and makes docs/ledger.md and the
tables of notebook 00 from it. It works on a clone, where all of these are.
"""

import ast
import inspect
import pkgutil
import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import nbformat
from nbformat import NotebookNode

from histmatch_lab._files import write_whole
from histmatch_lab.results.claims import Finding

ROOT = Path(__file__).parents[1]
SOURCE, DOCUMENT = ROOT / "docs" / "ledger.toml", ROOT / "docs" / "ledger.md"
NOTEBOOK, CELL = ROOT / "notebooks" / "00_start_here.ipynb", "ledger-tables"

TITLES = {
    "claim": "Claims",
    "erratum": "Errata",
    "equation": "Equations",
    "figure": "Figures",
    "section": "Sections",
    "symbol": "Symbols",
}
STATUSES = ("reproduced", "differs", "not attempted")
# What the paper has, and so must have a row; a section may have several, as "Data: films".
WANTED = {
    "equation": [f"Eq. {number}" for number in range(1, 7)],
    "figure": [f"Fig. {number}" for number in range(1, 7)],
    "section": [
        "Abstract",
        "Introduction",
        "Background",
        "Differentiable Histogram",
        "Loss Function",
        "Data",
        "Experiments",
        "Results and Discussion",
        "Conclusion",
    ],
    "erratum": [str(number) for number in range(1, 11)],
}


@dataclass(frozen=True)
class Row:
    """One line of the ledger, as docs/ledger.toml explains it."""

    kind: str
    name: str
    says: str
    code: Sequence[str] = ()
    cells: Sequence[str] = ()
    tests: Sequence[str] = ()
    status: str = ""
    why: str = ""
    measured_by: str = ""


class Place(NamedTuple):
    """A cell, and the heading that it stands under, without number of minutes."""

    file: str
    cell: str
    heading: str


def read(path: Path = SOURCE) -> list[Row]:
    """The rows in their order; TypeError for a key that no row has."""
    tables = tomllib.loads(path.read_text(encoding="utf-8"))
    return [Row(kind, **entry) for kind, entries in tables.items() for entry in entries]


def problems(rows: Sequence[Row]) -> list[str]:
    """All that is wrong: names that are gone, statuses that results contradict, missing rows."""
    wrong = [f"{row.kind} {row.name}: {what}" for row in rows for what in _row_problems(row)]
    return [*wrong, *_missing_rows(rows)]


def document(rows: Sequence[Row]) -> str:
    """docs/ledger.md."""
    parts = [_INTRODUCTION, _count(rows)]
    for kind, title in _kinds(rows):
        parts += [f"## {title}", _table(rows, kind, "../notebooks/")]
    return "\n\n".join(parts) + "\n"


def notebook_cell(rows: Sequence[Row]) -> str:
    """The tables for notebook 00: the claims open, the others folded."""
    (first, title), *others = _kinds(rows)
    folded = (
        f"<details><summary>{title}</summary>\n\n{_table(rows, kind, '')}\n\n</details>"
        for kind, title in others
    )
    claims = f"### {title}\n\n{_count(rows)}\n\n{_table(rows, first, '')}"
    return "\n\n".join((claims, "### All the rest", *folded))


def find_code(name: str) -> Any:
    """What "histogram.emd" or "histogram.soft_histogram(alpha)" names in histmatch_lab.

    Raises ImportError or AttributeError if it is gone, ValueError if its argument is.
    """
    path, _, argument = name.removesuffix(")").partition("(")
    found = pkgutil.resolve_name(f"histmatch_lab.{path}")
    if argument and argument not in inspect.signature(found).parameters:
        raise ValueError(f"{path} has no argument {argument}")
    return found


def find_cell(name: str) -> Place:
    """Where "03 erratum-7" is; ValueError if there is no such cell."""
    number, _, wanted = name.partition(" ")
    file, notebook = _notebook(number)
    heading = ""
    for cell in notebook.cells:
        headings = re.findall(r"^#+ (.*)", cell.source, re.M) if _is_prose(cell) else []
        if cell.id == wanted:
            return Place(file, wanted, _without_minutes((headings or [heading])[0]))
        heading = headings[-1] if headings else heading
    raise ValueError(f"{file} has no cell {wanted}")


def find_test(name: str) -> str:
    """The name of a test such as "test_losses.py::test_eq_6"; ValueError if it is gone."""
    file, _, test = name.partition("::")
    if test not in _tests_in(file):
        raise ValueError(f"tests/{file} has no {test}")
    return test


@cache
def finding(name: str) -> Finding:
    """What a function of `histmatch_lab.results.claims` finds."""
    found: Finding = find_code(name)()
    return found


def _row_problems(row: Row) -> Iterator[str]:
    for names, find in ((row.code, find_code), (row.cells, find_cell), (row.tests, find_test)):
        if not names:
            yield f"needs something to {find.__name__.replace('_', ' ')}"
        for name in names:
            try:
                find(name)
            except (ImportError, AttributeError, ValueError, OSError) as problem:
                yield f"{name} is gone: {problem}"
    if row.kind == "claim":
        yield from _claim_problems(row)


def _claim_problems(row: Row) -> Iterator[str]:
    if row.status not in STATUSES or not row.why:
        yield f"needs a reason, and as status one of {', '.join(STATUSES)}"
    if not row.measured_by:
        if row.status == "differs":
            yield "differs, and measured_by does not say by how much"
        return
    measured = "reproduced" if finding(row.measured_by).holds else "differs"
    if row.status != measured:
        yield f"is said to be {row.status!r}, but {row.measured_by} finds {measured!r}"


def _missing_rows(rows: Sequence[Row]) -> Iterator[str]:
    names = Counter((row.kind, row.name.partition(":")[0]) for row in rows)
    for kind, wanted in WANTED.items():
        yield from (f"{kind} {name} has no row" for name in wanted if not names[kind, name])


def _kinds(rows: Sequence[Row]) -> list[tuple[str, str]]:
    """Each kind with its title and how many rows it has."""
    counts = Counter(row.kind for row in rows)
    return [(kind, f"{title} ({counts[kind]})") for kind, title in TITLES.items()]


def _count(rows: Sequence[Row]) -> str:
    counts = Counter(row.status for row in rows if row.kind == "claim")
    reproduced, differ, not_attempted = (counts[status] for status in STATUSES)
    return (
        f"Of {counts.total()} claims {reproduced} are reproduced, {differ} differ and "
        f"{not_attempted} were not attempted."
    )


def _table(rows: Sequence[Row], kind: str, notebooks: str) -> str:
    """All rows of a kind in Markdown; notebooks is the way from the text to their folder."""
    head, line = [kind, "in short", "code", "notebook", "test"], _line
    if kind == "claim":
        head, line = ["the paper", "here", "where"], _claim_line
    lines = (line(row, notebooks) for row in rows if row.kind == kind)
    return "\n".join((_cells(*head), "|---" * len(head) + "|", *lines))


def _line(row: Row, notebooks: str) -> str:
    return _cells(row.name, row.says, *("<br>".join(found) for found in _where(row, notebooks)))


def _claim_line(row: Row, notebooks: str) -> str:
    here = [f"**{row.status}.** {row.why}"]
    if row.measured_by:
        found = finding(row.measured_by)
        here += ["", *found.numbers, f"*{found.data}*"]
    where = (one for found in _where(row, notebooks) for one in found)
    return _cells(f"**{row.name}**<br>{row.says}", "<br>".join(here), "<br>".join(where))


def _cells(*texts: str) -> str:
    return f"| {' | '.join(texts)} |"


def _where(row: Row, notebooks: str) -> tuple[list[str], list[str], list[str]]:
    code = [f"`{name}`" for name in row.code]
    cells = [_link(find_cell(name), notebooks) for name in row.cells]
    tests = [_sentence(name) for name in row.tests]
    return code, cells, tests


def _link(place: Place, notebooks: str) -> str:
    return f"[{place.file[:2]}: {place.heading}]({notebooks}{place.file}#cell-id={place.cell})"


def _sentence(test: str) -> str:
    """A test's name is a sentence, and wraps as one in a narrow column."""
    file, _, name = test.partition("::")
    return f"`{file}`: {name.removeprefix('test_').replace('_', ' ')}"


@cache
def _notebook(number: str) -> tuple[str, NotebookNode]:
    files = list((ROOT / "notebooks").glob(f"{number}_*.ipynb"))
    if len(files) != 1:
        raise ValueError(f"there is no notebook {number}")
    return files[0].name, nbformat.read(files[0], as_version=4)


def _is_prose(cell: NotebookNode) -> bool:
    return bool(cell.cell_type == "markdown")


def _without_minutes(heading: str) -> str:
    return re.sub(r" \(\d+ min.*?\)$", "", heading)


@cache
def _tests_in(file: str) -> set[str]:
    tree = ast.parse((ROOT / "tests" / file).read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


_INTRODUCTION = """\
# The ledger of the paper

Where each claim, erratum, equation, figure, section and symbol of *A Comparative Study on the Loss
Functions for Image Enhancement Networks* (Mustafa, You and Mantiuk 2022) is: in the code
(`histmatch_lab.` left out), in the notebooks, in the tests. Made by `make ledger` from
[ledger.toml](ledger.toml). A test fails when anything that it names is gone, or when a number or a
status is no longer what the results give.

**What the claims were measured on.** Not on the paper's data, which may not be passed on, but on
photographs with simulated flaws, of which two simulated experts ("local" and "undecided") made the
targets; with a compact HDRNet and a training far shorter than the paper's
([notebook 06](../notebooks/06_compare_losses.ipynb)). So *differs* says what happened here, and not
that the paper is wrong about its own data.

**How to read the numbers.** A difference is ours minus theirs on the same pictures and seeds. In
brackets the interval that holds it with 95 % confidence (bootstrap over photographs). "seeds ±" is
half the range of the seeds' own differences. Where recipes compete, *reproduced* means that every
interval lies on the claim's side of 0."""


def main() -> None:
    rows = read()
    if wrong := problems(rows):
        raise SystemExit("\n".join(wrong))
    write_whole(DOCUMENT, document(rows).encode())
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    [cell] = [cell for cell in notebook.cells if cell.id == CELL]
    cell.source = notebook_cell(rows)
    write_whole(NOTEBOOK, f"{nbformat.writes(notebook)}\n".encode())


if __name__ == "__main__":
    main()
