"""What every demo of the course promises: each control at its minimum and maximum, each preset."""

import pytest

from tests.demos.contract import DEMOS, check, moves

CASES = [
    pytest.param(demo, settings, id=name)
    for demo in DEMOS.values()
    for name, settings in moves(demo)
]


@pytest.mark.slow
@pytest.mark.parametrize(("demo", "settings"), CASES)
def test_a_move_keeps_the_promise(demo, settings):
    check(demo, settings)
