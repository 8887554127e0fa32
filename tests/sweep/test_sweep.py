"""Sweeps: real Dask workers in processes of their own, killed and begun again."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import distributed
import psutil
import pytest
import torch
from rich.console import Console

from histmatch_lab.recipe import Recipe
from histmatch_lab.results.tables import load
from histmatch_lab.sweep import cluster, view
from histmatch_lab.sweep.cluster import Status, connect, sweep
from histmatch_lab.sweep.plan import Job, read_sweep
from histmatch_lab.training.checkpoint import SAVE_EVERY
from histmatch_lab.training.evaluation import Summary, read_table
from histmatch_lab.training.result import Result
from tests.command import run
from tests.data.files import prepared_pairs

SHIPPED = Path(__file__).parents[2] / "sweeps"
PATIENCE = 300  # seconds, for a machine that has other things to do


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Five prepared pairs of 32 x 32 pixels, four of them to train on: a step is quick."""
    return prepared_pairs(tmp_path_factory.mktemp("data"))


@pytest.fixture
def write(tmp_path, data):
    """Write a sweep's file with these lines; a run is a few steps on the tiny pairs."""

    def _write(lines, name="tiny"):
        path = tmp_path / f"{name}.yaml"
        path.write_text(f"data: {data}\ncrop: 16\n{lines}\n")
        return path

    return _write


# what is run


def test_every_combination_is_run_once_without_what_a_loss_does_not_have(write):
    lines = "loss: [l2, l2+vgg, l2+histmatch]\nlam: [0.1, 1]\nbins: [50, 256]\nseed: [0, 1]"
    names = [f"{run.name} {run.seed}" for run in read_sweep(write(lines))]
    recipes = ["l2", "vgg-lam0.1", "vgg-lam1"]
    recipes += [f"histmatch-k{k}-lam{lam}" for lam in (0.1, 1) for k in (50, 256)]
    assert names == [f"{recipe} {seed}" for recipe in recipes for seed in (0, 1)]


def test_a_file_may_list_grids(tmp_path):
    path = tmp_path / "list.yaml"
    path.write_text("- {loss: l2, seed: [3, 4]}\n- {loss: l2, seed: 4}\n- {loss: l1, epochs: 2}\n")
    assert read_sweep(path) == (
        Recipe("l2", epochs=80, seed=3),
        Recipe("l2", epochs=80, seed=4),
        Recipe("l1", epochs=2),
    )


@pytest.mark.parametrize("file", sorted(SHIPPED.glob("*.yaml")), ids=lambda file: file.stem)
def test_no_two_runs_of_a_shipped_sweep_have_one_key(file):
    """Several tasks are made of the same pictures."""
    runs = read_sweep(file)
    assert len({Job.here(run).key for run in runs}) == len(runs)


def test_the_papers_grids_are_shipped():
    lams, bins, seeds = (0.1, 1.0, 10.0), (50, 100, 256), (0, 1, 2)
    plain = [(loss, 0.1, 256, "intensity") for loss in ("l2", "l1")]
    searched = [("l2+histmatch", lam, k, "bins") for lam in lams for k in bins]
    deep = [(f"l2+{n}", lam, 256, "intensity") for n in ("vgg", "lpips") for lam in lams]
    both = [*searched, *((loss, lam, k, "intensity") for loss, lam, k, _ in searched)]
    for file, recipes, of in (
        ("paper.yaml", [*plain, *searched, *deep], seeds),
        ("paper-k.yaml", both, seeds),
        ("quick.yaml", [*plain, *searched], (0, 1)),
    ):
        runs = read_sweep(SHIPPED / file)
        grid = Counter((run.loss, run.lam, run.bins, run.units, run.seed) for run in runs)
        assert grid == Counter((*recipe, seed) for recipe in recipes for seed in of)
        if file != "quick.yaml":
            assert {(run.epochs, run.network, run.alpha) for run in runs} == {(500, "paper", 1000)}
            assert all(run.outside == "drop" for run in runs if "histmatch" in run.loss)


