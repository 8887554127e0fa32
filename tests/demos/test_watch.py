"""Training under a live figure: what is shown, what stays, and how it ends early."""

import asyncio

import pytest
from ipywidgets import Button

from histmatch_lab import EnhancementLoss, HDRNet, seed_everything
from histmatch_lab.data.tasks import TaskPairs
from histmatch_lab.demos.figures.learning import before_and_after, training_so_far
from histmatch_lab.demos.live import watch
from histmatch_lab.recipe import Preset
from histmatch_lab.training.loop import train


@pytest.fixture
def steps():
    seed_everything(0)
    network = HDRNet(low_resolution=32, width=4, hidden=(8,), grid_size=8, depth=4)
    loss = EnhancementLoss("l2+histmatch", lam=0.1, units="intensity")
    return train(network, TaskPairs("retouch", crop=32), loss, Preset(1, 4, 2e-3, 1e-3))


def test_a_still_of_the_last_state_replaces_the_live_figure(steps, published):
    history = asyncio.run(watch(steps, training_so_far, seconds=0))
    assert [s.number for s in history] == list(range(1, 19))
    first, last = published[0]["data"], published[-1]["data"]
    assert "application/vnd.jupyter.widget-view+json" in first
    assert published[-1]["update"] is True
    assert last["text/plain"].startswith("Step 18 of 18: loss")
    assert f'alt="{last["text/plain"]}"' in last["text/html"]


@pytest.mark.usefixtures("published")
def test_the_button_stops_it(steps, monkeypatch):
    button = Button()
    monkeypatch.setattr("histmatch_lab.demos.live.widgets.Button", lambda **_: button)

    def draw(history):
        if len(history) == 4:
            button.click()
        return training_so_far(history)

    assert len(asyncio.run(watch(steps, draw, seconds=0))) == 5
    with pytest.raises(StopIteration):
        next(steps)


def _interrupt():
    raise KeyboardInterrupt


def _cancel():
    """What ipykernel does to an awaiting cell on an interrupt."""
    asyncio.current_task().cancel()


@pytest.mark.usefixtures("published")
@pytest.mark.parametrize(("stop", "drawn"), [(_interrupt, [1, 2, 3, 3]), (_cancel, [1, 2, 3, 4])])
def test_an_interrupt_or_a_cancelled_cell_stops_it(steps, stop, drawn):
    numbers = []

    def draw(history):
        numbers.append(len(history))
        if numbers == [1, 2, 3]:
            stop()
        return training_so_far(history)

    assert len(asyncio.run(watch(steps, draw, seconds=0))) == drawn[-1]
    assert numbers == drawn


def test_before_and_after_says_both_psnrs():
    pairs = TaskPairs("retouch").test_pairs()[:2]
    frame = before_and_after(lambda image: image * 0.9, pairs)
    assert all(pair.name in frame.caption for pair in pairs)
    assert len(frame.figure.axes) == 6
