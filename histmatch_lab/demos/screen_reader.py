"""What core ipywidgets leave unsaid to a screen reader, said by a script beside the widgets.

A slider's handle has no name, and on a logarithmic slider it tells the exponent; a pressed button
does not tell that it is pressed, one with an icon not what it does; a picture has no alt text. No
trait of theirs mends that. Where no script runs, most of it is still in the page as text: labels,
read-outs, and the line below the picture.
"""

from __future__ import annotations

import ipywidgets as widgets


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


# The script may run before the box is in the page, and before the views in it are made. ipywidgets
# 7 draws its sliders with jQuery, whose handles have no role either; classic notebooks hand over
# `element` as jQuery does.
_SCRIPT = """
const here = element[0] || element;
const PLAYER = { play: "Play", pause: "Pause", stop: "Back to the start", retweet: "Repeat" };
const text = (inside, selector) => inside.querySelector(selector)?.textContent ?? "";
const speak = (demo) => {
  for (const row of demo.querySelectorAll(".widget-slider, .widget-hslider")) {
    const handle = row.querySelector(".noUi-handle, .ui-slider-handle");
    handle?.setAttribute("role", "slider");
    handle?.setAttribute("aria-label", text(row, ".widget-label"));
    handle?.setAttribute("aria-valuetext", text(row, ".widget-readout"));
  }
  for (const row of demo.querySelectorAll(".widget-toggle-buttons")) {
    row.setAttribute("role", "group");
    row.setAttribute("aria-label", text(row, ".widget-label"));
    for (const button of row.querySelectorAll("button")) {
      button.setAttribute("aria-pressed", button.classList.contains("mod-active"));
    }
  }
  for (const icon of demo.querySelectorAll(".widget-play button i")) {
    const does = Object.keys(PLAYER).find((name) => icon.classList.contains("fa-" + name));
    icon.parentElement.setAttribute("aria-label", PLAYER[does] ?? "");
  }
  const picture = demo.querySelector(".widget-image");
  if (picture) picture.alt = text(demo, "[role=status], [role=alert]");
};
const start = (tries) => {
  const demo = here.closest(".histmatch-lab-demo");
  if (!demo) return tries && setTimeout(start, 50, tries - 1);
  speak(demo);
  new MutationObserver(() => speak(demo)).observe(demo, {
    childList: true, subtree: true, characterData: true, attributeFilter: ["class"],
  });
};
start(200);
"""
