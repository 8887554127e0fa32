"""What a demo is: controls with ranges, a pure function, frames that unfold in time."""

import base64
import html
import inspect
import io
import os
import re
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell
from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

import histmatch_lab
from histmatch_lab.data.samples import photo_names
from histmatch_lab.demos import find_demo
from histmatch_lab.demos.controls import Choice, LogSlider, Photograph, Slider, Toggle
from histmatch_lab.demos.demo import Frame, demo
from histmatch_lab.demos.encoding import encode, encode_small, night, still
from histmatch_lab.demos.render import draw
from histmatch_lab.demos.style import SEQUENTIAL, picture, smooth_map, subplots

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
    [SLIDER, LOG, Slider("bins", 7, 1, 300, step=1), Slider("step", 0, 0, 60, step=1)],
)
def test_positions_are_sorted_reach_both_ends_and_hold_the_default(control):
    positions = control.positions
    assert list(positions) == sorted(set(positions))
    assert control.default in positions
    assert positions[0] == control.minimum
    assert positions[-1] == control.maximum
    assert len(positions) <= 12
    assert all(control.resolve(position) == position for position in positions)


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
    assert first.shape[0] == 3
    assert max(first.shape[1:]) <= 600
    assert control.resolve(photo_names()[0]) is first


def test_a_demo_is_called_with_settings_and_fills_in_defaults():
    assert toy(gain=0.25).caption == "The line ends at 0.25 with 50 bins."
    assert toy.title == "A line and its gain"
    assert find_demo(toy.name) is toy


def test_an_unknown_setting_is_refused_with_the_known_ones():
    with pytest.raises(TypeError, match="no control 'gian'; it has gain, bins"):
        toy(gian=1)


@pytest.mark.parametrize(
    ("spec", "problem", "message"),
    [
        ({"rate": SLIDER}, TypeError, r"must be its arguments \['gain'\], got \['rate'\]"),
        ({"gain": SLIDER, "steps": 3}, TypeError, "goes with a generator"),
        ({"gain": SLIDER, "presets": {"wrong": {"gian": 1.0}}}, TypeError, "no control 'gian'"),
        ({"gain": SLIDER, "presets": {"wrong": {"gain": 1.5}}}, ValueError, "0 to 1, got 1.5"),
    ],
)
def test_a_spec_that_does_not_fit_its_function_is_refused_at_once(spec, problem, message):
    with pytest.raises(problem, match=message):
        demo(**spec)(lambda gain: gain)


def test_a_film_can_be_watched_in_any_order_and_stands_still_at_its_end():
    captions = [toy_film(step=step).caption for step in (3, 0, 1, 5)]
    assert captions == [f"The value is {value}." for value in ("0.125", "1.000", "0.500", "0.125")]


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


@pytest.mark.parametrize("look", [{"label": "two"}, {"linestyle": "--"}, {"marker": "o"}])
def test_the_cache_tells_legends_apart(look):
    pictures = []
    for change in ({"label": "one"}, {"label": "one"} | look):
        figure, (axes,) = subplots()
        axes.plot([2, 3], [2, 3], **change)  # out of sight, but in the legend
        axes.set(xlim=(0, 1), ylim=(0, 1))
        axes.legend(loc="upper right")
        pictures.append(draw(figure))
    assert (pictures[0] != pictures[1]).any()


def test_a_legend_lies_over_what_it_is_drawn_on():
    figure, (axes,) = subplots()
    axes.fill_between([0, 1], [1, 1], color="black", label="dark")
    axes.set(xlim=(0, 1), ylim=(0, 1))
    axes.legend(loc="upper right", labelcolor="white")
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    off = np.abs(draw(figure).astype(int) - np.asarray(canvas.buffer_rgba())[..., :3])
    assert off.max() <= 1


def test_what_travels_to_a_live_figure_keeps_the_colours_of_thin_lines():
    figure = toy().figure
    with Image.open(io.BytesIO(encode(figure, 2))) as image:
        off = np.abs(np.asarray(image, int) - draw(figure, 2))
    assert off.mean() < 1
    assert np.percentile(off, 99.9) < 40


