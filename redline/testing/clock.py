"""A clock that stands still until it is told.

The law of this module: a test never waits for time to pass; it says how much has passed, and what was due has then been called.
"""

from __future__ import annotations

import heapq
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from redline.clock import Timer


class ManualTimer:
    """A call that waits for its time."""

    __slots__ = ("callback",)

    def __init__(self, callback: Callable[[], None]) -> None:
        """Take what to call."""
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        """Do not make the call."""
        self.callback = None


class ManualClock:
    """A :class:`redline.clock.Clock` under the test's control."""

    def __init__(self, start: float = 1_795_341_600.0) -> None:
        """Take the Unix time to begin at; the default is 2026-11-22T10:00:00Z."""
        self._time = start
        self._monotonic = 1000.0
        self._timers: list[tuple[float, int, ManualTimer]] = []
        self._order = count()

    def time(self) -> float:
        """Return the present Unix time."""
        return self._time

    def monotonic(self) -> float:
        """Return the present monotonic time."""
        return self._monotonic

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        """Call ``callback`` when :meth:`advance` reaches ``when``."""
        timer = ManualTimer(callback)
        heapq.heappush(self._timers, (when, next(self._order), timer))
        return timer

    def advance(self, seconds: float) -> None:
        """Let ``seconds`` pass, making each call that comes due at its own moment."""
        end = self._monotonic + seconds
        while self._timers and self._timers[0][0] <= end:
            when, _, timer = heapq.heappop(self._timers)
            self._move(max(when, self._monotonic))
            if timer.callback is not None:
                timer.callback()
        self._move(end)

    def set_time(self, unix: float) -> None:
        """Set the wall clock alone, as an administrator or NTP would."""
        self._time = unix

    def _move(self, monotonic: float) -> None:
        self._time += monotonic - self._monotonic
        self._monotonic = monotonic
