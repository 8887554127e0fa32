"""The site in a real browser, opened from its files at two widths, in light and dark.

With HISTMATCH_LAB_SCREENSHOTS set to a folder, each page is saved there to be looked at.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, ConsoleMessage, FloatRect, Locator, Page, Request, expect

from histmatch_lab.publish.site import DEMO_PAGES, write_site
from tests.browser.accessibility import raw_formulas, serious_findings, unseen_focus

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
PAGES = [*(path.stem for path in NOTEBOOKS), *(name.rpartition(":")[2] for name in DEMO_PAGES)]
WIDTHS = (1280, 390)
Visit = Callable[..., Page]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    write_site(NOTEBOOKS, folder)
    return folder


@pytest.fixture
def visit(browser: Browser, site: Path) -> Iterator[Visit]:
    """Open a page; in the end nothing may have failed, or have asked for anything but files."""
    wrong: list[str] = []
    pages: list[Page] = []

    def asks(request: Request) -> None:
        if not request.url.startswith("file:"):
            wrong.append(f"asks {request.url}")

    def logs(message: ConsoleMessage) -> None:
        if message.type == "error":
            wrong.append(message.text)

    def _visit(name: str, width: int = 1280, **options) -> Page:
        page = browser.new_page(viewport={"width": width, "height": 900}, **options)
        pages.append(page)
        page.on("request", asks)
        page.on("requestfailed", lambda request: wrong.append(f"failed {request.url}"))
        page.on("console", logs)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.goto((site / f"{name}.html").as_uri())
        return page

    yield _visit
    for page in pages:
        page.close()
    assert not wrong


# What a reader sees of the page's text where no code stands.
PROSE = """() => {
  const main = document.querySelector("main").cloneNode(true);
  main.querySelectorAll("pre, code, script, annotation").forEach((code) => code.remove());
  return main.textContent;
}"""
DEAD_LINKS = """() => [...document.querySelectorAll("a[href^='#']")]
  .map((link) => decodeURIComponent(link.hash.slice(1)))
  .filter((id) => !document.getElementById(id))"""
TWICE = """() => [...document.querySelectorAll("[id]")].map((element) => element.id)
  .filter((id, at, all) => all.indexOf(id) !== at)"""
BACKGROUND = "element => getComputedStyle(element).backgroundColor"
COLOUR = "element => getComputedStyle(element).color"


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", ["index", *PAGES])
def test_a_page_is_whole_and_fits(visit: Visit, name: str, width: int) -> None:
    page = visit(name, width)
    _save_picture(page, f"{name}-{width}")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("h1").count() == 1
    prose = page.evaluate(PROSE)
    assert not [tex for tex in ("$$", "\\frac", "\\mathrm", "\\begin", "\\sum") if tex in prose]
    assert "run the notebook to use it" not in prose
    assert page.evaluate(DEAD_LINKS) == []
    assert page.evaluate(TWICE) == []
    assert page.locator("img:not([alt])").count() == 0


@pytest.mark.parametrize("name", PAGES)
def test_each_demo_of_a_page_moves_by_keyboard(visit: Visit, name: str) -> None:
    page = visit(name, 1440)
    demos = page.locator(".histmatch-demo")
    for at in range(demos.count()):
        box = demos.nth(at).bounding_box()
        assert box is not None
        assert box["height"] < 701, "controls, picture and caption are in view together"
        _move(demos.nth(at))
    plots = page.locator(".hover")
    for at in range(plots.count()):
        plots.nth(at).scroll_into_view_if_needed()
        expect(plots.nth(at).locator(".plot-container .main-svg").first).to_be_visible()


@pytest.mark.parametrize("name", ["index", *PAGES])
def test_a_page_is_for_everyone(visit: Visit, name: str) -> None:
    page = visit(name)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert serious_findings(page) == []
    assert raw_formulas(page, "main") == []
    assert unseen_focus(page) == []


def _move(demo: Locator) -> None:
    """Send the first control to its far end; what is seen must change, and the line."""
    picture, line = demo.locator(".picture"), demo.locator("[role=status]")
    slider = demo.locator(".row").first.locator("input[type=range]")
    before, said = picture.screenshot(), line.inner_text()
    if slider.count():
        at_end = slider.input_value() == slider.get_attribute("max")
        slider.press("Home" if at_end else "End")
    else:
        demo.locator(".row").first.locator("button[aria-pressed=false]").last.press("Enter")
    expect(line).not_to_have_text(said)
    over = demo.locator("img.over")
    if over.count():
        over.evaluate("image => image.decode()")
        assert over.evaluate(BACKGROUND) == "rgba(0, 0, 0, 0)", "it hides the picture under it"
    assert picture.screenshot() != before


def test_the_line_between_before_and_after_is_dragged_on_them(visit: Visit) -> None:
    page = visit("06_compare_losses", 1440)
    picture = page.locator(".picture.two").first
    line, stroke = picture.locator(".line"), picture.locator(".stroke")
    picture.scroll_into_view_if_needed()
    box = picture.bounding_box()
    assert box is not None
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] / 2, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 4, middle)
    page.mouse.up()
    assert _place(stroke, box) == pytest.approx(0.25, abs=0.01)
    line.press("ArrowRight")
    assert 0.252 < _place(stroke, box) < 0.3
    line.press("End")
    assert _place(stroke, box) == pytest.approx(1, abs=0.01)


def _place(stroke: Locator, box: FloatRect) -> float:
    """Where it stands in the box, from 0 to 1."""
    found = stroke.bounding_box()
    assert found is not None
    return (found["x"] - box["x"]) / box["width"]


def test_a_film_plays(visit: Visit) -> None:
    page = visit("03_alpha_and_bins")
    page.locator("button:text-is('Play')").first.evaluate(
        "play => { play.closest('.histmatch-demo').id = 'film'; }"
    )
    film = page.locator("#film")
    said = film.locator("[role=status]").inner_text()
    film.get_by_role("button", name="Play").click()
    expect(film.get_by_role("button", name="Pause")).to_be_visible()
    expect(film.locator("[role=status]")).not_to_have_text(said)


def test_pages_lead_to_each_other_in_order(visit: Visit) -> None:
    page = visit("index", 390)
    page.locator(".pages summary").click()
    page.locator(".pages a").first.click()
    for name in PAGES:
        page.wait_for_url(f"**/{name}.html")
        expect(page.locator(".pages a")).to_have_count(len(PAGES))
        expect(page.locator(".pages a[aria-current=page]")).to_have_count(1)
        if name != PAGES[-1]:
            page.locator("a[rel=next]").click()
    expect(page.locator("a[rel=next]")).to_have_count(0)
    page.locator("a[rel=prev]").click()
    page.wait_for_url(f"**/{PAGES[-2]}.html")


@pytest.mark.parametrize("width", WIDTHS)
def test_the_search_finds_a_word_and_leads_to_its_place(visit: Visit, width: int) -> None:
    page = visit("index", width)
    field = page.get_by_label("Search")
    field.fill("Staircase flat")
    results = page.locator("form ol a")
    expect(page.locator("form [role=status]")).to_contain_text("found")
    expect(results.first).to_contain_text("01 From counting to kernels")
    field.press("Enter")
    page.wait_for_url("**/01_from_counting_to_kde.html#*")
    expect(page.locator("h2:target")).to_be_in_viewport()
    page.get_by_label("Search").fill("no such word anywhere")
    expect(page.locator("form [role=status]")).to_have_text("0 found")
    page.get_by_label("Search").press("Escape")
    expect(page.locator("form [role=status]")).to_have_text("")


def test_it_is_dark_where_the_reader_wants_it_dark_and_so_are_figures(visit: Visit) -> None:
    light, dark = (visit(PAGES[0], color_scheme=scheme) for scheme in ("light", "dark"))
    assert light.locator("body").evaluate(BACKGROUND) == "rgb(255, 255, 255)"
    assert max(_channels(dark.locator("body").evaluate(BACKGROUND))) < 40
    assert (
        min(_channels(dark.locator("body").evaluate(BACKGROUND.replace("backgroundC", "c")))) > 200
    )
    for page, shown in ((light, max), (dark, min)):
        with Image.open(
            BytesIO(page.locator(".histmatch-demo .picture").first.screenshot())
        ) as image:
            corner = image.convert("L").tobytes()[3 * image.width + 3]
        assert abs(corner - shown(0, 255)) < 40


def _channels(colour: str) -> list[int]:
    return [int(part) for part in colour.removeprefix("rgb(").removesuffix(")").split(",")]


def test_the_whole_site_is_small_and_so_is_each_figure(site: Path) -> None:
    assert sum(file.stat().st_size for file in site.rglob("*.*")) < 20e6
    figures = [
        set(re.findall(r'"(?:src|after)": "(pictures/[^"]+)"', data))
        for page in site.glob("*.html")
        for data in re.findall(r'<script type="application/json">(.*?)</script>', page.read_text())
    ]
    assert sum(map(bool, figures)) > 20
    for pictures in figures:
        assert sum((site / picture).stat().st_size for picture in pictures) < 2.2e6


def _save_picture(page: Page, name: str) -> None:
    if folder := os.environ.get("HISTMATCH_LAB_SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"site-{name}.png", full_page=True)
