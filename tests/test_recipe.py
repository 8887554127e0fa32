"""A recipe: its defaults, its name, what it makes, and what it refuses."""

from dataclasses import fields, replace
from itertools import combinations
from typing import Any

import pytest
import torch
from torch import nn

from histmatch_lab import HDRNet, HistogramMatchingLoss, ImageAdaptiveLUT
from histmatch_lab.losses import _TERMS, register_term
from histmatch_lab.recipe import PRESETS, Recipe

# a value other than the default's for each field
OTHER: dict[str, Any] = {
    "loss": "l1+histmatch",
    "lam": 2.0,
    "bins": 50,
    "alpha": 10.0,
    "bandwidth": 0.5,
    "units": "bins",
    "outside": "drop",
    "range": "unit",
    "network": "paper",
    "data": "retouch",
    "crop": 32,
    "preset": "study",
    "epochs": 3,
    "seed": 1,
}
OF_THE_LOSS = ("loss", "lam", "bins", "alpha", "bandwidth", "units", "outside", "range")


def test_the_defaults_are_what_the_course_recommends():
    recipe = Recipe()
    assert (recipe.loss, recipe.lam, recipe.bins) == ("l2+histmatch", 0.1, 256)
    assert (recipe.units, recipe.outside) == ("intensity", "clamp")
    assert recipe.schedule == PRESETS["quick"]


@pytest.mark.parametrize(
    ("recipe", "name"),
    [
        (Recipe("l2", lam=3, bins=50), "l2"),
        (Recipe("l2+vgg", lam=10), "vgg-lam10"),
        (Recipe("vgg", lam=10), "vgg"),
        (Recipe(), "histmatch-k256-lam0.1"),
        (Recipe(lam=1, units="bins", outside="drop"), "histmatch-k256-lam1-bins-drop"),
        (Recipe(bandwidth=0.5), "histmatch-k256-lam0.1-bandwidth0.5"),
        (Recipe("l1+histmatch", alpha=1e38), "l1+histmatch-k256-lam0.1-alpha1e+38"),
        (Recipe(lam=0.12345678), "histmatch-k256-lam0.12345678"),
    ],
)
def test_the_name_says_what_differs_from_the_defaults(recipe, name):
    assert recipe.name == name


def test_recipes_with_other_losses_have_other_names():
    recipes = [
        replace(Recipe(), **{name: OTHER[name] for name in chosen})
        for count in range(len(OF_THE_LOSS) + 1)
        for chosen in combinations(OF_THE_LOSS, count)
    ]
    assert len({recipe.name for recipe in recipes}) == len(recipes) == 2 ** len(OF_THE_LOSS)


def test_parameters_and_reduced_leave_out_what_the_loss_does_not_have():
    assert OTHER.keys() == {field.name for field in fields(Recipe)} == Recipe().parameters.keys()
    l2 = Recipe("l2", lam=3, bins=50)
    assert l2.options == {}
    assert Recipe("l2+vgg", lam=3, bins=50).options == {"lam": 3.0}
    assert l2.parameters.keys() == OTHER.keys() - {*OF_THE_LOSS} | {"loss"}
    assert l2.reduced() == Recipe("l2", epochs=80)
    assert Recipe(epochs=7).reduced().schedule.epochs == 7


def test_a_term_of_the_readers_own_gets_the_options_that_it_has(monkeypatch):
    monkeypatch.delitem(_TERMS, "own", raising=False)

    @register_term("own")
    class Own(nn.Module):
        def __init__(self, bins: int = 8, _factor: float = 1.0) -> None:
            super().__init__()
            self.bins = bins

        def forward(self, pred, target):
            return (pred - target).mean() * self.bins

    recipe = Recipe("l2+own", lam=2, bins=5)
    assert recipe.options == {"lam": 2.0, "bins": 5}
    assert recipe.make_loss().losses["own"].bins == 5
    del _TERMS["own"]


def test_the_loss_is_eq_6_with_the_options():
    images = torch.rand(2, 1, 3, 20, 20, generator=torch.Generator().manual_seed(1))
    for recipe in (Recipe(lam=10, bins=50), Recipe(lam=1, units="bins", outside="drop")):
        loss = recipe.make_loss()
        total = loss(*images)
        options = {name: recipe.options[name] for name in ("bins", "range", "outside")}
        in_bins = HistogramMatchingLoss(**options)(*images)
        expected = loss.terms["l2"] + recipe.paper_lam * in_bins
        assert total.item() == pytest.approx(expected.item(), rel=1e-5)
    assert Recipe(lam=10, bins=50, range="unit").paper_lam == pytest.approx(0.2)


def test_the_networks():
    assert Recipe().make_network().architecture == HDRNet.compact().architecture
    assert Recipe(network="paper").make_network().architecture == HDRNet.paper().architecture
    assert isinstance(Recipe(network="lut").make_network(), ImageAdaptiveLUT)
    torch.manual_seed(3)
    first = Recipe().make_network().state_dict()
    torch.manual_seed(3)
    assert all(torch.equal(first[k], v) for k, v in Recipe().make_network().state_dict().items())


def test_a_recipe_is_read_from_the_text_of_a_table():
    recipe = replace(Recipe(), **OTHER)
    assert Recipe.from_text({k: str(v) for k, v in recipe.parameters.items()}) == recipe
    assert Recipe.from_text({"loss": "l2", "lam": "", "psnr": "18"}) == Recipe("l2")
    with pytest.raises(TypeError, match="bins must be a whole number, got 'many'"):
        Recipe.from_text({"bins": "many"})


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"loss": "l7"}, "loss: name must be one or more different terms of"),
        ({"lam": -1}, "lam must be 0 or more, got -1"),
        ({"lam": "two"}, "lam must be a number, got 'two'"),
        ({"lam": float("nan")}, "lam must be 0 or more, got nan"),
        ({"bins": 0}, "bins must be at least 1, got 0"),
        ({"bins": 50.5}, "bins must be a whole number, got 50.5"),
        ({"alpha": 0}, "alpha must be positive"),
        ({"bandwidth": 0}, "bandwidth must be positive"),
        ({"units": "pixels"}, "units must be one of"),
        ({"outside": "in"}, "outside must be one of"),
        ({"outside": False}, "outside must be a text, got False"),
        (
            {"preset": "slow"},
            "preset must be one of 'quick', 'study', 'study-lut', 'paper', got 'slow'",
        ),
        ({"network": "huge"}, "network must be one of 'compact', 'paper', 'lut', got 'huge'"),
        ({"crop": -1}, "crop must be 0 or more, got -1"),
        ({"epochs": -1}, "epochs must be 0 or more, got -1"),
        ({"seed": -1}, "seed must be 0 or more, got -1"),
        ({"seed": True}, "seed must be a whole number, got True"),
    ],
)
def test_what_cannot_be_trained_is_refused_whatever_the_loss(wrong, says):
    for loss in ("l2", "l2+histmatch"):
        with pytest.raises((TypeError, ValueError)) as caught:
            Recipe(**{"loss": loss} | wrong)
        assert says in str(caught.value)
