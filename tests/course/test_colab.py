"""The set-up cell on a feigned Colab clones at the tag and installs what is absent, and no more.

No network: the repository is a local one, and pip finds stub wheels in a folder.
"""

import os
import re
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from histmatch_lab.course import colab
from tools.set_up import ROOT, home

HOME = home(ROOT)
# Colab's kernel has imported google.colab before the first cell runs.
FEIGN = "import sys, types; sys.modules['google.colab'] = types.ModuleType('google.colab')"
BROUGHT = dict(re.findall(r"(?m)^(.+)==(.+)$", (ROOT / "tests/requirements-colab.txt").read_text()))
LACKING = {
    *("lightning-fabric", "imagecodecs", "av", "rawpy", "torchmetrics"),
    *("pillow-heif", "pillow-jxl-plugin"),
}


def _git(folder, *arguments):
    author = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *author, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def cell(tmp_path_factory):
    """The set-up cell, its address that of a local repository, whose branch has left the tag."""
    origin = tmp_path_factory.mktemp("origin")
    shutil.copy(ROOT / "pyproject.toml", origin)
    for folder in ("histmatch_lab", "data_samples"):
        shutil.copytree(ROOT / folder, origin / folder, ignore=shutil.ignore_patterns("*.pyc"))
    _git(origin, "init", "--quiet")
    _git(origin, "add", "--all")
    _git(origin, "commit", "--quiet", "-m", "the release")
    _git(origin, "tag", HOME.tag)
    _git(origin, "rm", "--quiet", "-r", "histmatch_lab")
    _git(origin, "commit", "--quiet", "-m", "all is different now")
    assert HOME.address in HOME.cell
    return HOME.cell.replace(HOME.address, origin.as_uri())


def _stub(folder, name, version, *needs):
    """A wheel with nothing in it but its metadata."""
    stem = f"{name.replace('-', '_')}-{version}"
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    lines += [f"Requires-Dist: {need}" for need in needs]
    wheel = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    with zipfile.ZipFile(folder / f"{stem}-py3-none-any.whl", "w") as file:
        file.writestr(f"{stem}.dist-info/METADATA", "\n".join(lines) + "\n")
        file.writestr(f"{stem}.dist-info/WHEEL", wheel)
        file.writestr(f"{stem}.dist-info/RECORD", "")


class Colab:
    """A Python with stubs of what Colab brings, and a registry that has newer ones of all."""

    def __init__(self, folder):
        self.content = folder / "content"
        self.content.mkdir()
        self.registry = folder / "registry"
        self.registry.mkdir()
        venv.create(folder / "python", with_pip=True)
        self.python = folder / "python" / "bin" / "python"
        for name, version in BROUGHT.items():
            _stub(self.registry, name, version)
        self.pip("install", *(f"{name}=={version}" for name, version in BROUGHT.items()))
        for name in BROUGHT:
            _stub(self.registry, name, "2999.1")
        for name in LACKING:
            _stub(self.registry, name, "2999.1", "numpy>=2999")  # would move what is there
            _stub(self.registry, name, "2998.1", "numpy>=1.20")

    def run(self, *arguments):
        environment = {
            "PATH": os.environ["PATH"],
            "COLAB_RELEASE_TAG": "release-colab_20260601",
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(self.registry),
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        }
        return subprocess.run(
            [self.python, *arguments],
            cwd=self.content,
            env=environment,
            capture_output=True,
            text=True,
        )

    def pip(self, *arguments):
        done = self.run("-m", "pip", *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def versions(self):
        lines = self.pip("list", "--format=freeze").split()
        return dict(line.split("==") for line in lines)


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    return Colab(tmp_path_factory.mktemp("colab"))


@pytest.mark.slow
def test_colab_gets_what_it_lacks_and_keeps_what_it_has(machine, cell):
    before = machine.versions()
    assert before.items() >= BROUGHT.items()
    first = machine.run("-c", f"{FEIGN}\n{cell}")
    assert first.returncode == 0, first.stderr
    assert first.stdout.count("\n") == 1
    assert all(name in first.stdout for name in LACKING)
    assert machine.versions() == before | dict.fromkeys(LACKING, "2998.1")
    clone = machine.content / "histmatch-lab"
    assert (clone / "histmatch_lab" / "course" / "colab.py").is_file(), "cloned past the tag"
    again = machine.run("-c", f"{FEIGN}\n{cell}")
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")


@pytest.mark.slow
def test_without_a_fitting_version_pip_is_heard_and_nothing_moves(machine, cell):
    machine.pip("uninstall", "--yes", "av")
    for wheel in machine.registry.glob("av-2998*"):
        wheel.unlink()
    before = machine.versions()
    done = machine.run("-c", f"{FEIGN}\n{cell}")
    assert done.returncode != 0
    assert "RuntimeError" in done.stderr
    assert "ResolutionImpossible" in done.stderr
    assert machine.versions() == before


def _python(code, folder):
    command, alone = [sys.executable, "-c", code], os.environ | {"PYTHONPATH": ""}
    return subprocess.run(command, cwd=folder, env=alone, capture_output=True, text=True)


@pytest.mark.slow
def test_the_photographs_and_the_library_are_the_clones(cell, tmp_path):
    look = "from histmatch_lab.data.samples import data_samples_dir; print(data_samples_dir())"
    done = _python(f"{FEIGN}\n{cell}\n{look}", tmp_path)
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()) == tmp_path / "histmatch-lab" / "data_samples"


def test_elsewhere_the_cell_is_silent_and_does_nothing(cell, tmp_path):
    done = _python(cell, tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list(tmp_path.iterdir()) == []


def test_a_tag_that_is_not_there_is_named(cell, tmp_path):
    done = _python(f"{FEIGN}\n{cell.replace(HOME.tag, 'v999')}", tmp_path)
    assert done.returncode != 0
    assert "v999" in done.stderr


def test_where_everything_is_installed_nothing_is_absent():
    assert colab.absent() == []