BAD = {
    "loss: l7": "loss: name must be one or more different terms of",
    "loss: l2\ngama: 1": "a parameter must be one of loss, lam, bins",
    "loss: l2\nlam: -1": "lam must be 0 or more, got -1",
    "loss: l2\nlam: [1, two]": "lam must be a number, got 'two'",
    "loss: l2\nbins: 0": "bins must be at least 1",
    "loss: l2\nbins: 50.5": "bins must be a whole number, got 50.5",
    "loss: l2\nalpha: 0": "alpha must be positive",
    "loss: l2\nunits: pixels": "units must be one of",
    "loss: l2\noutside: in": "outside must be one of",
    "loss: l2\npreset: slow": "preset must be one of",
    "loss: l2\nnetwork: huge": "network must be one of",
    "loss: l2\nseed: -1": "seed must be 0 or more, got -1",
    "loss: l2\nseed: true": "seed must be a whole number, got True",
    "loss: l2\nseed: []": "seed must be a value or a list of at least one, got []",
    "loss: l2\ndata: nowhere": "data must be one of tonemap",
    "loss: l2\ncrop: 64": "crop must be at most the size of",
    "loss: [l2": "must be YAML",
}


@pytest.mark.parametrize("lines", BAD)
def test_what_cannot_be_run_is_refused_before_anything_is(write, tmp_path, monkeypatch, lines):
    monkeypatch.setattr(cluster, "connect", None)
    output = run("sweep", write(lines), "-o", tmp_path / "out", code=2)
    assert BAD[lines] in " ".join(output.split())
    assert "tiny.yaml" in output
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("text", ["", "[]", "l2", "- l2"])
def test_a_file_without_a_grid_is_refused(tmp_path, text):
    path = tmp_path / "odd.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"odd.yaml: a grid must be"):
        read_sweep(path)


def test_a_scheduler_that_is_not_there_is_refused(write, tmp_path, monkeypatch):
    def nobody(*_arguments, **_options):
        raise OSError("timed out")

    monkeypatch.setattr(cluster.distributed, "Client", nobody)
    options = [write("loss: l2"), "--scheduler", "tcp://127.0.0.1:9", "-o", tmp_path / "out"]
    output = run("sweep", *options, code=2)
    assert "nobody answers at scheduler tcp://127.0.0.1:9: timed out" in output
    assert "--scheduler brings its own" in run("sweep", *options, "--workers", 2, code=2)


# what names a result


def test_a_key_changes_with_parameters_code_and_data_alone():
    job = Job(Recipe(), "code", "data")
    changes: dict[str, Any] = {"loss": "l1+histmatch", "lam": 2.0, "bins": 50, "alpha": 10.0}
    changes |= {
        "bandwidth": 0.5,
        "units": "bins",
        "outside": "drop",
        "range": "unit",
        "crop": 32,
    }
    changes |= {"network": "paper", "preset": "study", "epochs": 3, "seed": 1}
    assert changes.keys() == job.recipe.parameters.keys() - {"data"}
    others = [
        *(job._replace(recipe=replace(job.recipe, **{n: changes[n]})) for n in changes),
        job._replace(code="other"),
        job._replace(data="other"),
    ]
    assert len({job.key, *(other.key for other in others)}) == 1 + len(others)
    moved = job._replace(recipe=replace(job.recipe, data="elsewhere"))
    assert moved.key == job.key
    l2 = Recipe("l2")
    assert Job(replace(l2, bins=50), "code", "data").key == Job(l2, "code", "data").key


@pytest.mark.parametrize("what", ["code", "data"])
def test_a_worker_with_other_code_or_data_refuses(what):
    job = Job(**Job.here(Recipe("l2"))._asdict() | {what: "0123"})
    with pytest.raises(cluster.SweepError, match=f"the {what} of the worker .* not 0123"):
        cluster._check_same(job)


# on Dask


@pytest.fixture(scope="module")
def client():
    with connect(workers=2) as client:
        yield client


