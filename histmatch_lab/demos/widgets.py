"""A widget for each kind of control: core ipywidgets, alike in 7.7.1 (Colab) and 8."""

import math
from typing import Any

import ipywidgets as widgets

from histmatch_lab.demos.controls import Choice, Control, LogSlider, Photograph, Slider, Toggle

TOOLTIP = "description_tooltip" if widgets.__version__.startswith("7") else "tooltip"
_CONTROL_WIDTH = "400px"
_LABEL_WIDTH = "10em"


def value_widget(control: Control, value: Any) -> widgets.ValueWidget:
    """The widget whose `value` is the control's value, which starts at `value`."""
    look = {
        "description": control.label,
        "style": {"description_width": _LABEL_WIDTH},
        "layout": widgets.Layout(width=_CONTROL_WIDTH),
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
            low, high = math.log10(control.minimum), math.log10(control.maximum)
            return widgets.FloatLogSlider(
                min=low, max=high, step=0.05, readout_format=".4g", **look
            )
        case Choice():
            # Buttons, since JupyterLab takes a closed chooser's arrow keys for itself.
            look["style"] |= {"button_width": "auto"}
            look["layout"] = widgets.Layout(display="flex", width="auto", min_width=_CONTROL_WIDTH)
            return widgets.ToggleButtons(options=_texts(control, control.options), **look)
        case Toggle():
            return widgets.Checkbox(indent=True, **look)
        case Photograph():
            return widgets.Dropdown(options=_texts(control, control.options(value)), **look)


def _texts(control: Control, values: Any) -> list[tuple[str, Any]]:
    return [(control.text(value), value) for value in values]


def with_play_button(slider: widgets.IntSlider) -> widgets.HBox:
    play = widgets.Play(min=0, max=slider.max, value=slider.value, interval=150)
    widgets.jslink((play, "value"), (slider, "value"))
    return widgets.HBox([play, slider])
