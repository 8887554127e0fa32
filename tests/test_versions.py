"""The run under Colab's versions really is one: `make colab` says which version it lays over."""

import os

import ipywidgets


def test_ipywidgets_is_the_version_that_this_run_is_for():
    expected = os.environ.get("HISTMATCH_LAB_EXPECT_IPYWIDGETS", "8.")
    print(f"ipywidgets {ipywidgets.__version__} from {ipywidgets.__file__}")
    assert ipywidgets.__version__.startswith(expected)
