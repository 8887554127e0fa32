"""What core ipywidgets don't tell a screen reader, added by a script beside the widgets.

A slider's handle has no name, and a logarithmic slider's announces the exponent; a pressed button
isn't announced as pressed, and one with an icon has no name; a picture has no alt text. No trait of
theirs mends that. Where no script runs, most of it is still in the page as text: labels, read-outs,
and the caption below the picture.
"""

from __future__ import annotations

from pathlib import Path

import ipywidgets as widgets

_SCRIPT = Path(__file__).with_name("screen_reader.js").read_text(encoding="utf-8")


def speak(view: widgets.Box) -> None:
    """Give the sliders, buttons and the picture in a box what a screen reader reads aloud.

    The picture's alt text is the line of role "status" or "alert" in the same box.
    """
    view.add_class("histmatch-lab-demo")
    output = {
        "output_type": "display_data",
        "data": {"application/javascript": _SCRIPT, "text/plain": ""},
        "metadata": {},
    }
    unseen = widgets.Output(outputs=(output,), layout=widgets.Layout(display="none"))
    view.children = (*view.children, unseen)
