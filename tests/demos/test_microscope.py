"""What the loss microscope shows, against computations by other means."""

import re

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.stats import wasserstein_distance  # type: ignore[import-untyped]

from histmatch_lab import HistogramMatchingLoss, bin_centers, emd, gradient_ripple, soft_histogram
from histmatch_lab.demos.figures.microscope import (
    SIDE,
    gap_and_pull,
    microscope,
    photograph_and_histogram,
)
from histmatch_lab.demos.lens import Lens, center, lens_of, look
from histmatch_lab.demos.live import Live
from histmatch_lab.demos.page import to_figure
from histmatch_lab.demos.shared import levels_of, pull_at, small
from histmatch_lab.demos.style import MARK
from histmatch_lab.histogram import pixel_gradient

X = 0.431
CENTRED = (-0.5 / 255, 255.5 / 255)
LENSES = {
    "paper": Lens(256, 1000.0, (0.0, 1.0), "drop"),
    "DeepHist": Lens(256, 640.0, (0.0, 1.0), "reflect"),
    "hard step": Lens(256, 640_000.0, (0.0, 1.0), "drop"),
    "8-bit centred": Lens(256, 1000.0, CENTRED, "drop"),
    "K = 50": Lens(50, 1000.0, (0.0, 1.0), "drop"),
    "α = 10": Lens(256, 10.0, (0.0, 1.0), "drop"),
    "few bins": Lens(50, 1000.0, (0.0, 1.0), "clamp"),
}


@pytest.fixture(scope="module")
def photos():
    return [
        small(microscope.controls[name].resolve(name_), SIDE)
        for name, name_ in (("photo", "astronaut"), ("target", "chelsea"))
    ]


def _eight_bit(photo):
    return levels_of(photo, "green").double() / 255


