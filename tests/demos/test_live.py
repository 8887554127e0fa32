"""Demos in a notebook; the suite runs this under ipywidgets 8 and 7.7.1."""

import asyncio
import io
import json
import re
import sys
from functools import partial
from unittest.mock import Mock

import ipywidgets as widgets
import numpy as np
import pytest
from PIL import Image

from histmatch_lab.data.samples import photo_names
from histmatch_lab.demos.controls import Choice, LogSlider, Photograph, Slider, Toggle
from histmatch_lab.demos.demo import Frame, demo
from histmatch_lab.demos.encoding import still
from histmatch_lab.demos.live import NOT_LIVE, Live, View, show, show_frame
from histmatch_lab.demos.page import to_figure
from histmatch_lab.demos.render import draw
from histmatch_lab.demos.style import picture, subplots
from histmatch_lab.demos.widgets import Picture, Upload


@demo(
    alpha=LogSlider("alpha", 1000.0, 1.0, 1e5, "sharpness"),
    gain=Slider("gain", 0.5, 0.0, 1.0, step=0.05),
    bins=Choice("K", 50, (50, 100, 256)),
    squared=Toggle("squared"),
)
def every_control(alpha, gain, bins, squared):
    """Every kind of control."""
    figure, (axes,) = subplots()
    line = gain * np.linspace(0, 1, bins) ** (2 if squared else 1)
    axes.plot(line * np.log10(alpha))
    if alpha > 9e4:
        raise ValueError("alpha is too sharp <here>")
    if gain == 1:
        raise ZeroDivisionError("a mistake of ours")
    return Frame(
        figure, caption=f"alpha {alpha:.0f}, gain {gain:.2f}, K {bins}, squared {squared}."
    )


@demo(photo=Photograph())
def with_photograph(photo):
    """A photograph."""
    figure, (axes,) = subplots()
    picture(axes, photo)
    return Frame(figure, caption=f"It is {photo.shape[2]} pixels wide.")


@demo(steps=4, gain=Slider("gain", 0.5, 0.0, 1.0, step=0.05))
def film(gain):
    """A film."""
    for step in range(5):
        yield partial(_draw_step, gain, step)


def _draw_step(gain, step):
    figure, (axes,) = subplots()
    axes.plot([0, gain * step])
    return Frame(figure, caption=f"Step {step} at gain {gain:.2f}.")


def text_of(live):
    return live.picture.problem or live.picture.caption


@pytest.fixture
def sent(monkeypatch):
    """What pictures send to a browser: of each message what it says, and its images."""
    messages = []
    monkeypatch.setattr(
        Picture, "send", lambda _, about, buffers: messages.append((about, [*map(_size, buffers)]))
    )
    return messages


def _size(data):
    with Image.open(io.BytesIO(data)) as image:
        return image.size


def ask(live, scale, **places):
    """What a browser says when it shows the picture; places: of controls that were let go there."""
    let_go = [places.get(name) for name in live.controls] if places else []
    live.picture._handle_custom_msg({"scale": scale, "places": let_go}, [])


@pytest.mark.parametrize(
    ("name", "value", "caption"),
    [
        ("alpha", 10.0, "alpha 10, gain 0.50, K 50, squared False."),
        ("gain", 0.2, "alpha 1000, gain 0.20, K 50, squared False."),
        ("bins", 256, "alpha 1000, gain 0.50, K 256, squared False."),
        ("squared", True, "alpha 1000, gain 0.50, K 50, squared True."),
    ],
)
def test_moving_a_control_changes_the_picture_and_the_line(name, value, caption):
    live = Live(every_control)
    before = live.frame.drawn()
    live.controls[name].value = value
    assert (live.frame.drawn() != before).any()
    assert text_of(live) == caption


def test_a_browser_gets_a_coarse_picture_at_once_and_the_full_one_when_it_asks(sent):
    live = Live(every_control)
    live.controls["gain"].value = 0.2
    assert sent == [], "nobody looks"
    ask(live, 2)
    live.controls["gain"].value = 0.4
    ask(live, 3)
    assert [(about["draft"], sizes) for about, sizes in sent] == [
        (False, [(1800, 640)]),
        (True, [(900, 320)]),
        (False, [(2700, 960)]),
    ]


