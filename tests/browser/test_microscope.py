"""The microscope that computes in the page shows what the library computes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, expect

from histmatch_lab.demos.figures.microscope import SIDE, lens_of, look, microscope
from histmatch_lab.demos.page import SCRIPT, to_figure
from histmatch_lab.demos.shared import small

PAPER = microscope.presets["paper"]
SETTINGS = {
    **microscope.presets,
    "few bins": PAPER | {"bins": 50, "outside": "clamp"},
    "wide kernel": PAPER | {"alpha": 20, "bins": 16, "outside": "reflect"},
}
VIEW = """figure => {
  const { emd, felt, dead, cdf, wanted, pull } = figure.view;
  return { emd, felt, dead, cdf: [...cdf], wanted: [...wanted], pull: [...pull] };
}"""


@pytest.fixture(scope="module")
def figure(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Locator]:
    file = tmp_path_factory.mktemp("page") / "microscope.html"
    head = '<!DOCTYPE html><meta charset="utf-8">'
    file.write_text(f"{head}{to_figure(microscope)}<script>{SCRIPT}</script>", encoding="utf-8")
    page = browser.new_page()
    page.goto(file.as_uri())
    expect(page.locator("canvas")).to_be_visible()
    yield page.locator("figure")
    page.close()


def _set(figure: Locator, name: str, value: object) -> None:
    """By the control itself."""
    control = microscope.controls[name]
    row = figure.locator(".row", has_text=control.label).first
    if row.locator("input[type=range]").count():
        place = _stop(figure, name, value)
        row.locator("input").evaluate("(input, place) => { input.value = place; }", place)
        row.locator("input").dispatch_event("input")
    else:
        row.get_by_role("button", name=control.text(value), exact=True).click()  # type: ignore[arg-type]


def _stop(figure: Locator, name: str, value: object) -> int:
    data = "figure => JSON.parse(figure.querySelector('script').textContent).controls"
    [spec] = [spec for spec in figure.evaluate(data) if spec["name"] == name]
    return int(np.argmin(np.abs(np.asarray(spec["values"]) - value)))


@pytest.mark.parametrize("name", SETTINGS)
def test_it_equals_the_library(figure: Locator, name: str) -> None:
    settings = SETTINGS[name]
    for control, value in settings.items():
        _set(figure, control, value)
    _set(figure, "pixel", 0.431)
    _set(figure, "photo", "astronaut")
    figure.page.evaluate("new Promise(requestAnimationFrame)")
    got = figure.evaluate(VIEW)
    photo, target = (
        small(microscope.controls[control].resolve(name), SIDE)
        for control, name in (("photo", "astronaut"), ("target", "chelsea"))
    )
    view = look(photo, target, lens_of(**settings), 0.431)
    assert got["emd"] == pytest.approx(view.emd, abs=1e-5)
    assert got["felt"] == pytest.approx(float(view.pull[-1]), abs=1e-5)
    np.testing.assert_allclose(got["cdf"], view.cdf, atol=1e-5)
    np.testing.assert_allclose(got["wanted"], view.wanted, atol=1e-5)
    np.testing.assert_allclose(got["pull"], view.pull[:-1], atol=1e-5)
    caption = microscope(**settings, pixel=0.431, photo="astronaut").caption
    assert figure.locator("figcaption p").first.inner_text() == caption


def test_a_preset_moves_its_controls_and_leaves_the_others(figure: Locator) -> None:
    _set(figure, "photo", "china")
    figure.get_by_role("button", name="hard step").click()
    expect(figure.locator("[role=status]")).to_contain_text("feels no pull")
    pressed = figure.locator("button[aria-pressed=true]")
    assert pressed.all_inner_texts() == ["256", "L / 2.5", "0 to 1", "drop", "china", "chelsea"]


def test_a_picture_of_ones_own_never_leaves_the_browser(figure: Locator, tmp_path: Path) -> None:
    mine = tmp_path / "mine.png"
    Image.new("RGB", (2000, 1000), (0, 51, 0)).save(mine)
    figure.locator("input[type=file]").first.set_input_files(mine)
    expect(figure.get_by_role("button", name="yours: mine.png")).to_have_attribute(
        "aria-pressed", "true"
    )
    levels = figure.evaluate("figure => [figure.view.shares[51], figure.view.shares[0]]")
    assert levels == [pytest.approx(1 - 1 / (300 * 150)), 0]
