"""Address and version stand in pyproject.toml, and elsewhere as they are written from there."""

import re
import shutil
import subprocess
import sys

import nbformat
import pytest
from nbformat import v4

from tools.set_up import CELL_ID, ROOT, home, write

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
HOME = home(ROOT)


@pytest.fixture
def course(tmp_path):
    """A copy of the files that know the address."""
    for name in ("pyproject.toml", "README.md", "CITATION.cff"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "notebooks", tmp_path / "notebooks")
    return tmp_path


def _edit(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_all_files_say_what_pyproject_says(course):
    assert write(course) == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_links_to_colab_and_is_set_up_before_it_imports(path):
    notebook = nbformat.read(path, as_version=4)
    assert f"[Open in Colab]({HOME.on_colab(path.name)})" in notebook.cells[0].source
    ids = [cell.id for cell in notebook.cells]
    imports = [bool(re.search(r"(import|from) histmatch_lab", c.source)) for c in notebook.cells]
    assert ids.count(CELL_ID) == 1
    assert ids.index(CELL_ID) < imports.index(True)


def test_where_the_course_is_not_installed_the_cell_says_what_to_do(monkeypatch):
    exec(HOME.cell, {})
    monkeypatch.setitem(sys.modules, "histmatch_lab", None)
    with pytest.raises(SystemExit, match=r"lacks the course: run make lab in its folder"):
        exec(HOME.cell, {})


def test_the_readme_leads_to_colab_binder_and_codespaces():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"]({HOME.on_colab('00_start_here.ipynb')})" in text
    assert f"](https://mybinder.org/v2/gh/{HOME.slug}/{HOME.tag}?" in text
    assert f"](https://codespaces.new/{HOME.slug})" in text
    assert "git clone" not in text  # its commands start from a checkout, wherever that is from


def test_a_new_address_and_version_reach_every_place(course):
    _edit(course / "pyproject.toml", HOME.address, "https://github.com/someone/else")
    _edit(course / "pyproject.toml", f'version = "{HOME.tag[1:]}"', 'version = "7.8.9"')
    changed = write(course)
    assert {path.name for path in changed} >= {"README.md", "CITATION.cff", NOTEBOOKS[0].name}
    assert len(changed) == 2 + len(NOTEBOOKS)
    for path in changed:
        text = path.read_text(encoding="utf-8")
        assert HOME.slug not in text
        assert HOME.tag not in text
        assert "someone/else" in text
    assert write(course) == []


def test_no_other_file_knows_the_address():
    found = subprocess.run(
        ["git", "grep", "--untracked", "-lF", HOME.slug], cwd=ROOT, capture_output=True, text=True
    )
    knowing = {"pyproject.toml", "README.md", "CITATION.cff"}
    assert {*found.stdout.split()} == knowing | {f"notebooks/{path.name}" for path in NOTEBOOKS}


def test_a_new_notebook_gets_cell_and_link_and_keeps_the_rest(course):
    cells = [
        v4.new_markdown_cell("# New"),
        v4.new_code_cell("BINS = 3", metadata={"tags": ["parameters"]}),
        v4.new_code_cell("import histmatch_lab", outputs=[v4.new_output("stream", text="heard")]),
    ]
    path = course / "notebooks" / "08_new.ipynb"
    nbformat.write(v4.new_notebook(cells=cells), path)
    assert write(course) == [path]
    new = nbformat.read(path, as_version=4)
    title, parameters, set_up, imports = new.cells
    assert title.source == f"# New\n\n[Open in Colab]({HOME.on_colab('08_new.ipynb')})"
    assert [parameters.source, imports.source] == [cells[1].source, cells[2].source]
    assert set_up.source == HOME.cell
    assert imports.outputs == cells[2].outputs


@pytest.mark.parametrize("address", ["https://example.org/a/b", "https://github.com/a/b.git"])
def test_an_address_that_colab_cannot_open_is_refused(course, address):
    _edit(course / "pyproject.toml", HOME.address, address)
    with pytest.raises(ValueError, match=r"Repository is .*OWNER/NAME"):
        write(course)