@pytest.mark.parametrize(
    ("places", "caption"),
    [
        ({"gain": {"value": 0.3}}, "alpha 1000, gain 0.30, K 50, squared False."),
        ({"alpha": {"index": 0}}, "alpha 1, gain 0.50, K 50, squared False."),
        ({"gain": {"value": 0.5}}, "alpha 1000, gain 0.50, K 50, squared False."),
    ],
)
def test_where_a_slider_is_let_go_is_drawn_once_and_in_full(sent, places, caption):
    live = Live(every_control)
    ask(live, 2)
    sent.clear()
    ask(live, 2, **places)
    [(about, _)] = sent
    assert (about["draft"], about["caption"]) == (False, caption)
    for name, place in places.items():  # ipywidgets says it again
        live.controls[name].set_state(place)
    assert len(sent) == 1
    live.controls["bins"].value = 256
    assert sent[-1][0]["draft"]


def test_a_place_that_is_refused_is_explained_under_the_picture(sent):
    live = Live(every_control)
    ask(live, 2)
    sent.clear()
    options = [value for _, value in live.controls["alpha"].options]
    ask(live, 2, alpha={"index": options.index(1e5)})
    assert (sent, text_of(live)) == ([], "alpha is too sharp <here>")


def test_no_full_picture_is_drawn_between_two_changes(sent):
    async def moved():
        live = Live(with_presets)
        for gain in (0.2, 0.3, 0.4):
            ask(live, 1)
            live.controls["gain"].value = gain
        ask(live, 1)
        ask(live, 1)
        await asyncio.sleep(0.01)

    asyncio.run(moved())
    assert [about["draft"] for about, _ in sent] == [True, True, True, False]


def test_once_the_full_picture_is_there_the_places_beside_are_drawn_ahead(sent):
    async def pressed():
        live = Live(with_presets)
        ask(live, 1)
        live.controls["gain"].value = 0.2
        drawn.clear()
        ask(live, 1)
        for _ in range(100):
            await asyncio.sleep(0.02)
            if len(drawn) >= 5:
                break
        full, *ahead = drawn
        assert full == (1000, 50, 0.2)
        drawn.clear()
        live.controls["gain"].value = 0.25
        return ahead, list(drawn)

    ahead, then = asyncio.run(pressed())
    assert {gain for _, _, gain in ahead[:2]} == {0.15, 0.25}
    assert {(alpha, bins) for alpha, bins, _ in ahead} == {(1000, 50)}
    assert then == []
    assert sent[-1][0]["draft"]


@demo(gain=every_control.controls["gain"])
def two_pictures(gain):
    """Before and after."""
    (before, _), (after, _) = subplots(), subplots()
    return Frame(before, f"After has {gain:.1f}.", after=after)


def test_the_line_between_two_pictures_is_the_browsers(sent):
    ask(Live(two_pictures), 1)
    assert [len(sizes) for _, sizes in sent] == [2]
    frames = _data_of(to_figure(two_pictures))["frames"]
    assert all(frame["src"] and frame["after"] for frame in frames)


def test_a_control_starts_where_the_setting_says():
    live = Live(every_control, bins=100, alpha=10.0)
    assert live.controls["bins"].value == 100
    assert text_of(live).startswith("alpha 10, ")


def test_every_control_is_labelled_and_explained():
    live = Live(every_control)
    for name, control in every_control.controls.items():
        assert live.controls[name].description == control.label
    state = live.controls["alpha"].get_state()
    assert "sharpness" in (state.get("tooltip"), state.get("description_tooltip"))


def test_bad_input_is_explained_under_the_picture_which_stays():
    live = Live(every_control)
    before = live.frame
    live.controls["alpha"].value = 1e5
    assert text_of(live) == "alpha is too sharp <here>"
    assert live.frame is before
    live.controls["alpha"].value = 100.0
    assert text_of(live).startswith("alpha 100")


def test_a_mistake_of_ours_is_shown_and_not_swallowed():
    live = Live(every_control)
    with pytest.raises(ZeroDivisionError):
        live.controls["gain"].value = 1.0
    assert "a mistake of ours" in text_of(live)


def test_a_film_plays_and_starts_anew_when_a_setting_changes():
    live = Live(film)
    live.controls["step"].value = 3
    assert text_of(live) == "Step 3 at gain 0.50."
    live.controls["gain"].value = 1.0
    assert text_of(live) == "Step 0 at gain 1.00."
    [play] = [widget for widget in _all_widgets(live) if isinstance(widget, widgets.Play)]
    play.value = 2  # as its tick in the browser does
    assert text_of(live) == "Step 2 at gain 1.00."
    live.controls["gain"].value = 0.5
    assert play.value == 0, "it would go on from where it was"


