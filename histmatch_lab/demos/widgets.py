"""A demo's widgets: core ipywidgets as controls, alike in 7.7.1 (Colab) and 8; picture, upload."""

import asyncio
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import anywidget
import ipywidgets as widgets
from traitlets import Instance, List, Unicode

from histmatch_lab.data.images import PICTURES
from histmatch_lab.demos.controls import Choice, Control, LogSlider, Photograph, Slider, Toggle
from histmatch_lab.demos.demo import Frame
from histmatch_lab.demos.encoding import encode, night

TOOLTIP = "description_tooltip" if widgets.__version__.startswith("7") else "tooltip"
GRID = {"grid_template_columns": "repeat(auto-fit, minmax(26em, 1fr))", "grid_gap": "2px 24px"}
_LABEL_WIDTH = "9em"
_FILES = Path(__file__).parent


class _Ours(anywidget.AnyWidget):
    """What figure.js shows: which of its two kinds, the picture or the upload."""

    _esm = _FILES / "figure.js"
    _css = _FILES / "figure.css"
    kind = Unicode().tag(sync=True)


class Sent(NamedTuple):
    """A frame as a browser gets it."""

    about: dict[str, Any]
    images: list[bytes]


def sent_of(frame: Frame, scale: float = 1.0, *, draft: bool = True) -> Sent:
    """As a draft, or in full."""
    width, height = frame.figure.get_size_inches()
    about = {"draft": draft, "night": night(frame.figure), "width": width, "height": height}
    images = [encode(figure, scale) for figure in frame.figures]
    return Sent({**about, "caption": frame.caption}, images)


class Draw(Protocol):
    """Draws a state of a demo for a browser, at its scale."""

    def __call__(self, scale: float, *, draft: bool) -> Sent: ...


class Picture(_Ours):
    """A frame's picture, and below it the caption, or what was wrong.

    A browser that shows it asks for the picture at its own scale. From then on each new frame is
    sent at once and coarse, and in full when the browser asks again. When a slider is let go, the
    question brings its place along, which the browser would tell only after it has heard of the
    picture before. The bytes are no part of the widget's state: a notebook that saves that stays
    small.

    Attributes:
        frame: draws what is shown.
        seen: called when the browser has the full picture, with its scale.
        caption, problem: the text below; `problem` stands in the caption's place if it is not "".
            A coarse picture brings its own caption, for each message takes a page some ms.
        still: the id of the element whose place the live picture takes.
        controls: the widgets whose changes bring a new frame.
        watched: whether a browser shows it.
    """

    caption = Unicode().tag(sync=True)
    problem = Unicode().tag(sync=True)
    still = Unicode().tag(sync=True)
    controls = List(Instance(widgets.Widget)).tag(sync=True, **widgets.widget_serialization)

    def __init__(self, still: str = "") -> None:
        super().__init__(kind="picture", still=still)
        self.add_class("histmatch-figure")
        self.frame: Callable[[], Frame] | None = None
        self._draw: Draw | None = None
        self.seen: Callable[[float], None] = lambda _scale: None
        self.watched = False
        self._scale, self._released = 1.0, False
        self._soon: asyncio.Handle | None = None
        self.on_msg(self._answer)

    def put(self, frame: Callable[[], Frame], draw: Draw | None = None) -> None:
        """Show a frame; draw: its pictures, where they may be had without it."""
        self._wait_no_more()
        released, self._released = self._released, False
        draw = draw or (lambda scale, *, draft: sent_of(frame(), scale, draft=draft))
        if not self.watched:
            self.caption, self.problem = frame().caption, ""
        elif released:
            self._send_full(draw)
        else:
            self._send_picture(draw(1.0, draft=True))
        self.frame, self._draw = frame, draw

    def _wait_no_more(self) -> None:
        if self._soon:
            self._soon.cancel()

    def _answer(self, _widget: Any, asked: dict[str, Any], _buffers: Any) -> None:
        self._wait_no_more()
        self.watched, self._scale = True, asked["scale"]
        if asked["places"]:
            self._let_go(asked["places"])
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # outside a kernel
            self._send_last()
        else:  # if no change comes first
            self._soon = loop.call_soon(self._send_last)

    def _let_go(self, places: list[dict[str, Any] | None]) -> None:
        self._released = True
        for control, place in zip(self.controls, places, strict=True):
            if place:
                control.set_state(place)
        if self._released:
            self._send_last()
        self._released = False

    def _send_last(self) -> None:
        if self._draw:
            self._send_full(self._draw)

    def _send_full(self, draw: Draw) -> None:
        sent = draw(self._scale, draft=False)
        self.caption = sent.about["caption"]
        self._send_picture(sent)
        self.seen(self._scale)

    def _send_picture(self, sent: Sent) -> None:
        self.problem = ""
        self.send(sent.about, buffers=sent.images)


