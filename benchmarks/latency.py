"""How soon a demo's picture follows the hand, in JupyterLab in Chromium, for every demo.

From the key to the moment when the new picture is decoded and about to be shown: what the reader
waits for, kernel, messages and browser together. While its slider is dragged: how many pictures a
second, and from the release to the last one, which is the full one. Prints a Markdown table and
writes it to benchmarks/results/latency.md; a machine that does other work gives other numbers.

    python benchmarks/latency.py [NOTEBOOK ...]

Names of notebooks, such as 06_compare_losses, restrict it to those, and nothing is written.
"""

from __future__ import annotations

import platform
import re
import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Error as BrowserError
from playwright.sync_api import Locator

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.browser import jupyterlab
from tests.browser.motion import Control

RESULTS = Path(__file__).parent / "results"
PRESSES = 15
PATIENCE = 2000  # ms, for a picture that may be the same at two settings
SAME = 5  # so many of them in a row at most
DRAGS = 3
SWEEP = 1500  # ms in which the pointer goes over the track, there and back
QUIET = 500  # ms without a picture: the last one has come

# `frames`: when each picture was shown; `pressed`, `released`: the last key and pointer.
WATCH = """(demo) => {
  Object.assign(window, { frames: [], pressed: 0, released: 0 });
  window.watched?.disconnect();
  for (const [event, name] of [["keydown", "pressed"], ["pointerup", "released"]]) {
    window.addEventListener(event, (at) => { window[name] = at.timeStamp; }, true);
  }
  const image = demo.querySelector(".picture img"), canvas = demo.querySelector("canvas");
  window.watched = new MutationObserver(async () => {
    await image?.decode();
    await new Promise(requestAnimationFrame);
    window.frames.push(performance.now());
  });
  // what is computed in the page tells by its line
  if (canvas) window.watched.observe(demo.querySelector("figcaption p"), { childList: true });
  else window.watched.observe(image, { attributeFilter: ["src"] });
}"""

# At the screen's rate, as a hand does; Playwright's own moves come 20 times a second.
MOVE = """async (handle, sweep) => {
  const begun = performance.now(), isInput = handle.tagName === "INPUT";
  const track = (isInput ? handle : handle.closest(".noUi-target")).getBoundingClientRect();
  for (let done = 0; done < 2;) {
    await new Promise(requestAnimationFrame);
    done = Math.min(2, (performance.now() - begun) / sweep);
    const place = done < 1 ? done : 2 - done;
    if (isInput) {
      handle.valueAsNumber = Number(handle.min) + place * (handle.max - handle.min);
      handle.dispatchEvent(new Event("input", { bubbles: true }));
      continue;
    }
    const at = { clientX: track.left + place * track.width, clientY: track.top, buttons: 1 };
    document.documentElement.dispatchEvent(new MouseEvent("mousemove", { ...at, bubbles: true }));
  }
}"""
SETTLED = f"performance.now() - Math.max(pressed, released, ...frames) > {QUIET}"


def delays(demo: Locator, control: Control) -> list[float]:
    """Milliseconds from key to picture for `PRESSES` presses, after one to warm up."""
    found, same = list[float](), 0
    while len(found) <= PRESSES and same <= SAME:
        demo.page.wait_for_function(SETTLED)
        demo.page.evaluate("() => { frames.length = 0; }")
        control.press()
        try:
            demo.page.wait_for_function("frames.length", timeout=PATIENCE)
        except BrowserError:
            if same == 0:
                control.turn()
            same += 1
        else:
            same = 0
            found.append(demo.page.evaluate("frames[0] - pressed"))
    return found[1:]


def drags(demo: Locator, control: Control) -> Iterator[tuple[float, float]]:
    """Of each drag over the slider's track: pictures a second, ms from its end to the last one."""
    page, mouse, handle = demo.page, demo.page.mouse, control.handle
    for _ in range(DRAGS if control.kind in ("INPUT", "DIV") else 0):
        handle.scroll_into_view_if_needed()
        box = handle.bounding_box()
        assert box is not None
        mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        mouse.down()
        page.wait_for_function(SETTLED)
        page.evaluate("() => { frames.length = 0; window.begun = performance.now(); }")
        handle.evaluate(MOVE, SWEEP)
        mouse.up()
        page.wait_for_function(SETTLED)
        seen = "frames.filter((frame) => frame < released).length / (released - begun) * 1000"
        yield page.evaluate(f"[{seen}, Math.max(released, ...frames) - released]")


def line_of(name: str, demo: Locator) -> str:
    """A line of the table."""
    demo.scroll_into_view_if_needed()
    control = Control(demo)
    demo.evaluate(WATCH)
    taken = delays(demo, control)
    label = re.split(r"\n", demo.inner_text().strip())[0]
    worst = f"{statistics.median(taken):.0f} | {max(taken):.0f}" if taken else "- | -"
    dragged = list(zip(*drags(demo, control), strict=True))
    ends = " | ".join(f"{statistics.median(one):.0f}" for one in dragged) or "- | -"
    return f"| {name} | {label} | {worst} | {ends} |"


def rows(address: str, names: list[str]) -> Iterator[str]:
    with jupyterlab.chromium() as browser:
        for path in sorted((jupyterlab.ROOT / "notebooks").glob("*.ipynb")):
            if names and path.stem not in names:
                continue
            page = browser.new_page(viewport={"width": 1280, "height": 1200})
            page.goto(address.format(path.name))
            jupyterlab.restart_and_run_all(page)
            found = page.locator(".histmatch-lab-demo:has(.picture), .histmatch-demo").all()
            for number, demo in enumerate(found, start=1):
                yield line_of(f"{path.stem[:2]}.{number}", demo)
            jupyterlab.shut_down(page)
            page.close()


def main(names: list[str]) -> None:
    lines = [
        f"From key to picture in ms ({PRESSES} presses of each demo's slider, or buttons), then "
        f"pictures per second while the slider is dragged, and ms from its release to the last "
        f"picture (medians of {DRAGS}), {platform.machine()}.",
        "",
        "| demo | control | median | worst | per second | release to last |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
    ]
    with tempfile.TemporaryDirectory() as home, jupyterlab.served(Path(home)) as address:
        for line in rows(address, names):
            print(line, flush=True)
            lines.append(line)
    if not names:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / "latency.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