def test_play_begins_at_0_wherever_the_film_opens():
    live = Live(film, step=4)
    [play] = [widget for widget in _all_widgets(live) if isinstance(widget, widgets.Play)]
    setattr(play, "_playing" if hasattr(play, "_playing") else "playing", True)
    assert text_of(live) == "Step 0 at gain 0.50."


def _all_widgets(widget):
    yield widget
    for child in getattr(widget, "children", ()):
        yield from _all_widgets(child)


drawn: list[tuple[float, int, float]] = []


@demo(
    alpha=every_control.controls["alpha"],
    bins=every_control.controls["bins"],
    gain=every_control.controls["gain"],
    presets={"sharp": {"alpha": 1e4, "bins": 100}, "blurred": {"alpha": 10.0, "bins": 256}},
)
def with_presets(alpha, bins, gain):
    """With presets."""
    drawn.append((alpha, bins, gain))
    figure, (axes,) = subplots(height=1.5)
    axes.plot([alpha, bins, gain])
    return Frame(figure, caption=f"alpha {alpha:.0f}, K {bins}, gain {gain:.2f}.")


def test_a_preset_moves_its_controls_redraws_once_and_leaves_the_others():
    live = Live(with_presets)
    live.controls["gain"].value = 0.2
    buttons = {w.description: w for w in _all_widgets(live) if isinstance(w, widgets.Button)}
    assert list(buttons) == ["sharp", "blurred"]
    assert buttons["sharp"].tooltip == "alpha 10,000, K 100"
    for name, alpha, bins in (("sharp", 1e4, 100), ("blurred", 10.0, 256)):
        drawn.clear()
        buttons[name].click()
        assert drawn == [(alpha, bins, 0.2)]
        assert (live.controls["alpha"].value, live.controls["bins"].value) == (alpha, bins)
        assert live.controls["bins"].label == str(bins), "the button that is pressed in"
        assert text_of(live) == f"alpha {alpha:.0f}, K {bins}, gain 0.20."
    live.controls["gain"].value = 0.4
    assert drawn[-1] == (10.0, 256, 0.4), "the controls are heard again"


def test_a_demo_without_presets_has_no_buttons_for_them():
    assert not any(isinstance(w, widgets.Button) for w in _all_widgets(Live(every_control)))
    assert _data_of(to_figure(with_photograph))["presets"] == []


def _data_of(page):
    return json.loads(re.search(r'<script type="application/json">(.*?)</script>', page)[1])


def test_a_page_has_a_frame_and_the_controls_places_for_each_preset():
    data = _data_of(to_figure(with_presets, {"gain": 0.5}))
    assert [preset["name"] for preset in data["presets"]] == ["sharp", "blurred"]
    expected = [["10,000", "100", "0.5"], ["10", "256", "0.5"]]
    for preset, texts in zip(data["presets"], expected, strict=True):
        stops = [c["texts"][at] for c, at in zip(data["controls"], preset["at"], strict=True)]
        assert stops == texts
        caption = f"alpha {float(texts[0].replace(',', '')):.0f}, K {texts[1]}, gain 0.50."
        assert _captions(data)[tuple(preset["at"])] == caption


def _captions(data):
    """By the places of the controls."""
    frames = {key: data["frames"][index]["caption"] for key, index in data["states"].items()}
    return {tuple(map(int, key.split(","))): caption for key, caption in frames.items()}


def upload(live, name, content, scaled=False):
    """Open a file as a browser does; what is said beside the button."""
    button = next(w for w in _all_widgets(live) if isinstance(w, Upload))
    answers: list[dict[str, str]] = []
    button.send = answers.append
    button._handle_custom_msg({"name": name, "scaled": scaled}, [memoryview(content)])
    return answers[0]["problem"]


@pytest.mark.parametrize("name", ["my picture ü.png", "made small by the browser.heic"])
def test_a_picture_of_ones_own_can_be_uploaded(name):
    data = io.BytesIO()
    Image.new("RGB", (123, 45), (200, 30, 40)).save(data, "png")
    live = Live(with_photograph)
    assert upload(live, name, data.getvalue(), scaled=name.endswith("heic")) == ""
    assert text_of(live) == "It is 123 pixels wide."
    assert live.controls["photo"].label == f"yours: {name}", "the chooser shows it"
    live.controls["photo"].value = photo_names()[1]
    assert text_of(live) != "It is 123 pixels wide."


