"""What a demo is: controls with ranges, a pure function, frames that unfold in time."""

import io
from functools import partial

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from histmatch_lab.data.samples import photo_names
from histmatch_lab.demos.controls import Choice, LogSlider, Photograph, Player, Slider, Toggle
from histmatch_lab.demos.demo import Frame, demo, registered_demos
from histmatch_lab.demos.render import draw, encode, encode_small, still
from histmatch_lab.demos.style import picture, subplots

SLIDER = Slider("gain", 0.5, 0.0, 1.0, step=0.05)
LOG = LogSlider("alpha", 1000.0, 1.0, 1e5)


@demo(gain=SLIDER, bins=Choice("K", 50, (50, 100, 256)))
def toy(gain, bins):
    """A line and its gain."""
    figure, (axes,) = subplots()
    axes.plot(np.linspace(0, 1, bins), gain * np.linspace(0, 1, bins) ** 2, label="line")
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="intensity", ylabel="share")
    axes.set_title("A line")
    axes.legend()
    return Frame(figure, caption=f"The line ends at {gain:.2f} with {bins} bins.")


@demo(steps=5, rate=SLIDER)
def toy_film(rate):
    """A value that halves."""
    value = 1.0
    while value > 0.1:
        yield partial(_draw_value, value)
        value *= rate


def _draw_value(value):
    figure, (axes,) = subplots()
    axes.plot([0, value])
    return Frame(figure, caption=f"The value is {value:.3f}.")


@pytest.mark.parametrize(
    "control",
    [
        SLIDER,
        LOG,
        Slider("bins", 7, 1, 300, step=1),
        Player(60),
    ],
)
def test_stops_are_sorted_reach_both_ends_and_hold_the_default(control):
    stops = control.positions
    assert list(stops) == sorted(set(stops))
    assert control.default in stops
    assert stops[0] == getattr(control, "minimum", 0)
    assert stops[-1] == getattr(control, "maximum", getattr(control, "steps", None))
    assert len(stops) <= 12
    assert all(control.resolve(stop) == stop for stop in stops)


@pytest.mark.parametrize(
    ("control", "value", "message"),
    [
        (SLIDER, 1.5, "gain must be a number from 0 to 1, got 1.5"),
        (SLIDER, "0.5", "gain must be a number, got '0.5'"),
        (SLIDER, float("nan"), "gain must be a number from 0 to 1, got nan"),
        (LOG, 0.0, "alpha must be a number from 1 to 100000, got 0"),
        (Choice("K", 50, (50, 100)), 51, r"K must be one of \(50, 100\), got 51"),
        (Toggle("on"), 1, "on must be True or False, got 1"),
        (Photograph(), "no such picture", "astronaut"),
    ],
)
def test_a_value_out_of_range_is_refused_by_name(control, value, message):
    with pytest.raises(ValueError, match=message):
        control.resolve(value)


def test_a_photograph_resolves_to_the_same_small_tensor_each_time():
    control = Photograph()
    first = control.resolve(photo_names()[0])
    assert first.ndim == 3
    assert first.shape[0] == 3
    assert max(first.shape) <= 600
    assert control.resolve(photo_names()[0]) is first


def test_a_demo_is_called_with_settings_and_fills_in_defaults():
    assert toy(gain=0.25).caption == "The line ends at 0.25 with 50 bins."
    assert toy.title == "A line and its gain"
    assert registered_demos()[toy.name] is toy


def test_an_unknown_setting_is_refused_with_the_known_ones():
    with pytest.raises(TypeError, match="no control 'gian'; it has gain, bins"):
        toy(gian=1)


def test_controls_must_be_the_functions_arguments():
    with pytest.raises(TypeError, match=r"takes \['alpha'\], but its controls are \['beta'\]"):
        demo(beta=SLIDER)(lambda alpha: alpha)


def test_steps_go_with_a_generator_only():
    with pytest.raises(TypeError, match="goes with a generator"):
        demo(steps=3, gain=SLIDER)(lambda gain: gain)


@pytest.mark.parametrize(
    ("settings", "problem", "message"),
    [
        ({"gian": 1.0}, TypeError, "no control 'gian'"),
        ({"gain": 1.5}, ValueError, "gain must be a number from 0 to 1, got 1.5"),
    ],
)
def test_a_preset_that_cannot_be_set_is_refused_at_once(settings, problem, message):
    with pytest.raises(problem, match=message):
        demo(gain=SLIDER, presets={"wrong": settings})(lambda gain: gain)


def test_a_film_can_be_watched_in_any_order_and_stands_still_at_its_end():
    caption = [toy_film(step=step).caption for step in (3, 0, 1, 5)]
    assert caption == [
        "The value is 0.125.",
        "The value is 1.000.",
        "The value is 0.500.",
        "The value is 0.125.",
    ]


def test_the_fast_picture_equals_the_full_draw_also_from_the_cache():
    for gain in (0.2, 0.9):
        figure = toy(gain=gain).figure
        fast = draw(figure)
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        np.testing.assert_array_equal(fast, np.asarray(canvas.buffer_rgba())[..., :3])


def test_the_cache_tells_frames_apart_that_differ_in_a_tick():
    pictures = []
    for labels in (["a", "b"], ["a", "c"]):
        figure, (axes,) = subplots()
        axes.set_xticks([0, 1], labels)
        pictures.append(draw(figure))
    assert (pictures[0] != pictures[1]).any()


def test_photographs_travel_as_jpeg_and_lines_as_png():
    figure, (axes,) = subplots()
    picture(axes, Photograph().resolve(photo_names()[0]), "A photograph")
    assert encode(toy().figure)[1] == "png"
    assert encode(figure)[1] == "jpeg"
    assert still(Frame(figure, "It says so."))[:4] == b"\x89PNG"


def test_a_small_picture_holds_only_what_differs_from_the_one_under_it():
    under, pixels = (draw(toy(gain=gain).figure) for gain in (0.2, 0.9))
    new = (pixels != under).any(axis=-1)
    whole, part = encode_small(pixels), encode_small(pixels, under)
    assert len(part) < len(whole)
    layer = np.asarray(Image.open(io.BytesIO(part)).convert("RGBA"))
    assert (layer[..., 3] > 0)[new].all()
    assert (layer[..., 3] > 0).mean() < 0.5
    laid_over = np.where(layer[..., 3:] > 0, layer[..., :3], under)
    assert np.abs(laid_over.astype(int) - pixels).mean() < 1
    with pytest.raises(ValueError, match="must have the backdrop's shape"):
        encode_small(pixels, under[1:])