def _moved(photo, x=X):
    """The picture that the microscope looks at: its central pixel is at x."""
    image = _eight_bit(photo)
    image[image.shape[0] // 2, image.shape[1] // 2] = x
    return image


def test_the_presets_are_what_their_names_say():
    for name, settings in microscope.presets.items():
        lens = lens_of(**settings)
        assert lens.slope == pytest.approx(LENSES[name].slope)
        assert lens._replace(slope=0.0) == LENSES[name]._replace(slope=0.0)
    deep_hist = microscope.presets["DeepHist"]
    assert deep_hist["alpha"] == 1
    assert deep_hist["bandwidth"] == "L / 2.5"
    assert microscope.settings() == microscope.settings(**microscope.presets["paper"])


@pytest.mark.parametrize("lens", LENSES.values(), ids=LENSES)
def test_the_emd_is_that_of_the_soft_histograms(photos, lens):
    photo, target = photos
    soft, wanted = (
        soft_histogram(image.flatten(), lens.bins, **lens.options)
        for image in (_moved(photo), _eight_bit(target))
    )
    view = look(photo, target, lens, X)
    assert view.emd == pytest.approx(float(emd(soft, wanted)), rel=1e-6)
    np.testing.assert_allclose(view.cdf, soft.cumsum(0), atol=1e-9)
    if lens.outside != "drop":  # which loses mass, and scipy would make up for it
        centers = bin_centers(lens.bins, range=lens.range)
        exact = wasserstein_distance(centers, centers, soft, wanted)
        assert view.emd * lens.bin_width == pytest.approx(exact, rel=1e-6)


@pytest.mark.parametrize("name", LENSES)
def test_the_map_is_the_gradient_of_the_loss_on_that_very_picture(photos, name):
    lens, photo = LENSES[name], photos[0]
    target = torch.flip(photo, [2]).square()  # of the same size, as the loss wants it
    image = _moved(photo).requires_grad_()
    loss = HistogramMatchingLoss(lens.bins, units="intensity", **lens.options)
    value = loss(image[None, None], _eight_bit(target)[None, None])
    (gradient,) = torch.autograd.grad(value, image)
    view = look(photo, target, lens, X)
    found = view.pull[levels_of(photo, "green")]
    found[center(photo)] = view.pull[-1]
    np.testing.assert_allclose(found, -gradient * image.numel(), rtol=1e-4, atol=1e-4)


def test_the_figure_shows_that_map_and_the_picture(photos):
    axes = microscope(photo="astronaut", pixel=X).figure.axes
    view = look(photos[0], photos[1], LENSES["paper"], X)
    levels = levels_of(photos[0], "green")
    np.testing.assert_array_equal(axes[0].images[0].get_array(), levels)
    np.testing.assert_allclose(
        np.asarray(axes[2].images[0].get_array()), view.pull[levels], atol=1e-12
    )


@pytest.mark.parametrize("x", [0.0, 0.002, X, 1.0])
@pytest.mark.parametrize("lens", LENSES.values(), ids=LENSES)
def test_the_picked_pixel_is_pulled_as_pull_says(photos, lens, x):
    # An all-white target lies above every pixel: there `pixel_gradient` is the loss's.
    white = torch.ones_like(photos[0])
    view = look(photos[0] * 0.9, white, lens, x)
    if lens.outside == "drop":
        # ... but what leaks out at the white end is missing from its CDF too: the sign is given.
        sign = torch.ones(lens.bins, dtype=torch.float64)
    else:
        sign = view.gap.sign()
        assert (sign[: lens.bins - 2] == 1).all()
        sign[-2:] = 1
    felt = pull_at(view.values[-1:], sign, **lens.options)
    expected = pixel_gradient(torch.tensor([x], dtype=torch.float64), lens.bins, **lens.options)
    np.testing.assert_allclose(felt, expected, rtol=1e-3, atol=2e-3)


def test_the_pixel_is_marked_on_the_curve_of_the_pull_and_the_edges_add_up_to_it():
    frame = microscope(pixel=X)
    *_, close, pulls = frame.figure.axes
    [dot] = [line for line in pulls.lines if line.get_marker() == "o"]
    x, felt = np.asarray(dot.get_xydata(), dtype=float)[0]
    assert x == X
    assert float(re.search(r"a pull of ([-+.\d]+)\.", frame.caption)[1]) == pytest.approx(
        felt, abs=0.006
    )
    paths = [path.vertices for stems in close.collections for path in stems.get_paths()]
    heights = [np.asarray(path)[1, 1] for path in paths if np.shape(path) == (2, 2)]
    assert np.sum(heights) == pytest.approx(felt, abs=0.002)
    assert MARK in [line.get_color() for line in close.lines]


def test_a_pixel_alone_out_of_place_is_pulled_back():
    coffee = small(microscope.controls["photo"].resolve("coffee"), SIDE)
    view = look(coffee, coffee, LENSES["paper"], 0.3)
    home = float(_eight_bit(coffee)[center(coffee)])
    assert view.emd / 256 == pytest.approx(abs(home - 0.3) / coffee[0].numel(), rel=0.01)
    assert home > 0.3
    assert "feels a pull of +" in microscope(photo="coffee", target="coffee", pixel=0.3).caption


def test_it_says_the_distance_in_both_units_the_ripple_and_who_feels_nothing(photos):
    caption = microscope(photo="astronaut", bins=50).caption
    view = look(photos[0], photos[1], LENSES["K = 50"], 0.3)
    bins, of, intensity = map(
        float, re.search(r"EMD (\S+) of (\d+) bins = (\S+) in", caption).groups()
    )
    assert (bins, of) == (pytest.approx(view.emd, abs=0.06), 50)
    assert intensity == pytest.approx(view.emd / 50, abs=6e-4)
    assert f"Ripple {gradient_ripple(50, alpha=1000):.0%}" in caption
    felt = view.pull[levels_of(photos[0], "green")]
    assert f"{float((felt.abs() < 0.1).double().mean()):.0%} of the pixels feel" in caption


def test_a_hard_step_pulls_at_nothing_and_deep_hist_at_everything():
    hard = microscope(**microscope.presets["hard step"]).caption
    assert "100% of the pixels feel less" in hard
    assert hard.endswith("feels no pull.")
    assert "Ripple 1%" in microscope(**microscope.presets["DeepHist"]).caption


def test_its_presets_are_buttons():
    live = Live(microscope)
    buttons = live.children[0].children
    assert [button.description for button in buttons] == list(microscope.presets)
    buttons[2].click()
    assert "100% of the pixels" in live.picture.caption
    assert live.controls["bandwidth"].value == "L / 2.5"


def test_it_grows_by_panels_and_each_has_the_controls_that_it_needs():
    panels = [len(demo().figure.axes) for demo in (photograph_and_histogram, gap_and_pull)]
    assert [*panels, len(microscope().figure.axes)] == [2, 5, 6]
    assert list(photograph_and_histogram.controls) == ["alpha", "bins", "pixel", "photo"]
    assert list(gap_and_pull.controls) == ["pixel", "photo", "target"]


def test_with_two_panels_it_says_what_a_pixel_leaves_in_a_bin():
    caption = photograph_and_histogram(alpha=1000, bins=50, pixel=0.31).caption
    own = soft_histogram(torch.tensor([0.31], dtype=torch.float64), 50).max()
    assert f"leaves at most {own:.0%} of itself in one bin" in caption
    # one that lies on an edge is shared by two
    halved = photograph_and_histogram(alpha=1000, bins=50, pixel=0.3).caption
    assert "at most 50%" in halved
    assert halved.endswith("in each of 2.")


def test_a_picture_of_ones_own_comes_to_its_page(tmp_path):
    mine = str(tmp_path / "mine.png")
    Image.new("RGB", (30, 20), (0, 51, 0)).save(mine)
    assert f'"{mine}": "data:image/webp' in to_figure(gap_and_pull, {"photo": mine})
