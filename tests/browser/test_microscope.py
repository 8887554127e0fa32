"""The microscope that computes in the page shows what the library computes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, expect

from histmatch_lab.demos import Demo
from histmatch_lab.demos.figures.microscope import (
    CLAMPED,
    SIDE,
    gap_and_pull,
    microscope,
    photograph_and_histogram,
)
from histmatch_lab.demos.lens import lens_of, look
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
    yield from _shown(microscope, {}, browser, tmp_path_factory.mktemp("page"))


def _shown(
    demo: Demo, settings: Mapping[str, Any], browser: Browser, folder: Path
) -> Iterator[Locator]:
    head, file = '<!DOCTYPE html><meta charset="utf-8">', folder / "demo.html"
    piece = to_figure(demo, dict(settings))
    file.write_text(f"{head}{piece}<script>{SCRIPT}</script>", encoding="utf-8")
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


@pytest.mark.parametrize(
    ("demo", "settings"), [(photograph_and_histogram, {"alpha": 100.0}), (gap_and_pull, {})]
)
def test_with_few_panels_it_equals_the_library_too(
    demo: Demo, settings: dict[str, Any], browser: Browser, tmp_path: Path
) -> None:
    with contextmanager(_shown)(demo, settings, browser, tmp_path) as figure:
        labels = figure.locator(".row .name").all_inner_texts()
        assert labels == [control.label for control in demo.controls.values()]
        got = figure.evaluate(VIEW)
        assert figure.locator("figcaption p").first.inner_text() == demo(**settings).caption
    target = "chelsea" if "target" in demo.controls else "coffee"
    photo, wanted = (
        small(microscope.controls["photo"].resolve(name), SIDE) for name in ("coffee", target)
    )
    view = look(photo, wanted, lens_of(settings.get("alpha", 1000), 256, **CLAMPED), 0.3)
    assert got["emd"] == pytest.approx(view.emd, abs=1e-5)
    np.testing.assert_allclose(got["cdf"], view.cdf, atol=1e-5)
    np.testing.assert_allclose(got["pull"], view.pull[:-1], atol=1e-5)


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
