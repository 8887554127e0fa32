"""A demo in a notebook: live widgets where a kernel runs, a captioned PNG where none does.

Live pictures are core ipywidgets (an Image, sliders, a line of text): they work alike in
ipywidgets 7.7.1 (Colab) and 8, never flicker, and need no extension.
"""

from __future__ import annotations

import asyncio
import base64
import html
import io
import json
import math
import tempfile
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, suppress
from functools import singledispatch
from pathlib import Path
from typing import Any

import ipywidgets as widgets
import plotly.graph_objects as go
import plotly.io as pio
from IPython.display import display
from PIL import Image

from histmatch_lab.data.images import load_image
from histmatch_lab.demos.controls import (
    Choice,
    Control,
    LogSlider,
    Photograph,
    Player,
    Slider,
    Toggle,
)
from histmatch_lab.demos.demo import Demo, Frame
from histmatch_lab.demos.page import to_html
from histmatch_lab.demos.render import encode, still
from histmatch_lab.demos.screen_reader import speak
from histmatch_lab.training.loop import History, Step

__all__ = ["Live", "show", "show_frame", "show_hover", "to_html", "watch"]

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"  # how an output names its widget

_TOOLTIP = "description_tooltip" if widgets.__version__.startswith("7") else "tooltip"
_CONTROL_WIDTH = "400px"
_LABEL_WIDTH = "10em"


def show(demo: Demo, **settings: Any) -> None:
    """Display a demo: live where a kernel runs, as a captioned PNG elsewhere.

    Args:
        demo: what to show.
        settings: where its controls start; the others start at their defaults.

    Raises:
        TypeError: a setting that is none of its controls.
        ValueError: a setting out of its control's range.
    """
    values = demo.settings(**settings)
    frame = demo(**values)
    text = f"{demo.title}. {frame.caption}"
    metadata = {
        "image/png": {"alt": text},
        "histmatch_lab": {"demo": demo.name, "settings": values},
    }
    bundle = {"image/png": _png(frame), "text/plain": text}
    display(_view_bundle(Live(demo, **values)) | bundle, metadata=metadata, raw=True)


def show_hover(figure: go.Figure, fallback: Frame) -> None:
    """Display a plotly figure with its read-out under the pointer, where plotly can be drawn.

    JupyterLab and VS Code draw it from the stored data; a code host, or a page made by
    nbconvert, shows the fallback. Colab knows only its own renderer.

    Args:
        figure: its numbers should be rounded, so that a stored notebook stays the same.
        fallback: the same as a still picture, with its sentence.
    """
    if pio.renderers.default == "colab":
        figure.show()
        return
    # A JPEG: where plotly can be drawn, its renderer would keep showing a PNG in its place.
    picture = io.BytesIO()
    Image.open(io.BytesIO(still(fallback))).convert("RGB").save(picture, "jpeg", quality=90)
    display(
        {
            "application/vnd.plotly.v1+json": json.loads(figure.to_json()),
            "image/jpeg": base64.b64encode(picture.getvalue()).decode(),
            "text/plain": fallback.caption,
        },
        metadata={"image/jpeg": {"alt": fallback.caption}},
        raw=True,
    )


def show_frame(frame: Frame) -> None:
    """Display a Frame as a captioned PNG."""
    display(_described(frame), raw=True)


