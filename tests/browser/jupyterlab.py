"""JupyterLab in Chromium, and what a reader does there: run all, save, reload, change the theme."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import nbformat
from playwright.sync_api import Browser, Page, expect, sync_playwright

MINUTE = 60_000
ROOT = Path(__file__).parents[2]
TOKEN = "a-token-for-the-tests"
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
SHORTER = {  # trainings of notebooks 05 and 07; nbval runs the whole of them
    "EPOCHS = 24": "EPOCHS = 5",
    "preset=PRESET, seed=SEED": "preset=PRESET, epochs=5, seed=SEED",
}
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}


def wait_for_kernel(page: Page) -> None:
    page.wait_for_function(
        """() => {
          const panel = window.jupyterapp?.shell.currentWidget;
          return panel?.context?.isReady
            && panel.sessionContext.session?.kernel?.status === "idle";
        }""",
        timeout=2 * MINUTE,
    )


def start_all(page: Page) -> None:
    wait_for_kernel(page)
    page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }")


def restart_and_run_all(page: Page) -> None:
    """As from the menu; a count is used up before, so that only a restart begins at 1 again."""
    wait_for_kernel(page)
    page.evaluate(
        """() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel
          .requestExecute({ code: "pass", store_history: true }).done.then(() => null)"""
    )
    page.evaluate("() => { window.jupyterapp.commands.execute('notebook:restart-run-all'); }")
    page.locator(".jp-Dialog button.jp-mod-accept").click()
    wait_for_all(page)


def wait_for_all(page: Page) -> None:
    prompts = page.locator(".jp-Notebook .jp-CodeCell .jp-InputArea-prompt")
    for index in range(prompts.count()):
        # on a busy machine a training takes its time
        expect(prompts.nth(index)).to_have_text(re.compile(r"\[\d+\]"), timeout=15 * MINUTE)


def prompts(page: Page) -> list[int]:
    """The numbers beside the code cells."""
    texts = page.locator(".jp-Notebook .jp-CodeCell .jp-InputArea-prompt").all_inner_texts()
    return [int(text.strip("[]: ")) for text in texts]


def save_and_reload(page: Page) -> None:
    """The kernel lives on."""
    page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
    page.reload()
    wait_for_kernel(page)


def reload_what_lives(page: Page) -> None:
    """Save and reload; the widgets come back from the kernel.

    Now and then the widget manager of JupyterLab calls them restored before it has them, and shows
    in their place that they are not found. A reader reloads once more then, and so does this.
    """
    save_and_reload(page)
    for _ in range(3):
        expect(page.get_by_text("Loading widget...")).to_have_count(0, timeout=MINUTE)
        if not page.get_by_text("Error displaying widget: model not found").count():
            return
        page.reload()
        wait_for_kernel(page)


def change_theme(page: Page, theme: str) -> None:
    page.evaluate(
        "theme => window.jupyterapp.commands.execute('apputils:change-theme', { theme })",
        THEMES[theme],
    )
    light = "true" if theme == "light" else "false"
    expect(page.locator("body")).to_have_attribute("data-jp-theme-light", light)
    page.wait_for_timeout(500)  # for colours that fade


def shut_down(page: Page) -> None:
    page.evaluate(
        "() => window.jupyterapp?.shell.currentWidget?.sessionContext?.shutdown().then(() => null)"
    )


def answer(page: Page, index: int, source: str) -> str:
    """Put this into the cell at that place in the notebook, run it, and return what it says."""
    cell = page.locator(".jp-Notebook .jp-Cell").nth(index)
    prompt = cell.locator(".jp-InputArea-prompt")
    before = prompt.inner_text()
    cell.locator(".cm-content").click()
    page.keyboard.press("Control+A")
    page.keyboard.insert_text(source)
    page.keyboard.press("Control+Enter")
    expect(prompt).not_to_have_text(before)
    expect(prompt).to_have_text(re.compile(r"\[\d+\]"), timeout=MINUTE)
    return cell.locator(".jp-OutputArea-output").inner_text()


@contextmanager
def chromium() -> Iterator[Browser]:
    """The one that is installed; it asks nothing of the network but the page."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@contextmanager
def served(home: Path, notebooks: Path = ROOT / "notebooks") -> Iterator[str]:
    """JupyterLab on a free port with a copy of the notebooks in an empty folder.

    Its address has a {} for the notebook.
    """
    _copy_without_outputs(notebooks, home / "notebooks")
    _settings(home / "app-settings")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "jupyterlab",
        "--no-browser",
        "--allow-root",
        "--expose-app-in-browser",
        "--ip=127.0.0.1",
        f"--port={port}",
        f"--notebook-dir={home}",
        f"--IdentityProvider.token={TOKEN}",
        f"--LabApp.app_settings_dir={home / 'app-settings'}",
    ]
    environment = {
        **os.environ,
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
    }
    with (home / "lab.log").open("w") as log:
        server = subprocess.Popen(command, cwd=home, env=environment, stdout=log, stderr=log)
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_for(f"{address}/api/status?token={TOKEN}", server, home / "lab.log")
        yield f"{address}/lab/tree/notebooks/{{}}?token={TOKEN}&reset"
    finally:
        server.terminate()
        server.wait(20)


def _copy_without_outputs(source: Path, target: Path) -> None:
    """So that a prompt with a number, or a picture, can only come from this run."""
    target.mkdir()
    for path in source.glob("*.ipynb"):
        notebook = nbformat.read(path, as_version=4)
        for cell in notebook.cells:
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
                for whole, shorter in SHORTER.items():
                    cell.source = cell.source.replace(whole, shorter)
        nbformat.write(notebook, target / path.name)


def _settings(folder: Path) -> None:
    """No pop-up about news, and every cell in the page, also those far below."""
    folder.mkdir()
    settings = {
        "@jupyterlab/apputils-extension:notification": {"fetchNews": "false"},
        "@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"},
    }
    (folder / "overrides.json").write_text(json.dumps(settings))


def _wait_for(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(240):
        if server.poll() is not None:
            break
        try:
            with urlopen(url, timeout=5):
                return
        except (URLError, OSError):
            time.sleep(0.25)
    raise RuntimeError(f"JupyterLab did not start:\n{log.read_text()}")
