"""What a sweep found comes among the samples, and what it did not run stays."""

import shutil

import pytest

from histmatch_lab import load_network, network_facts
from histmatch_lab.data.samples import ENVIRONMENT_VARIABLE, data_samples_dir
from histmatch_lab.recipe import Recipe
from histmatch_lab.results.tables import shipped
from histmatch_lab.training.evaluation import write_table
from histmatch_lab.training.result import WEIGHTS, Result
from tools import ship_weights


@pytest.fixture
def samples(tmp_path, monkeypatch):
    """The shipped results alone, in a folder of their own."""
    folder = tmp_path / "data_samples"
    shutil.copytree(data_samples_dir() / "results", folder / "results")
    (folder / "README.md").touch()
    (folder / "photos").mkdir()
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(folder))
    shipped.cache_clear()
    yield folder
    shipped.cache_clear()


def test_runs_are_replaced_and_first_seeds_have_weights(samples, tmp_path, monkeypatch):
    before = {(r.data, r.name, r.seed): r for r in shipped()}

    def same(name, data, _pairs):
        return before[data, name, 0]

    monkeypatch.setattr(ship_weights, "score_baseline", same)
    monkeypatch.setattr(ship_weights, "open_pairs", lambda *_, **__: None)
    rows = []
    for seed in (0, 1):
        recipe = Recipe("l2", preset="classroom", seed=seed).reduced()
        better = [s._replace(psnr=50.0) for s in before["local", "l2", seed].scores]
        folder = tmp_path / f"key{seed}"
        folder.mkdir()
        result = Result.of(recipe.name, recipe.data, better, recipe=recipe, facts={"steps": 800})
        result.write(folder)
        ship_weights.save_network(recipe.make_network(), folder / WEIGHTS)
        rows.append(result.row() | {"key": folder.name})
    write_table(tmp_path / "tiny.csv", rows)

    ship_weights.ship(tmp_path / "tiny.csv")

    shipped.cache_clear()
    after = {(r.data, r.name, r.seed): r for r in shipped()}
    assert after.keys() == before.keys()
    changed = {key for key in after if after[key].summary.psnr != before[key].summary.psnr}
    assert changed == {("local", "l2", 0), ("local", "l2", 1)}
    [file] = samples.rglob("*.safetensors")
    assert file == samples / "weights/local/l2.safetensors"
    load_network(file)
    assert (network_facts(file)["loss"], network_facts(file)["steps"]) == ("l2", "800")


def test_a_run_without_its_scores_is_not_shipped(samples, tmp_path):
    write_table(tmp_path / "tiny.csv", [shipped()[-1].row()])
    stored = (samples / "results/scores.csv").read_bytes()
    with pytest.raises(ValueError, match=r"tiny.csv must have its runs beside it, got none for"):
        ship_weights.ship(tmp_path / "tiny.csv")
    assert (samples / "results/scores.csv").read_bytes() == stored
