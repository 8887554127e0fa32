"""Batch runs: real kernels, small notebooks."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import nbformat
import psutil
import pytest
import zmq.asyncio
from nbformat import v4
from rich.console import Console

from histmatch_lab.publish.batch import report
from histmatch_lab.publish.parameters import ParameterError


@pytest.fixture
def write(tmp_path):
    """Write a notebook of these code cells; the first may be one of parameters."""

    def _write(name, *sources, parameters=None):
        cells = [v4.new_code_cell(source) for source in sources]
        if parameters:
            cells.insert(0, v4.new_code_cell(parameters, metadata={"tags": ["parameters"]}))
        path = tmp_path / f"{name}.ipynb"
        nbformat.write(v4.new_notebook(cells=cells), path)
        return path

    return _write


@pytest.fixture
def run(tmp_path):
    """Report on notebooks; returns the runs by name and what was printed."""

    def _run(*notebooks, **options):
        with (tmp_path / "printed").open("w") as file:
            console = Console(file=file, width=200)
            runs = report(notebooks, tmp_path / "out", console=console, **options)
        return {r.name: r for r in runs}, (tmp_path / "printed").read_text()

    return _run


def test_a_report_says_what_ran_where_and_with_what(write, run, tmp_path):
    hold = "import time, numpy\nblock = numpy.ones(25_000_000)\ntime.sleep(1)"
    cells = (hold, "print('bins', BINS, 'seed', SEED)")
    notebook = write("counts", *cells, parameters="BINS = 256\nSEED = 3")
    [counts] = run(notebook, parameters={"BINS": "50"})[0].values()
    assert counts.status == "passed"
    assert counts.parameters == {"BINS": 50}
    assert counts.seed == 3
    assert counts.device == "cpu"
    assert counts.versions["torch"].startswith("2.")
    assert 200e6 < counts.peak_bytes < 2e9  # the block of numbers alone is 200 MB
    page = (tmp_path / "out/counts.html").read_text()
    assert "bins 50 seed 3" in page
    index = (tmp_path / "out/index.html").read_text()
    assert 'href="counts.html"' in index
    for fact in ("passed", "BINS = 50", "cpu", "torch"):
        assert fact in index
    executed = nbformat.read(tmp_path / "out/counts.ipynb", as_version=4)
    assert executed.metadata.histmatch_lab.run.seconds == counts.seconds
    assert "papermill" not in executed.metadata
    assert not list((tmp_path / "out").glob(".*"))


def test_threads_of_a_kernel_are_capped(write, run, tmp_path, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    run(write("threads", "import os\nprint('OMP', os.environ['OMP_NUM_THREADS'])"), jobs=2)
    assert "OMP 3" in (tmp_path / "out/threads.html").read_text()


CALLBACK = """\
from ipywidgets import interact
def inverse(a):
    return 1 / a
