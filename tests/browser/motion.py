"""A demo's control moved by keyboard, and how soon the picture follows."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator

from playwright.sync_api import Error as BrowserError
from playwright.sync_api import Locator, expect

PRESSES = 15
BAR = 300  # ms from the key to the changed picture: what a hand still feels as its own doing
_PATIENCE = 2000  # ms on a machine at rest, for a picture that may be the same at two settings
_SAME = 5  # so many of them in a row at most
MINUTE = 60_000


class Control:
    """A demo's first control, or a film's step; each press takes it to another value."""

    def __init__(self, demo: Locator) -> None:
        self._demo = demo
        handles = demo.locator(".noUi-handle, select")
        self._handle = handles.last if demo.locator(".widget-play").count() else handles.first
        self._buttons = demo.locator(".widget-toggle-buttons").first.locator("button")
        kind = self._handle.evaluate("e => e.tagName") if handles.count() else "BUTTON"
        self._presses = {"DIV": self._slide, "SELECT": self._choose, "BUTTON": self._switch}[kind]()
        self._forward = True

    def press(self) -> None:
        next(self._presses)

    def turn(self) -> None:
        """Go the other way."""
        self._forward = not self._forward

    def _slide(self) -> Iterator[None]:
        end = """(handle, forward) => forward
          ? Number(handle.ariaValueNow) >= Number(handle.ariaValueMax)
          : Number(handle.ariaValueNow) <= Number(handle.ariaValueMin)"""
        while True:
            self._handle.focus()
            if self._handle.evaluate(end, self._forward):
                self.turn()
            self._press("ArrowRight" if self._forward else "ArrowLeft")
            yield

    def _choose(self) -> Iterator[None]:
        # A closed chooser leaves its arrow keys to JupyterLab, which moves on to the next cell.
        end = "(s, forward) => s.selectedIndex === (forward ? s.options.length - 1 : 0)"
        while True:
            self._handle.focus()
            if self._handle.evaluate(end, self._forward):
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
    image, line = demo.locator(".widget-image"), demo.locator("p[role=status]")
    expect(line).not_to_be_empty()
    before, said = image.get_attribute("src"), line.inner_text()
    Control(demo).press()
    expect(image).not_to_have_attribute("src", before or "", timeout=MINUTE)
    expect(line).not_to_have_text(said, timeout=MINUTE)


def delay(demo: Locator) -> tuple[float, float]:
    """Milliseconds from key to picture, the median of `PRESSES` after one to warm up; and the bar.

    On a machine that does other work too, the bar is as much higher as a second of computing
    there takes longer than a second: the picture's share of the machine is no matter of ours.
    """
    demo.scroll_into_view_if_needed()
    control, delays = Control(demo), list[float]()
    demo.locator(".widget-image").evaluate(_WATCH)
    before, same = _waiting(), 0  # so many presses in a row that changed nothing
    while len(delays) <= PRESSES and same <= _SAME:
        control.press()
        try:
            demo.page.wait_for_function(
                "n => delays.length > n", arg=len(delays), timeout=_PATIENCE * before
            )
        except BrowserError:
            if same == 0:
                control.turn()
            same += 1
        else:
            same = 0
        delays = demo.page.evaluate("delays")
    assert len(delays) > PRESSES, f"after {same} presses of a key the picture stayed the same"
    return statistics.median(delays[1:]), BAR * (before + _waiting()) / 2


def _waiting() -> float:
    """How many times longer than its computing time a computation takes: 1 on a machine at rest."""
    start, used = time.perf_counter(), time.process_time()
    while time.process_time() - used < 0.2:
        pass
    return (time.perf_counter() - start) / 0.2


# From the last key to the moment when the new picture is decoded and the page about to show it.
_WATCH = """(image) => {
  let pressed = 0;
  window.delays = [];
  window.watched?.disconnect();
  window.addEventListener("keydown", (event) => { pressed = event.timeStamp; }, true);
  window.watched = new MutationObserver(async () => {
    const since = pressed;
    await image.decode();
    await new Promise(requestAnimationFrame);
    window.delays.push(performance.now() - since);
  });
  window.watched.observe(image, { attributeFilter: ["src"] });
}"""
