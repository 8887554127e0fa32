"""Notebooks run in real kernels: what they print, and each place where an error can hide."""

import re

import pytest
import zmq.asyncio

from histmatch_lab.publish.execution import NotebookError, execute, read
from tests.publish.conftest import write_notebook


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """One notebook with something in it for each test, run once; then the steps that were told."""
    path = write_notebook(
        tmp_path_factory.mktemp("executed"),
        "good",
        "import os\nprint('threads', os.environ['OMP_NUM_THREADS'], 'bins', BINS, 'seed', SEED)",
        "import time\nprint(1, flush=True)\ntime.sleep(0.5)\nprint(2)",
        # The kernel is interrupted in order to end it, and says so now and then.
        'import atexit\natexit.register(os.write, 2, b"Traceback (most recent call last):")',
        "import ipywidgets\nipywidgets.IntSlider(3)",
        parameters="BINS = 256\nSEED = 3",
    )
    steps = []
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("OMP_NUM_THREADS", raising=False)
        result = execute(path, {"BINS": 50}, threads=3, on_cell=lambda: steps.append(1))
    return *result, steps


def test_parameters_and_threads_reach_the_cells(executed):
    notebook, _, _ = executed
    assert "BINS = 50" in notebook.cells[1].source.splitlines()
    assert notebook.cells[2].outputs[0].text == "threads 3 bins 50 seed 3\n"


def test_each_cell_is_a_step_and_the_device_is_known(executed):
    notebook, device, steps = executed
    assert device == "cpu"
    assert len(steps) == len(notebook.cells) + 1 == 7
    assert [cell.execution_count for cell in notebook.cells] == [1, 2, 3, 4, 5, 6]


def test_what_is_printed_in_parts_is_one_text(executed):
    notebook, _, _ = executed
    assert [output.text for output in notebook.cells[3].outputs] == ["1\n2\n"]


def test_nothing_is_stored_that_only_the_run_can_use(executed):
    notebook, _, _ = executed
    assert "widgets" not in notebook.metadata
    assert not any("execution" in cell.metadata for cell in notebook.cells)


CALLBACK = """\
from ipywidgets import interact
def inverse(a):
    return 1 / a
interact(inverse, a=0)"""
OURS = """\
import ipywidgets
from histmatch_lab.demos.widgets import Picture
picture = Picture()
picture.problem = "too sharp"
ipywidgets.VBox([picture])"""
THREAD = """\
import threading
thread = threading.Thread(target=lambda: 1 / 0)
thread.start(); thread.join()"""
LOGGED = """\
try:
    1 / 0
except ZeroDivisionError:
    get_ipython().kernel.log.error("in a handler", exc_info=True)"""


@pytest.mark.parametrize(
    ("bad", "says", "cell"),
    [
        pytest.param("1 / 0", "ZeroDivisionError: division by zero", "1 / 0", id="cell"),
        pytest.param("raise SystemExit(3)", "SystemExit: 3", "raise SystemExit(3)", id="exit"),
        pytest.param(CALLBACK, "in a widget: .*ZeroDivisionError", CALLBACK, id="callback"),
        pytest.param(OURS, "in a widget: too sharp", OURS, id="live-demo"),
        pytest.param(THREAD, "ZeroDivisionError", THREAD, id="thread"),
        pytest.param("import os\nos._exit(3)", "the kernel is gone", "", id="kernel"),
        pytest.param(LOGGED, "outside of any cell: .*ZeroDivisionError", "", id="kernel-log"),
    ],
)
def test_an_error_anywhere_fails_and_names_its_cell(write, bad, says, cell):
    with pytest.raises(NotebookError) as caught:
        execute(write("bad", "print('good')", bad))
    assert re.search(says, str(caught.value), re.DOTALL)
    assert caught.value.cell == cell
    assert caught.value.number == (2 if cell else None)
    assert caught.value.notebook.cells[0].outputs[0].text == "good\n"
    assert len(caught.value.notebook.cells) == 2


def test_a_message_that_zeromq_did_not_announce_is_found(write, monkeypatch):
    monkeypatch.setattr("histmatch_lab.publish.execution.POLL_SECONDS", 0.05)
    monkeypatch.setattr(zmq.asyncio.Socket, "_handle_events", lambda *_: None)
    notebook, _ = execute(write("found", "print('done')"))
    assert notebook.cells[0].outputs[0].text == "done\n"


def test_a_file_that_is_no_notebook_is_refused(tmp_path):
    path = tmp_path / "text.ipynb"
    path.write_text("not json")
    with pytest.raises(ValueError, match="is no notebook"):
        read(path)
