"""The ledger names what is there, says what the results say, leaves nothing out, and is fresh."""

import shutil
from dataclasses import replace

import nbformat
import pytest

from histmatch_lab.data.samples import ENVIRONMENT_VARIABLE, data_samples_dir
from histmatch_lab.publish.page import write_page
from histmatch_lab.results import tables
from histmatch_lab.training.evaluation import read_table, write_table
from tools import ledger
from tools.ledger import problems, read

ROWS = read()


def _row(kind, start):
    [row] = [row for row in ROWS if row.kind == kind and row.name.startswith(start)]
    return row


def _with(row, **changes):
    return [replace(row, **changes) if other is row else other for other in ROWS]


def _without(kind, start):
    return [row for row in ROWS if row.kind != kind or not row.name.startswith(start)]


def test_nothing_is_wrong():
    assert problems(ROWS) == []


ERRATUM, CLAIM = _row("erratum", "7"), _row("claim", "The highest mean PSNR")
UNMEASURED = _row("claim", "In one dimension")
BREAKAGES = {
    "histogram.emd_of_old is gone": _with(ERRATUM, code=["histogram.emd_of_old"]),
    "old_module.emd is gone": _with(ERRATUM, code=["old_module.emd"]),
    "has no argument kelvin": _with(ERRATUM, code=["histogram.soft_histogram(kelvin)"]),
    "has no cell no-such-cell": _with(ERRATUM, cells=["02 no-such-cell"]),
    "there is no notebook 99": _with(ERRATUM, cells=["99 title"]),
    "has no test_of_old": _with(ERRATUM, tests=["test_losses.py::test_of_old"]),
    "test_old.py::test_eq_6 is gone": _with(ERRATUM, tests=["test_old.py::test_eq_6"]),
    "erratum 7: needs something to find code": _with(ERRATUM, code=[]),
    "erratum 7: needs something to find cell": _with(ERRATUM, cells=[]),
    "erratum 7: needs something to find test": _with(ERRATUM, tests=[]),
    "said to be 'reproduced', but": _with(CLAIM, status="reproduced"),
    "said to be 'not attempted', but": _with(CLAIM, status="not attempted"),
    "as status one of reproduced": _with(CLAIM, status="more or less"),
    "needs a reason": _with(CLAIM, why=""),
    "measured_by does not say by how much": _with(UNMEASURED, status="differs"),
    "erratum 10 has no row": _without("erratum", "10"),
}


@pytest.mark.parametrize("says", BREAKAGES)
def test_each_rule_can_fail(says):
    assert [problem for problem in problems(BREAKAGES[says]) if says in problem]


def test_a_key_that_no_row_has_is_refused(tmp_path):
    path = tmp_path / "ledger.toml"
    path.write_text('[[erratum]]\nname = "1"\nsays = ""\ncolour = "red"\n')
    with pytest.raises(TypeError, match="colour"):
        read(path)


STALE = "docs/ledger.toml, the results or a heading has changed: run `make ledger`"


def test_the_stored_document_is_fresh():
    assert ledger.DOCUMENT.read_text(encoding="utf-8") == ledger.document(ROWS), STALE


CHANGED = "histmatch-k256-lam1-bins-drop-unit"


@pytest.mark.slow
def test_other_results_make_the_document_stale(tmp_path, monkeypatch):
    """One recipe a decibel better: its number changes, and with more of it a status."""
    samples = tmp_path / "data_samples"
    shutil.copytree(data_samples_dir(), samples)
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(samples))
    runs, scores = (samples / "results" / name for name in ("runs.csv", "scores.csv"))
    keys = {run["key"] for run in read_table(runs) if run["recipe"] == CHANGED}
    stored = read_table(scores)
    try:
        for decibels, contradicted in ((1, False), (10, True)):
            write_table(scores, _raise_psnr(stored, keys, decibels))
            tables.shipped.cache_clear()
            ledger.finding.cache_clear()
            assert ledger.document(ROWS) != ledger.DOCUMENT.read_text(encoding="utf-8")
            found = [problem for problem in problems(ROWS) if "said to be 'differs'" in problem]
            assert any(CLAIM.name in problem for problem in found) == contradicted
    finally:
        tables.shipped.cache_clear()
        ledger.finding.cache_clear()


def test_a_row_shows_names_links_status_and_numbers():
    text = ledger.document(ROWS)
    [line] = [line for line in text.splitlines() if line.startswith(f"| **{CLAIM.name}**")]
    assert "**differs.** With" in line
    assert all(number in line for number in ledger.finding(CLAIM.measured_by).numbers)
    assert "](../notebooks/06_compare_losses.ipynb#cell-id=show-forest)" in line
    for row in ROWS:
        assert row.name in text
        assert all(f"`{name}`" in text for name in row.code)


@pytest.mark.parametrize("number", [f"{number:02}" for number in range(8)])
def test_links_lead_to_a_place_on_the_page(number, tmp_path):
    """What JupyterLab finds by the cell's id is an id on the pages of `make report` as well."""
    file, _ = ledger._notebook(number)
    notebook = nbformat.read(ledger.ROOT / "notebooks" / file, 4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = []  # demos on a page take their time
    page = tmp_path / f"{file.removesuffix('.ipynb')}.html"
    write_page(notebook, page)
    html = page.read_text(encoding="utf-8")
    for name in {name for row in ROWS for name in row.cells if name.startswith(number)}:
        assert f'id="cell-id={name.split()[1]}"' in html


def _raise_psnr(rows, keys, decibels):
    return [
        row | {"psnr": float(row["psnr"]) + decibels} if row["key"] in keys else row for row in rows
    ]