def test_a_still_is_sharp_and_says_its_caption_as_text():
    page = still(toy(), note="Run me.")
    [source] = re.findall(r'<img src="data:image/webp;base64,([^"]*)" width="900"', page)
    with Image.open(io.BytesIO(base64.b64decode(source))) as image:
        assert image.size == (1800, 640)
        shown = np.asarray(image.convert("RGB"), float)
    assert np.abs(shown - draw(toy().figure, 2)).mean() < 2
    caption = html.escape(toy().caption)
    assert page.count(caption) == 2  # below, and as the alt text
    assert "Run me." in page
    assert "http" not in page


def test_at_night_photographs_stay_as_they_are():
    lines = toy().figure
    made = len(lines.axes[0].xaxis.majorTicks)
    assert "." not in night(lines), "all of the figure"
    assert len(lines.axes[0].xaxis.majorTicks) == made, "ticks take longer than a draft has"
    figure, axes = subplots(1, 2)
    picture(axes[1], Photograph().resolve(photo_names()[0]))
    draw(figure)
    left, low, right, high = (100 * x for x in axes[1].get_position().extents)
    assert f"{left:.2f}% {100 - low:.2f}%, {right:.2f}% {100 - low:.2f}%" in night(figure)
    assert f"{right:.2f}% {100 - high:.2f}%" in night(figure)
    once = night(figure)
    picture(axes[1], Photograph().resolve(photo_names()[1]))
    assert night(figure).count(",") == once.count(","), "cut out twice, it would be dark again"


@pytest.mark.parametrize("size", [(24, 36), (300, 450)])
def test_a_photograph_is_scaled_as_by_pillow(size):
    levels = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    figure, [axes] = subplots(height=6, margins=(0, 0, 0, 0))
    picture(axes, torch.from_numpy(levels).movedim(-1, 0) / 255)
    scaled = Image.fromarray(levels).resize((900, 600), Image.Resampling.BICUBIC)
    assert np.abs(draw(figure).astype(int) - np.asarray(scaled)).max() <= 2


def test_a_map_has_its_values_in_the_middle_of_cells_from_below():
    figure, [axes] = subplots(height=4, margins=(2.5, 2.5, 0, 0))
    axes.set(xlim=(0.5, 1.5), ylim=(0, 2))
    smooth_map(axes, np.array([[0, 0.5], [0.25, 1]]), (0, 2, 0, 2))
    axes.set_axis_off()
    pixels = draw(figure)
    low, right, high, last = (
        colormaps[SEQUENTIAL](x, bytes=True)[:3] for x in (0.0, 0.5, 0.25, 1.0)
    )
    corners = [(299, 250, low), (299, 649, right), (100, 250, high), (100, 649, last)]
    assert all(np.abs(pixels[y, x].astype(int) - to).max() <= 4 for y, x, to in corners)
    assert (pixels[:, :249] == 255).all(), "cut off at the axes"
    assert (pixels[:, 651:] == 255).all()


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
    assert encode_small(pixels, under[1:]) == whole, "of another size, it is not seen below"


@pytest.mark.parametrize("one", [toy, toy_film])
def test_the_source_of_a_demo_is_the_figures_own(one):
    """What `toy??` shows in a notebook."""
    shown = InteractiveShell().inspector.info(one, detail_level=1)
    for source in (inspect.getsource(one), str(shown["source"])):
        assert source.startswith("@demo(")
        assert f"def {one.__name__}(" in source
        assert "class Demo" not in source


def test_demos_import_without_the_photographs_and_say_what_is_missing_when_drawn(tmp_path):
    package = Path(histmatch_lab.__file__).parent
    shutil.copytree(
        package, tmp_path / package.name, ignore=shutil.ignore_patterns("__pycache__", "katex")
    )
    code = """
from histmatch_lab.demos import all_demos
for demo in all_demos().values():
    if "photo" in demo.controls:
        try:
            demo()
        except ValueError as problem:
            print(demo.name, problem)
"""
    environment = {k: v for k, v in os.environ.items() if k != "HISTMATCH_LAB_DATA"}
    environment["PYTHONPATH"] = f"{tmp_path}{os.pathsep}{environment.get('PYTHONPATH', '')}"
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    lines = result.stdout.splitlines()
    assert len(lines) > 10
    assert all("No samples: data_samples/ is neither beside the package" in line for line in lines)
