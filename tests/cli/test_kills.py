"""Runs that are killed at random moments: the same command goes on, to the same results."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
from nbformat import v4
from safetensors import safe_open

from tests.data.files import prepared_pairs, write_pictures

KILLS = 4
ONE = {**os.environ, "OMP_NUM_THREADS": "1"}


def _start(arguments):
    command = [sys.executable, "-m", "histmatch_lab.cli", *map(str, arguments)]
    root = Path(__file__).parents[2]
    return subprocess.Popen(
        command, stdout=-1, stderr=-1, env=ONE, cwd=root, start_new_session=True
    )


def _to_the_end(arguments):
    start = time.monotonic()
    printed, errors = (process := _start(arguments)).communicate()
    assert process.returncode == 0, (printed + errors).decode()
    return time.monotonic() - start


def _killed(arguments, seconds):
    process = _start(arguments)
    time.sleep(random.uniform(0, seconds))
    os.killpg(process.pid, signal.SIGKILL)  # with its workers and kernels
    process.communicate()


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
    return lambda out: ["collect", folder / "class", "-o", out / "table.csv"]


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


@pytest.mark.slow
@pytest.mark.parametrize("command", [_prepare, _train, _sweep, _report, _collect])
def test_what_is_killed_anywhere_goes_on_to_the_same(command, tmp_path):
    arguments = command(tmp_path)
    straight, broken = tmp_path / "straight", tmp_path / "broken"
    for out in (straight, broken):
        out.mkdir()
    seconds = _to_the_end(arguments(straight))
    for _ in range(KILLS):
        _killed(arguments(broken), seconds)
        _results(broken)  # nothing half-written passes for whole
    _to_the_end(arguments(broken))
    assert _results(broken) == _results(straight)