def test_the_upload_offers_whatever_can_be_read():
    offered = Upload(Mock()).accept.split(",")
    assert {"image/*", ".heic", ".avif", ".jxl", ".jp2", ".tif", ".dng"} <= {*offered}


def test_an_upload_that_is_no_picture_is_refused_beside_the_button_by_its_own_name():
    live = Live(with_photograph)
    before = live.frame
    assert upload(live, "notes.jpg", b"these are my notes").startswith("notes.jpg: holds text")
    assert live.frame is before
    assert live.picture.problem == ""


def test_a_photograph_may_be_given_as_a_path(tmp_path):
    path = tmp_path / "mine.png"
    Image.new("RGB", (77, 45), (200, 30, 40)).save(path)
    assert text_of(Live(with_photograph, photo=str(path))) == "It is 77 pixels wide."


def test_show_publishes_a_still_and_the_widget_that_hides_it(published, monkeypatch):
    made: list[View] = []
    monkeypatch.setattr(View, "__init__", _noting(made, View.__init__))
    show(every_control, bins=100)
    picture, view = published
    [live] = made
    assert view["data"]["application/vnd.jupyter.widget-view+json"]["model_id"] == live.model_id
    assert f'id="{live.picture.still}"' in picture["data"]["text/html"]
    assert NOT_LIVE in picture["data"]["text/html"]
    caption = "Every kind of control. alpha 1000, gain 0.50, K 100, squared False."
    assert picture["data"]["text/plain"] == caption
    assert picture["metadata"]["histmatch_lab"] == {
        "demo": every_control.name,
        "settings": {"alpha": 1000.0, "gain": 0.5, "bins": 100, "squared": False},
    }


def _noting(made, init):
    return lambda self, *above: (init(self, *above), made.append(self))[0]


@pytest.mark.usefixtures("published")
def test_a_demo_is_drawn_once_when_it_is_shown(monkeypatch):
    counted = Mock(side_effect=draw)
    monkeypatch.setattr(sys.modules[Frame.__module__], "draw", counted)
    drawn.clear()
    show(with_presets)
    assert len(drawn) == 1
    assert [scale for _, scale in (call.args for call in counted.call_args_list)] == [2], "in full"


def test_show_frame_publishes_a_still_with_its_caption(published):
    frame = every_control(bins=100)
    show_frame(frame)
    [bundle] = published
    assert bundle["data"] == {"text/html": still(frame), "text/plain": frame.caption}


def test_a_start_out_of_range_is_refused_before_anything_is_shown(published):
    with pytest.raises(ValueError, match="gain must be a number from 0 to 1, got 7"):
        show(every_control, gain=7.0)
    assert published == []


def test_on_a_page_the_first_controls_combine_and_the_others_move_alone():
    controls, drawn = every_control.controls, []

    @demo(gain=controls["gain"], bins=controls["bins"], alpha=controls["alpha"])
    def three_controls(gain, bins, alpha):
        """Three controls."""
        drawn.append((gain, bins, alpha))
        figure, (axes,) = subplots(height=1.5)
        axes.plot(gain * alpha * np.ones(bins))
        return Frame(figure, caption=f"gain {gain:.2f}, K {bins}, alpha {alpha:g}.")

    data = _data_of(to_figure(three_controls, {"gain": 0.33, "bins": 100}))
    gain, bins, alpha = data["controls"]
    assert data["together"] == [0, 1]
    assert (gain["texts"][gain["at"]], bins["texts"]) == ("0.33", ["50", "100", "256"])
    captions = _captions(data)
    for i, one in enumerate(gain["values"]):
        for j, other in enumerate(bins["values"]):
            assert captions[i, j, alpha["at"]] == f"gain {one:.2f}, K {other}, alpha 1000."
    for k, value in enumerate(alpha["values"]):
        assert captions[gain["at"], 1, k] == f"gain 0.33, K 100, alpha {value:g}."
    assert len(captions) == len(gain["values"]) * 3 + len(alpha["values"]) - 1
    assert len(drawn) == len(captions) + 1, "each once, and the still"
    assert "gain and K combine here" in data["note"]
