"""Pictures that are there before the hand is."""

import asyncio
import gc
import weakref

import pytest

from histmatch_lab.demos import Frame, demo, drafts
from histmatch_lab.demos.controls import Slider, Toggle
from histmatch_lab.demos.drafts import Drafts
from histmatch_lab.demos.style import subplots

drawn: list[float] = []


@demo(gain=Slider("gain", 0.5, 0.0, 1.0, step=0.1), strict=Toggle("strict"))
def gains(gain, strict):
    """Gains."""
    drawn.append(gain)
    if strict and gain > 0.6:
        raise ZeroDivisionError
    figure, _ = subplots(height=1.5)
    return Frame(figure, caption=f"gain {gain:.2f}")


@pytest.fixture
def fresh():
    drawn.clear()
    return Drafts(gains)


def at(gain, strict=False):
    return {"gain": gain, "strict": strict}


def draft_of(fresh, values):
    return fresh.draw(values, 1.0, draft=True)


async def _idle(fresh, gain, *, strict=False, until=40):
    """The gains that are drawn ahead from there, until so many are; all, if there are fewer."""
    fresh.draw_ahead(at(gain, strict), "gain", scale=2.0)
    for _ in range(200):
        await asyncio.sleep(drafts.PAUSE)
        if len(drawn) >= until:
            break
    fresh.stop()
    return list(drawn)


def test_a_draft_is_drawn_once_however_many_are_drawn_between(fresh):
    first = draft_of(fresh, at(0.2))
    assert fresh.frame(at(0.2)).caption == first.about["caption"] == "gain 0.20"
    drawn.clear()
    for gain in (0.4, 0.6, 0.8, 1.0, 0.0):
        draft_of(fresh, at(gain))
    assert draft_of(fresh, at(0.2)) is first
    assert drawn == [0.4, 0.6, 0.8, 1.0, 0.0]


def test_a_draft_leaves_no_figure_for_the_next_collection_of_all_garbage(fresh, monkeypatch):
    made = []
    monkeypatch.setattr(
        drafts, "sent_of", lambda frame, *_, **__: made.append(weakref.ref(frame.figure))
    )
    gc.collect()
    for draft in (True, False):
        fresh.draw(at(0.2), 1.0, draft=draft)
    assert [figure() for figure in made] == [None, None]
    assert gc.isenabled()


def test_a_reader_who_collects_by_hand_still_does(fresh):
    gc.disable()
    try:
        draft_of(fresh, at(0.2))
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_a_browsers_sum_of_steps_is_the_same_place(fresh):
    draft_of(fresh, at(0.3))
    draft_of(fresh, at(0.1 + 0.2))
    assert drawn == [0.3]


def test_while_idle_all_are_drawn_the_nearest_first_and_then_in_full(fresh):
    found = asyncio.run(_idle(fresh, 0.3, until=20))
    assert len(set(found[:10])) == 10
    assert found[:10] == sorted(found[:10], key=lambda gain: round(abs(gain - 0.3), 5))
    assert found[10:] == found[:10]
    before = list(drawn)
    draft = draft_of(fresh, at(1.0))
    full = fresh.draw(at(1.0), 2.0, draft=False)
    assert drawn == before, "they were there"
    assert (draft.about["draft"], full.about["draft"]) == (True, False)
    assert len(full.images[0]) > len(draft.images[0])


def test_from_between_two_steps_there_are_neighbours_too(fresh):
    assert asyncio.run(_idle(fresh, 0.33, until=2)) == [0.3, 0.4]


def test_a_new_place_ends_what_was_drawn_ahead_of_the_last_one(fresh):
    async def moved():
        await _idle(fresh, 0.3, until=2)  # which stops it
        count = len(drawn)
        await asyncio.sleep(20 * drafts.PAUSE)
        return len(drawn) - count

    assert asyncio.run(moved()) == 0


def test_what_cannot_be_drawn_is_told_only_to_who_goes_there(fresh):
    found = asyncio.run(_idle(fresh, 0.5, strict=True, until=10))
    assert {0.7, 0.8, 0.9, 1.0} < set(found)
    with pytest.raises(ZeroDivisionError):
        draft_of(fresh, at(0.7, strict=True))


def test_only_so_many_are_drawn_ahead(fresh, monkeypatch):
    monkeypatch.setattr(drafts, "AHEAD", 3)
    assert sorted(asyncio.run(_idle(fresh, 0.5))) == sorted(2 * [0.3, 0.4, 0.6])


def test_outside_a_kernel_nothing_is_drawn_ahead(fresh):
    fresh.draw_ahead(at(0.5), "gain", scale=2.0)
    assert drawn == []
