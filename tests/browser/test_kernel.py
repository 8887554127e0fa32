"""What readers do to a kernel: a cell again while its demo plays, an interrupt, a restart."""

from __future__ import annotations

import re
from collections.abc import Iterator

import nbformat
import pytest
from nbformat import v4
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser import jupyterlab
from tests.browser.jupyterlab import MINUTE
from tests.browser.motion import move

FILM = """\
from functools import partial
from histmatch_lab.demos.controls import Slider
from histmatch_lab.demos.demo import Frame, demo
from histmatch_lab.demos.live import show, watch
from histmatch_lab.demos.style import subplots

def _draw(gain, step):
    figure, (axes,) = subplots()
    axes.plot([0, gain * step])
    return Frame(figure, caption=f"Step {step} at gain {gain:.2f}.")

@demo(steps=200, gain=Slider("gain", 0.5, 0.0, 1.0, step=0.05))
def film(gain):
    \"\"\"A film.\"\"\"
    for step in range(201):
        yield partial(_draw, gain, step)

show(film)"""
TRAINING = """\
from histmatch_lab.demos.figures.learning import training_so_far
from histmatch_lab.demos.live import watch
from histmatch_lab.recipe import Recipe
from histmatch_lab.training.harness import Training

training = Training(Recipe("l2", crop=32))
draw = training_so_far(training.network, training.pairs.test_pairs()[0])
history = await watch(training.steps(), draw)
print(len(history) < training.of)"""
AFTERWARDS = "print(history[-1].number, 'steps are kept')"


@pytest.fixture(scope="module")
def page(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    folder = tmp_path_factory.mktemp("notebooks")
    cells = [v4.new_code_cell(source) for source in (FILM, TRAINING, AFTERWARDS)]
    python = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    nbformat.write(v4.new_notebook(cells=cells, metadata=python), folder / "a.ipynb")
    with jupyterlab.served(tmp_path_factory.mktemp("lab"), folder) as address:
        page = browser.new_page(viewport={"width": 1280, "height": 1200})
        page.goto(address.format("a.ipynb"))
        jupyterlab.wait_for_kernel(page)
        yield page
        jupyterlab.shut_down(page)
        page.close()


def cell(page: Page, index: int) -> Locator:
    return page.locator(".jp-Notebook .jp-Cell").nth(index)


def start(page: Page, index: int) -> None:
    cell(page, index).locator(".cm-content").click()
    page.keyboard.press("Control+Enter")


def run(page: Page, index: int) -> None:
    start(page, index)
    prompt = cell(page, index).locator(".jp-InputArea-prompt")
    expect(prompt).to_have_text(re.compile(r"\[\d+\]"), timeout=3 * MINUTE)


# In this order: one page, one kernel.


def test_a_demo_that_plays_while_its_cell_is_run_again(page: Page) -> None:
    run(page, 0)
    demo = cell(page, 0).locator(".histmatch-lab-demo")
    line = demo.locator("p[role=status]")
    expect(line).to_have_text("Step 0 at gain 0.50.", timeout=MINUTE)
    demo.locator(".widget-play button").first.click()
    expect(line).to_have_text(re.compile(r"Step [2-9]\d* "), timeout=MINUTE)
    run(page, 0)
    expect(demo).to_have_count(1)
    expect(line).to_have_text("Step 0 at gain 0.50.", timeout=MINUTE)
    move(demo)
    assert page.locator(".jp-OutputArea-output[data-mime-type*=stderr]").count() == 0


def test_an_interrupt_while_training_keeps_what_was_learned(page: Page) -> None:
    start(page, 1)
    line = cell(page, 1).locator("p[role=status]")
    expect(line).to_contain_text("Step", timeout=3 * MINUTE)
    page.evaluate("() => window.jupyterapp.commands.execute('notebook:interrupt-kernel')")
    output = cell(page, 1).locator(".jp-OutputArea-output").last
    expect(output).to_have_text("True", timeout=MINUTE)
    run(page, 2)
    expect(cell(page, 2).locator(".jp-OutputArea-output")).to_contain_text("steps are kept")


def test_after_a_restart_the_still_says_how_to_go_on(page: Page) -> None:
    page.evaluate("() => { window.jupyterapp.commands.execute('notebook:restart-kernel'); }")
    page.locator(".jp-Dialog button.jp-mod-accept").click()
    jupyterlab.wait_for_kernel(page)
    demo = cell(page, 0).locator(".histmatch-lab-demo")
    expect(cell(page, 0).get_by_text("Run this cell to make it live.")).to_be_visible()
    expect(demo).to_be_hidden()
    run(page, 2)  # out of order
    expect(cell(page, 2)).to_contain_text("name 'history' is not defined")
    run(page, 0)
    expect(demo).to_be_visible()
    move(demo)
