"""The course as a site: its executed notebooks and its demos, from a file, without a network."""

from __future__ import annotations

import base64
import inspect
import io
import re
from collections.abc import Container, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import starmap
from multiprocessing import get_context
from pathlib import Path

from nbformat import NotebookNode, v4
from PIL import Image

from histmatch_lab.demos import Demo, find_demo
from histmatch_lab.demos.encoding import address, stored
from histmatch_lab.demos.page import to_figure
from histmatch_lab.publish.contents import (
    notebook_contents,
    notebook_title,
    numbered,
    write_contents,
)
from histmatch_lab.publish.execution import read
from histmatch_lab.publish.markdown import render_markdown
from histmatch_lab.publish.page import write_framed, write_page, write_shared_files

_PICTURE = re.compile(r'src="data:image/\w+;base64,([^"]+)"')
_ELSEWHERE = re.compile(r"\]\(\.\./(?:docs|notebooks)/([\w.-]+)\.(?:md|ipynb)(?=[)#])")
# Demos that have a page of their own, by the names that `find_demo` knows.
DEMO_PAGES = ("histmatch_lab.demos.figures.microscope:microscope",)


def write_site(sources: Sequence[Path], folder: Path) -> None:
    """Write a page of each notebook as it was run, of each demo in DEMO_PAGES, and an index.

    The notebooks are in the order of the course, and not run again: the outputs are those stored in
    them. A Markdown file among them gets a page apart; links between docs/ and notebooks/ lead to
    the pages. Raises ValueError, before anything is written, if another is no notebook, or was not
    run.
    """
    documents = [path for path in sources if path.suffix == ".md"]
    course = {path.stem: _executed(path) for path in sources if path not in documents}
    apart = {name.rpartition(":")[2]: demo_notebook(find_demo(name)) for name in DEMO_PAGES}
    apart |= {path.stem: _document(path) for path in documents}
    pages = course | apart
    for page in pages.values():
        _link_pages(page, pages.keys())
    folder.mkdir(parents=True, exist_ok=True)
    write_shared_files(folder)
    files = [folder / f"{name}.html" for name in pages]
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        list(pool.map(write_page, pages.values(), files))
    write_contents(folder, starmap(notebook_contents, pages.items()))
    write_framed(
        folder / "index.html",
        "course.html.j2",
        title="histmatch-lab",
        lessons=list(starmap(_lesson, course.items())),
        hero=to_figure(find_demo(DEMO_PAGES[0])),
        apart={name: notebook_title(name, notebook) for name, notebook in apart.items()},
    )


def demo_notebook(demo: Demo) -> NotebookNode:
    """A demo as a notebook that shows it: its docstring, the figure, what each control shows."""
    _, _, about = (inspect.getdoc(demo) or "").partition("\n")
    shown = {"histmatch_lab": {"demo": demo.name, "settings": {}}}
    hints = (f"- **{control.label}**: {control.hint}" for control in demo.controls.values())
    return v4.new_notebook(
        cells=[
            v4.new_markdown_cell(f"# {demo.title}\n{about}"),
            v4.new_code_cell(outputs=[v4.new_output("display_data", metadata=shown)]),
            v4.new_markdown_cell("\n".join(("## What to look for", "", *hints))),
        ]
    )


def _document(path: Path) -> NotebookNode:
    return v4.new_notebook(cells=[v4.new_markdown_cell(path.read_text(encoding="utf-8"))])


def _link_pages(notebook: NotebookNode, names: Container[str]) -> None:
    """Let links to files in docs/ and notebooks/ lead to their pages, in place."""

    def page(link: re.Match[str]) -> str:
        return f"]({link[1]}.ipynb" if link[1] in names else link[0]

    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = _ELSEWHERE.sub(page, cell.source)


def _executed(path: Path) -> NotebookNode:
    notebook = read(path)
    if any(cell.get("execution_count", 0) is None and cell.source for cell in notebook.cells):
        raise ValueError(f"{path} was not run; run it, or all of them with `make notebooks`")
    return notebook


def _lesson(name: str, notebook: NotebookNode) -> dict[str, str]:
    """What a notebook's first cell says of it; the objectives as HTML."""
    first = next((cell.source for cell in notebook.cells if cell.cell_type == "markdown"), "")
    minutes = re.search(r"\*\*Minutes\.\*\* (\d+)", first)
    objectives = re.search(r"\*\*Objectives\.\*\* (.+)", first)
    return {
        "name": name,
        "title": numbered(name, notebook_title(name, notebook)),
        "minutes": minutes[1] if minutes else "",
        "objectives": render_markdown(objectives[1]) if objectives else "",
        "thumbnail": _thumbnail(notebook),
    }


def _thumbnail(notebook: NotebookNode) -> str:
    """The first picture that the notebook shows, small; empty if it shows none."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    data = [output.get("data", {}) for output in outputs]
    found = (one.get("image/png") or _PICTURE.search(one.get("text/html", "")) for one in data)
    first = next(filter(None, found), None)
    if first is None:
        return ""
    whole = base64.b64decode(first if isinstance(first, str) else first[1])
    image = Image.open(io.BytesIO(whole)).convert("RGB")
    image.thumbnail((480, 480))
    return address(stored(image, "webp", quality=60))
