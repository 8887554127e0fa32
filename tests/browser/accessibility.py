"""What axe-core, a screen reader and a keyboard make of a page."""

from __future__ import annotations

import re
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page

# An element's name for a screen reader is Chromium's business; here, one of each kind of control.
CONTROLS = (
    ".noUi-handle",
    "select",
    "input[type=checkbox]",
    "input[type=range]",
    ".widget-toggle-button",
    ".widget-upload",
    ".widget-play button",
)
_TEX = re.compile(r"\$[^$\n]+\$|\$\$|\\[a-zA-Z]{2,}|\\[()\[\]]")


def serious_findings(page: Page, context: Any = None, rules: list[str] | None = None) -> list[str]:
    """What axe-core calls serious or critical, one line for each element.

    Args:
        page: the whole of it, unless
        context: says which parts: a selector, or a list of [selector].
        rules: only these of axe's rules; all of them if None.
    """
    options: dict[str, Any] = {
        "resultTypes": ["violations"],
        "preload": False,
    }  # a file may not be asked for
    if rules:
        options["runOnly"] = rules
    violations = Axe().run(page, context, options).response["violations"]
    return [
        f"{violation['id']}: {node['html'][:200]} {node['failureSummary']}"
        for violation in violations
        if violation["impact"] in ("serious", "critical")
        for node in violation["nodes"]
    ]


def raw_formulas(page: Page, prose: str) -> list[str]:
    """TeX that stands in the prose as it was typed, and errors of what draws the formulas."""
    texts = page.locator(prose).evaluate_all(
        """elements => elements.map(element => {
          const copy = element.cloneNode(true);
          copy.querySelectorAll("code, pre, mjx-container, annotation").forEach(e => e.remove());
          return copy.textContent;
        })"""
    )
    errors = page.locator("mjx-merror, .MathJax_Error, merror, .katex-error").all_text_contents()
    return [*errors, *(found[0] for text in texts for found in _TEX.finditer(text))]


def unseen_focus(inside: Locator | Page) -> list[str]:
    """The kinds of control whose first one looks the same with and without the focus."""
    return [kind for kind in CONTROLS if not _focus_shows(inside.locator(f"{kind}:visible"))]


def _focus_shows(controls: Locator) -> bool:
    if not controls.count():
        return True
    control = controls.first
    control.scroll_into_view_if_needed()
    page = control.page
    page.keyboard.press("Shift")  # a browser shows the focus to those who use keys
    box = control.bounding_box()
    assert box is not None
    around = {
        "x": max(0, box["x"] - 6),
        "y": max(0, box["y"] - 6),
        "width": box["width"] + 12,
        "height": box["height"] + 12,
    }
    control.evaluate("control => control.blur()")
    page.wait_for_timeout(200)  # for colours that fade
    without = page.screenshot(clip=around)  # type: ignore[arg-type]
    control.focus()
    page.wait_for_timeout(200)
    return page.screenshot(clip=around) != without  # type: ignore[arg-type]
