"""`histmatch-lab collect` on what a class may hand in."""

import copy
import csv
from pathlib import Path

import nbformat
import pytest

from histmatch_lab.course.lessons import solved
from histmatch_lab.publish import collect
from tests.command import run

LESSON = Path(__file__).parents[2] / "notebooks/00_start_here.ipynb"


@pytest.fixture(scope="module")
def lesson():
    return nbformat.read(LESSON, as_version=4)


def _answering(lesson, **sources):
    """The lesson with other cells for some of its exercises, by a part of their code."""
    notebook = copy.deepcopy(lesson)
    for cell in notebook.cells:
        for check, source in sources.items():
            if "exercise" in cell.metadata.get("tags", []) and check in cell.source:
                cell.source = source
    return notebook


def _rows(path):
    with path.open(newline="", encoding="utf-8-sig") as file:
        return {(row["notebook"], row["exercise"]): row for row in csv.DictReader(file)}


def test_a_class(lesson, tmp_path):
    folder = tmp_path / "class"
    (folder / "anna").mkdir(parents=True)
    (folder / ".ipynb_checkpoints").mkdir()
    nbformat.write(lesson, folder / "anna/00.ipynb")
    nbformat.write(lesson, folder / ".ipynb_checkpoints/00.ipynb")
    nbformat.write(solved(lesson), folder / "bert.ipynb")
    wrong = _answering(
        lesson,
        check_bin_center="center = 15\ncheck_bin_center(center)",
        check_most_clipped="print('✓ Right.')\n1 / 0\ncheck_most_clipped(most_clipped)",
    )
    nbformat.write(wrong, folder / "=cmd|x [red].ipynb")
    (folder / "zoe.ipynb").write_text('{"cells": [')
    table = tmp_path / "table.csv"
    output = run("collect", folder, "-o", table, "--seconds", 600, code=1)
    rows = _rows(table)
    states = {key: row["state"] for key, row in rows.items()}
    assert states == {
        ("'=cmd|x [red].ipynb", "most_clipped"): "error",
        ("'=cmd|x [red].ipynb", "bin_center"): "wrong",
        ("anna/00.ipynb", "most_clipped"): "not answered",
        ("anna/00.ipynb", "bin_center"): "not answered",
        ("bert.ipynb", "most_clipped"): "right",
        ("bert.ipynb", "bin_center"): "right",
        ("zoe.ipynb", ""): "error",
    }
    assert rows["'=cmd|x [red].ipynb", "bin_center"]["says"].startswith("That is k, the number")
    assert "ZeroDivisionError" in rows["'=cmd|x [red].ipynb", "most_clipped"]["says"]
    assert "is no notebook" in rows["zoe.ipynb", ""]["says"]
    assert "[red]" in output


RIGHT = "center = 0.31\ncheck_bin_center(center)"
DEAF = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "seconds", "states", "says"),
    [
        ("while True: pass", 600, ["error", "right"], "KeyboardInterrupt"),
        ("while True: print('x' * 1000)", 600, ["error", "right"], "KeyboardInterrupt"),
        (DEAF, 40, ["out of time", "out of time"], "after 40 seconds"),
        ("import os; os._exit(3)", 600, ["error"], "DeadKernelError"),
        ("import os, sys; sys.stdout = open(os.devnull, 'w')", 600, ["wrong", "right"], "area 1"),
    ],
    ids=["endless", "flood", "deaf", "deadly", "mute"],
)
def test_a_learners_code_ends_in_time(code, seconds, states, says, tmp_path, monkeypatch):
    monkeypatch.setattr(collect, "CELL_SECONDS", 10.0)
    sources = f"{code}\narea = 2\ncheck_area_as_printed(area)", RIGHT
    cells = [nbformat.v4.new_code_cell(text) for text in sources]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "a.ipynb")
    [answers] = collect.collect(tmp_path, seconds=seconds)
    assert [answer.state for answer in answers] == states
    assert says in answers[0].says


def test_only_what_the_exercises_need_is_run():
    cells = [
        nbformat.v4.new_code_cell(source)
        for source in (
            "import torch\nfrom math import pi as p",
            "show(figure)",
            "x = {}\ny = 1",
            "x['a'] = p",
            "train_for_hours(x)",
            "%matplotlib inline",
            "answer = x['a']\ncheck_bin_center(answer)",
        )
    ]
    kept = collect._needed(cells, cells[-1:])
    assert [cells.index(cell) for cell in kept] == [0, 2, 3, 6]


def test_what_holds_nothing_is_refused(tmp_path):
    assert "must hold notebooks, got none" in run("collect", tmp_path, code=2)
    nbformat.write(nbformat.v4.new_notebook(), tmp_path / "a.ipynb")
    output = run("collect", tmp_path, "-o", tmp_path / "table.csv", code=1)
    assert "no exercise of the course" in " ".join(output.split())
