"""The Chromium that is installed here, and a JupyterLab for it."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.browser import jupyterlab

expect.set_options(timeout=30_000)  # a page on a busy machine is in no hurry


# For the module, not the session: Playwright's event loop runs in this thread while it is open, and
# tests of coroutines that come later could not start their own.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if jupyterlab.CHROMIUM is None:
        missing = "NO CHROMIUM FOUND: the notebooks were not tried in a browser"
        if os.environ.get("HISTMATCH_LAB_REQUIRE_BROWSER"):
            pytest.fail(missing)
        pytest.skip(missing)
    with jupyterlab.chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with jupyterlab.served(tmp_path_factory.mktemp("lab")) as address:
        yield address