async def watch(
    steps: Generator[Step, None, None],
    draw: Callable[[Sequence[Step]], Frame],
    *,
    seconds: float = 1.0,
) -> History:
    """Train to the end and show how it goes; a captioned PNG of the last state stays behind.

    To be awaited, `history = await watch(...)`: so the notebook can hear the button between two
    steps (ipykernel 7.4 and newer). Interrupting the kernel stops it everywhere. Either way what
    was learned is kept.

    Args:
        steps: what `train` gives.
        draw: the Frame of the steps so far, of which only the last has its pictures.
        seconds: at least between two pictures.

    Returns the steps, like `histmatch_lab.training.progress.run`.
    """
    history = History()
    stopped: list[bool] = []
    button = widgets.Button(description="Stop", icon="stop")
    button.on_click(lambda _: stopped.append(True))
    picture = widgets.Image(layout=widgets.Layout(max_width="100%", height="auto"))
    line = widgets.HTML()
    view = widgets.VBox([button, picture, line])
    speak(view)
    handle = display(_view_bundle(view) | {"text/plain": "Training"}, raw=True, display_id=True)
    drawn = -math.inf
    # both come from the kernel's stop button: what was learned is kept
    with suppress(KeyboardInterrupt, asyncio.CancelledError), closing(steps):
        for step in steps:
            history.append(step)
            await asyncio.sleep(0)
            if stopped:
                break
            if time.monotonic() - drawn >= seconds:
                frame = draw(history)
                with picture.hold_sync():
                    picture.value, picture.format = encode(frame.figure)
                line.value = f'<p role="status">{html.escape(frame.caption)}</p>'
                drawn = time.monotonic()
    if history and handle is not None:
        frame = draw(history)
        handle.update(_described(frame), raw=True)
    view.close()
    return history


def _view_bundle(view: widgets.DOMWidget) -> dict[str, Any]:
    model = {"version_major": 2, "version_minor": 0, "model_id": view.model_id}
    return {WIDGET_VIEW: model}


def _described(frame: Frame) -> dict[str, str]:
    """A still as HTML, since JupyterLab gives a bare PNG no alt text."""
    source, caption = f"data:image/png;base64,{_png(frame)}", html.escape(frame.caption)
    image = f'<img src="{source}" alt="{caption}" style="max-width:100%">'
    return {"text/html": image, "text/plain": frame.caption}


def _png(frame: Frame) -> str:
    return base64.b64encode(still(frame)).decode()


class Live(widgets.VBox):
    """A demo with its widgets.

    Attributes:
        controls: by name, the widget whose `value` is the control's value.
        picture: the Image that shows the figure.
        line: the HTML line below it: what the picture says, or what was wrong.
    """

    def __init__(self, demo: Demo, **settings: Any) -> None:
        self._demo = demo
        values = demo.settings(**settings)
        self.controls = {
            name: _value_widget(control, values[name]) for name, control in demo.controls.items()
        }
        self.picture = widgets.Image(layout=widgets.Layout(max_width="100%", height="auto"))
        self.line = widgets.HTML(layout=widgets.Layout(margin="0 0 8px 12px"))
        for name, widget in self.controls.items():
            widget.observe(self._redraw if name == "step" else self._restart, "value")
        self._redraw()
        rows = [self._row(name, control) for name, control in demo.controls.items()]
        wrap = widgets.Layout(display="flex", flex_flow="row wrap", align_items="center")
        presets = [self._preset(name) for name in demo.presets]
        above = [widgets.Box(presets, layout=wrap)] if presets else []
        super().__init__([*above, widgets.Box(rows, layout=wrap), self.picture, self.line])
        speak(self)

    def _preset(self, name: str) -> widgets.Button:
        settings, controls = self._demo.presets[name], self._demo.controls
        texts = (f"{controls[n].label} {controls[n].text(v)}" for n, v in settings.items())
        button = widgets.Button(description=name, tooltip=", ".join(texts))
        button.on_click(lambda _: self._jump(settings))
        return button

    def _jump(self, settings: dict[str, Any]) -> None:
        """Move several controls, and redraw once."""
        for name, value in settings.items():
            widget = self.controls[name]
            widget.unobserve(self._restart, "value")
            widget.value = value
            widget.observe(self._restart, "value")
        self._restart(None)

    def _row(self, name: str, control: Control) -> widgets.Widget:
        widget = self.controls[name]
        if isinstance(control, Player):
            return _player(widget, control)
        if isinstance(control, Photograph):
            upload = widgets.FileUpload(
                accept="image/*,.tif,.tiff",
                multiple=False,
                description="your own",
                **{_TOOLTIP: "Open a picture of your own"},
            )
            upload.observe(lambda change: self._take_upload(name, change["new"]), "value")
            return widgets.HBox([widget, upload])
        return widget

    def _restart(self, _change: Any) -> None:
        """A film starts anew when one of its settings changes."""
        if "step" in self.controls and self.controls["step"].value != 0:
            self.controls["step"].value = 0  # which redraws
            return
        self._redraw()

    def _redraw(self, _change: Any = None) -> None:
        values = {name: widget.value for name, widget in self.controls.items()}
        try:
            frame = self._demo(**values)
        except ValueError as problem:
            self._warn(problem)
            return
        except Exception as problem:
            self._warn(problem)
            raise
        with self.picture.hold_sync():
            self.picture.value, self.picture.format = encode(frame.figure)
        self.line.value = f'<p role="status">{html.escape(frame.caption)}</p>'

    def _warn(self, problem: Exception) -> None:
        text = html.escape(f"{problem}")
        self.line.value = (
            f'<p role="alert" class="histmatch-lab-error"><b>That did not work:</b> {text}</p>'
        )

    def _take_upload(self, name: str, uploaded: Any) -> None:
        if not uploaded:
            return
        # ipywidgets 8 gives a tuple of files, 7 a dictionary of them by name.
        if isinstance(uploaded, dict):
            [(file_name, file)] = list(uploaded.items())[-1:]
        else:
            file = uploaded[-1]
            file_name = file["name"]
        path = Path(tempfile.mkdtemp(prefix="histmatch-lab-")) / Path(file_name).name
        path.write_bytes(bytes(file["content"]))
        try:
            load_image(path)
        except ValueError as problem:
            self._warn(problem)
            return
        chooser = self.controls[name]
        # New options would select the first one, and redraw, on the way to the new picture.
        chooser.unobserve(self._restart, "value")
        chooser.options = (*chooser.options, (f"yours: {path.name}", str(path)))
        chooser.value = str(path)
        chooser.observe(self._restart, "value")
        self._restart(None)


