"""A live figure in JupyterLab: sharp, in place while nothing lives, with a picture of one's own."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbformat import v4
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect

from histmatch_lab.demos.encoding import STYLE
from histmatch_lab.demos.figures.counting import brighten
from tests.browser import jupyterlab
from tests.browser.jupyterlab import MINUTE

CELLS = (
    """\
from histmatch_lab.demos.style import subplots
from histmatch_lab.demos import Frame, demo, find_demo
from histmatch_lab.demos.live import show
show(find_demo("histmatch_lab.demos.figures.counting:brighten"))""",
    """\
@demo()
def halves():
    "Black and red, before and after."
    (before, [left]), (after, [right]) = (subplots(margins=(0, 0, 0, 0)) for _ in range(2))
    left.axvspan(-1, 2, color="black")
    right.axvspan(-1, 2, color="red")
    for axes in (left, right):
        axes.set(xlim=(0, 1), ylim=(0, 1))
    return Frame(before, "All of it is 1 colour.", after=after)
show(halves)""",
)
RESTART = "() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()"
WATCH = """(image) => {
  window.widths = [];
  const note = () => image.decode().then(() => window.widths.push(image.naturalWidth), () => {});
  new MutationObserver(note).observe(image, { attributeFilter: ["src"] });
}"""
# as VS Code has it: its own rule paints each widget's output white
VSCODE = f"""
<style>.cell-output-ipywidget-background {{ background: white !important }}</style>
<style>:root {{ --jp-widgets-color: black; --vscode-editor-foreground: rgb(204, 204, 204) }}
.jupyter-widgets {{ color: var(--jp-widgets-color) }} {STYLE}</style>
<body class="vscode-dark"><div class="output cell-output-ipywidget-background">
<div class="jupyter-widgets histmatch-lab-demo"><div class="histmatch-figure"><p>1</p>"""
NOT_LIVE = "figure:visible >> text=Run this cell to make it live."


@pytest.fixture(scope="module")
def page(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    home, source = (tmp_path_factory.mktemp(name) for name in ("lab", "source"))
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    cells = [v4.new_code_cell(cell) for cell in CELLS]
    notebook = v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
    nbformat.write(notebook, source / "figures.ipynb")
    with jupyterlab.served(home, source) as address:
        page = browser.new_page(viewport={"width": 1440, "height": 900}, device_scale_factor=3)
        page.goto(address.format("figures.ipynb"))
        jupyterlab.start_all(page)
        jupyterlab.wait_for_all(page)
        yield page
        jupyterlab.shut_down(page)
        page.close()


@pytest.fixture
def figure(page: Page) -> Locator:
    return page.locator(".histmatch-lab-demo").first


def _drawn_at(figure: Locator, scale: int) -> None:
    """Its picture has so many pixels for each of CSS."""
    image = figure.locator(".picture img").first
    expect(image).to_have_js_property("naturalWidth", 900 * scale, timeout=MINUTE)
    assert image.evaluate("image => image.clientWidth") == 900


# In this order: the last ones end the kernel.


def test_it_is_as_sharp_as_the_screen_and_takes_the_stills_place(figure: Locator) -> None:
    _drawn_at(figure, 3)
    expect(figure.page.locator("figure")).to_have_count(2)
    expect(figure.page.locator("figure:visible")).to_have_count(0)


def test_it_becomes_sharp_again_after_a_key(figure: Locator) -> None:
    said = figure.locator("p[role=status]").inner_text()
    figure.locator(".noUi-handle").first.press("ArrowRight")
    expect(figure.locator("p[role=status]")).not_to_have_text(said)
    _drawn_at(figure, 3)


def test_it_follows_a_dragged_slider_and_is_sharp_where_that_is_let_go(figure: Locator) -> None:
    page, handle = figure.page, figure.locator(".noUi-handle").first
    image = figure.locator(".picture img").first
    image.evaluate(WATCH)
    box = handle.bounding_box()
    assert box
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    for step in range(40):
        page.mouse.move(x + 5 * step, y)
    page.mouse.up()
    label = figure.locator(".widget-label", has_text="brighten by")
    place = float(label.locator("..").locator(".widget-readout").inner_text())
    # a slow machine shows the place before in full first
    expect(figure.locator("p[role=status]")).to_have_text(brighten(shift=place).caption)
    _drawn_at(figure, 3)
    assert page.evaluate("widths").count(900) > 5
    page.evaluate("() => { window.widths = []; }")
    handle.press("ArrowLeft")
    page.wait_for_function("() => window.widths[0] === 900 && window.widths.at(-1) === 2700")


def test_a_large_picture_of_ones_own_arrives_small(figure: Locator, tmp_path: Path) -> None:
    mine = tmp_path / "all red.png"
    Image.new("RGB", (4000, 3000), (200, 0, 0)).save(mine)
    figure.locator("input[type=file]").set_input_files(mine)
    chosen = figure.locator("select option:checked")
    expect(chosen).to_have_text("yours: all red.png", timeout=MINUTE)


def test_what_is_no_picture_is_refused_beside_the_button(figure: Locator, tmp_path: Path) -> None:
    notes = tmp_path / "notes.jpg"
    notes.write_text("these are my notes")
    figure.locator("input[type=file]").set_input_files(notes)
    expect(figure.get_by_role("alert")).to_contain_text("notes.jpg: holds text", timeout=MINUTE)


def test_the_line_between_before_and_after_moves_in_the_browser(page: Page) -> None:
    picture = page.locator(".histmatch-lab-demo .picture").last
    line = page.get_by_label("between before and after").last
    picture.scroll_into_view_if_needed()
    box = picture.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 0.25 * box["width"], box["y"] + box["height"] / 2)
    assert _share_of_red(picture) == pytest.approx(0.75, abs=0.02)
    line.press("End")
    assert _share_of_red(picture) == pytest.approx(0, abs=0.02)


def _share_of_red(picture: Locator) -> float:
    with Image.open(BytesIO(picture.screenshot())) as image:
        red, green, _ = np.moveaxis(np.asarray(image.convert("RGB"), int), -1, 0)
        return float((red - green > 128).mean())


def test_a_restart_and_a_reload_leave_the_stills_in_place(page: Page) -> None:
    jupyterlab.reload_what_lives(page)
    expect(page.locator(".histmatch-lab-demo:visible")).to_have_count(2, timeout=MINUTE)
    page.evaluate(RESTART)
    expect(page.locator(NOT_LIVE)).to_have_count(2)
    expect(page.locator(".histmatch-lab-demo:visible")).to_have_count(0)
    jupyterlab.save_and_reload(page)
    expect(page.locator(NOT_LIVE)).to_have_count(2)
    gone = page.get_by_text("Error displaying widget")
    expect(gone.first).to_be_attached()
    assert not any(one.is_visible() for one in gone.all())


def test_in_a_dark_vs_code_it_lies_on_the_editors_ground(browser: Browser) -> None:
    page = browser.new_page()
    page.set_content(VSCODE)
    expect(page.locator(".output")).to_have_css("background-color", "rgba(0, 0, 0, 0)")
    expect(page.locator("p")).to_have_css("color", "rgb(204, 204, 204)")
    page.locator("body").evaluate("(body) => { body.className = 'vscode-light' }")
    expect(page.locator(".output")).to_have_css("background-color", "rgb(255, 255, 255)")
    expect(page.locator("p")).to_have_css("color", "rgb(0, 0, 0)")
    page.close()
