"""What a reader does with JupyterLab: open, restart and run all, save, reload, change the theme."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

MINUTE = 60_000
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
        expect(prompts.nth(index)).to_have_text(re.compile(r"\[\d+\]"), timeout=6 * MINUTE)


def prompts(page: Page) -> list[int]:
    """The numbers beside the code cells."""
    texts = page.locator(".jp-Notebook .jp-CodeCell .jp-InputArea-prompt").all_inner_texts()
    return [int(text.strip("[]: ")) for text in texts]


def save_and_reload(page: Page) -> None:
    """The kernel lives on."""
    page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
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
