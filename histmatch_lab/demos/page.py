"""A demo as a piece of HTML whose sliders work without a kernel: for reports and the site."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Sequence
from typing import Any

from histmatch_lab.demos.controls import Player
from histmatch_lab.demos.demo import Demo
from histmatch_lab.demos.render import encode_small


def to_html(demo: Demo, settings: dict[str, Any] | None = None) -> str:
    """The demo as a piece of HTML with working sliders and no kernel.

    Each control is swept over its stops while the others stay at `settings`: the cost is the
    sum of the controls' stops, not their product. A preset jumps to a frame of its own. The piece
    asks for nothing from anywhere.
    """
    values = demo.settings(**(settings or {}))
    if "step" in values:
        # A film stands at its end, where the other controls show; its play button begins anew.
        values["step"] = demo.controls["step"].stops[-1]
    frames: list[dict[str, str]] = []

    def shoot(changed: dict[str, Any]) -> int:
        frame = demo(**{**values, **changed})
        data, kind = encode_small(frame.figure)
        source = f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
        shot = {"src": source, "says": frame.says}
        if shot not in frames:
            frames.append(shot)
        return frames.index(shot)

    start = shoot({})
    sweeps, stops_of = [], {}
    for name, control in demo.controls.items():
        stops = _stops_with(_swept(demo, name), values[name])
        for settings in demo.presets.values():
            stops = _stops_with(stops, settings.get(name, values[name]))
        stops_of[name] = stops
        sweeps.append(
            {
                "label": control.label,
                "lookFor": control.look_for,
                "plays": isinstance(control, Player),
                "at": stops.index(values[name]),
                "stops": [control.text(stop) for stop in stops],
                "frames": [
                    start if stop == values[name] else shoot({name: stop}) for stop in stops
                ],
            }
        )
    presets = [
        {
            "name": preset,
            "at": [stops_of[name].index({**values, **settings}[name]) for name in values],
            "frame": shoot(settings),
        }
        for preset, settings in demo.presets.items()
    ]
    return _fragment(demo.title, frames, start, sweeps, presets)


def _swept(demo: Demo, name: str) -> tuple[Any, ...]:
    """All stops; in a film, which is played from its start for each, the ends and the default."""
    control = demo.controls[name]
    if "step" not in demo.controls or name == "step":
        return control.stops
    ends = {control.stops[0], control.default, control.stops[-1]}
    return tuple(stop for stop in control.stops if stop in ends)


def _stops_with(stops: Sequence[Any], value: Any) -> list[Any]:
    if value in stops:
        return list(stops)
    if isinstance(value, int | float):
        return sorted([*stops, value])
    return [value, *stops]


def _fragment(
    title: str,
    frames: list[dict[str, str]],
    start: int,
    sweeps: list[dict[str, Any]],
    presets: list[dict[str, Any]],
) -> str:
    rows = "".join(_range_row(sweep) for sweep in sweeps)
    film = {"frames": frames, "sweeps": sweeps, "presets": presets}
    data = json.dumps(film).replace("</", "<\\/")
    shot = frames[start]
    return f"""<figure class="histmatch-demo" aria-label="{html.escape(title)}">
<style>{_CSS}</style>
{_preset_row(presets)}<div class="controls">{rows}</div>
<img src="{shot["src"]}" alt="{html.escape(f"{title}. {shot['says']}")}">
<figcaption role="status">{html.escape(shot["says"])}</figcaption>
<small>Each control moves alone here; run the notebook to combine them.</small>
<script type="application/json">{data}</script>
<script>{_SCRIPT}</script>
</figure>"""


def _range_row(sweep: dict[str, Any]) -> str:
    label, text = html.escape(sweep["label"]), html.escape(sweep["stops"][sweep["at"]])
    play = '<button type="button">Play</button>' if sweep["plays"] else ""
    return (
        f'<label title="{html.escape(sweep["lookFor"])}"><span>{label}</span>'
        f'<input type="range" min="0" max="{len(sweep["stops"]) - 1}" step="1" '
        f'value="{sweep["at"]}" aria-valuetext="{text}"><output>{text}</output></label>{play}'
    )


def _preset_row(presets: list[dict[str, Any]]) -> str:
    if not presets:
        return ""
    buttons = "".join(
        f'<button type="button">{html.escape(preset["name"])}</button>' for preset in presets
    )
    return f'<div class="presets" role="group" aria-label="Presets">{buttons}</div>\n'


_CSS = """
.histmatch-demo { margin: 1em 0; font-family: system-ui, sans-serif; font-size: 14px; }
.histmatch-demo .controls { display: flex; flex-wrap: wrap; gap: .3em 2em; align-items: center; }
.histmatch-demo .presets { display: flex; flex-wrap: wrap; gap: .5em; margin-bottom: .5em; }
.histmatch-demo label { display: flex; gap: .6em; align-items: center; }
.histmatch-demo label span { min-width: 8em; text-align: right; }
.histmatch-demo input { width: 14em; accent-color: #D55E00; }
.histmatch-demo output { min-width: 6em; }
.histmatch-demo img { display: block; max-width: 100%; height: auto; background: white; }
.histmatch-demo small { opacity: .75; }
"""

_SCRIPT = """
(() => {
  const root = document.currentScript.closest("figure");
  const { frames, sweeps, presets } = JSON.parse(root.querySelector('script[type]').textContent);
  const image = root.querySelector("img"), line = root.querySelector("figcaption");
  const title = root.getAttribute("aria-label");
  const inputs = [...root.querySelectorAll("input")];
  const put = (input, sweep, at) => {
    input.value = at;
    input.setAttribute("aria-valuetext", sweep.stops[at]);
    input.nextElementSibling.textContent = sweep.stops[at];
  };
  const show = (frame, at) => {
    inputs.forEach((input, i) => put(input, sweeps[i], at[i]));
    image.src = frame.src;
    image.alt = title + ". " + frame.says;
    line.textContent = frame.says;
  };
  const move = (i) => {
    const at = Number(inputs[i].value);
    show(frames[sweeps[i].frames[at]], sweeps.map((sweep, j) => (j === i ? at : sweep.at)));
  };
  inputs.forEach((input, i) => input.addEventListener("input", () => move(i)));
  root.querySelectorAll(".presets button").forEach((button, i) => {
    button.addEventListener("click", () => show(frames[presets[i].frame], presets[i].at));
  });
  root.querySelectorAll(".controls button").forEach((button) => {
    const i = inputs.indexOf(button.previousElementSibling.querySelector("input"));
    let timer = null;
    const stop = () => { clearInterval(timer); timer = null; button.textContent = "Play"; };
    button.addEventListener("click", () => {
      if (timer) return stop();
      if (inputs[i].value === inputs[i].max) inputs[i].value = 0;
      button.textContent = "Pause";
      timer = setInterval(() => {
        if (inputs[i].value === inputs[i].max) return stop();
        inputs[i].stepUp();
        move(i);
      }, 400);
    });
  });
})();
"""
