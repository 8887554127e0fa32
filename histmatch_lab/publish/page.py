"""One page: a notebook, a demo or the table of runs, in the frame that all of them share."""

from __future__ import annotations

import copy
import html
import inspect
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import plotly.io
from jinja2 import Environment, FileSystemLoader, pass_context
from nbconvert.exporters import HTMLExporter
from nbformat import NotebookNode
from plotly.offline import get_plotlyjs

from histmatch_lab._files import write_whole
from histmatch_lab.demos import Demo, find_demo
from histmatch_lab.demos.page import SCRIPT, STYLE, to_figure
from histmatch_lab.publish.contents import write_contents
from histmatch_lab.publish.markdown import to_html
from histmatch_lab.publish.notebooks import WIDGET_VIEW

_TEMPLATES = Path(__file__).with_name("files")
_PLOTLY = "application/vnd.plotly.v1+json"
_PLOTLY_FILE = "plotly.min.js"
_KATEX = _TEMPLATES / "katex"  # of KaTeX 0.19.1's distribution, what a page loads
_SPENT = ("", "Output()")  # what stays of a progress bar that has gone


def write_page(notebook: NotebookNode, file: Path) -> None:
    """Write an executed notebook as a page, and beside it the style and scripts that it needs.

    Args:
        notebook: as `histmatch_lab.publish.notebooks.execute` returns it.
        file: the page; an older one stays until this one is whole.
    """
    shown = copy.deepcopy(notebook)
    scripts = []
    for cell in shown.cells:
        outputs = [out for out in cell.get("outputs", []) if not _is_spent(out)]
        if any(_PLOTLY in output.get("data", {}) for output in outputs):
            write_whole(file.with_name(_PLOTLY_FILE), get_plotlyjs().encode())
            scripts = [_PLOTLY_FILE]
        for output in outputs:
            _make_still_or_standalone(output)
        if cell.cell_type == "code":
            cell.outputs = outputs
    body, _ = _CellsExporter().from_notebook_node(shown)
    heading = re.search(r"<h1[^>]*>(.*?)</h1>", body, re.DOTALL)
    if not heading:
        body = f"<h1>{html.escape(file.stem)}</h1>\n{body}"
    title = html.unescape(re.sub(r"<[^>]+>", "", heading[1])) if heading else file.stem
    write_framed(file, "page.html.j2", title=title, body=body, scripts=scripts)


def write_demo_page(demo: Demo, file: Path) -> None:
    """Write a page of one demo: what its docstring says, the figure, what to look for."""
    _, _, about = (inspect.getdoc(demo) or "").partition("\n")
    write_framed(
        file,
        "demo.html.j2",
        title=demo.title,
        about=to_html(about),
        figure=to_figure(demo),
        controls=list(demo.controls.values()),
    )


def write_index(runs: Sequence[Any], file: Path) -> None:
    """Write the table of runs (`histmatch_lab.publish.batch.Run`) with links to the pages beside it."""
    pages = [run.name for run in runs if file.with_name(f"{run.name}.html").exists()]
    write_framed(file, "runs.html.j2", title="Report", runs=runs, pages=pages)
    write_contents(file.parent, pages)


def write_framed(file: Path, template: str, **values: Any) -> None:
    """Write a page from its template, and the styles and scripts of all pages beside it."""
    loader = FileSystemLoader(_TEMPLATES)
    pages = Environment(loader=loader, autoescape=True, trim_blocks=True)
    write_whole(file, pages.get_template(template).render(**values).encode())
    for name, part in (("style.css", STYLE), ("script.js", SCRIPT)):
        shared = (_TEMPLATES / name).read_text(encoding="utf-8")
        write_whole(file.with_name(name), f"{shared}\n{part}".encode())
    for source in (path for path in _KATEX.rglob("*") if path.is_file()):
        place = file.parent / source.relative_to(_TEMPLATES)
        place.parent.mkdir(parents=True, exist_ok=True)
        write_whole(place, source.read_bytes())


def _is_spent(output: NotebookNode) -> bool:
    return output.get("data", {}).get("text/plain") in _SPENT


def _make_still_or_standalone(output: NotebookNode) -> None:
    """Replace, in place, what would need a kernel or a network by what the page can show itself."""
    data = output.get("data", {})
    view = data.pop(WIDGET_VIEW, None)
    demo = output.get("metadata", {}).get("histmatch_lab", {})
    if demo and not demo["demo"].startswith("__main__:"):  # those are unknown here: a still
        data["text/html"] = to_figure(find_demo(demo["demo"]), demo["settings"])
    elif _PLOTLY in data:
        data["text/html"] = _hover_figure(data[_PLOTLY], data.get("text/plain", ""))
    elif view and data.keys() <= {"text/plain"}:
        data["text/html"] = "<p><em>A live control: run the notebook to use it.</em></p>"


def _hover_figure(figure: Any, says: str) -> str:
    drawn = plotly.io.to_html(
        plotly.io.from_json(json.dumps(figure), skip_invalid=True),
        config={"responsive": True, "displaylogo": False},
        include_plotlyjs=False,
        full_html=False,
    )
    text = html.escape(says)
    return f'<figure class="hover">{drawn}<figcaption><p>{text}</p></figcaption></figure>'


class _CellsExporter(HTMLExporter):
    """The cells alone, by our template, without the page round them."""

    def __init__(self) -> None:
        loader = FileSystemLoader(_TEMPLATES)
        super().__init__(template_file="notebook.html.j2", extra_loaders=[loader])

    @pass_context
    def markdown2html(self, context: Any, source: str) -> str:
        return to_html(source, context.get("cell", {}).get("attachments"))
