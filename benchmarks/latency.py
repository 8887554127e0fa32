"""How soon a demo's picture follows a key, in JupyterLab in Chromium: every demo of every notebook.

From the key to the moment when the new picture is decoded and about to be shown: what the reader
waits for, kernel, messages and browser together. Prints a Markdown table and writes it to
benchmarks/results/latency.md. Up to about 300 ms a hand feels a picture as its own doing; a machine
that does other work meanwhile gives other numbers.
"""

from __future__ import annotations

import platform
import re
import statistics
import sys
import tempfile
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

WATCH = """(image) => {
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


def delays(demo: Locator) -> list[float]:
    """Milliseconds from key to picture for `PRESSES` presses, after one to warm up."""
    demo.scroll_into_view_if_needed()
    control, found, same = Control(demo), list[float](), 0
    demo.locator(".picture img").first.evaluate(WATCH)
    while len(found) <= PRESSES and same <= SAME:
        control.press()
        try:
            demo.page.wait_for_function("n => delays.length > n", arg=len(found), timeout=PATIENCE)
        except BrowserError:
            if same == 0:
                control.turn()
            same += 1
        else:
            same = 0
        found = demo.page.evaluate("delays")
    return found[1:]


def rows(address: str) -> list[str]:
    found = []
    with jupyterlab.chromium() as browser:
        for path in sorted((jupyterlab.ROOT / "notebooks").glob("*.ipynb")):
            page = browser.new_page(viewport={"width": 1280, "height": 1200})
            page.goto(address.format(path.name))
            jupyterlab.restart_and_run_all(page)
            demos = page.locator(".histmatch-lab-demo:has(.picture)").all()
            for number, demo in enumerate(demos, start=1):
                taken = delays(demo)
                label = re.split(r"\n", demo.inner_text().strip())[0]
                found.append(
                    f"| {path.stem[:2]}.{number} | {label} | {statistics.median(taken):.0f} "
                    f"| {max(taken):.0f} |"
                )
                print(found[-1], flush=True)
            jupyterlab.shut_down(page)
            page.close()
    return found


def main() -> None:
    head = [
        f"From key to picture in ms, {PRESSES} presses of each demo's first control, "
        f"{platform.machine()}.",
        "",
        "| demo | control | median | worst |",
        "| --- | --- | ---: | ---: |",
    ]
    with tempfile.TemporaryDirectory() as home, jupyterlab.served(Path(home)) as address:
        lines = head + rows(address)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "latency.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
