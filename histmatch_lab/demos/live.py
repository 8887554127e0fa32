"""A demo in a notebook: live widgets where a kernel runs, a captioned PNG where none does.

Live pictures are core ipywidgets (an Image, sliders, a line of text): they work alike in
ipywidgets 7.7.1 (Colab) and 8, never flicker, and need no extension.
"""

import asyncio
import base64
import html
import json
import math
import tempfile
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import ipywidgets as widgets
import plotly.graph_objects as go
import plotly.io as pio
import torch
from IPython.display import display

from histmatch_lab.data.images import load_image
from histmatch_lab.demos.controls import Photograph
from histmatch_lab.demos.demo import Demo, Frame
from histmatch_lab.demos.encoding import captioned, encode, still, stored
from histmatch_lab.demos.page import WIDGET_VIEW
from histmatch_lab.demos.widgets import TOOLTIP, value_widget, with_play_button
from histmatch_lab.training.loop import History, Step

_SCREEN_READER = Path(__file__).with_name("screen_reader.js").read_text(encoding="utf-8")


def show(demo: Demo, **settings: Any) -> None:
    """Display a demo: live where a kernel runs, as a captioned PNG elsewhere.

    settings: where its controls start, if not at their defaults. Raises TypeError for a setting
    that is none of its controls, ValueError for one out of its control's range.
    """
    # Demos' tensors are small: where the browser keeps the other core busy, waiting for it at each
    # operation makes a redraw twenty times slower.
    torch.set_num_threads(1)
    live = Live(demo, **settings)
    text = f"{demo.title}. {live.frame.caption}"
    metadata = {
        "image/png": {"alt": text},
        "histmatch_lab": {"demo": demo.name, "settings": live.values},
    }
    bundle = {"image/png": _png(live.frame), "text/plain": text}
    display(_view_bundle(live) | bundle, metadata=metadata, raw=True)


