"""A demo in a notebook: live widgets where a kernel runs, a still with its caption where none does.

The still is an output of its own, which the live figure hides while it lives: after a restart, on a
code host, in a notebook that is not trusted, it is there.
"""

import asyncio
import base64
import json
import math
import tempfile
import time
import uuid
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import ipywidgets as widgets
import plotly.graph_objects as go
import plotly.io as pio
import torch
from IPython.display import display

from histmatch_lab.data.images import load_image
from histmatch_lab.demos.controls import Photograph
from histmatch_lab.demos.demo import Demo, Frame
from histmatch_lab.demos.drafts import Drafts
from histmatch_lab.demos.encoding import captioned, still, stored
from histmatch_lab.demos.page import PLOTLY, SCRIPT, WIDGET_VIEW, begun
from histmatch_lab.demos.widgets import GRID, Picture, Upload, value_widget, with_play_button
from histmatch_lab.training.loop import History, Step

NOT_LIVE = "Run this cell to make it live."


def show(demo: Demo, **settings: Any) -> None:
    """Display a demo: live where a kernel runs, as a still elsewhere.

    settings: where its controls start, if not at their defaults. Raises TypeError for a setting
    that is none of its controls, ValueError for one out of its control's range.
    """
    # Demos' tensors are small: where the browser keeps the other core busy, waiting for it at each
    # operation makes a redraw twenty times slower.
    torch.set_num_threads(1)
    if demo.in_page:
        values, frame = demo.settings(**settings), demo(**settings)
        piece = f"{begun(demo, values, frame)}<script>{SCRIPT}</script>"
        about = {"histmatch_lab": {"demo": demo.name, "settings": values}}
        text = f"{demo.title}. {frame.caption}"
        display({"text/html": piece, "text/plain": text}, metadata=about, raw=True)
        return
    live = Live(demo, **settings)
    text = f"{demo.title}. {live.frame.caption}"
    picture = still(live.frame, ident=live.picture.still, note=NOT_LIVE)
    about = {"histmatch_lab": {"demo": demo.name, "settings": live.values}}
    display({"text/html": picture, "text/plain": text}, metadata=about, raw=True)
    display(_view_bundle(live), raw=True)


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
        PLOTLY: json.loads(figure.to_json()),
        "image/jpeg": base64.b64encode(picture).decode(),
        "text/plain": fallback.caption,
    }
    display(bundle, metadata={"image/jpeg": {"alt": fallback.caption}}, raw=True)


def show_frame(frame: Frame) -> None:
    """Display a Frame as a still with its caption."""
    display(_described(frame), raw=True)


