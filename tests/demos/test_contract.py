"""What every demo of the course promises: each control at its minimum, default and maximum."""

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from histmatch_lab.demos import all_demos, find_demo
from histmatch_lab.demos.page import to_html
from histmatch_lab.demos.render import draw

DEMOS = all_demos()


def _base(demo):
    """Where the other controls stand while one is moved: a film at its end, where they show."""
    return {"step": demo.controls["step"].steps} if "step" in demo.controls else {}


def _settings():
    for demo in DEMOS.values():
        short = demo.name.rsplit(":")[-1]
        yield pytest.param(demo, {}, id=f"{short}-default")
        for name, control in demo.controls.items():
            # in order: each of pytest-xdist's workers must find the same tests
            for value in dict.fromkeys((control.positions[0], control.positions[-1])):
                if value == control.default:
                    continue
                yield pytest.param(demo, {name: value}, id=f"{short}-{name}={value}")
        for name, settings in demo.presets.items():
            yield pytest.param(demo, settings, id=f"{short}-{name}")


def _data_of(axes):
    for line in axes.lines:
        yield np.asarray(line.get_xydata(), dtype=float)
    for image in axes.images:
        yield np.ma.filled(np.ma.asarray(image.get_array(), dtype=float), 0)


def test_the_course_has_demos():
    assert len(DEMOS) >= 10


@pytest.mark.parametrize(("demo", "settings"), list(_settings()))
def test_a_frame_is_finite_says_something_and_is_drawn_in_full(demo, settings):
    frame = demo(**{**_base(demo), **settings})

    assert all(np.isfinite(d).all() for axes in frame.figure.axes for d in _data_of(axes))
    assert any(character.isdigit() for character in frame.caption)
    assert frame.caption.strip().endswith((".", "!", "?"))
    assert "nan" not in frame.caption.lower().split()

    fast = draw(frame.figure)
    canvas = FigureCanvasAgg(frame.figure)
    canvas.draw()
    np.testing.assert_array_equal(fast, np.asarray(canvas.buffer_rgba())[..., :3])

    if demo.settings(**settings) != demo.settings():
        unmoved = demo() if "step" in settings else demo(**_base(demo))
        assert (fast != draw(unmoved.figure)).any(), "the control does not change the picture"


@pytest.mark.parametrize("demo", DEMOS.values(), ids=lambda demo: demo.name.rsplit(":")[-1])
def test_a_demo_is_labelled_and_pure(demo):
    assert demo.title
    assert all(control.label and control.hint for control in demo.controls.values())
    for axes in demo().figure.axes:
        if axes.axison:
            assert axes.get_xlabel() or not axes.xaxis.get_visible()
    first, again = demo(), demo()
    assert first.caption == again.caption
    np.testing.assert_array_equal(draw(first.figure), draw(again.figure))
    assert find_demo(demo.name) is demo


@pytest.mark.parametrize("demo", DEMOS.values(), ids=lambda demo: demo.name.rsplit(":")[-1])
def test_a_page_without_a_kernel_asks_for_nothing_and_is_small(demo):
    page = to_html(demo)
    assert "http://" not in page
    assert "https://" not in page
    assert page.count("<input") == len(demo.controls)
    assert len(page) < 3_000_000
