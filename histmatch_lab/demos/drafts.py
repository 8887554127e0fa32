"""A live demo's coarse pictures: remembered, and drawn before the hand gets there.

A reader goes back and forth along a slider. What was drawn once is sent again at once, and
while the kernel is idle the places near the slider's handle are drawn, the nearest first.
"""

import asyncio
import gc
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Any

from histmatch_lab.demos.controls import stops_of
from histmatch_lab.demos.demo import Demo, Frame
from histmatch_lab.demos.widgets import Sent, sent_of

AHEAD = 64  # drafts at most that nobody asked for
KEPT = 256  # drafts of some 40 kB: a slider's whole track
PAUSE = 0.01  # s between two of them, in which the kernel hears what has come

State = tuple[tuple[str, Any], ...]


class Drafts:
    """A demo's frames and their drafts, by the values of all controls."""

    def __init__(self, demo: Demo) -> None:
        self._demo = demo
        self._frame = lru_cache(maxsize=1)(lambda state: demo(**dict(state)))
        self._draft = lru_cache(maxsize=KEPT)(self._draw)
        self._ahead: asyncio.Task[None] | None = None

    def frame(self, values: Mapping[str, Any]) -> Frame:
        return self._frame(_state(values))

    def draw(self, values: Mapping[str, Any], scale: float, *, draft: bool) -> Sent:
        """The draft, or the full picture at that scale."""
        state = _state(values)
        return self._draft(state) if draft else self._draw(state, scale, draft=False)

    def _draw(self, state: State, scale: float = 1.0, *, draft: bool = True) -> Sent:
        """A figure is full of cycles: one that is not collected young waits until all objects are,
        and that stops a drag for 0.4 s."""
        collects = gc.isenabled()
        gc.disable()
        try:
            return sent_of(self._demo(**dict(state)), scale, draft=draft)
        finally:
            if collects:
                gc.enable()
                gc.collect(0)

    def draw_ahead(self, values: Mapping[str, Any], moved: str) -> None:
        """Where the control `moved` may go next from there, while nothing else is to do."""
        self.stop()
        with suppress(RuntimeError):  # outside a kernel no loop runs
            loop = asyncio.get_running_loop()
            self._ahead = loop.create_task(self._draw_neighbours(dict(_state(values)), moved))

    def stop(self) -> None:
        """Draw no more ahead."""
        if self._ahead:
            self._ahead.cancel()

    async def _draw_neighbours(self, values: dict[str, Any], moved: str) -> None:
        stops = stops_of(self._demo.controls[moved], values[moved])
        here = stops.index(values[moved])
        near = sorted(range(len(stops)), key=lambda at: abs(at - here))
        for at in near[1 : AHEAD + 1]:
            await asyncio.sleep(PAUSE)
            with suppress(Exception):  # the reader is told who goes there
                self._draft(_state(values | {moved: stops[at]}))


def _state(values: Mapping[str, Any]) -> State:
    # a browser's sums of steps end in other digits than ours
    return tuple((n, round(v, 10) if isinstance(v, float) else v) for n, v in values.items())
