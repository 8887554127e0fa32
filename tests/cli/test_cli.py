"""The command: what it says and how it exits."""

import nbformat
import pytest
from nbformat import v4

from tests.command import run


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A folder with notebooks/good.ipynb and notebooks/bad.ipynb."""
    (tmp_path / "notebooks").mkdir()
    for name, source in {"good": "print(BINS)", "bad": "print(BINS / 0)"}.items():
        parameters = v4.new_code_cell("BINS = 256", metadata={"tags": ["parameters"]})
        notebook = v4.new_notebook(cells=[parameters, v4.new_code_cell(source)])
        nbformat.write(notebook, tmp_path / f"notebooks/{name}.ipynb")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_version():
    assert run("--version") == "histmatch-lab, version 0.1.0\n"


def test_all_notebooks_are_run_and_a_failure_is_told(course):
    output = run("report", code=1)
    assert "ZeroDivisionError" in output
    assert "print(BINS / 0)" in output
    assert (course / "report/good.html").exists()


def test_a_parameter_is_passed(course):
    run("report", "notebooks/good.ipynb", "-p", "BINS", "77", "-o", "pages")
    assert "77" in (course / "pages/good.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["report", "nowhere.ipynb"], "does not exist"),
        (["report", "-p", "BIN", "3"], "no parameter is called BIN; known: BINS"),
        (["report", "-p", "BINS"], "requires 2 arguments"),
        (["report", "--jobs", "0"], "0 is not in the range"),
        (["repot"], "No such command"),
    ],
)
@pytest.mark.usefixtures("course")
def test_what_cannot_be_is_refused(arguments, says):
    assert says in run(*arguments, code=2)


def test_an_empty_folder_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "no notebooks" in run("report", code=2)
    assert "no notebooks" in run("lecturer", code=2)
