"""The lecturer's version of a lesson as slides, with reveal.js, from a file, without a network."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from histmatch_lab._files import write_whole
from histmatch_lab.course.lessons import learner, lecturer, solved
from histmatch_lab.demos.page import PLOTLY
from histmatch_lab.publish.contents import notebook_title
from histmatch_lab.publish.page import render_cells, write_framed, write_shared_files

SHARED = ("slides.css", "slides.js", "reveal")  # what all slides of a folder load


def write_lessons(paths: Sequence[Path], folder: Path) -> None:
    """Write all versions of notebooks into a folder, and the lecturer's as slides too.

    `learner/NAME.ipynb`, `solved/NAME.ipynb`, `NAME.ipynb` (the lecturer's), `NAME.slides.html`.
    Nothing is run: what the lecturer's shows is what the notebooks have stored; on the slides
    demos move. Raises ValueError for a file that is no notebook, or has an exercise that lacks
    something.
    """
    texts: dict[Path, str] = {}
    lessons: dict[Path, NotebookNode] = {}
    for path in paths:
        try:
            source = nbformat.read(path, as_version=4)
            versions = {"learner": learner(source), "solved": solved(source), "": lecturer(source)}
        except (ValueError, nbformat.ValidationError) as problem:
            raise ValueError(f"{path}: {problem}") from None
        for name, version in versions.items():
            texts[folder / name / path.name] = f"{nbformat.writes(version)}\n"
        lessons[folder / f"{path.stem}.slides.html"] = versions[""]
    for file, text in texts.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, text.encode())
    write_shared_files(folder, *SHARED)
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        list(pool.map(write_slides, lessons.values(), lessons.keys()))


def write_slides(lesson: NotebookNode, file: Path) -> None:
    """Write the slides of a lecturer's notebook (`histmatch_lab.course.lessons.lecturer`)."""
    sections: list[list[list[NotebookNode]]] = []
    for cell in lesson.cells:
        kind = cell.metadata.slideshow.slide_type
        if kind == "skip":
            continue
        if kind == "slide" or not sections:
            sections.append([[]])
        elif kind == "subslide":
            sections[-1].append([])
        sections[-1][-1].append(cell)
    slides = [[_slide(cells) for cells in section] for section in sections]
    title = notebook_title(file.stem, lesson)
    write_framed(file, "slides.html.j2", title=title, sections=slides)


def _slide(cells: Sequence[NotebookNode]) -> tuple[str, str]:
    """What is shown, and the speaker's notes."""
    told = [cell for cell in cells if cell.metadata.slideshow.slide_type == "notes"]
    shown = [cell for cell in cells if cell not in told]
    for cell in shown:
        for output in cell.get("outputs", []):
            output.get("data", {}).pop(PLOTLY, None)  # its still is shown
    return render_cells(*shown), render_cells(*told)
