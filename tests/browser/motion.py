"""A demo's control moved by keyboard."""

from __future__ import annotations

from collections.abc import Iterator

from playwright.sync_api import Locator, expect

MINUTE = 60_000


class Control:
    """A demo's first control, or a film's step; each press takes it to another value."""

    def __init__(self, demo: Locator) -> None:
        self._demo = demo
        handles = demo.locator(".noUi-handle, select, input[type=range]:not(.line)")
        self.handle = handles.last if demo.locator(".widget-play").count() else handles.first
        self._buttons = demo.locator(".widget-toggle-buttons").first.locator("button")
        self.kind = self.handle.evaluate("e => e.tagName") if handles.count() else "BUTTON"
        ways = {"DIV": self._slide, "INPUT": self._slide}
        self._presses = (ways | {"SELECT": self._choose, "BUTTON": self._switch})[self.kind]()
        self._forward = True

    def press(self) -> None:
        next(self._presses)

    def turn(self) -> None:
        """Go the other way."""
        self._forward = not self._forward

    def _slide(self) -> Iterator[None]:
        end = """(handle, forward) => {
          const now = Number(handle.value ?? handle.ariaValueNow);
          return forward ? now >= Number(handle.max ?? handle.ariaValueMax)
            : now <= Number(handle.min ?? handle.ariaValueMin);
        }"""
        while True:
            self.handle.focus()
            if self.handle.evaluate(end, self._forward):
                self.turn()
            self._press("ArrowRight" if self._forward else "ArrowLeft")
            yield

    def _choose(self) -> Iterator[None]:
        # A closed chooser leaves its arrow keys to JupyterLab, which moves on to the next cell.
        end = "(s, forward) => s.selectedIndex === (forward ? s.options.length - 1 : 0)"
        while True:
            self.handle.focus()
            if self.handle.evaluate(end, self._forward):
                self.turn()
            self._press("Enter", "ArrowDown" if self._forward else "ArrowUp", "Enter")
            yield

    def _switch(self) -> Iterator[None]:
        while True:
            for index in range(self._buttons.count()):
                if "mod-active" in (self._buttons.nth(index).get_attribute("class") or ""):
                    continue
                self._buttons.nth(index).focus()
                self._press("Space")
                yield

    def _press(self, *keys: str) -> None:
        for key in keys:
            self._demo.page.keyboard.press(key)


def move(demo: Locator) -> None:
    """Press once; picture and line must change."""
    demo.scroll_into_view_if_needed()
    image, line = demo.locator(".picture img").first, demo.locator("p[role=status]")
    expect(line).not_to_be_empty()
    before, said = image.get_attribute("src"), line.inner_text()
    Control(demo).press()
    try:
        expect(image).not_to_have_attribute("src", before or "", timeout=MINUTE)
    except AssertionError as problem:
        raise AssertionError(f"after the press the demo says: {demo.inner_text()}") from problem
    expect(line).not_to_have_text(said, timeout=MINUTE)
