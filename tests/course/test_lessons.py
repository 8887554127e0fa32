"""The notebooks as the one source of a lesson: what is marked, and what is built from it."""

import copy
import re

import nbformat
import pytest
from nbformat import v4

from histmatch_lab.course.checks import all_checks
from histmatch_lab.course.lessons import exercises, learner, lecturer, solved
from tests.command import run
from tools.refresh import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
each_notebook = pytest.mark.parametrize(
    "notebook", [nbformat.read(path, 4) for path in NOTEBOOKS], ids=[p.stem for p in NOTEBOOKS]
)


def _text(notebook):
    return "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


@each_notebook
def test_each_notebook_has_two_to_five_exercises_with_a_title_and_a_todo(notebook):
    found = exercises(notebook)
    assert 2 <= len(found) <= 5
    kinds = re.findall(
        r"^### Exercise (\d) \((predict|complete|design|find the bug)\): \S", _text(notebook), re.M
    )
    assert [int(number) for number, _ in kinds] == list(range(1, len(found) + 1))
    for cell in notebook.cells:
        assert ("check_" in cell.source and "..." in cell.source and cell.cell_type == "code") == (
            "exercise" in cell.metadata.get("tags", [])
        ), cell.id
        if "exercise" in cell.metadata.get("tags", []):
            assert "# TODO: " in cell.source


def test_no_check_is_without_an_exercise():
    used = {exercise.check for path in NOTEBOOKS for exercise in exercises(nbformat.read(path, 4))}
    assert used == set(all_checks())


@each_notebook
def test_each_notebook_ends_with_five_questions_and_a_reason_for_each_choice(notebook):
    [test] = [cell.source for cell in notebook.cells if cell.id == "self-test"]
    questions = re.split(r"^\*\*Question \d\.\*\* ", test, flags=re.M)[1:]
    assert len(questions) == 5
    for number, question in enumerate(questions, 1):
        asked, answers = question.split(f"<details><summary>Answer {number}</summary>\n\n")
        assert re.findall(r"^- \*\*(.)\*\* \S", asked, re.M) == list("abcd")
        verdicts = re.findall(r"^- \*\*(.)\*\* (Right|Wrong): \S", answers, re.M)
        assert "".join(letter for letter, _ in verdicts) == "abcd"
        assert [verdict for _, verdict in verdicts].count("Right") == 1
        assert answers.rstrip().endswith("</details>")


@each_notebook
def test_the_minutes_of_the_sections_add_up(notebook):
    sections = re.findall(r"^## .+ \((\d+) min\b.*\)$", _text(notebook), re.M)
    total = re.search(r"\*\*Minutes\.\*\* (\d+)", notebook.cells[0].source)[1]
    assert sum(map(int, sections)) == int(total)
    assert f"| **all** | {total} | {len(exercises(notebook))} |" in _text(lecturer(notebook))


@each_notebook
def test_the_solved_version_answers_each_exercise_and_changes_nothing_else(notebook):
    answers = {exercise.cell: exercise for exercise in exercises(notebook)}
    for before, after in zip(notebook.cells, solved(notebook).cells, strict=True):
        if before.id not in answers:
            assert after.source == before.source
            continue
        assert "..." in before.source
        assert "..." not in after.source
        assert after.source.startswith(answers[before.id].solution)
        assert after.source.splitlines()[-1] == before.source.splitlines()[-1]


@each_notebook
def test_the_lecturers_version_shows_solutions_and_mistakes_and_is_cut_into_slides(notebook):
    shown = lecturer(notebook)
    nbformat.validate(shown)
    text = _text(shown)
    assert text.count("<details open><summary>Solution") == len(exercises(notebook))
    for exercise in exercises(notebook):
        for hint in all_checks()[exercise.check].hints:
            assert f"\n- {hint}" in text
    kinds = {cell.id: cell.metadata.slideshow.slide_type for cell in shown.cells}
    prose = [cell for cell in shown.cells if cell.cell_type == "markdown"]
    headings = [cell for cell in prose if cell.source.startswith(("# ", "## "))]
    assert [cell.id for cell in shown.cells if kinds[cell.id] == "slide"] == [
        cell.id for cell in headings
    ]
    assert len(headings) == len(re.findall(r"^##? ", _text(notebook), re.M))
    assert kinds["set-up"] == "skip"
    told = [cell for cell in prose if "<summary>Solution" in cell.source]
    assert {kinds[cell.id] for cell in told} <= {"notes"}, "the class does not see it"


def _lesson():
    exercise = v4.new_code_cell(
        "answer = ...  # TODO: a number\n\ncheck_bin_center(answer)",
        id="exercise-one",
        metadata={"tags": ["exercise"]},
    )
    hints = "\n".join(f"<details><summary>Hint {n}</summary>h{n}</details>" for n in (1, 2, 3))
    solution = "<details><summary>Solution</summary>\n\n```python\nanswer = 0.31\n```\n\n</details>"
    folded = v4.new_markdown_cell(
        f"{hints}\n{solution}", id="help", metadata={"tags": ["solution"]}
    )
    title, section = v4.new_markdown_cell("# T"), v4.new_markdown_cell("## S (3 min)\n\n### E\nask")
    return v4.new_notebook(cells=[title, section, exercise, folded])


def _set(cell, **values):
    cell.update(values)


@pytest.mark.parametrize(
    ("says", "break_it"),
    [
        ("last line must be check_", lambda c: _set(c[2], source="answer = ...\nanswer")),
        ("check_sums must be in", lambda c: _set(c[2], source="answer = ...\ncheck_sums(answer)")),
        ("must be tagged solution", lambda c: _set(c[3], metadata={})),
        ("must be tagged solution", lambda c: c.pop()),
        ("folds must be", lambda c: _set(c[3], source=c[3].source.replace("Hint 3", "Hint"))),
        (
            "must be 1 Python block, got 0",
            lambda c: _set(c[3], source=c[3].source.replace("python", "")),
        ),
    ],
)
def test_an_exercise_that_is_marked_wrongly_is_refused(says, break_it, tmp_path):
    notebook = _lesson()
    break_it(notebook.cells)
    with pytest.raises(ValueError, match=says):
        exercises(notebook)
    nbformat.write(notebook, tmp_path / "bad.ipynb")
    output = run("lecturer", tmp_path / "bad.ipynb", "-o", tmp_path / "out", code=2)
    assert "bad.ipynb: cell" in output
    assert not (tmp_path / "out").exists()


def test_the_command_writes_every_version(tmp_path):
    notebook = _lesson()
    output = v4.new_output("stream", text="Right\n")
    notebook.cells[2].update(outputs=[output], execution_count=1)
    nbformat.write(notebook, tmp_path / "one.ipynb")
    before = copy.deepcopy(notebook)
    assert "out: 1" in run("lecturer", tmp_path / "one.ipynb", "-o", tmp_path / "out")
    versions = {
        name: nbformat.read(tmp_path / "out" / name / "one.ipynb", 4)
        for name in ("learner", "solved", "")
    }
    assert versions["learner"] == learner(before)
    assert "answer = 0.31\n\ncheck_bin_center(answer)" in versions["solved"].cells[2].source
    assert versions[""].cells[1].id == "timetable"
    assert [len(versions[name].cells) for name in ("learner", "solved", "")] == [4, 4, 6]
    slides = (tmp_path / "out/one.slides.html").read_text()
    # To the right: title and section. Down from the section: the exercise; the rest is notes.
    assert slides.count("<section") == 5
    assert "What learners get wrong" in slides
    assert "Right" in slides
