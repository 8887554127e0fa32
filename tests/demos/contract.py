"""What every demo of the course promises, as functions that hold one frame against it."""

from functools import cache

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from histmatch_lab.demos import all_demos

DEMOS = all_demos()


def short(demo):
    return demo.name.rsplit(":")[-1]


def each_demo():
    return pytest.mark.parametrize("demo", DEMOS.values(), ids=short)


def base(demo):
    """Where the others stand while one is moved: an animation at its end, where they show."""
    return {"step": demo.controls["step"].maximum} if "step" in demo.controls else {}


def moves(demo):
    """Each control at its minimum and maximum, and each preset, by a name: all but the defaults."""
    for name, control in demo.controls.items():
        # in order: each of pytest-xdist's workers must find the same tests
        for value in dict.fromkeys((control.positions[0], control.positions[-1])):
            if value != control.default:
                yield f"{short(demo)}-{name}={value}", {name: value}
    for name, settings in demo.presets.items():
        yield f"{short(demo)}-{name}", settings


@cache
def unmoved(demo, at_its_end=True):
    """The pixels at the defaults; of an animation, at its end or at its start."""
    return demo(**(base(demo) if at_its_end else {})).pixels


def check(demo, settings):
    """A frame is finite, says something, is drawn in full, and not the picture of the defaults."""
    frame = demo(**{**base(demo), **settings})
    assert all(np.isfinite(d).all() for axes in frame.figure.axes for d in _data_of(axes))
    assert any(character.isdigit() for character in frame.caption)
    assert frame.caption.strip().endswith((".", "!", "?"))
    assert "nan" not in frame.caption.lower().split()
    canvas = FigureCanvasAgg(frame.figure)
    fast = frame.pixels
    canvas.draw()
    np.testing.assert_array_equal(fast, np.asarray(canvas.buffer_rgba())[..., :3])
    if demo.settings(**settings) != demo.settings():
        still = unmoved(demo, at_its_end="step" not in settings)
        assert (fast != still).any(), "the control does not change the picture"


def _data_of(axes):
    for line in axes.lines:
        yield np.asarray(line.get_xydata(), dtype=float)
    for image in axes.images:
        yield np.ma.filled(np.ma.asarray(image.get_array(), dtype=float), 0)
