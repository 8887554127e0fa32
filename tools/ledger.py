"""The ledger: whether each claim of the paper was reproduced, and where each erratum shows.

    python -m tools.ledger

checks docs/ledger.toml against code, notebooks, tests and results, and makes docs/ledger.md and the
README's figure.
"""

import ast
import inspect
import pkgutil
import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from histmatch_lab._files import write_whole
from histmatch_lab.demos.figures import evidence
from tools import claims
from tools.claims import STATUSES, Finding

ROOT = Path(__file__).parents[1]
SOURCE, DOCUMENT = ROOT / "docs" / "ledger.toml", ROOT / "docs" / "ledger.md"

ERRATA = [str(number) for number in range(1, 12)]


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


def read(path: Path = SOURCE) -> list[Row]:
    """The rows in their order; TypeError for a key that no row has."""
    tables = tomllib.loads(path.read_text(encoding="utf-8"))
    return [Row(kind, **entry) for kind, entries in tables.items() for entry in entries]


def problems(rows: Sequence[Row]) -> list[str]:
    """All that is wrong: names that are gone, statuses that results contradict, missing rows."""
    wrong = [f"{row.kind} {row.name}: {what}" for row in rows for what in _row_problems(row)]
    errata = [row.name for row in rows if row.kind == "erratum"]
    return [*wrong, *(f"erratum {name} has no row" for name in ERRATA if name not in errata)]


def document(rows: Sequence[Row]) -> str:
    """docs/ledger.md, from where links to notebooks lead through their folder."""
    return f"{_INTRODUCTION}\n\n{_tables(rows)}\n"


def find_code(name: str) -> Any:
    """What "histogram.emd" or "histogram.soft_histogram(alpha)" names in histmatch_lab.

    Raises ImportError or AttributeError if it is gone, ValueError if its argument is.
    """
    path, _, argument = name.removesuffix(")").partition("(")
    found = pkgutil.resolve_name(f"histmatch_lab.{path}")
    if argument and argument not in inspect.signature(found).parameters:
        raise ValueError(f"{path} has no argument {argument}")
    return found


def find_cell(name: str) -> str:
    """A link from docs/, "[03: heading](...)", to "03 erratum-7"; ValueError if it is gone."""
    number, _, cell_id = name.partition(" ")
    file, notebook = _notebook(number)
    heading = ""
    for cell in notebook.cells:
        is_prose = cell.cell_type == "markdown"
        headings = re.findall(r"^#+ (.*)", cell.source, re.M) if is_prose else []
        if cell.id == cell_id:
            title = re.sub(r" \(\d+ min.*?\)$", "", (headings or [heading])[0])
            return f"[{number}: {title}](../notebooks/{file}#cell-id={cell_id})"
        heading = headings[-1] if headings else heading
    raise ValueError(f"{file} has no cell {cell_id}")


def find_test(name: str) -> str:
    """The name of a test such as "test_losses.py::test_eq_6"; ValueError if it is gone."""
    file, _, test = name.partition("::")
    if test not in _tests_in(file):
        raise ValueError(f"tests/{file} has no {test}")
    return test


@cache
def finding(name: str) -> Finding:
    """What a function of `tools.claims` finds."""
    found: Finding = getattr(claims, name)()
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
        if row.status != "reproduced":
            yield f"{row.status}, and measured_by does not say by how much"
        return
    measured = finding(row.measured_by).status
    if row.status != measured:
        yield f"is said to be {row.status!r}, but {row.measured_by} finds {measured!r}"


def _tables(rows: Sequence[Row]) -> str:
    """Both tables in Markdown."""
    of_paper = [row for row in rows if row.kind == "claim"]
    errata = [row for row in rows if row.kind == "erratum"]
    counts = Counter(row.status for row in of_paper)
    each = ", ".join(f"{counts[status]} {status}" for status in STATUSES if counts[status])
    return f"""\
## Claims ({len(of_paper)})

{each}.

{_table(("the paper", "here", "where"), map(_claim_cells, of_paper))}

## Errata ({len(errata)})

{_table(("erratum", "in short", "code", "notebook", "test"), map(_erratum_cells, errata))}"""


def _table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    rows = (head, ["---"] * len(head), *lines)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in rows)


def _erratum_cells(row: Row) -> list[str]:
    return [row.name, row.says, *("<br>".join(found) for found in _where(row))]


def _claim_cells(row: Row) -> list[str]:
    here = [f"**{row.status}.** {row.why}"]
    if row.measured_by:
        found = finding(row.measured_by)
        here += ["", *found.numbers, f"*{found.data}*"]
    where = (one for found in _where(row) for one in found)
    return [f"**{row.name}**<br>{row.says}", "<br>".join(here), "<br>".join(where)]


def _where(row: Row) -> tuple[list[str], list[str], list[str]]:
    code = [f"`{name}`" for name in row.code]
    return code, [find_cell(name) for name in row.cells], [_sentence(name) for name in row.tests]


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


@cache
def _tests_in(file: str) -> set[str]:
    tree = ast.parse((ROOT / "tests" / file).read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


_INTRODUCTION = """\
# The ledger of the paper

Whether each claim of *A Comparative Study on the Loss Functions for Image Enhancement Networks*
(Mustafa, You and Mantiuk 2022) was reproduced, and where each claim and each erratum is: in the
code (`histmatch_lab.` left out), in the notebooks, in the tests. Made by `make ledger` from
`docs/ledger.toml`. A test fails when anything that it names is gone, or when a number or a
status is no longer what the results give.

**What the claims were measured on.** Not on the paper's data, which may not be passed on, but on
two tasks of its kind: HDR scenes tone mapped by a program (*tonemap*), and photographs developed by
another (*retouch*); with a compact HDRNet and about 2,000 steps
([notebook 06](../notebooks/06_compare_losses.ipynb)). So *differs* says what happened here, and not
that the paper is wrong about its own data.

**How to read the numbers.** A difference is ours minus theirs on the same pictures and seeds. In
brackets the interval that holds it with 95 % confidence (bootstrap over scenes and seeds). "seeds
±" is half the range of the seeds' own differences. Lower is better in CIEDE2000 (ΔE), EMD and
over-enhancement. Where recipes compete, *reproduced* means that every interval lies on the claim's
side of 0, *differs* that none does and at least one lies on the other side, *undecided* anything
else. Where the best of many is meant, one recipe has to hold on every task."""


def main() -> None:
    rows = read()
    if wrong := problems(rows):
        raise SystemExit("\n".join(wrong))
    write_whole(DOCUMENT, document(rows).encode())
    figure = evidence.forest(task="tonemap").figure  # which the README shows
    figure.savefig(DOCUMENT.with_name("tonemap.png"), dpi=150)


if __name__ == "__main__":
    main()
