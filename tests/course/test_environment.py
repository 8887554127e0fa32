"""The environment check says what is wrong, never raises, and leaves Colab's own set alone."""

import importlib.metadata
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import torch

from histmatch_lab.course import environment
from histmatch_lab.course.environment import check_environment

SCRIPT = Path(environment.__file__)


def _item(name):
    [item] = [item for item in check_environment().items if item.name == name]
    return item


@pytest.fixture
def versions(monkeypatch):
    """What importlib.metadata says, with some libraries at another version or missing (None)."""
    faked: dict[str, str | None] = {}
    real = importlib.metadata.version

    def version(name):
        if name not in faked:
            return real(name)
        found = faked[name]
        if found is None:
            raise importlib.metadata.PackageNotFoundError(name)
        return found

    monkeypatch.setattr(importlib.metadata, "version", version)
    return faked


@pytest.fixture
def colab(monkeypatch):
    monkeypatch.setenv("COLAB_RELEASE_TAG", "release-colab_20260801")


def test_a_good_machine_is_fine_in_the_table_and_the_lines():
    report = check_environment()
    assert report.summary.startswith("Everything is there"), report
    names = [item.name for item in report.items]
    assert names[:3] == ["Python", "torch", "numpy"]
    assert {"ipywidgets", "matplotlib", "plotly", "jupyterlab", "device", "threads"} <= {*names}
    assert {"data_samples", "write access"} <= {*names}
    assert all(item.found in repr(report) for item in report.items)
    assert report._repr_html_().count("<tr>") == len(report.items) + 1
    assert report._repr_html_().startswith("<details><summary><b>Everything is there")


@pytest.mark.parametrize("name", ["torch", "numpy", "ipywidgets", "matplotlib", "plotly"])
def test_a_missing_library_is_named_with_its_command(versions, name):
    versions[name] = None
    item = _item(name)
    assert (item.found, item.fine) == ("missing", False)
    assert "-m pip install" in item.fix
    assert name in item.fix
    assert name in check_environment().summary
    assert check_environment()._repr_html_().startswith("<details open>")


def test_a_version_is_held_against_the_oldest_that_was_tried(versions, monkeypatch):
    monkeypatch.setattr(environment, "_bounds", lambda: {"torch": "2.6"})
    fine = {"1.9.9": False, "2.5.1+cu121": False, "2.6.0": True, "2.13.0+cpu": True, "3.0": True}
    for versions["torch"], expected in fine.items():
        assert _item("torch").fine is expected


def test_the_bounds_are_the_projects_without_a_clone_too(monkeypatch, tmp_path):
    bounds = environment._bounds()
    declared = importlib.metadata.requires("histmatch-lab") or []
    assert all(f"{name}>={bounds[name]}" in " ".join(declared) for name in environment._LIBRARIES)
    monkeypatch.setattr(environment, "_ROOT", tmp_path)
    assert environment._bounds()["torch"] == bounds["torch"]


@pytest.mark.usefixtures("colab")
def test_on_colab_nothing_of_colabs_own_is_upgraded(versions):
    for name in ("torch", "numpy", "ipywidgets", "plotly", "matplotlib"):
        versions[name] = "0.1"
        item = _item(name)
        assert item.fine is False
        assert "pip" not in item.fix
        assert "Disconnect and delete runtime" in item.fix
    assert "jupyterlab" not in [item.name for item in check_environment().items]


@pytest.mark.usefixtures("colab")
def test_colabs_set_is_good_enough(versions):
    versions.update(torch="2.11.0+cpu", ipywidgets="7.7.1", plotly="5.24.1", numpy="2.0.2")
    assert all(item.fine for item in check_environment().items)


def test_the_device_is_named_and_a_gpu_that_torch_does_not_see(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "Some GPU")
    assert _item("device").found == "CUDA: Some GPU"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert _item("device").found.startswith("MPS")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert _item("device").found.startswith("CPU")
    assert _item("device").fine
    monkeypatch.setattr(environment.shutil, "which", lambda _: "/usr/bin/nvidia-smi")
    assert "CUDA build" in _item("device").found


def test_a_broken_driver_does_not_raise(monkeypatch):
    def broken():
        raise RuntimeError("no driver <here>")

    monkeypatch.setattr(torch.cuda, "is_available", broken)
    item = _item("device")
    assert item.fine is False
    assert "no driver" in item.found
    assert "&lt;here&gt;" in check_environment()._repr_html_()


def test_missing_photographs_are_told(monkeypatch, tmp_path):
    monkeypatch.setenv("HISTMATCH_LAB_DATA", str(tmp_path / "gone"))
    item = _item("data_samples")
    assert item.fine is False
    assert "gone" in item.found
    assert "git checkout" in item.fix


def test_a_folder_that_cannot_be_written_is_told(monkeypatch):
    def refused(**_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(tempfile, "TemporaryFile", refused)
    item = _item("write access")
    assert item.fine is False
    assert "Permission denied" in item.found


def test_it_answers_where_nothing_is_installed(tmp_path):
    """As a script under -S -I: neither torch nor this package can be imported."""
    command = [sys.executable, "-I", "-S", str(SCRIPT)]
    answer = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "FIX  torch: missing" in answer.stdout
    assert '-m pip install "torch>=' in answer.stdout
    assert answer.stderr == ""
