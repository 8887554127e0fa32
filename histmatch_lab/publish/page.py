"""One page, in the frame that all pages of a folder share."""

from __future__ import annotations

import base64
import copy
import hashlib
import html
import json
import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, pass_context
from nbconvert.exporters import HTMLExporter
from nbformat import NotebookNode, v4

from histmatch_lab._files import write_whole
from histmatch_lab.demos import find_demo
from histmatch_lab.demos.page import PLOTLY, SCRIPT, WIDGET_VIEW, to_figure
from histmatch_lab.publish.contents import notebook_title
from histmatch_lab.publish.markdown import render_markdown

_FILES = Path(__file__).with_name("files")
_TEMPLATES = Environment(loader=FileSystemLoader(_FILES), autoescape=True, trim_blocks=True)
_PICTURE = re.compile(r'((?:src=|"(?:src|after)": ?)")data:image/(\w+);base64,([^"]+)')
_SPENT = ("", "Output()")  # what stays of a progress bar that has gone


def write_shared_files(
    folder: Path, style: str = "style.css", script: str = "script.js", other: str = "plotly"
) -> None:
    """Write what all pages of a folder load: a style, and a script after the figures' own.

    What others have made, KaTeX with its fonts and the `other`, gets a folder with its licence.
    """
    own = (_FILES / script).read_text(encoding="utf-8")
    write_whole(folder / script, f"{SCRIPT}\n{own}".encode())
    found = (path for name in ("katex", other) for path in (_FILES / name).rglob("*"))
    for source in (_FILES / style, *filter(Path.is_file, found)):
        place = folder / source.relative_to(_FILES)
        place.parent.mkdir(parents=True, exist_ok=True)
        write_whole(place, source.read_bytes())


def write_page(
    notebook: NotebookNode, file: Path, *, passed: Mapping[str, Any] | None = None
) -> None:
    """Write an executed notebook as a page.

    passed: its parameters that were not the defaults, of which the text speaks; the page says so.
    """
    title, body = notebook_title(file.stem, notebook), render_cells(*notebook.cells)
    if "<h1" not in body:
        body = f"<h1>{html.escape(title)}</h1>\n{body}"
    values = {
        name: Path(value).name if isinstance(value, str) else value
        for name, value in (passed or {}).items()
    }
    write_framed(file, "page.html.j2", title=title, body=body, passed=values)


def render_cells(*cells: NotebookNode) -> str:
    """Cells with their outputs as HTML that needs no kernel, and of its page katex and SCRIPT."""
    shown = v4.new_notebook(cells=copy.deepcopy(list(cells)))
    for cell in shown.cells:
        if cell.cell_type != "code":
            continue
        outputs = [(output, output.get("data", {})) for output in cell.outputs]
        cell.outputs = [
            output
            for output, data in outputs
            if data.get("text/plain") not in _SPENT and data.keys() != {WIDGET_VIEW}
        ]
        for output in cell.outputs:
            _make_still_or_standalone(output)
    body, _ = _CellsExporter().from_notebook_node(shown)
    return str(body)


def write_framed(file: Path, template: str, **values: Any) -> None:
    """Write a page from its template, which brings the links to what all pages share.

    Its pictures go to pictures/ beside it, once each: the text is there before them.
    """
    page = _TEMPLATES.get_template(template).render(**values)
    write_whole(file, _PICTURE.sub(partial(_picture_beside, file.parent), page).encode())


def _picture_beside(folder: Path, found: re.Match[str]) -> str:
    src, kind, text = found.groups()
    picture = base64.b64decode(text)
    place = Path("pictures", f"{hashlib.sha256(picture).hexdigest()[:16]}.{kind}")
    (folder / "pictures").mkdir(exist_ok=True)
    write_whole(folder / place, picture)
    return src + place.as_posix()


def _make_still_or_standalone(output: NotebookNode) -> None:
    """Replace, in place, what would need a kernel or a network by what the page can show itself."""
    data = output.get("data", {})
    view = data.pop(WIDGET_VIEW, None)
    demo = output.get("metadata", {}).get("histmatch_lab", {})
    if demo and not demo["demo"].startswith("__main__:"):  # those are unknown here: a still
        data["text/html"] = to_figure(find_demo(demo["demo"]), demo["settings"])
    elif PLOTLY in data:
        data["text/html"] = _hover_figure(data)
    elif view and data.keys() <= {"text/plain"}:
        data["text/html"] = "<p><em>A live control: run the notebook to use it.</em></p>"


def _hover_figure(data: NotebookNode) -> str:
    """A still, which script.js replaces by the figure when that comes into view."""
    whole = json.dumps(data[PLOTLY]).replace("<", "\\u003c")
    text = html.escape(data.get("text/plain", ""))
    picture = f"data:image/jpeg;base64,{data.get('image/jpeg', '')}"
    return (
        f'<figure class="hover"><div><img src="{picture}" alt="{text}"></div><figcaption>'
        f'<p>{text}</p></figcaption><script type="application/json">{whole}</script></figure>'
    )


class _CellsExporter(HTMLExporter):
    """The cells alone, by our template, without the page round them."""

    def __init__(self) -> None:
        loader = FileSystemLoader(_FILES)
        super().__init__(template_file="notebook.html.j2", extra_loaders=[loader])

    @pass_context
    def markdown2html(self, context: Any, source: str) -> str:
        return render_markdown(source, context.get("cell", {}).get("attachments"))
