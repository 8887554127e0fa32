"""Batch runs: real processes and kernels, small notebooks."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import nbformat
import psutil
import pytest
from rich.console import Console

from histmatch_lab.publish.batch import report
from histmatch_lab.publish.parameters import ParameterError
from tests.publish.conftest import write_notebook

BINS = "BINS = 256\nSEED = 3"
HOLD = "import os, time, numpy\nblock = numpy.ones(100_000_000)"
COUNT = "print('bins', BINS, 'seed', SEED, 'threads', os.environ['NUMEXPR_NUM_THREADS'])"
SHOW = """\
from histmatch_lab.demos import find_demo
from histmatch_lab.demos.live import show
demo = find_demo("histmatch_lab.demos.figures.counting:share_a_pixel")
show(demo)
print("controls:", len(demo.controls))"""
PLOT = "import plotly.graph_objects as go\ngo.Figure(go.Scatter(y=[1, 3, 2]))"
PROSE = r"""Eq. 1: $P(k)$ and $$\begin{aligned} a &= \frac{b}{c} \end{aligned}$$
[next](01_next.ipynb#there), [paper](https://example.org/paper.ipynb)"""


def run(folder, *notebooks, **options):
    """Report on notebooks; the runs by name, what was printed, and the pages."""
    with (folder / "printed").open("w") as file:
        runs = report(notebooks, folder / "out", console=Console(file=file, width=200), **options)
    return SimpleNamespace(
        runs={run.name: run for run in runs},
        printed=(folder / "printed").read_text(),
        out=folder / "out",
        index=(folder / "out" / "index.html").read_text(),
    )


@pytest.fixture(scope="module", params=[pytest.param("three notebooks", marks=pytest.mark.slow)])
def first(tmp_path_factory):
    """A report on a notebook that passes, one that fails, and one with what pages must show."""
    folder = tmp_path_factory.mktemp("batch")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("NUMEXPR_NUM_THREADS", raising=False)
        patch.setattr(os, "cpu_count", lambda: 6)
        return run(
            folder,
            write_notebook(folder, "counts", HOLD, COUNT, parameters=BINS),
            write_notebook(folder, "bad", "print(BINS + SEED)", "1 / 0", parameters=BINS),
            write_notebook(
                folder,
                "shows",
                "BINS, SEED\nimport ipywidgets\nipywidgets.IntSlider(3)",
                SHOW,
                PLOT,
                parameters=BINS,
                prose=PROSE,
            ),
            parameters={"BINS": "50"},
        )


def test_a_report_says_what_ran_where_and_with_what(first):
    counts = first.runs["counts"]
    assert counts.status == "passed"
    assert counts.parameters == {"BINS": 50}
    assert counts.seed == 3
    assert counts.device == "cpu"
    assert counts.versions["torch"].startswith("2.")
    assert 800e6 < counts.peak_bytes < 2e9  # the block of numbers alone is 800 MB
    assert counts.peak_bytes > 400e6 + first.runs["bad"].peak_bytes
    assert 0 < counts.seconds < 60
    assert "bins 50 seed 3 threads 3" in (first.out / "counts.html").read_text()
    assert 'href="counts.html"' in first.index
    for fact in ("passed", "BINS = 50", "cpu", "torch"):
        assert fact in first.index


def test_an_executed_notebook_is_kept_with_the_facts_of_its_run(first):
    stored = json.loads((first.out / "counts.ipynb").read_text())["metadata"]["histmatch_lab"]
    assert stored["run"]["name"] == "counts"
    assert stored["run"]["seconds"] == first.runs["counts"].seconds
    assert [path.name for path in first.out.glob(".*")] == [".lock"]


def test_a_notebook_that_fails_stops_no_other_and_shows_its_cell(first):
    assert [first.runs[name].status for name in ("bad", "shows")] == ["failed", "passed"]
    assert first.runs["bad"].cell == "1 / 0"
    assert "ZeroDivisionError" in first.runs["bad"].error
    assert "cell [4]" in first.printed
    assert "1 / 0" in first.printed
    assert first.runs["bad"].seconds > 0
    assert not (first.out / "bad.html").exists()
    assert "failed" in first.index
    failed = nbformat.read(first.out / "bad.failed.ipynb", as_version=4)
    assert failed.cells[2].outputs[0].text == "53\n"


def test_pages_need_neither_kernel_nor_network(first):
    page = (first.out / "shows.html").read_text()
    controls = int(re.search(r"controls: (\d+)", page)[1])
    assert page.count('"kind": ') >= controls > 0
    assert 'class="histmatch-figure histmatch-demo"' in page
    assert "widget-view" not in page
    assert "run the notebook to use it" in page
    assert page.count('<span class="formula') == 2
    assert 'href="01_next.html#there"' in page
    assert 'href="https://example.org/paper.ipynb"' in page
    assert not re.findall(r'<(?:script|link|img|iframe)[^>]+(?:src|href)="https?:[^"]*"', page)


def test_plotly_figures_stay_alive(first):
    assert '<figure class="hover">' in (first.out / "shows.html").read_text()
    [source] = re.findall(r'src: "(plotly/[^"]+)"', (first.out / "script.js").read_text())
    assert (first.out / source).stat().st_size > 1e6


@pytest.mark.slow
def test_older_good_pages_outlive_failures_and_are_replaced(tmp_path):
    changes = write_notebook(tmp_path, "changes", "print('first edition')")
    run(tmp_path, changes, write_notebook(tmp_path, "stays", "1"))
    page = tmp_path / "out/changes.html"
    # The kernel ends the process that watches it.
    write_notebook(tmp_path, "changes", "import os, signal\nos.kill(os.getppid(), signal.SIGKILL)")
    second = run(tmp_path, changes)
    assert second.runs["changes"].status == "failed"
    assert "exit code -9" in second.runs["changes"].error
    assert "first edition" in page.read_text()
    assert "page of an earlier run" in second.index
    assert 'href="stays.html"' in second.index
    write_notebook(tmp_path, "changes", "1 / 0")
    run(tmp_path, changes)
    assert "first edition" in page.read_text()
    assert (tmp_path / "out/changes.failed.ipynb").exists()
    write_notebook(tmp_path, "changes", "print('second edition')")
    run(tmp_path, changes)
    assert "second edition" in page.read_text()
    assert not (tmp_path / "out/changes.failed.ipynb").exists()


def test_parameters_are_checked_before_anything_runs(write, tmp_path):
    has, lacks = write("has", "print(BINS)", parameters="BINS = 1"), write("lacks", "1")
    with pytest.raises(ParameterError, match=r"lacks.ipynb: no parameter is called BINS"):
        report([has, lacks], tmp_path / "out", parameters={"BINS": "2"})
    assert not (tmp_path / "out").exists()


def test_two_notebooks_of_one_name_are_refused(write, tmp_path):
    path = write("same", "1")
    with pytest.raises(ValueError, match="two have one name"):
        report([path, path], tmp_path / "out")


@pytest.mark.slow
def test_ctrl_c_keeps_what_was_finished(write, tmp_path):
    quick = write("a_quick", "print('done')")
    mark = tmp_path / "started"
    slow = write("b_slow", f"open({str(mark)!r}, 'w').close()\nimport time\ntime.sleep(300)")
    last = write("c_last", "1")
    out = tmp_path / "out"
    command = [sys.executable, "-m", "histmatch_lab.cli", "report", quick, slow, last, "-o", out]
    process = subprocess.Popen(
        [*map(str, command), "--jobs", "1"],
        stdout=subprocess.PIPE,
        text=True,
        # a shell's background ignores Ctrl-C
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 120
    while not mark.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    family = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == 130, printed
    assert "done" in (out / "a_quick.html").read_text()
    states = re.findall(r'class="status [\w-]+">([\w ]+)', (out / "index.html").read_text())
    assert states == ["passed", "interrupted", "not run"]
    assert {path.name for path in out.iterdir()} == {
        ".lock",
        "a_quick.html",
        "a_quick.ipynb",
        "contents.js",
        "index.html",
        "katex",
        "plotly",
        "script.js",
        "style.css",
    }
    assert len(family) > 1
    deadline = time.monotonic() + 10
    while any(map(_lives, family)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not [member for member in family if _lives(member)]


def _lives(process):
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
