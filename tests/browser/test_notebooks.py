"""Each notebook in JupyterLab in a real browser: run all, then move each demo by keyboard.

With HISTMATCH_LAB_SCREENSHOTS set to a folder, each notebook's page is saved there to be looked at.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
MINUTE = 60_000


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1280, "height": 1200})
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    page.close()
    assert not errors


@pytest.mark.parametrize("notebook", sorted(path.name for path in NOTEBOOKS.glob("*.ipynb")))
def test_a_notebook_runs_and_its_demos_move_by_keyboard(
    page: Page, lab: str, notebook: str
) -> None:
    page.goto(lab.format(notebook))
    _run_all(page)
    assert page.locator(".jp-OutputArea-output[data-mime-type*=stderr]").all_inner_texts() == []

    demos = page.locator(".jp-OutputArea-output:has(.widget-image)")
    assert demos.count() == _shown_demos(notebook)
    for index in range(demos.count()):
        _move(demos.nth(index))
    _save_picture(page, notebook)


def test_the_button_stops_a_training_and_what_was_learned_is_kept(page: Page, lab: str) -> None:
    page.goto(lab.format("05_train_hdrnet.ipynb"))
    _start_all(page)
    stop = page.locator("button.widget-button:has-text('Stop')")
    training = page.locator(".jp-OutputArea-output:has(button:has-text('Stop'))")
    line = training.locator("p[role=status]")
    expect(line).to_contain_text("Step", timeout=3 * MINUTE)
    step, of = map(int, re.findall(r"\d+", line.inner_text())[:2])
    assert step < of / 2, "too late to tell a stop from the end"
    stop.click()
    expect(stop).to_have_count(0, timeout=MINUTE / 6)  # a still has taken its place
    _wait_for_all(page)


def test_a_link_of_the_ledger_opens_the_notebook_and_then_leads_to_its_cell(
    page: Page, lab: str
) -> None:
    """JupyterLab shows a notebook that it has to open first from its top, whatever the link."""
    page.goto(lab.format("00_start_here.ipynb"))
    link = page.locator("table a[href*='06_compare_losses.ipynb'][href$='#cell-id=claims-cell']")
    expect(link.first).to_be_visible(timeout=MINUTE)
    link.first.click()
    cell = page.locator(".jp-NotebookPanel:visible .jp-CodeCell:has-text('verdict =')")
    expect(cell).to_be_attached(timeout=MINUTE)
    page.get_by_role("tab", name="00_start_here.ipynb").first.click()
    link.first.click()
    expect(cell).to_be_in_viewport(timeout=MINUTE)


def _shown_demos(notebook: str) -> int:
    cells = nbformat.read(NOTEBOOKS / notebook, as_version=4).cells
    return sum(len(re.findall(r"^show\(", c.source, re.M)) for c in cells if c.cell_type == "code")


def _run_all(page: Page) -> None:
    _start_all(page)
    _wait_for_all(page)


def _start_all(page: Page) -> None:
    page.wait_for_function(
        """() => {
          const panel = window.jupyterapp?.shell.currentWidget;
          return panel?.context?.isReady
            && panel.sessionContext.session?.kernel?.status === "idle";
        }""",
        timeout=MINUTE,
    )
    page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }")


def _wait_for_all(page: Page) -> None:
    prompts = page.locator(".jp-Notebook .jp-CodeCell .jp-InputArea-prompt")
    for index in range(prompts.count()):
        expect(prompts.nth(index)).to_have_text(re.compile(r"\[\d+\]"), timeout=3 * MINUTE)


def _move(demo: Locator) -> None:
    """Press a key on the first control, or on a film's step; picture and line must change."""
    demo.scroll_into_view_if_needed()
    image, line = demo.locator(".widget-image"), demo.locator("p[role=status]")
    expect(line).not_to_be_empty()
    before = image.get_attribute("src")
    said = line.inner_text()
    handles = demo.locator(".noUi-handle, select")
    if not handles.count():
        handles = demo.locator(".widget-toggle-buttons button:not(.mod-active)")
    handle = handles.last if demo.locator(".widget-play").count() else handles.first
    handle.focus()
    # A closed chooser leaves its arrow keys to JupyterLab, which moves on to the next cell.
    choosing = handle.evaluate("element => element.tagName") == "SELECT"
    slides = handle.get_attribute("role") == "slider"
    keys = ("Enter", "ArrowDown", "Enter") if choosing else ("ArrowRight" if slides else "Space",)
    for key in keys:
        demo.page.keyboard.press(key)
    expect(image).not_to_have_attribute("src", before or "", timeout=MINUTE)
    expect(line).not_to_have_text(said, timeout=MINUTE)


def _save_picture(page: Page, notebook: str) -> None:
    folder = os.environ.get("HISTMATCH_LAB_SCREENSHOTS")
    if not folder:
        return
    panel = page.locator(".jp-WindowedPanel-outer")
    height = panel.evaluate("panel => panel.scrollHeight")
    page.set_viewport_size({"width": 1280, "height": min(height + 150, 16_000)})
    panel.evaluate("panel => { panel.scrollTop = 0; }")
    page.wait_for_timeout(500)
    page.screenshot(path=Path(folder) / f"{Path(notebook).stem}.png")