@singledispatch
def _value_widget(control: Control, value: Any) -> widgets.ValueWidget:  # noqa: ARG001
    raise TypeError(f"no widget for a control of type {type(control).__name__}")


@_value_widget.register
def _(control: Slider, value: Any) -> widgets.ValueWidget:
    kind = widgets.IntSlider if isinstance(control.step, int) else widgets.FloatSlider
    decimals = max(0, -math.floor(math.log10(control.step)))
    return kind(
        value=value,
        min=control.minimum,
        max=control.maximum,
        step=control.step,
        readout_format="d" if isinstance(control.step, int) else f".{decimals}f",
        **_labelled(control),
    )


@_value_widget.register
def _(control: LogSlider, value: Any) -> widgets.ValueWidget:
    return widgets.FloatLogSlider(
        value=value,
        min=math.log10(control.minimum),
        max=math.log10(control.maximum),
        step=0.05,
        readout_format=".4g",
        **_labelled(control),
    )


@_value_widget.register
def _(control: Choice, value: Any) -> widgets.ValueWidget:
    # Buttons, since JupyterLab takes a closed chooser's arrow keys for itself.
    options = [(control.text(option), option) for option in control.options]
    look = _labelled(control)
    look["style"] |= {"button_width": "auto"}
    look["layout"] = widgets.Layout(display="flex", width="auto", min_width=_CONTROL_WIDTH)
    return widgets.ToggleButtons(options=options, value=value, **look)


@_value_widget.register
def _(control: Toggle, value: Any) -> widgets.ValueWidget:
    return widgets.Checkbox(value=value, indent=True, **_labelled(control))


@_value_widget.register
def _(control: Player, value: Any) -> widgets.ValueWidget:
    return widgets.IntSlider(value=value, min=0, max=control.steps, **_labelled(control))


@_value_widget.register
def _(control: Photograph, value: Any) -> widgets.ValueWidget:
    names = [(control.text(name), name) for name in control.options(value)]
    return widgets.Dropdown(options=names, value=value, **_labelled(control))


def _labelled(control: Control) -> dict[str, Any]:
    return {
        "description": control.label,
        "style": {"description_width": _LABEL_WIDTH},
        "layout": widgets.Layout(width=_CONTROL_WIDTH),
        _TOOLTIP: control.hint or control.label,
    }


def _player(slider: widgets.IntSlider, control: Player) -> widgets.Widget:
    play = widgets.Play(min=0, max=control.steps, value=slider.value, interval=150)
    widgets.jslink((play, "value"), (slider, "value"))
    return widgets.HBox([play, slider])