def test_a_sweep_writes_its_table_and_repeats_nothing(write, tmp_path):
    runs, table = read_sweep(write("loss: [l2, l1]\nepochs: 2")), tmp_path / "out/tiny.csv"
    with distributed.Client(processes=False, n_workers=1, threads_per_worker=1) as client:
        *_, last = sweep(runs, table, client)
        assert (last.kept, len(last.results), last.failures) == (0, 2, {})
        before = _finished(table.parent)
        *_, again = sweep([*runs, replace(runs[0], seed=1)], table, client)
    assert (again.kept, len(again.results), again.waiting) == (2, 3, {})
    assert before.items() < _finished(table.parent).items()
    loaded = load(table)
    assert [(r.name, r.seed) for r in loaded] == [("l2", 0), ("l1", 0), ("l2", 1)]
    assert all(result.scores and result.weights for result in loaded)


@pytest.mark.slow
def test_a_worker_sees_one_gpu_and_uses_one_thread(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,7")
    with connect(workers=2) as client:
        client.wait_for_workers(2)
        seen = list(client.run(lambda: dict(os.environ)).values())
    assert {environment["CUDA_VISIBLE_DEVICES"] for environment in seen} == {"4", "7"}
    assert {environment["OMP_NUM_THREADS"] for environment in seen} == {"1"}
    assert not any("MALLOC_TRIM_THRESHOLD_" in environment for environment in seen)


@pytest.mark.slow
def test_a_worker_killed_in_the_middle_costs_little(write, tmp_path, client):
    runs = read_sweep(write(f"loss: [l2, l1]\nepochs: {SAVE_EVERY + 40}"))
    table, killed = tmp_path / "out/tiny.csv", None
    pids = client.run(os.getpid)
    for status in sweep(runs, table, client):
        saved = [path.parent.name for path in table.parent.glob("*/state.pt")]
        for worker, keys in client.processing().items() if saved and not killed else ():
            for _, key in keys:
                if key in saved and key in status.running:
                    os.kill(pids[worker], signal.SIGKILL)
                    killed = key
    assert killed
    assert not status.failures
    rows = {row["loss"]: row for row in read_table(table)}
    assert len(read_table(table)) == len(rows) == len(status.results) == 2
    assert rows[killed.split("-")[0]]["resumed_at"] == str(SAVE_EVERY)
    assert all(row["steps"] == str(SAVE_EVERY + 40) for row in rows.values())


@pytest.mark.slow
def test_closing_a_sweep_ends_its_runs_with_their_state_kept(write, tmp_path, client):
    [run] = read_sweep(write("loss: l2\nepochs: 100000"))
    statuses = sweep([run], tmp_path / "tiny.csv", client)
    next(status for status in statuses if status.running)
    statuses.close()
    _wait_until(lambda: list(tmp_path.glob("*/state.pt")))
    _wait_until(lambda: not any(client.processing().values()))
    assert not (tmp_path / "tiny.csv").exists()


@contextmanager
def _process(*arguments, **options):
    process = subprocess.Popen(
        [sys.executable, "-m", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        # a shell's background job ignores Ctrl-C, and its children inherit that
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        **options,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def _wait_until(true):
    deadline = time.monotonic() + PATIENCE
    while not (found := true()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


@pytest.mark.slow
def test_a_scheduler_elsewhere_and_a_run_that_fails(write, tmp_path):
    """lam is so large that the gradient overflows."""
    file = write("loss: l2+histmatch\nepochs: 2\nlam: [1, 1.0e+38]\nunits: bins\nseed: [0, 1]")
    place = tmp_path / "scheduler.json"
    options = ["--scheduler-file", place, "--no-dashboard"]
    with (
        _process("dask", "scheduler", "--host", "127.0.0.1", "--port", 0, *options),
        _process("dask", "worker", "--nthreads", 1, "--nworkers", 2, *options),
    ):
        address = json.loads(_wait_until(lambda: place.exists() and place.read_text()))["address"]
        arguments = ["sweep", file, "--scheduler", address, "-o", tmp_path / "out"]
        output = run(*arguments, code=1)
        assert "TrainingError: step 1: the gradient of the loss" in output
        assert "in train_and_score" in output
        assert "2 runs in" in output
        assert "2 failed" in output
        rows = read_table(tmp_path / "out/tiny.csv")
        assert [(row["lam"], row["seed"]) for row in rows] == [("1.0", "0"), ("1.0", "1")]
        errors = list((tmp_path / "out").glob("*/error.txt"))
        assert [re.findall(r"lam1e\+38-bins-seed\d", str(path)) for path in errors]
        assert all("TrainingError" in path.read_text() for path in errors)
        assert len(errors) == 2
        file.write_text(file.read_text().replace(", 1.0e+38", ""))
        assert "2 runs were finished before" in run(*arguments)


def test_a_worker_with_several_threads_refuses(monkeypatch):
    class Worker:
        class state:
            nthreads = 4

    monkeypatch.setattr(cluster.distributed, "get_worker", Worker)
    ended = cluster._work(Job.here(Recipe("l2")), Path("nowhere"))
    assert isinstance(ended, str)
    assert re.search(r"SweepError: .*4 threads.*--nthreads 1", ended)


def _finished(out):
    return {path: path.stat().st_mtime_ns for path in out.glob("*/result.json")}


def _cli(file, out):
    return _process("histmatch_lab.cli", "sweep", file, "--workers", 2, "-o", out)


@pytest.mark.slow
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGKILL])
def test_a_stopped_driver_ends_its_workers_and_repeats_nothing(write, tmp_path, stop):
    file, out = write("loss: [l2, l1]\nepochs: [2, 150]"), tmp_path / "out"
    with _cli(file, out) as driver:
        before = _wait_until(lambda: len(found := _finished(out)) >= 2 and found)
        workers = psutil.Process(driver.pid).children(recursive=True)
        if stop == signal.SIGINT:
            os.killpg(driver.pid, stop)  # a terminal sends it to all of them
        else:
            driver.kill()
        printed, _ = driver.communicate(timeout=PATIENCE)
    assert psutil.wait_procs(workers, timeout=PATIENCE)[1] == []
    assert _finished(out) == before
    assert len(before) == len(read_table(out / "tiny.csv")) == 2
    if stop == signal.SIGINT:
        assert driver.returncode == 130, printed
        assert "the same command goes on" in printed
        assert "Traceback" not in printed
        return
    with _cli(file, out) as driver:
        printed, _ = driver.communicate(timeout=PATIENCE)
    assert driver.returncode == 0, printed
    assert "2 runs were finished before" in printed
    assert printed.count("finished  ") == 2
    after = _finished(out)
    assert (len(after), {path: after[path] for path in before}) == (4, before)
    rows = [(row["loss"], row["epochs"]) for row in read_table(out / "tiny.csv")]
    assert rows == [("l2", "2"), ("l2", "150"), ("l1", "2"), ("l1", "150")]


# how it is shown


def _status(**facts: Any) -> Status:
    def result(loss: str, seed: int, psnr: float, resumed_at: int) -> Result:
        took = {"seconds": 3, "peak_mb": 5, "device": "CPU", "resumed_at": resumed_at}
        summary = Summary(psnr, psnr, 0.5, 9.0, 0.1)
        return Result(loss, "retouch", summary, recipe=Recipe(loss, seed=seed), facts=took)

    results = {"x": result("l2", 0, 18.0, 0), "y": result("l1", 1, 19.5, 100)}
    usual: dict[str, Any] = {"kept": 1, "results": results, "waiting": {"a": 100, "b": 100}}
    return Status(**usual | facts)


def test_a_sweep_is_shown_with_each_end_once():
    key = f"l1-seed0-{'c' * 30}"
    long = f'  File "{"/folder" * 9}", line 9, in a'
    failures = {key: f"Traceback\n{long}\nValueError: no"}
    first = _status(steps={"a": 30})
    last = _status(waiting={"b": 100}, steps={"a": 90, "b": 50}, failures=failures)
    console = Console(record=True, width=110)
    assert view.watch((s for s in (first, first, last)), console) is last
    lines = [line.rstrip() for line in console.export_text().splitlines()]
    assert lines[0] == "1 runs were finished before"
    assert lines[1].endswith("PSNR 19.50 dB  (3 s, 5 MB, CPU, resumed at step 100)")
    assert lines[2:6] == [f"failed {key}", "Traceback", long, "ValueError: no"]
    [whole, run] = lines[6:]
    assert "150/200" in whole
    assert whole.endswith("2 of 4 runs finished, 1 failed; best: l1, seed 1, PSNR 19.50 dB")
    assert "50/100" in run
    assert run.endswith(" b")
