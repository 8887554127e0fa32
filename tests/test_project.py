"""The files that describe the project agree with each other and name no machine."""

import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from histmatch_lab.course import colab

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def _requirements(path):
    """What a requirements file asks for, but for options such as -e."""
    lines = (line.split("#")[0].strip() for line in (ROOT / path).read_text().splitlines())
    return [Requirement(line) for line in lines if line and not line.startswith("-")]


def _versions(path):
    """The exact versions of a requirements file by canonical name."""
    versions = {}
    for requirement in _requirements(path):
        [specifier] = requirement.specifier
        assert specifier.operator == "==", f"{path}: {requirement} is no exact pin"
        versions[canonicalize_name(requirement.name)] = specifier.version
    return versions


def _declared(*extras):
    groups = [PROJECT["dependencies"], *map(PROJECT["optional-dependencies"].get, extras)]
    return [Requirement(line) for group in groups for line in group]


EVERYTHING = _declared(*PROJECT["optional-dependencies"])


def test_pins_are_exactly_the_direct_dependencies():
    declared = {canonicalize_name(requirement.name) for requirement in EVERYTHING}
    assert _versions("requirements.txt").keys() == declared


@pytest.mark.parametrize("requirement", EVERYTHING, ids=str)
def test_each_pin_satisfies_its_bound(requirement):
    pin = _versions("requirements.txt")[canonicalize_name(requirement.name)]
    assert requirement.specifier.contains(pin)


@pytest.mark.parametrize("requirement", _declared("report"), ids=str)
def test_each_lower_bound_is_the_oldest_tested_version(requirement):
    [bound] = requirement.specifier
    assert bound.operator == ">="
    oldest = _versions("tests/requirements-oldest.txt")[canonicalize_name(requirement.name)]
    assert requirement.specifier.contains(oldest)
    assert oldest.startswith(bound.version), f"{bound.version} was not tested, {oldest} was"


@pytest.mark.parametrize(
    "name", ["torch", "numpy", "matplotlib", "ipywidgets", "plotly", "ipython", "pillow"]
)
def test_the_bounds_allow_colabs_own_versions(name):
    [requirement] = [r for r in _declared() if r.name == name]
    assert requirement.specifier.contains(_versions("tests/requirements-colab.txt")[name])


@pytest.mark.parametrize(
    ("which", "extras"),
    [
        ("colab", {*colab.EXTRAS}),
        ("newest", {*PROJECT["optional-dependencies"]}),
        ("oldest", {*PROJECT["optional-dependencies"]}),
    ],
)
def test_each_set_of_versions_has_the_extras_that_it_is_for(which, extras):
    text = (ROOT / f"tests/requirements-{which}.txt").read_text()
    [installed] = re.findall(r"^-e \.\[(.+)\]$", text, re.MULTILINE)
    assert {*installed.split(",")} == extras


def test_binder_and_the_dev_container_install_the_same_pins():
    binder = (ROOT / ".binder/requirements.txt").read_text().splitlines()
    assert {"-r ../requirements.txt", "-e ."} <= {*binder}
    least = Requirement(f"python{PROJECT['requires-python']}").specifier
    runtime = (ROOT / ".binder/runtime.txt").read_text().strip()
    assert least.contains(runtime.removeprefix("python-"))
    container = json.loads((ROOT / ".devcontainer/devcontainer.json").read_text())
    assert container["postCreateCommand"] == "make install"
    assert least.contains(container["image"].rpartition(":")[2])


def test_every_dependency_has_its_reason():
    text = (ROOT / "pyproject.toml").read_text()
    for line in re.findall(r'^    "[\w-]+>=.*$', text, re.MULTILINE):
        assert re.search(r'",\s+# \w', line), f"no reason: {line.strip()}"


def test_conda_installs_the_same_pins():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    assert environment["name"] == "histmatch-lab"
    python, pip, by_pip = environment["dependencies"]
    assert pip == "pip"
    assert by_pip == {"pip": ["-r requirements.txt", "-e ."]}
    least = PROJECT["requires-python"]
    assert Requirement(python).specifier.contains("3.11")
    assert least == ">=3.11"
    assert not Requirement(python).specifier.contains("3.10")


def test_the_citation_is_of_this_version_and_of_the_papers_that_the_readme_names():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation.keys() >= {"cff-version", "message", "title", "authors", "references"}
    assert citation["version"] == PROJECT["version"]
    assert citation["license"] == PROJECT["license"]
    paper, deephist = citation["references"]
    readme = (ROOT / "README.md").read_text()
    names = [author["family-names"] for author in paper["authors"]]
    assert f"{', '.join(names[:-1])} and {names[-1]}" in readme
    assert deephist["identifiers"][0]["value"] in readme


def test_the_licence_is_mit():
    text = (ROOT / "LICENSE").read_text()
    assert text.startswith("MIT License")
    assert "histmatch-lab contributors" in text
    assert "WITHOUT WARRANTY OF ANY KIND" in text


def test_no_file_names_the_machine_it_was_written_on():
    here = Path(__file__).name
    tracked = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\0")
    machine = re.compile(r"/work/|/tmp/bash|/root/|/home/[a-z]+/|/Users/[A-Za-z]+/")
    found = []
    for name in filter(None, tracked):
        path = ROOT / name
        if path.name == here or not path.is_file():
            continue
        text = path.read_bytes().decode("utf-8", errors="ignore")
        found += [f"{name}: {match[0]}" for match in machine.finditer(text)]
    assert not found


def test_readme_and_makefile_agree_on_the_commands():
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    [sets] = re.findall(r"^SETS := (.+)$", makefile, re.MULTILINE)
    targets |= {f"set-{name}" for name in sets.split()}
    explained = set(re.findall(r'@echo "make ([a-z-]+) ', makefile))
    readme = set(re.findall(r"^make ([a-z-]+)", (ROOT / "README.md").read_text(), re.MULTILINE))
    assert {"lab", "test", "test-full"} <= readme & explained
    assert readme | explained <= targets
