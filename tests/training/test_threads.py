"""Two trainings side by side take the time of two: threads do not wait for each other."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


def _cpu_seconds(folders: list[Path]) -> float:
    """Of as many trainings at once, with torch's own number of threads unless they set it."""
    environment = {name: v for name, v in os.environ.items() if name != "OMP_NUM_THREADS"}
    options = ["--loss", "l2", "--crop", "64", "--epochs", "6"]
    before = os.times()
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "histmatch_lab.cli", "train", "retouch", str(folder), *options],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        for folder in folders
    ]
    for process in started:
        _, said = process.communicate()
        assert process.returncode == 0, said
    after = os.times()
    return after.children_user + after.children_system - before[2] - before[3]


@pytest.mark.slow
def test_two_trainings_at_once_take_at_most_three_times_the_cpu_time_of_one(tmp_path):
    one = _cpu_seconds([tmp_path / "alone"])
    two = _cpu_seconds([tmp_path / "first", tmp_path / "second"])
    assert two <= 3 * one
