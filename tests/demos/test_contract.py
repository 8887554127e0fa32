"""What every demo of the course promises, at its defaults and wherever a control is moved."""

from functools import cache

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from histmatch_lab.demos import all_demos, find_demo
from histmatch_lab.demos.page import SCRIPT, to_figure
from histmatch_lab.demos.render import draw
from tests.publish.small_demo import bump

DEMOS = all_demos()
assert len(DEMOS) >= 10


def short(demo):
    return demo.name.rsplit(":")[-1]


each_demo = pytest.mark.parametrize("demo", DEMOS.values(), ids=short)


def base(demo):
    """Where the others stand while one is moved: an animation at its end, where they show."""
    return {"step": demo.controls["step"].maximum} if "step" in demo.controls else {}


def moves(demo):
    """Each control at its minimum and maximum, and each preset, by a name: all but the defaults."""
    for name, control in demo.controls.items():
        # in order: each of pytest-xdist's workers must find the same tests
        for value in dict.fromkeys((control.positions[0], control.positions[-1])):
            if value != control.default:
                yield pytest.param(demo, {name: value}, id=f"{short(demo)}-{name}={value}")
    for name, settings in demo.presets.items():
        yield pytest.param(demo, settings, id=f"{short(demo)}-{name}")


@cache
def unmoved(demo, at_its_end=True):
    """The pixels at the defaults; of an animation, at its end or at its start."""
    return demo(**(base(demo) if at_its_end else {})).drawn()


def check(demo, settings):
    """A frame is finite, says something, is drawn in full, and not the picture of the defaults."""
    frame = demo(**{**base(demo), **settings})
    assert all(np.isfinite(d).all() for axes in frame.figure.axes for d in _data_of(axes))
    assert any(character.isdigit() for character in frame.caption)
    assert frame.caption.strip().endswith((".", "!", "?"))
    assert "nan" not in frame.caption.lower().split()
    for figure in frame.figures:
        fast, canvas = draw(figure), FigureCanvasAgg(figure)
        canvas.draw()
        off = np.abs(fast.astype(int) - np.asarray(canvas.buffer_rgba())[..., :3])
        assert off.max() <= 2
        for legend in [*figure.legends, *filter(None, (a.get_legend() for a in figure.axes))]:
            left, low, right, high = legend.get_window_extent().extents
            off[int(len(off) - high) : int(len(off) - low) + 1, int(left) : int(right) + 1] = 0
        assert not off.any(), "only a legend's edges may differ"
    if demo.settings(**settings) != demo.settings():
        still = unmoved(demo, at_its_end="step" not in settings)
        assert not np.array_equal(frame.drawn(), still), "the control does not change the picture"


def _data_of(axes):
    for line in axes.lines:
        yield np.asarray(line.get_xydata(), dtype=float)
    for image in axes.images:
        yield np.ma.filled(np.ma.asarray(image.get_array(), dtype=float), 0)


@each_demo
def test_the_defaults_keep_the_promise(demo):
    check(demo, {})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("demo", "settings"), [case for demo in DEMOS.values() for case in moves(demo)]
)
def test_a_move_keeps_the_promise(demo, settings):
    check(demo, settings)


@each_demo
def test_a_demo_is_labelled_and_pure(demo):
    assert demo.title
    assert all(control.label and control.hint for control in demo.controls.values())
    again = demo(**base(demo))
    for axes in again.figure.axes:
        if axes.axison:
            assert axes.get_xlabel() or not axes.xaxis.get_visible()
    assert again.caption == demo(**base(demo)).caption
    np.testing.assert_array_equal(again.drawn(), unmoved(demo))
    assert find_demo(demo.name) is demo


def test_an_unknown_demo_is_refused_by_name():
    with pytest.raises(LookupError, match="no demo is called"):
        find_demo("histmatch_lab.demos.shared:none")


def test_a_page_without_a_kernel_asks_for_nothing():
    """Of one demo; those of the whole site are looked at in a browser."""
    page = to_figure(bump)
    for part in (page, SCRIPT):
        assert "http://" not in part
        assert "https://" not in part
    assert page.count('"kind": ') == len(bump.controls)
