"""A widget for each kind of control: core ipywidgets, alike in 7.7.1 (Colab) and 8."""

from __future__ import annotations

import math
from functools import singledispatch
from typing import Any

import ipywidgets as widgets

from histmatch_lab.demos.controls import Choice, Control, LogSlider, Photograph, Slider, Toggle

TOOLTIP = "description_tooltip" if widgets.__version__.startswith("7") else "tooltip"
_CONTROL_WIDTH = "400px"
_LABEL_WIDTH = "10em"


@singledispatch
def value_widget(control: Control, value: Any) -> widgets.ValueWidget:  # noqa: ARG001
    """The widget whose `value` is the control's value, which starts at `value`."""
    raise TypeError(f"no widget for a control of type {type(control).__name__}")


@value_widget.register
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


@value_widget.register
def _(control: LogSlider, value: Any) -> widgets.ValueWidget:
    return widgets.FloatLogSlider(
        value=value,
        min=math.log10(control.minimum),
        max=math.log10(control.maximum),
        step=0.05,
        readout_format=".4g",
        **_labelled(control),
    )


@value_widget.register
def _(control: Choice, value: Any) -> widgets.ValueWidget:
    # Buttons, since JupyterLab takes a closed chooser's arrow keys for itself.
    options = [(control.text(option), option) for option in control.options]
    look = _labelled(control)
    look["style"] |= {"button_width": "auto"}
    look["layout"] = widgets.Layout(display="flex", width="auto", min_width=_CONTROL_WIDTH)
    return widgets.ToggleButtons(options=options, value=value, **look)


@value_widget.register
def _(control: Toggle, value: Any) -> widgets.ValueWidget:
    return widgets.Checkbox(value=value, indent=True, **_labelled(control))


@value_widget.register
def _(control: Photograph, value: Any) -> widgets.ValueWidget:
    names = [(control.text(name), name) for name in control.options(value)]
    return widgets.Dropdown(options=names, value=value, **_labelled(control))


def _labelled(control: Control) -> dict[str, Any]:
    return {
        "description": control.label,
        "style": {"description_width": _LABEL_WIDTH},
        "layout": widgets.Layout(width=_CONTROL_WIDTH),
        TOOLTIP: control.hint or control.label,
    }


def with_play_button(slider: widgets.IntSlider) -> widgets.HBox:
    play = widgets.Play(min=0, max=slider.max, value=slider.value, interval=150)
    widgets.jslink((play, "value"), (slider, "value"))
    return widgets.HBox([play, slider])
