"""Runs that are killed at random moments, or whose clock jumps: the same results in the end.

HISTMATCH_LAB_KILLS=50 tries 50 moments of each command instead of a few (more than half an hour).
"""

import glob
import itertools
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import nbformat
import pytest
from nbformat import v4
from safetensors import safe_open

from tests.data.files import prepared_pairs, write_pictures

KILLS = int(os.environ.get("HISTMATCH_LAB_KILLS", "2"))
GROWS = re.compile(r"weights\.safetensors$").search  # while a training goes on
ONE = {**os.environ, "OMP_NUM_THREADS": "1"}
# What each Python of a run, its workers and kernels too, imports first: forward by a day and back
JUMPING_CLOCK = """\
import time

right = time.time
time.time = lambda: right() + 86_400 * (int(2 * time.monotonic()) % 2)
open(__file__.replace("sitecustomize.py", "jumped"), "w").close()
"""
ROOT = Path(__file__).parents[2]


def _start(arguments, **env):
    command = [sys.executable, "-m", "histmatch_lab.cli", *map(str, arguments)]
    return subprocess.Popen(
        command, stdout=-1, stderr=-1, env=ONE | env, cwd=ROOT, start_new_session=True
    )


def _end(process):
    printed, errors = process.communicate()
    assert process.returncode == 0, (printed + errors).decode()


def _writings(process, out):
    """Once for each time that something in the folder is seen to have changed, until the end."""
    before: dict[str, tuple[int, int] | None] = {}
    while process.poll() is None:
        names = glob.glob(f"{out}/**", recursive=True, include_hidden=True)
        now = {name: _state(name) for name in names}
        if now != before:
            yield
        before = now
        time.sleep(0.001)


def _state(name):
    try:
        return os.stat(name).st_mtime_ns, os.stat(name).st_size
    except FileNotFoundError:
        return None


def _measured(process, out):
    """The seconds that a run takes, and how many of its writings can be seen."""
    start = time.monotonic()
    writings = sum(1 for _ in _writings(process, out))
    _end(process)
    return time.monotonic() - start, writings


def _killed(process, out, moment):
    """With its workers, after these seconds or as many writings; False if it was over before."""
    kind, number = moment
    try:
        if kind == "writing":
            next(itertools.islice(_writings(process, out), number, None), None)
        else:
            process.wait(number)
    except subprocess.TimeoutExpired:
        pass
    landed = process.poll() is None
    if landed:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    return landed


def _prepare(folder):
    names = [f"{number}.png" for number in range(12)]
    for side in ("in", "out"):
        write_pictures(folder / side, names, bits=16, height=96, width=128)
    return lambda out: ["prepare", "folder", folder / "in", folder / "out", out]


def _train(folder):
    data = prepared_pairs(folder)
    return lambda out: ["train", data, out, "--crop", 16, "--epochs", 260, "--loss", "l2"]


def _sweep(folder):
    data = prepared_pairs(folder)
    file = folder / "small.yaml"
    file.write_text(f"loss: l2\ncrop: 16\nepochs: 40\nseed: [0, 1]\ndata: {data}\n")
    return lambda out: ["sweep", file, "-o", out, "--workers", 1]


def _report(folder):
    for name in ("a", "b"):
        cells = [v4.new_code_cell(f"print({name!r})")]
        nbformat.write(v4.new_notebook(cells=cells), folder / f"{name}.ipynb")
    return lambda out: ["report", folder / "a.ipynb", folder / "b.ipynb", "-o", out]


def _collect(folder):
    (folder / "class").mkdir()
    cell = v4.new_code_cell("center = 15\ncheck_bin_center(center)", id="a")
    nbformat.write(v4.new_notebook(cells=[cell]), folder / "class/a.ipynb")
    return lambda out: ["collect", folder / "class", "-o", out / "table.csv", "--seconds", 3600]


def _results(out):
    """What the run is for, without what tells when and how long; each must be whole."""
    found = {}
    for path in sorted(path for path in out.rglob("*") if path.is_file()):
        if path.suffix == ".safetensors":
            with safe_open(path, "np") as file:
                arrays = {name: file.get_tensor(name).tobytes() for name in sorted(file.keys())}
            found[path.relative_to(out).as_posix()] = arrays
        if path.suffix == ".html" and path.stem != "index":
            found[path.name] = path.read_bytes()
        if path.name in ("split.csv", "table.csv"):
            found[path.name] = path.read_bytes()
    return found


class Straight(NamedTuple):
    """A command that was run undisturbed."""

    name: str
    arguments: Callable[[Path], list[Any]]
    seconds: float
    writings: int  # that can be seen
    results: dict[str, Any]


@pytest.fixture(scope="module", params=[_prepare, _train, _sweep, _report, _collect])
def command(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("straight")
    arguments, out = request.param(folder), folder / "results"
    out.mkdir()
    seconds, writings = _measured(_start(arguments(out)), out)
    return Straight(request.param.__name__, arguments, seconds, writings, _results(out))


@pytest.mark.slow
def test_what_is_killed_anywhere_goes_on_to_the_same(command, tmp_path):
    draw, out, landed = random.Random(command.name), tmp_path / "out", 0
    while landed < KILLS:
        out.mkdir(exist_ok=True)
        second, writing = draw.uniform(0, command.seconds), draw.randrange(command.writings)
        process = _start(command.arguments(out))
        if _killed(process, out, [("second", second), ("writing", writing)][landed % 2]):
            landed += 1
            there = _results(out)  # nothing half-written passes for whole
            kept = {name: value for name, value in there.items() if not GROWS(name)}
            assert kept.items() <= command.results.items()
        else:
            _end(process)
            assert _results(out) == command.results
            shutil.rmtree(out)
    _end(_start(command.arguments(out)))
    assert _results(out) == command.results


@pytest.mark.slow
def test_a_clock_that_jumps_changes_nothing(command, tmp_path):
    clock, out = tmp_path / "clock", tmp_path / "out"
    clock.mkdir()
    out.mkdir()
    (clock / "sitecustomize.py").write_text(JUMPING_CLOCK)
    _end(_start(command.arguments(out), PYTHONPATH=f"{clock}{os.pathsep}{ROOT}"))
    assert (clock / "jumped").exists()
    assert _results(out) == command.results != {}
