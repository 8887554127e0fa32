"""The course as a site: its executed notebooks and its demos, from a file, without a network."""

from __future__ import annotations

import re
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from nbformat import NotebookNode

from histmatch_lab.demos import find_demo
from histmatch_lab.publish.contents import numbered, write_contents
from histmatch_lab.publish.markdown import to_html
from histmatch_lab.publish.notebooks import read
from histmatch_lab.publish.page import write_demo_page, write_framed, write_page

# Demos that have a page of their own, by the names that `find_demo` knows.
DEMO_PAGES = ("histmatch_lab.demos.figures.microscope:microscope",)


@dataclass(frozen=True)
class _Lesson:
    """What a notebook's first cell says of it; the objectives as HTML."""

    name: str
    title: str
    minutes: str
    objectives: str


def write_site(notebooks: Sequence[Path], folder: Path) -> None:
    """Write a page of each notebook as it was run, of each demo in DEMO_PAGES, and an index.

    Nothing is run again: the outputs are those stored in the notebooks.

    Args:
        notebooks: executed, in the order of the course.
        folder: where the site goes; made if it is not there.

    Raises:
        ValueError: before anything is written: a file is no notebook, or was not run.
    """
    course = {path.stem: _executed(path) for path in notebooks}
    demos = {name.rpartition(":")[2]: find_demo(name) for name in DEMO_PAGES}
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"{name}.html" for name in course]
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        list(pool.map(write_page, course.values(), files))
    for name, demo in demos.items():
        write_demo_page(demo, folder / f"{name}.html")
    lessons = [_lesson(name, notebook) for name, notebook in course.items()]
    titles = {name: demo.title for name, demo in demos.items()}
    write_framed(
        folder / "index.html",
        "course.html.j2",
        title="histmatch-lab",
        lessons=lessons,
        demos=titles,
    )
    write_contents(folder, [*course, *demos])


def _executed(path: Path) -> NotebookNode:
    notebook = read(path)
    if any(cell.get("execution_count", 0) is None and cell.source for cell in notebook.cells):
        raise ValueError(f"{path} was not run; run it, or all of them with `make notebooks`")
    return notebook


def _lesson(name: str, notebook: NotebookNode) -> _Lesson:
    first = next((cell.source for cell in notebook.cells if cell.cell_type == "markdown"), "")
    title = re.search(r"^# (.+)", first, re.MULTILINE)
    minutes = re.search(r"\*\*Minutes\.\*\* (\d+)", first)
    objectives = re.search(r"\*\*Objectives\.\*\* (.+)", first)
    return _Lesson(
        name,
        numbered(name, title[1] if title else name),
        minutes[1] if minutes else "",
        to_html(objectives[1]) if objectives else "",
    )
