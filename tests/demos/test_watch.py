"""Training under a live figure: what is shown, what stays, and how it ends early."""

import asyncio
from contextlib import closing
from itertools import count, islice
from unittest.mock import Mock

import pytest
from ipywidgets import Button, IntProgress, Label

from histmatch_lab import EnhancementLoss, HDRNet, seed_everything
from histmatch_lab.data.images import to_levels
from histmatch_lab.data.tasks import TaskPairs
from histmatch_lab.demos.figures.learning import before_and_after, training_so_far
from histmatch_lab.demos.live import watch
from histmatch_lab.recipe import Preset
from histmatch_lab.training.loop import train


@pytest.fixture
def training():
    """The steps, and what draws them."""
    seed_everything(0)
    network = HDRNet(low_resolution=32, width=4, hidden=(8,), grid_size=8, depth=4)
    loss = EnhancementLoss("l2+histmatch", lam=0.1, units="intensity")
    pairs = TaskPairs("retouch", crop=32)
    training = train(network, pairs, loss, Preset(1, 12, 2e-3, 1e-3))
    return training, training_so_far(network, pairs.test_pairs()[0])


def test_a_still_of_the_last_state_replaces_the_live_figure(training, published):
    history = asyncio.run(watch(*training, seconds=0))
    assert [s.number for s in history] == list(range(1, 7))
    first, last = published[0]["data"], published[-1]["data"]
    assert "application/vnd.jupyter.widget-view+json" in first
    assert published[-1]["update"] is True
    assert last["text/plain"].startswith("Step 6 of 6: loss")
    assert f'alt="{last["text/plain"]}"' in last["text/html"]


def test_the_button_stops_it_and_the_still_says_where(training, published, monkeypatch):
    button, (steps, draw) = Button(), training
    monkeypatch.setattr("histmatch_lab.demos.live.widgets.Button", lambda **_: button)

    def draw_and_stop(history):
        if len(history) == 4:
            button.click()
        return draw(history)

    assert len(asyncio.run(watch(steps, draw_and_stop, seconds=0))) == 5
    assert published[-1]["data"]["text/plain"].startswith("Stopped at step 5 of 6. Step 5 of 6:")
    with pytest.raises(StopIteration):
        next(steps)


@pytest.mark.usefixtures("published")
def test_a_click_on_its_way_through_the_kernel_is_heard_at_the_next_step(training, monkeypatch):
    button, (steps, draw) = Button(), training
    monkeypatch.setattr("histmatch_lab.demos.live.widgets.Button", lambda **_: button)

    def travel(turns):
        """ipykernel hands a message on in some five turns of the loop."""
        if turns == 0:
            return button.click()
        return asyncio.get_running_loop().call_soon(travel, turns - 1)

    def draw_and_stop(history):
        if len(history) == 4:
            travel(8)
        return draw(history)

    assert len(asyncio.run(watch(steps, draw_and_stop, seconds=0))) == 5


@pytest.mark.usefixtures("published")
def test_it_says_how_far_it_is_and_how_long_it_will_take(training, monkeypatch):
    bar, label, said = IntProgress(), Label(), []
    monkeypatch.setattr("histmatch_lab.demos.live.widgets.IntProgress", lambda **_: bar)
    monkeypatch.setattr("histmatch_lab.demos.live.widgets.Label", lambda **_: label)
    label.observe(lambda _: said.append((bar.value, bar.max, label.value)), "value")
    # the clock goes on by a second each time that it is read: three times for each step
    monkeypatch.setattr("histmatch_lab.demos.live.time", Mock(monotonic=count().__next__))
    asyncio.run(watch(*training))
    assert said[0] == (2, 6, "about 12 s left")
    assert said[-1] == (6, 6, "about 0 s left")


def test_it_shows_the_network_as_it_is_at_each_step_on_one_picture(training):
    steps, draw = training
    pair = TaskPairs("retouch").test_pairs()[0]
    seen = []
    with closing(steps):
        for step in islice(steps, 3):
            frame = draw([step])
            shown, target = (axes.images[0].get_array() for axes in frame.figure.axes[:2])
            seen.append(shown)
            assert (target == to_levels(pair.target.movedim(0, -1))).all()
    assert (seen[0] != seen[2]).any()


def _interrupt():
    raise KeyboardInterrupt


def _cancel():
    """What ipykernel does to an awaiting cell on an interrupt."""
    asyncio.current_task().cancel()


@pytest.mark.usefixtures("published")
@pytest.mark.parametrize(("stop", "drawn"), [(_interrupt, [1, 2, 3, 3]), (_cancel, [1, 2, 3, 4])])
def test_an_interrupt_or_a_cancelled_cell_stops_it(training, stop, drawn):
    numbers, (steps, draw) = [], training

    def draw_and_stop(history):
        numbers.append(len(history))
        if numbers == [1, 2, 3]:
            stop()
        return draw(history)

    assert len(asyncio.run(watch(steps, draw_and_stop, seconds=0))) == drawn[-1]
    assert numbers == drawn


def test_before_and_after_says_both_psnrs():
    pairs = TaskPairs("retouch").test_pairs()[:2]
    frame = before_and_after(lambda image: image * 0.9, pairs)
    assert all(pair.name in frame.caption for pair in pairs)
    assert len(frame.figure.axes) == 6
