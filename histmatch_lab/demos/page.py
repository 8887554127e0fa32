"""A demo as a piece of HTML whose sliders work without a kernel: for reports and the site."""

from __future__ import annotations

import base64
import html
import json
from pathlib import Path
from typing import Any

import numpy as np

from histmatch_lab.demos.controls import Player
from histmatch_lab.demos.demo import Demo
from histmatch_lab.demos.render import draw, encode_small

STYLE = Path(__file__).with_name("page.css").read_text(encoding="utf-8")
SCRIPT = Path(__file__).with_name("page.js").read_text(encoding="utf-8")


def to_html(demo: Demo, settings: dict[str, Any] | None = None) -> str:
    """The demo as a piece of HTML with working sliders and no kernel.

    Each control is swept over its stops while the others stay at `settings`: the cost is the
    sum of the controls' stops, not their product. The piece asks for nothing from anywhere.
    """
    return f"<style>{STYLE}</style>\n{to_figure(demo, settings)}\n<script>{SCRIPT}</script>"


def to_figure(demo: Demo, settings: dict[str, Any] | None = None) -> str:
    """The same for a page of several demos, which brings STYLE, and after them SCRIPT, once."""
    values = demo.settings(**(settings or {}))
    if "step" in values:
        # A film stands at its end, where the other controls show; its play button begins anew.
        values["step"] = demo.controls["step"].stops[-1]
    first = demo(**values)
    ground = draw(first.figure)
    frames = [{"src": "", "says": first.says}]

    def shoot(changed: dict[str, Any]) -> int:
        frame = demo(**{**values, **changed})
        shot = {"src": _picture(draw(frame.figure), ground), "says": frame.says}
        if shot not in frames:
            frames.append(shot)
        return frames.index(shot)

    sweeps = []
    for name, control in demo.controls.items():
        stops = _stops_with(_swept(demo, name), values[name])
        sweeps.append(
            {
                "label": control.label,
                "lookFor": control.look_for,
                "plays": isinstance(control, Player),
                "at": stops.index(values[name]),
                "stops": [control.text(stop) for stop in stops],
                "frames": [0 if stop == values[name] else shoot({name: stop}) for stop in stops],
            }
        )
    return _figure(demo.title, _picture(ground), frames, sweeps)


def _swept(demo: Demo, name: str) -> tuple[Any, ...]:
    """All stops; in a film, which is played from its start for each, the ends and the default."""
    control = demo.controls[name]
    if "step" not in demo.controls or name == "step":
        return control.stops
    ends = {control.stops[0], control.default, control.stops[-1]}
    return tuple(stop for stop in control.stops if stop in ends)


def _stops_with(stops: tuple[Any, ...], value: Any) -> list[Any]:
    if value in stops:
        return list(stops)
    if isinstance(value, int | float):
        return sorted([*stops, value])
    return [value, *stops]


def _picture(pixels: np.ndarray, ground: np.ndarray | None = None) -> str:
    """An image's address that holds it all, or what is to be laid over the ground: perhaps none."""
    if ground is not None and np.array_equal(pixels, ground):
        return ""
    data = base64.b64encode(encode_small(pixels, ground)).decode()
    return f"data:image/webp;base64,{data}"


def _figure(
    title: str, ground: str, frames: list[dict[str, str]], sweeps: list[dict[str, Any]]
) -> str:
    rows = "".join(_range_row(sweep) for sweep in sweeps)
    data = json.dumps({"frames": frames, "sweeps": sweeps}).replace("</", "<\\/")
    says = frames[0]["says"]
    return f"""<figure class="histmatch-demo" aria-label="{html.escape(title)}">
<div class="controls">{rows}</div>
<div class="picture"><img src="{ground}" alt="{html.escape(f"{title}. {says}")}">
<img alt="" hidden></div>
<figcaption><p role="status">{html.escape(says)}</p>
<small>Each control moves alone here; run the notebook to combine them.</small></figcaption>
<script type="application/json">{data}</script>
</figure>"""


def _range_row(sweep: dict[str, Any]) -> str:
    label, text = html.escape(sweep["label"]), html.escape(sweep["stops"][sweep["at"]])
    play = '<button type="button">Play</button>' if sweep["plays"] else ""
    return (
        f'<label title="{html.escape(sweep["lookFor"])}"><span>{label}</span>'
        f'<input type="range" min="0" max="{len(sweep["stops"]) - 1}" step="1" '
        f'value="{sweep["at"]}" aria-valuetext="{text}">'
        f'<span class="value" aria-hidden="true">{text}</span></label>{play}'
    )
