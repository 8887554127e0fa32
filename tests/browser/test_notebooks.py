"""Each notebook in JupyterLab in a real browser, as one who reads it by keyboard meets it.

With HISTMATCH_LAB_SCREENSHOTS set to a folder, each notebook's page is saved there to be looked at.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, expect

from histmatch_lab.course.lessons import exercises
from tests.browser import jupyterlab
from tests.browser.accessibility import raw_formulas, serious_findings, unseen_focus
from tests.browser.jupyterlab import MINUTE
from tests.browser.motion import move

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
PROSE = ".jp-MarkdownCell .jp-RenderedMarkdown"
LIVE = ".histmatch-lab-demo:has(.picture)"
# JupyterLab's own toolbars and prompts lie outside.
OURS = {"include": [[PROSE], [".jp-OutputArea-output"]]}
# What JupyterLab itself logs as errors: it asks the debugger of a kernel that a restart has ended.
NOT_OURS = re.compile("^Could not restore the debugger state: Canceled future")


@dataclass
class Opened:
    """A notebook that JupyterLab has restarted and run from top to bottom."""

    page: Page
    name: str
    errors: list[str] = field(default_factory=list)

    @property
    def demos(self) -> list[Locator]:
        return self.page.locator(LIVE).all()

    @property
    def sources(self) -> list[str]:
        cells = nbformat.read(NOTEBOOKS / self.name, as_version=4).cells
        return [cell.source for cell in cells]

    @property
    def unfolded(self) -> list[int]:
        """Of the code cells, those whose source is shown, counted from 1."""
        cells = nbformat.read(NOTEBOOKS / self.name, as_version=4).cells
        code = [cell.metadata.get("jupyter", {}) for cell in cells if cell.cell_type == "code"]
        return [place for place, facts in enumerate(code, 1) if not facts.get("source_hidden")]

    def hear(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not NOT_OURS.search(message.text):
            self.errors.append(f"{message.text} at {message.location}")


PARAMS = [path.name for path in sorted(NOTEBOOKS.glob("*.ipynb"))]


@pytest.fixture(scope="module", params=PARAMS)
def opened(browser: Browser, lab: str, request: pytest.FixtureRequest) -> Iterator[Opened]:
    page = browser.new_page(viewport={"width": 1280, "height": 1200})
    opened = Opened(page, request.param)
    page.on("pageerror", lambda error: opened.errors.append(str(error)))
    page.on("console", opened.hear)
    page.goto(lab.format(opened.name))
    jupyterlab.restart_and_run_all(page)
    yield opened
    jupyterlab.shut_down(page)
    page.close()


# In this order for each notebook: what is run once is looked at, moved, and reloaded.


def test_restart_and_run_all(opened: Opened) -> None:
    numbers = jupyterlab.prompts(opened.page)
    assert numbers == opened.unfolded
    assert opened.page.locator(".jp-OutputArea-output[data-mime-type*=stderr]").count() == 0
    shows = sum(len(re.findall(r"^show\(", source, re.M)) for source in opened.sources)
    # the last ones may come after their cell's number
    figures = opened.page.locator(f"{LIVE}, figure.histmatch-demo canvas")
    expect(figures).to_have_count(shows, timeout=MINUTE)
    for bar in opened.page.locator("pre", has_text="━").all_inner_texts():
        assert re.search(r" (\d+)/\1 ", bar), f"a finished progress bar says {bar}"
    _save_picture(opened)


def test_axe_finds_nothing_serious_and_text_stands_out_in_both_themes(opened: Opened) -> None:
    assert serious_findings(opened.page, OURS) == []
    jupyterlab.change_theme(opened.page, "dark")
    found = serious_findings(opened.page, OURS, ["color-contrast"])
    jupyterlab.change_theme(opened.page, "light")
    assert found == []


def test_every_formula_is_drawn(opened: Opened) -> None:
    if any("$" in source for source in opened.sources):
        expect(opened.page.locator(f"{PROSE} mjx-container").first).to_be_attached()
    assert raw_formulas(opened.page, PROSE) == []


def test_every_kind_of_control_shows_the_focus(opened: Opened) -> None:
    assert unseen_focus(opened.page.locator(".jp-OutputArea-output")) == []


def test_a_picture_follows_the_key(opened: Opened) -> None:
    """How soon is measured in benchmarks/latency.py."""
    for demo in opened.demos:
        move(demo)


def test_an_exercise_answers_to_a_wrong_answer_and_to_its_solution(opened: Opened) -> None:
    notebook = nbformat.read(NOTEBOOKS / opened.name, as_version=4)
    places = {cell.id: index for index, cell in enumerate(notebook.cells)}
    for exercise in exercises(notebook):
        is_function = f"def {exercise.answer}" in exercise.solution
        wrong = f"{exercise.answer} = {'lambda *_: 7.25' if is_function else 7.25}"
        for answer, sign in ((wrong, "✗ Not yet."), (exercise.solution, "✓ Right.")):
            source = f"{answer}\n\n\n{exercise.check}({exercise.answer})"
            said = jupyterlab.answer(opened.page, places[exercise.cell], source)
            assert said.startswith(sign), f"{exercise.cell}: {said}"


def test_a_reload_brings_the_demos_back(opened: Opened) -> None:
    lines = [demo.locator("p[role=status]") for demo in opened.demos]
    said = [line.inner_text() for line in lines]
    before = len(opened.errors)
    jupyterlab.reload_what_lives(opened.page)
    # of a load that lost its widgets and was repeated; all of them must be back
    lost = "Error: widget model not found"
    opened.errors[before:] = [e for e in opened.errors[before:] if not e.startswith(lost)]
    for line, text in zip(lines, said, strict=True):
        expect(line).to_have_text(text, timeout=MINUTE)
    for demo in opened.demos:
        move(demo)


def test_the_console_has_no_errors(opened: Opened) -> None:
    assert opened.errors == []


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1280, "height": 1200})
    yield page
    page.close()


def test_the_button_stops_a_training_and_what_was_learned_is_kept(page: Page, lab: str) -> None:
    page.goto(lab.format("05_train_hdrnet.ipynb"))
    jupyterlab.start_all(page)
    stop = page.locator("button.widget-button:has-text('Stop')")
    training = page.locator(".histmatch-lab-demo:has(button:has-text('Stop'))")
    line = training.locator("p[role=status]")
    expect(line).to_contain_text("Step", timeout=3 * MINUTE)
    step, of = map(int, re.findall(r"\d+", line.inner_text())[:2])
    assert step < of / 2, "too late to tell a stop from the end"
    # a still takes its place; another training, with a button of its own, goes on below
    stopped = page.locator(".jp-CodeCell:has-text('Stopped at step')")
    for done in (1, 2):
        stop.click()
        expect(stopped).to_have_count(done, timeout=MINUTE / 2)
        expect(stopped.locator(stop)).to_have_count(0)
    jupyterlab.wait_for_all(page)


def _save_picture(opened: Opened) -> None:
    folder = os.environ.get("HISTMATCH_LAB_SCREENSHOTS")
    if not folder:
        return
    page = opened.page
    panel = page.locator(".jp-WindowedPanel-outer")
    height = panel.evaluate("panel => panel.scrollHeight")
    page.set_viewport_size({"width": 1280, "height": min(height + 150, 16_000)})
    panel.evaluate("panel => { panel.scrollTop = 0; }")
    page.wait_for_timeout(500)
    page.screenshot(path=Path(folder) / f"{Path(opened.name).stem}.png")
    page.set_viewport_size({"width": 1280, "height": 1200})
