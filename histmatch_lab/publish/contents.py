"""What a folder's pages are and say, as a script that each of them loads.

A page that was opened from a file may not read other files, but it may load scripts: so the list
of pages, in order, and their text by heading for the search are one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path

from histmatch_lab._files import write_whole

FILE = "contents.js"
_HEADINGS = {"h1", "h2", "h3", "h4"}


def write_contents(folder: Path, names: Sequence[str]) -> None:
    """Write contents.js.

    Args:
        folder: where the pages are.
        names: their files' names without ending, in the order in which they are read.
    """
    pages = [{"file": f"{name}.html", **_read(folder / f"{name}.html")} for name in names]
    for page, name in zip(pages, names, strict=True):
        page["title"] = numbered(name, page["title"])
    data = json.dumps(pages, ensure_ascii=False, separators=(",", ":"))
    write_whole(folder / FILE, f"const CONTENTS = {data};\n".encode())


def numbered(name: str, title: str) -> str:
    """The title with the number that the file's name begins with, if it does."""
    number = name.partition("_")[0]
    return f"{number} {title}" if number.isdigit() else title


def _read(page: Path) -> dict:
    sections = _Sections()
    sections.feed(page.read_text(encoding="utf-8"))
    found = [
        {"id": section["id"], "heading": section["heading"], "text": " ".join(words.split())}
        for section in sections.found
        if (words := section["text"]) or section["heading"]
    ]
    return {"title": found[0]["heading"], "sections": found}


class _Sections(HTMLParser):
    """The text of <main>, by heading, without what is no text for a reader."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[dict[str, str]] = []
        self._field = ""  # of the last section, to which text goes now
        self._within: list[str] = []
        self._formula = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _HEADINGS:
            self.found.append({"id": dict(attrs).get("id") or "", "heading": "", "text": ""})
            self._field = "heading"
        elif tag in ("script", "style"):
            self._within.append(tag)
        elif "formula" in (dict(attrs).get("class") or "").split():
            self._formula = True

    def handle_endtag(self, tag: str) -> None:
        if tag in _HEADINGS:
            self._field = "text"
        elif tag in ("script", "style"):
            self._within.pop()
        elif tag == "span":
            self._formula = False
        elif tag == "main":
            self._field = ""

    def handle_data(self, data: str) -> None:
        if not self._field or self._within:
            return
        # \alpha is found, and read, as alpha
        words = re.sub(r"[\\{}$]+", " ", data) if self._formula else data
        self.found[-1][self._field] += words
