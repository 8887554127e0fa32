"""`histmatch-lab train`: its options are a recipe's, and it leaves weights and scores."""

from functools import partial

import click
import pytest
import torch

from histmatch_lab import ImageAdaptiveLUT, load_network
from histmatch_lab.cli.train import train
from histmatch_lab.data.images import load_image, save_image
from histmatch_lab.recipe import Recipe
from histmatch_lab.results.tables import load
from tests.command import run
from tests.data.files import prepared_pairs


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return str(prepared_pairs(tmp_path_factory.mktemp("data")))


_train = partial(run, "train")


def test_the_options_are_those_of_a_recipe_with_its_defaults():
    options = train.get_params(click.Context(train))
    stated = {p.name: p.default for p in options if isinstance(p, click.Option) and p.help}
    expected = {name: value for name, value in vars(Recipe()).items() if name != "data"}
    assert {name: stated.get(name) for name in expected} == expected
    assert "threads" in stated


def test_weights_and_scores_are_left(data, tmp_path):
    options = ("--outside", "drop", "--bandwidth", 0.5, "--epochs", 2, "--crop", 16)
    output = _train(data, tmp_path, *options)
    [trained] = load(tmp_path)
    expected = Recipe(outside="drop", bandwidth=0.5, epochs=2, crop=16, data=data)
    assert trained.recipe == expected
    assert f"PSNR {trained.summary.psnr:.2f} dB" in output
    load_network(tmp_path / "weights.safetensors")


def test_the_lookup_tables_are_trained_and_enhance(data, tmp_path):
    _train(data, tmp_path, "--network", "lut", "--epochs", 1, "--crop", 16)
    network = load_network(tmp_path / "weights.safetensors").eval()
    assert isinstance(network, ImageAdaptiveLUT)
    picture = tmp_path / "a.png"
    save_image(torch.rand(3, 20, 30, generator=torch.Generator().manual_seed(1)), picture, bits=16)
    out = tmp_path / "out"
    command = ["enhance", tmp_path / "weights.safetensors", picture, "-o", out]
    run(*command)
    with torch.no_grad():  # without dropout
        wanted = network(load_image(picture)[None])[0].clamp(0, 1)
    assert (load_image(out / "a.png") - wanted).abs().max() <= 0.51 / 65535


def test_threads_are_one_unless_told_otherwise(data, tmp_path):
    try:
        for options, threads in (((), 1), (("--threads", 2), 2)):
            torch.set_num_threads(3)
            out = tmp_path / str(threads)
            _train(data, out, "--crop", 16, "--epochs", 1, *options)
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(1)


@pytest.mark.parametrize(
    "option", ["lam", "bins", "alpha", "bandwidth", "units", "outside", "range"]
)
def test_an_option_that_the_loss_does_not_have_is_refused(tmp_path, option):
    value = vars(Recipe())[option]
    output = _train("retouch", tmp_path / "out", "--loss", "l2", f"--{option}", value, code=2)
    assert f"--{option} must be left out" in output
    assert not list(tmp_path.iterdir())
