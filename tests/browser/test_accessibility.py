"""The checks of accessibility.py find what is wrong, and the pages without a kernel pass them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Browser, Page

from histmatch_lab.demos import find_demo
from histmatch_lab.demos.page import to_html
from histmatch_lab.pages import write_page
from tests.browser.accessibility import raw_formulas, serious_findings, unseen_focus

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
DEMOS = "histmatch_lab.demos"
# A film, and every other kind of control.
PAGES = {
    "film": f"{DEMOS}.descent:descent_on_a_curve",
    "stills": f"{DEMOS}.kernels:figure_2",
}


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1280, "height": 1200})
    yield page
    page.close()


def check(page: Page, file: Path) -> None:
    """The page is for everyone, in light and dark."""
    page.goto(file.as_uri())
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert serious_findings(page) == []
    assert raw_formulas(page, "body") == []
    assert unseen_focus(page) == []


@pytest.mark.parametrize("name", ["01_from_counting_to_kde", "03_earth_movers_distance"])
def test_a_notebooks_page(page: Page, tmp_path: Path, name: str) -> None:
    notebook = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
    write_page(notebook, tmp_path / f"{name}.html")
    check(page, tmp_path / f"{name}.html")


@pytest.mark.parametrize("kind", PAGES)
def test_a_demo_on_a_page(page: Page, tmp_path: Path, kind: str) -> None:
    file = tmp_path / "demo.html"
    head = '<!DOCTYPE html><html lang="en"><title>A demo</title><main><h1>A demo</h1>'
    file.write_text(f"{head}{to_html(find_demo(PAGES[kind]))}</main></html>", encoding="utf-8")
    check(page, file)


@pytest.mark.parametrize(
    ("wrong", "rule"),
    [
        ('<img src="data:,">', "image-alt"),
        ('<p style="color: #999">pale</p>', "color-contrast"),
        ('<div role="slider" tabindex="0" aria-valuenow="1"></div>', "aria-input-field-name"),
        ("<button></button>", "button-name"),
    ],
)
def test_axe_finds_what_is_wrong(page: Page, wrong: str, rule: str) -> None:
    page.set_content(f"<main><div id=ours>{wrong}</div></main>")
    assert [found.split(":")[0] for found in serious_findings(page, "#ours")] == [rule]


@pytest.mark.parametrize("wrong", [r"a $x^2$", "$$", r"\frac12", r"\(x\)", "<merror>x</merror>"])
def test_a_raw_formula_is_found(page: Page, wrong: str) -> None:
    page.set_content(f"<p>{wrong}</p>")
    assert raw_formulas(page, "p")


def test_code_and_prices_are_no_formulas(page: Page) -> None:
    page.set_content(r"<p>It costs $3. <code>\frac{1}{2} $x$</code></p>")
    assert raw_formulas(page, "p") == []


@pytest.mark.parametrize(("style", "unseen"), [("", []), ("outline: none", ["select"])])
def test_a_hidden_focus_is_found(page: Page, style: str, unseen: list[str]) -> None:
    page.set_content(f'<select style="{style}"><option>one</select><input type="checkbox">')
    assert unseen_focus(page) == unseen
