"""Stored notebooks are fresh, whole and clean."""

import copy
import shutil

import nbformat
import pytest
from nbformat import v4

from histmatch_lab.publish.execution import NotebookError
from tests.notebooks.hygiene import problems
from tools.refresh import LIBRARY, ROOT, fingerprint, refresh

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def test_there_are_notebooks():
    assert NOTEBOOKS


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_stored_notebook_is_in_order(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert problems(notebook, fingerprint(notebook)) == []


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    """A small notebook, run by `make notebooks`: every rule holds."""
    path = tmp_path_factory.mktemp("fresh") / "small.ipynb"
    cells = [
        v4.new_markdown_cell("# Small\n**Objectives.** **Minutes.** **Prerequisites.**"),
        v4.new_code_cell("BINS = 3", metadata={"tags": ["parameters"]}),
        v4.new_code_cell("import ipywidgets\nipywidgets.IntSlider(BINS)"),
        v4.new_code_cell("print(BINS)"),
    ]
    nbformat.write(v4.new_notebook(cells=cells), path)
    refresh(path)
    return nbformat.read(path, as_version=4)


def test_a_refreshed_notebook_is_in_order(fresh):
    assert problems(fresh, fingerprint(fresh)) == []
    assert fresh.cells[3].outputs[0].text == "3\n"


def test_changed_code_makes_outputs_stale(fresh):
    changed = copy.deepcopy(fresh)
    changed.cells[3].source = "print(BINS + 1)"
    assert problems(changed, fingerprint(changed)) == ["outputs are stale: run `make notebooks`"]


def test_changed_prose_does_not(fresh):
    changed = copy.deepcopy(fresh)
    changed.cells[0].source += " More words."
    assert problems(changed, fingerprint(changed)) == []


def _changed_by(edited, library, monkeypatch):
    """The numbers of the notebooks that an edit to that file of the library makes stale."""
    notebooks = {path.stem[:2]: nbformat.read(path, as_version=4) for path in NOTEBOOKS}
    monkeypatch.setattr("tools.refresh.LIBRARY", library)
    before = {number: fingerprint(notebook) for number, notebook in notebooks.items()}
    file = library / edited
    file.write_text(file.read_text(encoding="utf-8") + "\n# edited", encoding="utf-8")
    return {number for number in notebooks if fingerprint(notebooks[number]) != before[number]}


@pytest.mark.parametrize(
    ("edited", "stale"),
    [
        ("publish/page.py", set()),
        ("cli/__init__.py", set()),
        ("sweep/cluster.py", set()),
        ("demos/figures/grid.py", {"04"}),
        ("data/own/fivek.py", {"07"}),
        ("histogram.py", {path.stem[:2] for path in NOTEBOOKS}),
    ],
)
def test_an_edit_makes_those_notebooks_stale_that_can_see_it(edited, stale, tmp_path, monkeypatch):
    library = shutil.copytree(
        LIBRARY, tmp_path / LIBRARY.name, ignore=shutil.ignore_patterns("__pycache__", "files")
    )
    assert _changed_by(edited, library, monkeypatch) == stale


def _picture(data, metadata):
    return v4.new_output("display_data", data={"image/png": "", **data}, metadata=metadata)


def _set_source(cell, source):
    cell.source = source


BREAKAGES = {
    "does not say: Objectives": lambda nb: _set_source(nb.cells[0], "# Title"),
    "first level must stand at the top": lambda nb: nb.cells.append(v4.new_markdown_cell("# B")),
    "a heading skips a level: Deep": lambda nb: nb.cells.append(v4.new_markdown_cell("### Deep")),
    "plain NAME = value lines: BINS: int = 3": lambda nb: _set_source(nb.cells[1], "BINS: int = 3"),
    "plain NAME = value lines: print": lambda nb: _set_source(nb.cells[1], "print(1)"),
    "BINS is never read": lambda nb: nb.cells.__delitem__(slice(2, None)),
    "a cell has 16 lines": lambda nb: _set_source(nb.cells[3], "print(BINS)\n" * 16),
    "not run once, in order": lambda nb: nb.cells.reverse(),
    "an error is stored: ValueError": lambda nb: nb.cells[3].outputs.append(
        v4.new_output("error", ename="ValueError", evalue="", traceback=[])
    ),
    "names a machine's folder": lambda nb: nb.cells[3].outputs.append(
        v4.new_output("stream", text=f"{'/'}home/me/course")
    ),
    "no alt text": lambda nb: nb.cells[3].outputs.append(
        _picture({"text/plain": "<Figure size 640x480 with 1 Axes>"}, {})
    ),
    "(text/html) has no alt text": lambda nb: nb.cells[3].outputs.append(
        v4.new_output("display_data", data={"text/html": '<img src="data:," alt="">'})
    ),
    "metadata.widgets is stored": lambda nb: nb.metadata.update(widgets={}),
    "metadata.execution is stored": lambda nb: nb.cells[2].metadata.update(execution={}),
}


@pytest.mark.parametrize("says", BREAKAGES)
def test_each_rule_can_fail(fresh, says):
    broken = copy.deepcopy(fresh)
    BREAKAGES[says](broken)
    assert any(says in problem for problem in problems(broken, fingerprint(broken)))


@pytest.mark.parametrize(
    ("data", "metadata"),
    [({}, {"image/png": {"alt": "a rising line"}}), ({"text/plain": "A rising line."}, {})],
)
def test_words_beside_a_picture_are_enough(fresh, data, metadata):
    described = copy.deepcopy(fresh)
    described.cells[3].outputs.append(_picture(data, metadata))
    assert problems(described, fingerprint(described)) == []


def test_a_notebook_that_fails_keeps_its_old_outputs(tmp_path):
    path = tmp_path / "bad.ipynb"
    nbformat.write(v4.new_notebook(cells=[v4.new_code_cell("1 / 0")]), path)
    before = path.read_bytes()
    with pytest.raises(NotebookError, match="ZeroDivisionError"):
        refresh(path)
    assert path.read_bytes() == before