interact(inverse, a=0)"""
OURS = """\
import ipywidgets
ipywidgets.VBox([ipywidgets.HTML('<p role="alert" class="histmatch-lab-error">too sharp</p>')])"""
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
    ("bad", "says"),
    [
        pytest.param("1 / 0", "ZeroDivisionError: division by zero", id="cell"),
        pytest.param(CALLBACK, "in a widget: .*ZeroDivisionError", id="callback"),
        pytest.param(OURS, "in a widget: too sharp", id="live-demo"),
        pytest.param(THREAD, "ZeroDivisionError", id="thread"),
        pytest.param("import os\nos._exit(3)", "the kernel is gone", id="kernel"),
        pytest.param(LOGGED, "outside of any cell: .*ZeroDivisionError", id="kernel-log"),
    ],
)
def test_an_error_anywhere_fails_and_shows_the_cell(write, run, tmp_path, bad, says):
    runs, printed = run(write("bad", "good = 1", bad), write("fine", "print('fine')"))
    assert runs["fine"].status == "passed"
    assert runs["bad"].status == "failed"
    assert re.search(says, runs["bad"].error, re.DOTALL)
    if "kernel" not in says and "outside" not in says:
        assert runs["bad"].cell == bad
        assert bad.splitlines()[-1] in printed
    assert not (tmp_path / "out/bad.html").exists()
    assert "failed" in (tmp_path / "out/index.html").read_text()


def test_the_end_of_a_kernel_is_not_held_against_the_notebook(write, run):
    """It is interrupted to end it, and says so now and then."""
    late = 'import atexit, os\natexit.register(os.write, 2, b"Traceback (most recent call last):")'
    assert run(write("late", late))[0]["late"].status == "passed"


def test_an_older_good_page_outlives_a_failure(write, run, tmp_path):
    run(write("changes", "print('first edition')"))
    run(write("changes", "1 / 0"))
    page = tmp_path / "out/changes.html"
    assert "first edition" in page.read_text()
    assert "page of an earlier run" in (tmp_path / "out/index.html").read_text()
    assert (tmp_path / "out/changes.failed.ipynb").exists()
    run(write("changes", "print('second edition')"))
    assert "second edition" in page.read_text()
    assert not (tmp_path / "out/changes.failed.ipynb").exists()


def test_the_index_keeps_notebooks_of_earlier_runs(write, run, tmp_path):
    for name in ("first", "second"):
        [notebook] = run(write(name, "1"))[0].values()
        assert notebook.status == "passed", notebook.error
    index = (tmp_path / "out/index.html").read_text()
    assert 'href="first.html"' in index
    assert 'href="second.html"' in index


def test_parameters_are_checked_before_anything_runs(write, run, tmp_path):
    has = write("has", "print(BINS)", parameters="BINS = 1")
    with pytest.raises(ParameterError, match=r"hasnt.ipynb: no parameter is called BINS"):
        run(has, write("hasnt", "1"), parameters={"BINS": "2"})
    assert not (tmp_path / "out").exists()


def test_two_notebooks_of_one_name_are_refused(write, run):
    path = write("same", "1")
    with pytest.raises(ValueError, match="two have one name"):
        run(path, path)


def test_a_file_that_is_no_notebook_is_refused(run, tmp_path):
    path = tmp_path / "text.ipynb"
    path.write_text("not json")
    with pytest.raises(ValueError, match="is no notebook"):
        run(path)


SHOWS = """\
from histmatch_lab.demos import all_demos
from histmatch_lab.demos.live import show
demo = list(all_demos().values())[0]
show(demo)
print("controls:", len(demo.controls))"""


def test_pages_need_neither_kernel_nor_network(write, run, tmp_path):
    path = write("shows", SHOWS, "import ipywidgets\nipywidgets.IntSlider(3)")
    notebook = nbformat.read(path, as_version=4)
    formulas = r"Eq. 1: $P(k)$ and $$\begin{aligned} a &= \frac{b}{c} \end{aligned}$$"
    link = "[next](01_next.ipynb#there), [paper](https://example.org/paper.ipynb)"
    notebook.cells.append(v4.new_markdown_cell(f"{formulas} {link}"))
    nbformat.write(notebook, path)
    runs, printed = run(path)
    assert runs["shows"].status == "passed", printed
    page = (tmp_path / "out/shows.html").read_text()
    controls = int(re.search(r"controls: (\d+)", page)[1])
    assert page.count("<input") >= controls > 0
    assert 'class="histmatch-demo"' in page
    assert "widget-view" not in page
    assert "run the notebook to use it" in page
    assert page.count('<span class="formula') == 2
    assert 'href="01_next.html#there"' in page
    assert 'href="https://example.org/paper.ipynb"' in page
    assert not re.findall(r'<(?:script|link|img|iframe)[^>]+(?:src|href)="https?:[^"]*"', page)


def test_plotly_figures_stay_alive(write, run, tmp_path):
    run(write("plot", "import plotly.graph_objects as go\ngo.Figure(go.Scatter(y=[1, 3, 2]))"))
    assert 'src="plotly.min.js"' in (tmp_path / "out/plot.html").read_text()
    assert (tmp_path / "out/plotly.min.js").stat().st_size > 1e6


def test_ctrl_c_keeps_what_was_finished(write, tmp_path):
    quick = write("a_quick", "print('done')")
    mark = tmp_path / "started"
    slow = write("b_slow", f"open({str(mark)!r}, 'w').close()\nimport time\ntime.sleep(300)")
    last = write("c_last", "1")
    out = tmp_path / "out"
    command = [sys.executable, "-m", "histmatch_lab.cli", "report", quick, slow, last, "-o", out]
    process = subprocess.Popen(
        [*map(str, command), "--jobs", "1"], stdout=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 120
    while not mark.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    kernels = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == 130, printed
    assert "done" in (out / "a_quick.html").read_text()
    states = re.findall(r'class="status [\w-]+">([\w ]+)', (out / "index.html").read_text())
    assert states == ["passed", "interrupted", "not run"]
    assert {path.name for path in out.iterdir()} == {
        "a_quick.html",
        "a_quick.ipynb",
        "contents.js",
        "index.html",
        "katex",
        "script.js",
        "style.css",
    }
    assert kernels
    assert not [kernel for kernel in kernels if kernel.is_running()]


def test_stored_runs_are_plain_json(write, run, tmp_path):
    run(write("plain", "1"))
    stored = json.loads((tmp_path / "out/plain.ipynb").read_text())
    assert stored["metadata"]["histmatch_lab"]["run"]["name"] == "plain"


def test_a_message_that_zeromq_did_not_tell_of_is_found(write, run, monkeypatch):
    monkeypatch.setattr("histmatch_lab.publish.notebooks.LOOK_EVERY", 0.05)
    monkeypatch.setattr(zmq.asyncio.Socket, "_handle_events", lambda *_: None)
    [found] = run(write("found", "print('done')"))[0].values()
    assert found.status == "passed"


def test_what_is_printed_in_parts_is_one_text(write, run, tmp_path):
    run(write("parts", "import time\nprint(1, flush=True)\ntime.sleep(0.5)\nprint(2)"))
    [cell] = nbformat.read(tmp_path / "out/parts.ipynb", as_version=4).cells
    assert [output.text for output in cell.outputs] == ["1\n2\n"]
