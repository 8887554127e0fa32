"""Small notebooks for tests."""

import nbformat
import pytest
from nbformat import v4


@pytest.fixture
def write(tmp_path):
    """Write a notebook of these code cells; the first may be one of parameters."""
    return lambda *args, **options: write_notebook(tmp_path, *args, **options)


def write_notebook(folder, name, *sources, parameters=None, prose=None):
    cells = [v4.new_code_cell(source) for source in sources]
    if parameters:
        cells.insert(0, v4.new_code_cell(parameters, metadata={"tags": ["parameters"]}))
    if prose:
        cells.append(v4.new_markdown_cell(prose))
    path = folder / f"{name}.ipynb"
    nbformat.write(v4.new_notebook(cells=cells), path)
    return path
