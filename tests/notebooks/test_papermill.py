"""Researchers run the notebooks with papermill itself, as they would any other."""

from pathlib import Path

import papermill
import pytest

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "02_distance.ipynb"


@pytest.mark.slow
@pytest.mark.filterwarnings("default::DeprecationWarning")  # papermill's own
def test_a_notebook_runs_with_a_parameter(tmp_path):
    ran = papermill.execute_notebook(
        str(NOTEBOOK),
        str(tmp_path / "ran.ipynb"),
        {"PHOTO": "astronaut"},
        kernel_name="python3",
        progress_bar=False,
        cwd=str(NOTEBOOK.parent),
    )
    settings = [
        output.metadata["histmatch_lab"]["settings"]
        for cell in ran.cells
        for output in cell.get("outputs", [])
        if "histmatch_lab" in output.get("metadata", {})
    ]
    assert "astronaut" in {setting.get("photo") for setting in settings}
