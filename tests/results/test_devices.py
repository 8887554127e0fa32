"""Runs on a CPU and on a GPU can be compared: L2 and the recommended term were trained on both."""

import re
from itertools import product

import pytest

from histmatch_lab.data.samples import data_samples_dir
from histmatch_lab.demos.figures.evidence import PERCEPTUAL
from histmatch_lab.recipe import Recipe
from histmatch_lab.results.tables import COMPARED, _difference, load, results_for

ON_GPU = load(data_samples_dir() / "results" / "h200" / "runs.csv")
BOTH = [*product(COMPARED, ("l2", Recipe().name))]


def on_gpu(task: str, name: str):
    return [r for r in ON_GPU if r.recipe and (r.data, r.recipe.name) == (task, name)]


def on_cpu(task: str, name: str):
    return [r for r in results_for(task, name) if r.seed < 3]


@pytest.mark.parametrize(("task", "name"), BOTH)
def test_the_device_matters_less_than_scenes_and_seeds(task, name):
    assert [r.seed for r in on_gpu(task, name)] == [r.seed for r in on_cpu(task, name)] == [0, 1, 2]
    assert all("H200" in r.facts["device"] for r in on_gpu(task, name))
    assert all("CPU" in r.facts["device"] for r in on_cpu(task, name))
    for measure in ("psnr", "ciede2000"):
        gap = _difference(on_gpu(task, name), on_cpu(task, name), measure)
        assert gap.low < 0 < gap.high


def test_vggs_colours_are_not_the_gpus():
    for task in COMPARED:
        gap = _difference(results_for(task, PERCEPTUAL[0]), on_gpu(task, "l2"), "ciede2000")
        assert gap.high < 0


def test_the_readme_has_these_numbers():
    text = " ".join((data_samples_dir() / "README.md").read_text(encoding="utf-8").split())
    for measure, pattern in (
        ("psnr", r"PSNR is higher by (\S+) to lower by (\S+) dB"),
        ("ciede2000", r"CIEDE2000 lower by (\S+) to higher by (\S+),"),
    ):
        gaps = [_difference(on_gpu(*one), on_cpu(*one), measure).mean for one in BOTH]
        extremes = sorted((min(gaps), max(gaps)), reverse=measure == "psnr")
        said = re.search(pattern, text)
        assert said
        assert [float(number) for number in said.groups()] == [
            round(abs(gap), 1) for gap in extremes
        ]
    for task in COMPARED:
        gap = _difference(results_for(task, PERCEPTUAL[0]), on_gpu(task, "l2"), "ciede2000")
        digits = 1 if task == "tonemap" else 2
        mean, high, low = (f"{-value:.{digits}f}" for value in gap)
        assert f"{mean} [{low}, {high}] on {task}" in text