async def watch(
    steps: Generator[Step, None, None],
    draw: Callable[[Sequence[Step]], Frame],
    *,
    seconds: float = 1.0,
) -> History:
    """Train to the end and show how it goes; a still of the last state stays behind.

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
    progress = _Progress()
    view = View(widgets.HBox([button, progress]))
    view.picture.watched = True  # a kernel before 7.4 hears nothing of the browser meanwhile
    handle = display(_view_bundle(view) | {"text/plain": "Training"}, raw=True, display_id=True)
    drawn = -math.inf
    # both come from the kernel's stop button: what was learned is kept
    with suppress(KeyboardInterrupt, asyncio.CancelledError), closing(steps):
        for step in steps:
            history.append(step)
            await asyncio.sleep(0.001)  # a click needs several turns of the loop, sleep(0) is one
            if stopped:
                break
            if time.monotonic() - drawn >= seconds:
                view.picture.put(partial(draw, history))
                progress.show(step)
                drawn = time.monotonic()
    if history and handle is not None:
        handle.update(_described(_at_its_end(draw(history), history[-1])), raw=True)
    view.close()
    return history


class _Progress(widgets.HBox):
    """A bar and the seconds left, counted from the first step shown: before it pictures load."""

    def __init__(self) -> None:
        self._bar, self._left = widgets.IntProgress(description="Training"), widgets.Label()
        self._first: tuple[int, float] | None = None
        super().__init__([self._bar, self._left])

    def show(self, step: Step) -> None:
        """The step that is done now."""
        self._bar.max, self._bar.value = step.of, step.number
        if self._first is None:
            self._first = step.number, time.monotonic()
            return
        number, start = self._first
        rest = (time.monotonic() - start) / (step.number - number) * (step.of - step.number)
        self._left.value = f"about {rest:.0f} s left"


def _at_its_end(frame: Frame, last: Step) -> Frame:
    if last.number == last.of:
        return frame
    said = f"Stopped at step {last.number} of {last.of}. {frame.caption}"
    return replace(frame, caption=said)


def _view_bundle(view: widgets.DOMWidget) -> dict[str, Any]:
    model = {"version_major": 2, "version_minor": 0, "model_id": view.model_id}
    return {WIDGET_VIEW: model}


def _described(frame: Frame) -> dict[str, str]:
    return {"text/html": still(frame), "text/plain": frame.caption}


class View(widgets.VBox):
    """A picture with a line below, and what stands above them."""

    def __init__(self, *above: widgets.Widget) -> None:
        self.picture = Picture(still=f"still-{uuid.uuid4()}")
        super().__init__([*above, self.picture])
        self.add_class("histmatch-lab-demo")


class Live(View):
    """A demo with its widgets.

    Attributes:
        controls: by name, the widget whose `value` is the control's value.
    """

    def __init__(self, demo: Demo, **settings: Any) -> None:
        self._demo = demo
        values = demo.settings(**settings)
        self._drafts, self._moved = Drafts(demo), ""
        self._drafts.frame(values)  # it may refuse them
        marked = {n: [p[n] for p in demo.presets.values() if n in p] for n in values}
        self.controls = {
            n: value_widget(demo.controls[n], value, *marked[n]) for n, value in values.items()
        }
        for name, widget in self.controls.items():
            widget.observe(self._redraw if name == "step" else self._restart, "value")
        presets = widgets.HBox([*map(self._preset, demo.presets)])
        controls = widgets.GridBox(
            [*map(self._row, demo.controls)], layout=widgets.Layout(max_width="900px", **GRID)
        )
        super().__init__(*([presets] if demo.presets else []), controls)
        self.picture.controls = [*self.controls.values()]
        self._put()
        self.picture.seen = self._draw_ahead

    @property
    def frame(self) -> Frame:
        """What is shown."""
        return cast(Callable[[], Frame], self.picture.frame)()

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
            return widgets.HBox([widget, Upload(partial(self._take_upload, name))])
        return widget

    def _restart(self, change: Any = None) -> None:
        """An animation starts anew when one of its settings changes."""
        if "step" in self.controls and self.controls["step"].value != 0:
            self.controls["step"].value = 0  # which redraws
            return
        self._redraw(change)

    def _redraw(self, change: Any = None) -> None:
        if change:
            self._moved = next(n for n, w in self.controls.items() if w is change["owner"])
        try:
            self._put()
        except Exception as problem:
            self.picture.problem = str(problem)
            if isinstance(problem, ValueError):
                return
            raise

    def _put(self) -> None:
        self._drafts.stop()
        values = self.values
        self.picture.put(partial(self._drafts.frame, values), partial(self._drafts.draw, values))

    def _draw_ahead(self, scale: float) -> None:
        if self._moved:
            self._drafts.draw_ahead(self.values, self._moved, scale)

    def _take_upload(self, name: str, file: str, scaled: bool, content: bytes) -> None:
        file = Path(file).name
        path = Path(tempfile.mkdtemp(prefix="histmatch-lab-")) / file
        path = path.with_suffix(".jpg") if scaled else path
        path.write_bytes(content)
        try:
            load_image(path)
        except ValueError as problem:
            raise ValueError(str(problem).replace(str(path), file)) from None
        chooser = self.controls[name]
        # New options would select the first one, and redraw, on the way to the new picture.
        with self._one_redraw(name):
            chooser.options = (*chooser.options, (f"yours: {file}", str(path)))
            chooser.value = str(path)
