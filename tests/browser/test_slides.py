"""A lesson's slides in a real browser: offline, nothing beyond the screen, figures that move."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from nbformat import v4
from playwright.sync_api import Browser, Page, expect

from histmatch_lab.course.lessons import lecturer
from histmatch_lab.publish.page import write_shared_files
from histmatch_lab.publish.slides import SHARED, write_slides

LONG = "\n\n".join(f"Paragraph {n}: $x_{{{n}}}$. {'Words upon words. ' * 20}" for n in range(12))
DEMO = {"histmatch_lab": {"demo": "tests.publish.small_demo:bump", "settings": {}}}
BEYOND = """() => [...Reveal.getCurrentSlide().querySelectorAll("*")]
  .filter((element) => !element.closest("aside, .katex") && element.getClientRects().length)
  .map((element) => [element.outerHTML.slice(0, 80), element.getBoundingClientRect()])
  .filter(([, box]) => box.right > 1281 || box.bottom > 721 || box.left < -1 || box.top < -1)"""


@pytest.fixture
def page(browser: Browser, tmp_path: Path) -> Iterator[Page]:
    tall = v4.new_output("stream", text="\n".join(f"line {n} {'x' * 150}" for n in range(40)))
    moves = v4.new_output("display_data", {"text/plain": "A bump"}, metadata=DEMO)
    cells = [
        v4.new_markdown_cell("# Title"),
        v4.new_markdown_cell(f"## Section (3 min)\n\n{LONG}"),
        v4.new_code_cell("print('x' * 300)", outputs=[tall]),
        v4.new_code_cell("show(bump)", outputs=[moves]),
        v4.new_markdown_cell("told to the speaker", metadata={"tags": ["solution"]}),
    ]
    write_shared_files(tmp_path, *SHARED)
    write_slides(lecturer(v4.new_notebook(cells=cells)), tmp_path / "lesson.html")
    page = browser.new_page(viewport={"width": 1280, "height": 720})
    wrong: list[str] = []
    page.on("request", lambda r: None if r.url.startswith("file:") else wrong.append(r.url))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto((tmp_path / "lesson.html").as_uri())
    page.wait_for_function("window.Reveal?.isReady()")
    yield page
    page.close()
    assert wrong == []


def test_no_slide_is_larger_than_the_screen_and_the_figure_moves(page: Page) -> None:
    count = page.evaluate("Reveal.getTotalSlides()")
    assert count > 5, "what is long goes on below"
    for _ in range(count):
        assert page.evaluate(BEYOND) == []
        page.keyboard.press("Space")
    figure = page.locator(".present .histmatch-demo")
    expect(figure.locator("[role=status]")).to_have_text("The bump is quiet.")
    figure.get_by_role("button", name="on").click()
    expect(figure.locator("[role=status]")).to_have_text("The bump is loud.")
    expect(page.get_by_text("told to the speaker")).to_be_hidden()
    assert page.locator(".katex").count() == 12
