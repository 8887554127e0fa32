"""An interactive figure, defined once: a function of its controls that returns a Frame.

    @demo(alpha=LogSlider("α", 1000, 1, 1e5, "When do they meet?"), photo=Photograph())
    def counts_against_kernel(alpha, photo):
        '''Counted and soft histogram of a photograph.'''
        ...
        return Frame(figure, caption=f"The two differ by {gap:.2f} bins.")

The function must depend on nothing but its arguments, and build a new figure on each call.

A figure that unfolds in time (gradient descent, training) is a generator, and `steps=60` gives it
a play button. At each step it yields a function without arguments that draws the Frame of that
step (`yield partial(draw_state, state)`), so that a step nobody looks at costs no picture.

`presets={"sharp": {"alpha": 1e5}}` gives a button that moves several controls at once.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, update_wrapper
from itertools import islice
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from histmatch_lab.demos.controls import Control, Slider
from histmatch_lab.demos.render import draw
from histmatch_lab.demos.style import styled

InPage = Callable[[Mapping[str, Sequence[Any]]], dict[str, Any]]
PLAY_IT = "Play it, or go to a step by hand: what changes first, what last?"


@dataclass(frozen=True)
class Frame:
    """One state of a demo: a figure made for it alone, and a caption.

    The caption is one or two sentences on what the picture shows now, with the numbers that matter.
    They stand under the live picture, are the still's caption and alt text, and are read aloud.
    `after`, a figure of the same size, lies over the first right of a line that the reader drags;
    in a still, where nothing can be dragged, right of the middle.
    """

    figure: Figure
    caption: str
    after: Figure | None = None

    @property
    def figures(self) -> tuple[Figure, ...]:
        return (self.figure, self.after) if self.after else (self.figure,)

    def drawn(self, scale: float = 1.0) -> np.ndarray:
        """The still, (H, W, 3) uint8; scale as of `draw`."""
        pixels, *after = (draw(figure, scale) for figure in self.figures)
        middle, half = pixels.shape[1] // 2, round(1.5 * scale)
        for over in after:
            pixels[:, middle:] = over[:, middle:]
            pixels[:, middle - half : middle + half] = 255
        return pixels


class Demo:
    """A figure's function with the spec of its controls; call it with settings to get a Frame.

    Attributes:
        name: "module:function", by which `find_demo` finds it again.
        title: the first line of the function's docstring.
        controls: the controls by argument name, in order.
        presets: settings of several controls at once, by a name for the reader.
        in_page: if microscope.js computes its picture in the page, what that needs, as JSON; a
            function of the values of each control.
    """

    __wrapped__: Callable[..., Any]

    def __init__(
        self,
        function: Callable[..., Any],
        controls: dict[str, Control],
        presets: Mapping[str, dict[str, Any]],
        in_page: InPage | None = None,
    ) -> None:
        update_wrapper(self, function)  # so that `demo??` shows the figure's own code
        self.name = f"{function.__module__}:{function.__name__}"
        self.title = (inspect.getdoc(function) or function.__name__).splitlines()[0].rstrip(".")
        self.controls = controls
        self.presets = dict(presets)
        self.in_page = in_page
        for settings in self.presets.values():
            self.settings(**settings)
            self._resolve(settings)
        # The last two runs: a reader goes back and forth between two settings.
        self._animation = lru_cache(maxsize=2)(lambda values: _player(self._run(dict(values))))

    @styled
    def __call__(self, **settings: Any) -> Frame:
        """The Frame at these settings; a control that is not named stands at its default."""
        values = self.settings(**settings)
        if "step" not in values:
            frame: Frame = self._run(values)
            return frame
        [step] = self._resolve({"step": values.pop("step")}).values()
        return self._animation(tuple(values.items()))(step)

    def settings(self, **settings: Any) -> dict[str, Any]:
        """All controls' values, in order: those given, else the defaults."""
        unknown = settings.keys() - self.controls.keys()
        if unknown:
            known = ", ".join(self.controls)
            raise TypeError(f"{self.name} has no control {min(unknown)!r}; it has {known}")
        return {name: settings.get(name, c.default) for name, c in self.controls.items()}

    def _run(self, values: Mapping[str, Any]) -> Any:
        return self.__wrapped__(**self._resolve(values))

    def _resolve(self, values: Mapping[str, Any]) -> dict[str, Any]:
        return {name: self.controls[name].resolve(value) for name, value in values.items()}


def _player(steps: Iterator[Callable[[], Frame]]) -> Callable[[int], Frame]:
    """Draws an animation's frame of a step, or its last; steps are computed when first needed."""
    drawers: list[Callable[[], Frame]] = []

    def frame(step: int) -> Frame:
        drawers.extend(islice(steps, max(0, step + 1 - len(drawers))))
        return drawers[min(step, len(drawers) - 1)]()

    return frame


def demo(
    *,
    steps: int | None = None,
    presets: Mapping[str, dict[str, Any]] | None = None,
    in_page: InPage | None = None,
    **controls: Control,
) -> Callable[[Callable[..., Any]], Demo]:
    """Make a Demo of a function of these controls (see the module's docstring).

    What a preset does not set stays as the reader has it. Raises TypeError where the controls are
    not the function's arguments or a preset's control is unknown, ValueError where a preset is out
    of its control's range.
    """

    def wrap(function: Callable[..., Any]) -> Demo:
        parameters = list(inspect.signature(function).parameters)
        if parameters != list(controls):
            raise TypeError(
                f"the controls of {function.__name__} must be its arguments {parameters}, "
                f"got {list(controls)}"
            )
        if inspect.isgeneratorfunction(function) != (steps is not None):
            raise TypeError(f"{function.__name__}: `steps` goes with a generator, and only there")
        player = {} if steps is None else {"step": Slider("step", 0, 0, steps, PLAY_IT, step=1)}
        return Demo(function, {**controls, **player}, presets or {}, in_page)

    return wrap
