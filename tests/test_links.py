"""Every link in notebooks, README and docs leads somewhere; the network is not asked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
import pytest

from tests.notebooks.hygiene import headings

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / "README.md",
    ROOT / "data_samples" / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "benchmarks" / "results").glob("*.md")),
    *sorted((ROOT / "notebooks").glob("*.ipynb")),
]
_CODE = re.compile(r"^ *```.*?^ *```|`[^`\n]*`", re.M | re.S)
_LINK = re.compile(
    r"\]\(<?(?P<inline>[^\s()<>]*(?:\([^\s()]*\)[^\s()<>]*)*)>?(?:\s+\"[^\"]*\")?\)"
    r"|\b(?:href|src)=[\"'](?P<html>[^\"']*)[\"']"
    r"|(?<![\](\"'=])(?P<bare>https?://[^\s)>\]\"']+)"
)


def prose(page: Path) -> str:
    if page.suffix != ".ipynb":
        return page.read_text(encoding="utf-8")
    cells = nbformat.read(page, as_version=4).cells
    return "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


def links(text: str) -> list[str]:
    return [next(filter(None, m.groups()), "") for m in _LINK.finditer(_CODE.sub("", text))]


def anchors(page: Path) -> set[str]:
    """The ids within a page, as JupyterLab makes them of headings and cells, or a code host."""
    text = prose(page)
    plain = [re.sub(r"[*_`]|\[([^\]]*)\]\([^)]*\)", r"\1", title) for _, title in headings(text)]
    ids = set(re.findall(r"\bid=[\"']([^\"']+)[\"']", text))
    if page.suffix == ".ipynb":
        cells = nbformat.read(page, as_version=4).cells
        ids |= {f"cell-id={cell.id}" for cell in cells}
        return ids | {title.replace(" ", "-") for title in plain}
    return ids | {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in plain}


def broken(page: Path, text: str) -> Iterator[str]:
    for link in links(text):
        parts = urlsplit(link)
        if parts.scheme == "attachment":
            continue
        if parts.scheme or parts.netloc:
            if not re.fullmatch(r"https?://[\w-]+(\.[\w-]+)+(/\S*)?", link.split("#")[0]):
                yield f"no well-formed address: {link}"
            continue
        target = page if not parts.path else (page.parent / unquote(parts.path))
        if not link or not target.exists():
            yield f"leads nowhere: {link or '()'}"
        elif parts.fragment and unquote(parts.fragment) not in anchors(target):
            yield f"no such place: {link}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_leads_somewhere(page):
    assert list(broken(page, prose(page))) == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[a](nowhere.md)", "leads nowhere: nowhere.md"),
        ("[a]()", "leads nowhere: ()"),
        ('<img src="docs/nothing.png">', "leads nowhere: docs/nothing.png"),
        ("[a](#no-such-heading)", "no such place: #no-such-heading"),
        (
            "[a](notebooks/00_start_here.ipynb#start-here)",
            "no such place: notebooks/00_start_here.ipynb#start-here",
        ),
        (
            "[a](notebooks/00_start_here.ipynb#cell-id=no-such-cell)",
            "no such place: notebooks/00_start_here.ipynb#cell-id=no-such-cell",
        ),
        ("[a](https://example)", "no well-formed address: https://example"),
        ("http://example", "no well-formed address: http://example"),
        ("[a](https:/example.org/a)", "no well-formed address: https:/example.org/a"),
    ],
)
def test_a_broken_link_is_found(text, says):
    assert list(broken(ROOT / "README.md", text)) == [says]


@pytest.mark.parametrize(
    "text",
    [
        "[a](#begin) [b](LICENSE) `[c](nowhere)`",
        "[a](notebooks/00_start_here.ipynb#Start-here)",
        '[a](https://example.org/a_(b)#c "title") <https://example.org>',
    ],
)
def test_a_good_link_is_not(text):
    assert list(broken(ROOT / "README.md", text)) == []
