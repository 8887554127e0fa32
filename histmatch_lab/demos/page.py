"""A demo as a piece of HTML whose controls work without a kernel: for reports and the site."""

import hashlib
import json
from collections.abc import Mapping
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.figure import Figure

from histmatch_lab.demos.controls import LogSlider, Photograph, Slider, stops_of
from histmatch_lab.demos.demo import Demo, Frame
from histmatch_lab.demos.encoding import SHARP, address, encode_small, still
from histmatch_lab.demos.render import draw

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"  # a live widget, in a notebook's output
PLOTLY = "application/vnd.plotly.v1+json"  # a figure to point at, likewise
COMBINED = 36  # pictures at most of the controls that combine on a page
_FILES = {
    f: Path(__file__).with_name(f).read_text(encoding="utf-8")
    for f in ("figure.js", "microscope.js", "page.js")
}
SCRIPT = "{{\n{}\n}}".format("\n".join(_FILES.values()).replace("export default", "void"))


def to_figure(demo: Demo, settings: dict[str, Any] | None = None) -> str:
    """The demo as a piece of HTML with working controls and no kernel.

    The first controls combine, as many as make `COMBINED` pictures at most; each other one is moved
    with the others at `settings`, and a preset jumps to a picture of its own. A demo with a script
    of its own computes its picture in the page, and all of its controls combine. The piece loads
    nothing from anywhere; its page brings SCRIPT once, after all demos.
    """
    values = demo.settings(**(settings or {}))
    if "step" in values:
        # An animation stands at its end, where the others show; its play button begins anew.
        values["step"] = demo.controls["step"].positions[-1]
    return begun(demo, values, demo(**values))


def begun(demo: Demo, values: Mapping[str, Any], frame: Frame) -> str:
    """As `to_figure`, from the frame at these values of all controls."""
    data = _computed(demo, values) if demo.in_page else _drawn(demo, values, frame)
    data |= {"title": demo.title}
    script = Markup(json.dumps(data, ensure_ascii=False).replace("<", "\\u003c"))
    return still(frame, data=script, note=data.get("note", ""))


def _computed(demo: Demo, values: Mapping[str, Any]) -> dict[str, Any]:
    """What a demo's script needs: its controls with all their stops, and its photographs."""
    stops = {name: stops_of(control, values[name]) for name, control in demo.controls.items()}
    presets = [
        {"name": name, "at": [stops[n].index(p[n]) if n in p else None for n in stops]}
        for name, p in demo.presets.items()
    ]
    assert demo.in_page is not None
    return {"controls": _specs(demo, values, stops), "presets": presets, **demo.in_page(stops)}


def _specs(
    demo: Demo, values: Mapping[str, Any], positions: Mapping[str, list[Any]]
) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "label": control.label,
            "hint": control.hint,
            "kind": _kind(control),
            "plays": name == "step",
            "at": positions[name].index(values[name]),
            "values": positions[name],
            "texts": [control.text(position) for position in positions[name]],
        }
        for name, control in demo.controls.items()
    ]


def _kind(control: Any) -> str:
    if isinstance(control, Slider | LogSlider):
        return "slider"
    return "photograph" if isinstance(control, Photograph) else "choice"


def _drawn(demo: Demo, values: Mapping[str, Any], frame: Frame) -> dict[str, Any]:
    """The pictures of a page, by the places of the controls that show them."""
    positions = {name: _positions(demo, name, value) for name, value in values.items()}
    together = _together(positions)
    frames = _Frames(demo, frame)
    presets = [{**values, **settings} for settings in demo.presets.values()]
    names = list(values)

    def place(state: Mapping[str, Any]) -> list[int]:
        return [positions[name].index(state[name]) for name in names]

    combined = product(*(positions[name] for name in together))
    swept = [dict(zip(together, some, strict=True)) for some in combined]
    swept += [{name: one} for name, stops in positions.items() for one in stops]
    states: dict[str, int] = {}
    for state in (*({**values, **some} for some in swept), *presets):
        key = ",".join(map(str, place(state)))
        if key not in states:  # many sweeps pass through one place
            states[key] = frames.index(state)
    labels = " and ".join(demo.controls[name].label for name in together)
    combine = f"{labels} combine here; any other" if len(together) > 1 else "Each"
    alone = f"{combine} control moves alone. Run the notebook to combine them all."
    return {
        "controls": _specs(demo, values, positions),
        "presets": [
            {"name": name, "at": place(state)}
            for name, state in zip(demo.presets, presets, strict=True)
        ],
        "together": [names.index(name) for name in together],
        "states": states,
        "frames": frames.overlays,
        "note": alone if len(together) < len(names) else "",
    }


def _together(positions: Mapping[str, list[Any]]) -> list[str]:
    """The first controls whose positions' product is at most COMBINED; none of an animation."""
    names: list[str] = []
    for name in () if "step" in positions else positions:
        if prod(len(positions[n]) for n in (*names, name)) <= COMBINED:
            names.append(name)
    return names


class _Frames:
    """The pictures of a page: of each, what differs from the first one's still."""

    def __init__(self, demo: Demo, first: Frame) -> None:
        self._demo, self._under = demo, first.drawn(SHARP)
        self._addresses: dict[tuple[bytes, bool], str] = {}
        self.overlays: list[dict[str, Any]] = []

    def index(self, values: Mapping[str, Any]) -> int:
        """Which of the overlays shows the demo at these settings."""
        frame = self._demo(**values)
        overlay = {
            "src": self._address(frame.figure, self._under),
            "after": self._address(frame.after) if frame.after else "",
            "caption": frame.caption,
            "ratio": round(np.divide(*frame.figure.get_size_inches()), 4),
        }
        if overlay not in self.overlays:
            self.overlays.append(overlay)
        return self.overlays.index(overlay)

    def _address(self, figure: Figure, under: np.ndarray | None = None) -> str:
        """Empty where `under` shows all of it. Encoded once, for many states share a picture."""
        pixels = draw(figure, SHARP)
        if under is not None and np.array_equal(pixels, under):
            return ""
        key = hashlib.sha256(pixels.tobytes()).digest(), under is None
        if key not in self._addresses:
            self._addresses[key] = address(encode_small(pixels, under))
        return self._addresses[key]


def _positions(demo: Demo, name: str, value: Any) -> list[Any]:
    """A control's positions, in order, with `value` and the presets' among them.

    In an animation, which is played from its start for each, only the ends and the default.
    """
    control = demo.controls[name]
    found = list(control.positions)
    if "step" in demo.controls and name != "step":
        found = [p for p in found if p in (found[0], control.default, found[-1])]
    for extra in (value, *(p[name] for p in demo.presets.values() if name in p)):
        if extra not in found:
            found.insert(0, extra)
    return sorted(found) if isinstance(value, int | float) else found
