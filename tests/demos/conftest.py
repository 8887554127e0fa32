"""What a notebook would get."""

import pytest
from IPython.core.interactiveshell import InteractiveShell


@pytest.fixture
def published(monkeypatch):
    """The bundles that are displayed, each with its data and metadata."""
    bundles = []
    monkeypatch.setattr(
        InteractiveShell.instance().display_pub,
        "publish",
        lambda data, metadata=None, **more: bundles.append(
            {"data": data, "metadata": metadata, **more}
        ),
    )
    yield bundles
    InteractiveShell.clear_instance()
