"""Folders that cannot be written, a full disk, two runs at once: said in a line, whatever runs."""

import nbformat
import pytest
from nbformat import v4

from histmatch_lab._files import LOCK, one_run
from histmatch_lab.training import checkpoint
from tests.command import run
from tests.data.files import prepared_pairs

SHORT = ("--crop", 16, "--epochs", 1, "--loss", "l2")


@pytest.fixture(scope="module")
def commands(tmp_path_factory):
    """What each command needs besides its output."""
    folder = tmp_path_factory.mktemp("data")
    data = prepared_pairs(folder)
    (folder / "small.yaml").write_text(f"loss: l2\ncrop: 16\nepochs: 1\ndata: {data}\n")
    nbformat.write(v4.new_notebook(cells=[v4.new_code_cell("1")]), folder / "a.ipynb")
    return {
        "prepare": lambda out: ("prepare", "folder", folder / "in", folder / "out", out),
        "train": lambda out: ("train", data, out, *SHORT),
        "sweep": lambda out: ("sweep", folder / "small.yaml", "-o", out),
        "report": lambda out: ("report", folder / "a.ipynb", "-o", out),
    }


NAMES = ("prepare", "train", "sweep", "report")


@pytest.mark.parametrize("name", NAMES)
def test_the_second_of_two_runs_in_a_folder_refuses(commands, name, tmp_path):
    with one_run(tmp_path):
        output = run(*commands[name](tmp_path), code=2)
    assert "must be written by one run at a time" in " ".join(output.split())
    assert {path.name for path in tmp_path.iterdir()} <= {LOCK}  # some filelocks remove it


@pytest.mark.parametrize("name", NAMES)
def test_a_folder_that_cannot_be_made(commands, name, tmp_path):
    (tmp_path / "file").write_text("")
    output = run(*commands[name](tmp_path / "file" / "out"), code=1)
    assert "Not a directory" in output
    assert "Traceback" not in output


def test_a_disk_that_fills_up_while_training(commands, tmp_path, monkeypatch):
    def full(path, _data):
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(checkpoint, "write_whole", full)
    output = run(*commands["train"](tmp_path), code=1)
    assert "No space left on device" in output
    monkeypatch.undo()
    assert "Weights in" in run(*commands["train"](tmp_path))


def test_what_a_killed_run_left_half_written_goes(tmp_path):
    (tmp_path / "fonts").mkdir()
    for name in (".weights.safetensors.1.part", "fonts/.a.woff2.1.part"):
        (tmp_path / name).write_bytes(b"half")
    with one_run(tmp_path):
        assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [LOCK]