def show_hover(figure: go.Figure, fallback: Frame) -> None:
    """Display a plotly figure with its read-out under the pointer, where plotly can be drawn.

    JupyterLab and VS Code draw it from the stored data; a code host, or a page made by nbconvert,
    shows the fallback. Colab knows only its own renderer. The figure's numbers should be rounded,
    so that a stored notebook stays the same.
    """
    if pio.renderers.default == "colab":
        figure.show()
        return
    # A JPEG: where plotly can be drawn, its renderer would keep showing a PNG in its place.
    picture = stored(captioned(fallback), "jpeg", quality=90)
    bundle = {
        "application/vnd.plotly.v1+json": json.loads(figure.to_json()),
        "image/jpeg": base64.b64encode(picture).decode(),
        "text/plain": fallback.caption,
    }
    display(bundle, metadata={"image/jpeg": {"alt": fallback.caption}}, raw=True)


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

    To be awaited, `history = await watch(...)`: so the notebook can react to the button between two
    steps (ipykernel 7.4 and newer). Interrupting the kernel stops it everywhere. Either way what
    was learned is kept, and the steps are returned.

    draw: the Frame of the steps so far, of which only the last has its pictures.
    seconds: at least between two pictures.
    """
    history = History()
    stopped: list[bool] = []
    button = widgets.Button(description="Stop", icon="stop")
    button.on_click(lambda _: stopped.append(True))
    view = View(button)
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
                view.put(draw(history))
                drawn = time.monotonic()
    if history and handle is not None:
        handle.update(_described(draw(history)), raw=True)
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


class View(widgets.VBox):
    """A picture with a line below, the caption or what was wrong, and what stands above them.

    A script tells screen readers what core ipywidgets don't: a slider's name, a logarithmic
    slider's value, whether a button is pressed, and the line as the picture's alt text. Where no
    script runs, most of it is still in the page as text.
    """

    def __init__(self, *above: widgets.Widget) -> None:
        self.picture = widgets.Image(layout=widgets.Layout(max_width="100%", height="auto"))
        self.line = widgets.HTML(layout=widgets.Layout(margin="0 0 8px 12px"))
        script = {"application/javascript": _SCREEN_READER, "text/plain": ""}
        output = {"output_type": "display_data", "data": script, "metadata": {}}
        unseen = widgets.Output(outputs=(output,), layout=widgets.Layout(display="none"))
        super().__init__([*above, self.picture, self.line, unseen])
        self.add_class("histmatch-lab-demo")

    def put(self, frame: Frame) -> None:
        with self.picture.hold_sync():
            self.picture.value, self.picture.format = encode(frame)
        self.line.value = f'<p role="status">{html.escape(frame.caption)}</p>'


class Live(View):
    """A demo with its widgets.

    Attributes:
        controls: by name, the widget whose `value` is the control's value.
        frame: what was drawn last.
    """

    def __init__(self, demo: Demo, **settings: Any) -> None:
        self._demo = demo
        values = demo.settings(**settings)
        self.frame = demo(**values)
        self.controls = {n: value_widget(demo.controls[n], value) for n, value in values.items()}
        for name, widget in self.controls.items():
            widget.observe(self._redraw if name == "step" else self._restart, "value")
        wrap = widgets.Layout(display="flex", flex_flow="row wrap", align_items="center")
        rows = [[*map(self._preset, demo.presets)], [*map(self._row, demo.controls)]]
        super().__init__(*(widgets.Box(row, layout=wrap) for row in rows if row))
        self.put(self.frame)

    @property
    def values(self) -> dict[str, Any]:
        """Where the controls stand."""
        return {name: widget.value for name, widget in self.controls.items()}

    def _preset(self, name: str) -> widgets.Button:
        settings, controls = self._demo.presets[name], self._demo.controls
        texts = (f"{controls[n].label} {controls[n].text(v)}" for n, v in settings.items())
        button = widgets.Button(description=name, tooltip=", ".join(texts))
        button.on_click(lambda _: self._jump(settings))
        return button

    def _jump(self, settings: dict[str, Any]) -> None:
        with self._one_redraw(*settings):
            for name, value in settings.items():
                self.controls[name].value = value

    @contextmanager
    def _one_redraw(self, *names: str) -> Iterator[None]:
        """Change these controls, and redraw once."""
        for name in names:
            self.controls[name].unobserve(self._restart, "value")
        yield
        for name in names:
            self.controls[name].observe(self._restart, "value")
        self._restart()

    def _row(self, name: str) -> widgets.Widget:
        widget = self.controls[name]
        if name == "step":
            return with_play_button(widget)
        if isinstance(self._demo.controls[name], Photograph):
            upload = widgets.FileUpload(accept="image/*,.tif,.tiff", description="your own")
            setattr(upload, TOOLTIP, "Open a picture of your own")
            upload.observe(lambda change: self._take_upload(name, change["new"]), "value")
            return widgets.HBox([widget, upload])
        return widget

    def _restart(self, _change: Any = None) -> None:
        """An animation starts anew when one of its settings changes."""
        if "step" in self.controls and self.controls["step"].value != 0:
            self.controls["step"].value = 0  # which redraws
            return
        self._redraw()

    def _redraw(self, _change: Any = None) -> None:
        try:
            self.frame = self._demo(**self.values)
        except Exception as problem:
            self._warn(problem)
            if isinstance(problem, ValueError):
                return
            raise
        self.put(self.frame)

    def _warn(self, problem: Exception) -> None:
        text = html.escape(str(problem))
        self.line.value = (
            f'<p role="alert" class="histmatch-lab-error"><b>That did not work:</b> {text}</p>'
        )

    def _take_upload(self, name: str, uploaded: Any) -> None:
        if not uploaded:
            return
        # ipywidgets 8 gives a tuple of files, 7 a dictionary of them by name.
        if isinstance(uploaded, dict):
            uploaded = [{"name": key, **file} for key, file in uploaded.items()]
        file = uploaded[-1]
        path = Path(tempfile.mkdtemp(prefix="histmatch-lab-")) / Path(file["name"]).name
        path.write_bytes(bytes(file["content"]))
        try:
            load_image(path)
        except ValueError as problem:
            self._warn(problem)
            return
        chooser = self.controls[name]
        # New options would select the first one, and redraw, on the way to the new picture.
        with self._one_redraw(name):
            chooser.options = (*chooser.options, (f"yours: {path.name}", str(path)))
            chooser.value = str(path)
