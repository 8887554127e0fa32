"""A demo as a piece of HTML whose sliders work without a kernel: for reports and the site."""

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader

from histmatch_lab.demos.demo import Demo
from histmatch_lab.demos.encoding import encode_small

STYLE = Path(__file__).with_name("page.css").read_text(encoding="utf-8")
SCRIPT = Path(__file__).with_name("page.js").read_text(encoding="utf-8")
_FILES = Environment(
    loader=PackageLoader(__package__, "."), autoescape=True, trim_blocks=True, lstrip_blocks=True
)
_FIGURE = _FILES.get_template("figure.html.j2")
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"  # a live widget, in a notebook's output


def to_figure(demo: Demo, settings: dict[str, Any] | None = None) -> str:
    """The demo as a piece of HTML with working sliders and no kernel.

    Each control is swept over its positions while the others stay at `settings`: the cost is the
    sum of the controls' positions, not their product. A preset jumps to a frame of its own. The
    piece loads nothing from anywhere; its page brings STYLE, and after all demos SCRIPT, once.
    """
    values = demo.settings(**(settings or {}))
    if "step" in values:
        # An animation stands at its end, where the others show; its play button begins anew.
        values["step"] = demo.controls["step"].positions[-1]
    frames = _Frames(demo, values)
    positions = {name: _positions(demo, name, value) for name, value in values.items()}
    sweeps = [
        {
            "label": control.label,
            "hint": control.hint,
            "plays": name == "step",
            "at": positions[name].index(values[name]),
            "positions": [control.text(position) for position in positions[name]],
            "frames": [frames.index({name: position}) for position in positions[name]],
        }
        for name, control in demo.controls.items()
    ]
    presets = [
        {
            "name": preset,
            "at": [positions[name].index({**values, **changed}[name]) for name in values],
            "frame": frames.index(changed),
        }
        for preset, changed in demo.presets.items()
    ]
    data = {"frames": frames.overlays, "sweeps": sweeps, "presets": presets}
    return _FIGURE.render(title=demo.title, backdrop=frames.backdrop, **data, data=data)


class _Frames:
    """The pictures of a page: a backdrop, and of each other one what differs from it."""

    def __init__(self, demo: Demo, values: Mapping[str, Any]) -> None:
        self._demo, self._values, self._first = demo, values, demo(**values)
        self.backdrop = _address(encode_small(self._first.pixels))
        self.overlays = [{"src": "", "caption": self._first.caption}]

    def index(self, changed: Mapping[str, Any]) -> int:
        """Which of the overlays shows the demo with these settings changed."""
        values = {**self._values, **changed}
        if values == self._values:
            return 0
        frame, under = self._demo(**values), self._first.pixels
        same = np.array_equal(frame.pixels, under)
        source = "" if same else _address(encode_small(frame.pixels, under))
        overlay = {"src": source, "caption": frame.caption}
        if overlay not in self.overlays:
            self.overlays.append(overlay)
        return self.overlays.index(overlay)


def _address(webp: bytes) -> str:
    return f"data:image/webp;base64,{base64.b64encode(webp).decode()}"


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
