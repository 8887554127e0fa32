"""A demo as a piece of HTML whose sliders work without a kernel: for reports and the site."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Sequence
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

    Each control is swept over its positions while the others stay at `settings`: the cost is the
    sum of the controls' positions, not their product. A preset jumps to a frame of its own. The piece
    asks for nothing from anywhere.
    """
    return f"<style>{STYLE}</style>\n{to_figure(demo, settings)}\n<script>{SCRIPT}</script>"


def to_figure(demo: Demo, settings: dict[str, Any] | None = None) -> str:
    """The same for a page of several demos, which brings STYLE, and after them SCRIPT, once."""
    values = demo.settings(**(settings or {}))
    if "step" in values:
        # A film stands at its end, where the other controls show; its play button begins anew.
        values["step"] = demo.controls["step"].positions[-1]
    first = demo(**values)
    backdrop = draw(first.figure)
    frames = [{"src": "", "caption": first.caption}]

    def render(changed: dict[str, Any]) -> int:
        frame = demo(**{**values, **changed})
        shot = {"src": _picture(draw(frame.figure), backdrop), "caption": frame.caption}
        if shot not in frames:
            frames.append(shot)
        return frames.index(shot)

    sweeps, positions_of = [], {}
    for name, control in demo.controls.items():
        positions = _positions_with(_swept(demo, name), values[name])
        for settings in demo.presets.values():
            positions = _positions_with(positions, settings.get(name, values[name]))
        positions_of[name] = positions
        sweeps.append(
            {
                "label": control.label,
                "hint": control.hint,
                "plays": isinstance(control, Player),
                "at": positions.index(values[name]),
                "positions": [control.text(position) for position in positions],
                "frames": [
                    0 if position == values[name] else render({name: position})
                    for position in positions
                ],
            }
        )
    presets = [
        {
            "name": preset,
            "at": [positions_of[name].index({**values, **settings}[name]) for name in values],
            "frame": render(settings),
        }
        for preset, settings in demo.presets.items()
    ]
    return _figure(demo.title, _picture(backdrop), frames, sweeps, presets)


def _swept(demo: Demo, name: str) -> tuple[Any, ...]:
    """All positions; in a film, which is played from its start for each, the ends and the default."""
    control = demo.controls[name]
    if "step" not in demo.controls or name == "step":
        return control.positions
    ends = {control.positions[0], control.default, control.positions[-1]}
    return tuple(position for position in control.positions if position in ends)


def _positions_with(positions: Sequence[Any], value: Any) -> list[Any]:
    if value in positions:
        return list(positions)
    if isinstance(value, int | float):
        return sorted([*positions, value])
    return [value, *positions]


def _picture(pixels: np.ndarray, backdrop: np.ndarray | None = None) -> str:
    """An image's address that holds it all, or what is to be laid over the backdrop: perhaps none."""
    if backdrop is not None and np.array_equal(pixels, backdrop):
        return ""
    data = base64.b64encode(encode_small(pixels, backdrop)).decode()
    return f"data:image/webp;base64,{data}"


def _figure(
    title: str,
    backdrop: str,
    frames: list[dict[str, str]],
    sweeps: list[dict[str, Any]],
    presets: list[dict[str, Any]],
) -> str:
    rows = "".join(_range_row(sweep) for sweep in sweeps)
    film = {"frames": frames, "sweeps": sweeps, "presets": presets}
    data = json.dumps(film).replace("</", "<\\/")
    caption = frames[0]["caption"]
    return f"""<figure class="histmatch-demo" aria-label="{html.escape(title)}">
{_preset_row(presets)}<div class="controls">{rows}</div>
<div class="picture"><img src="{backdrop}" alt="{html.escape(f"{title}. {caption}")}">
<img alt="" hidden></div>
<figcaption><p role="status">{html.escape(caption)}</p>
<small>Each control moves alone here; run the notebook to combine them.</small></figcaption>
<script type="application/json">{data}</script>
</figure>"""


def _range_row(sweep: dict[str, Any]) -> str:
    label, text = html.escape(sweep["label"]), html.escape(sweep["positions"][sweep["at"]])
    play = '<button type="button">Play</button>' if sweep["plays"] else ""
    return (
        f'<label title="{html.escape(sweep["hint"])}"><span>{label}</span>'
        f'<input type="range" min="0" max="{len(sweep["positions"]) - 1}" step="1" '
        f'value="{sweep["at"]}" aria-valuetext="{text}">'
        f'<span class="value" aria-hidden="true">{text}</span></label>{play}'
    )


def _preset_row(presets: list[dict[str, Any]]) -> str:
    if not presets:
        return ""
    buttons = "".join(
        f'<button type="button">{html.escape(preset["name"])}</button>' for preset in presets
    )
    return f'<div class="presets" role="group" aria-label="Presets">{buttons}</div>\n'