class Upload(_Ours):
    """A button that opens a picture of the reader's own.

    receive: called with its name, whether the browser made it smaller, and its bytes; a ValueError
    is shown beside the button.
    """

    # browsers do not take all of these for images, and would not let them be chosen
    accept = Unicode(",".join(("image/*", *PICTURES))).tag(sync=True)

    def __init__(self, receive: Callable[[str, bool, bytes], None]) -> None:
        super().__init__(kind="upload")
        self.add_class("histmatch-upload")
        self._receive = receive
        self.on_msg(self._take)

    def _take(self, _widget: Any, sent: dict[str, Any], buffers: list[Any]) -> None:
        problem = ""
        try:
            self._receive(sent["name"], sent["scaled"], bytes(buffers[0]))
        except ValueError as refused:
            problem = str(refused)
        self.send({"problem": problem})


def value_widget(control: Control, value: Any, *more: Any) -> widgets.ValueWidget:
    """The widget whose `value` is the control's value, which starts at `value`.

    more: values that it must be able to take besides those of its steps.
    """
    look = {
        "description": control.label,
        "style": {"description_width": _LABEL_WIDTH},
        "layout": widgets.Layout(width="auto"),
        TOOLTIP: control.hint or control.label,
        "value": value,
    }
    match control:
        case Slider(step=step):
            look |= {"min": control.minimum, "max": control.maximum, "step": step}
            if isinstance(step, int):
                return widgets.IntSlider(**look)
            decimals = max(0, -math.floor(math.log10(step)))
            return widgets.FloatSlider(readout_format=f".{decimals}f", **look)
        case LogSlider():
            # Not a FloatLogSlider, whose read-outs are 0.001000 and 1.995e+5.
            stops = control.stops(value, *more)
            return widgets.SelectionSlider(options=_texts(control, stops), **look)
        case Choice():
            # Buttons, since JupyterLab takes a closed chooser's arrow keys for itself.
            look["style"] |= {"button_width": "auto"}
            look["layout"] = widgets.Layout(display="flex", width="auto")
            return widgets.ToggleButtons(options=_texts(control, control.options), **look)
        case Toggle():
            return widgets.Checkbox(indent=True, **look)
        case Photograph():
            return widgets.Dropdown(options=_texts(control, control.options(value)), **look)


def _texts(control: Control, values: Any) -> list[tuple[str, Any]]:
    return [(control.text(value), value) for value in values]


def with_play_button(slider: widgets.IntSlider) -> widgets.HBox:
    play = widgets.Play(min=0, max=slider.max, value=slider.value, interval=150)
    # Not jslink: Colab's own manager of widgets does not know it (googlecolab/colabtools 1612).
    widgets.link((play, "value"), (slider, "value"))
    start = slider.value

    def rewind(change: Any) -> None:
        """From where the figure opens, which may be its end, there is nothing to play."""
        if change["new"] and slider.value == start:
            slider.value = 0

    play.observe(rewind, "_playing" if widgets.__version__.startswith("7") else "playing")
    return widgets.HBox([slider, play])
