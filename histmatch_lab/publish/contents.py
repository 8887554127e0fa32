"""What a folder's pages are called and say, as a script that each of them loads.

A page that was opened from a file may not read other files, but it may load scripts: so the list
of pages, in order, and their text by heading for the search are one.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from nbformat import NotebookNode

from histmatch_lab._files import write_whole
from histmatch_lab.publish.markdown import render_markdown

_HEADING = re.compile(r'<h[1-4] id="([^"]*)">(.*?)</h[1-4]>', re.DOTALL)
_FORMULA = re.compile(r'<span class="formula[^>]*>(.*?)</span>', re.DOTALL)


def write_contents(folder: Path, pages: Iterable[dict[str, Any]]) -> None:
    """Write contents.js for these pages of the folder, in the order in which they are read.

    pages: of each its "file" as an address, its "title" and its "sections": of each the "heading",
    the "id" of the heading's element, and the "text", without marks.
    """
    data = json.dumps(list(pages), ensure_ascii=False, separators=(",", ":"))
    write_whole(folder / "contents.js", f"const CONTENTS = {data};\n".encode())


def notebook_contents(name: str, notebook: NotebookNode) -> dict[str, Any]:
    """What the page of a notebook says, by heading: its prose and its code."""
    title = notebook_title(name, notebook)
    sections = [{"id": "", "heading": title, "text": ""}]
    for cell in notebook.cells:
        if cell.cell_type != "markdown":
            sections[-1]["text"] += f"{cell.source}\n"
            continue
        before, *found = _HEADING.split(render_markdown(cell.source, cell.get("attachments")))
        sections[-1]["text"] += f"{plain_text(before)}\n"
        for ident, heading, text in zip(found[::3], found[1::3], found[2::3], strict=True):
            section = {"id": html.unescape(ident), "heading": plain_text(heading)}
            sections.append(section | {"text": f"{plain_text(text)}\n"})
    said = [section | {"text": " ".join(section["text"].split())} for section in sections]
    title = numbered(name, title)
    return {"file": quote(f"{name}.html"), "title": title, "sections": said[not said[0]["text"] :]}


def notebook_title(name: str, notebook: NotebookNode) -> str:
    """A notebook's first heading of the first level; its name if it has none."""
    prose = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    heading = re.search(r"^# +(.+)", prose, re.MULTILINE)
    return plain_text(render_markdown(heading[1])) if heading else name


def numbered(name: str, title: str) -> str:
    """The title with the number that the file's name begins with, if it does."""
    number = name.partition("_")[0]
    return f"{number} {title}" if number.isdigit() else title


def plain_text(markup: str) -> str:
    """The text of some HTML, its formulas without TeX's marks.

    >>> plain_text('Let <span class="formula">\\\\alpha &lt; 1</span> be <b>small</b>')
    'Let alpha < 1 be small'
    """
    without_tex = _FORMULA.sub(lambda found: re.sub(r"[\\{}$]+", " ", found[1]), markup)
    return " ".join(html.unescape(re.sub(r"<[^>]*>", "", without_tex)).split())
