"""The command: what it says and how it exits."""

import nbformat
import pytest
from click.testing import CliRunner
from nbformat import v4

from histmatch_lab.cli import app


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


def _invoke(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_version():
    assert _invoke("--version").output == "histmatch-lab, version 0.1.0\n"


def test_all_notebooks_are_run_and_a_failure_is_told(course):
    result = _invoke("report")
    assert result.exit_code == 1
    assert "ZeroDivisionError" in result.output
    assert "print(BINS / 0)" in result.output
    assert (course / "report/good.html").exists()


def test_a_parameter_is_passed(course):
    result = _invoke("report", "notebooks/good.ipynb", "-p", "BINS", "77", "-o", "pages")
    assert result.exit_code == 0, result.output
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
    result = _invoke(*arguments)
    assert result.exit_code == 2
    assert says in result.output


def test_an_empty_folder_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = _invoke("report")
    assert result.exit_code == 2
    assert "no notebooks" in result.output
