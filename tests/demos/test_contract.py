"""What every demo of the course promises at its defaults (moved: test_contract_moves)."""

import numpy as np
import pytest

from histmatch_lab.demos import find_demo
from histmatch_lab.demos.page import SCRIPT, STYLE, to_figure
from tests.demos.contract import DEMOS, base, check, each_demo, unmoved


def test_the_course_has_demos():
    assert len(DEMOS) >= 10


@each_demo()
def test_the_defaults_keep_the_promise(demo):
    check(demo, {})


@each_demo()
def test_a_demo_is_labelled_and_pure(demo):
    assert demo.title
    assert all(control.label and control.hint for control in demo.controls.values())
    again = demo(**base(demo))
    for axes in again.figure.axes:
        if axes.axison:
            assert axes.get_xlabel() or not axes.xaxis.get_visible()
    assert again.caption == demo(**base(demo)).caption
    np.testing.assert_array_equal(again.pixels, unmoved(demo))
    assert find_demo(demo.name) is demo


def test_an_unknown_demo_is_refused_by_name():
    with pytest.raises(LookupError, match="no demo is called"):
        find_demo("histmatch_lab.demos.shared:none")


def test_a_page_without_a_kernel_asks_for_nothing_and_is_small():
    """Of one demo; the slow test below has all."""
    check_page(find_demo("histmatch_lab.demos.figures.counting:share_a_pixel"))


@pytest.mark.slow
@each_demo()
def test_each_page_without_a_kernel_asks_for_nothing_and_is_small(demo):
    check_page(demo)


def check_page(demo):
    page = to_figure(demo)
    for part in (page, STYLE, SCRIPT):
        assert "http://" not in part
        assert "https://" not in part
    assert page.count("<input") == len(demo.controls)
    assert len(page) < 3_000_000
