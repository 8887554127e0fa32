"""The checks of accessibility.py find what is wrong, and a demo's page passes them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from histmatch_lab.demos import find_demo
from histmatch_lab.publish.page import write_page, write_shared_files
from histmatch_lab.publish.site import demo_notebook
from tests.browser.accessibility import raw_formulas, serious_findings, unseen_focus

# Every kind of control; test_site.py looks at all pages.
DEMOS = {
    "film": "histmatch_lab.demos.figures.descent:descent_on_a_curve",
    "stills": "histmatch_lab.demos.figures.counting:figure_2",
}


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1280, "height": 1200})
    yield page
    page.close()


@pytest.mark.parametrize("kind", DEMOS)
def test_a_demos_page_is_for_everyone(page: Page, tmp_path: Path, kind: str) -> None:
    write_shared_files(tmp_path)
    write_page(demo_notebook(find_demo(DEMOS[kind])), tmp_path / "demo.html")
    page.goto((tmp_path / "demo.html").as_uri())
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert serious_findings(page) == []
    assert raw_formulas(page, "body") == []
    assert unseen_focus(page) == []


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
