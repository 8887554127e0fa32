"""A live demo's pictures: remembered, and drawn before the hand gets there.

A reader goes back and forth along a slider. What was drawn once is sent again at once, and
while the kernel is idle the places near the slider's handle are drawn, the nearest first: coarse,
for a hand that moves on, and then in full, for where it lets go.
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

AHEAD = 64  # places at most that nobody asked for
KEPT = 160  # pictures of 100 to 250 kB: some 30 MB
PAUSE = 0.01  # s before a draft, in which the kernel hears what has come
REST = 0.05  # s before a full picture, which keeps a key waiting for longer

State = tuple[tuple[str, Any], ...]


class Drafts:
    """A demo's frames, their drafts and full pictures, by the values of all controls."""

    def __init__(self, demo: Demo) -> None:
        self._demo = demo
        self._frame = lru_cache(maxsize=1)(lambda state: demo(**dict(state)))
        self._picture = lru_cache(maxsize=KEPT)(self._draw)
        self._ahead: asyncio.Task[None] | None = None

    def frame(self, values: Mapping[str, Any]) -> Frame:
        return self._frame(_state(values))

    def draw(self, values: Mapping[str, Any], scale: float, *, draft: bool) -> Sent:
        """The draft, or the full picture at that scale."""
        return self._picture(_state(values), scale, draft)

    def _draw(self, state: State, scale: float, draft: bool) -> Sent:
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

    def draw_ahead(self, values: Mapping[str, Any], moved: str, scale: float) -> None:
        """Where the control `moved` may go next from there, while nothing else is to do.

        scale: of the full pictures.
        """
        self.stop()
        with suppress(RuntimeError):  # outside a kernel no loop runs
            loop = asyncio.get_running_loop()
            self._ahead = loop.create_task(self._draw_neighbours(values, moved, scale))

    def stop(self) -> None:
        """Draw no more ahead."""
        if self._ahead:
            self._ahead.cancel()

    async def _draw_neighbours(self, values: Mapping[str, Any], moved: str, scale: float) -> None:
        here = dict(_state(values))
        stops = stops_of(self._demo.controls[moved], here[moved])
        index = stops.index(here[moved])
        near = sorted(range(len(stops)), key=lambda at: abs(at - index))[1 : AHEAD + 1]
        for pause, draft in ((PAUSE, True), (REST, False)):
            for at in near:
                await asyncio.sleep(pause)
                with suppress(Exception):  # who goes there is told
                    there = here | {moved: stops[at]}
                    self.draw(there, 1.0 if draft else scale, draft=draft)


def _state(values: Mapping[str, Any]) -> State:
    # a browser's sums of steps end in other digits than ours
    return tuple((n, round(v, 10) if isinstance(v, float) else v) for n, v in values.items())
