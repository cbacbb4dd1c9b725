"""Clocks that a test moves: one stands still until it is told, one goes on by itself besides.

The law of this module: a test never waits for time to pass; it says how much has passed, and what was due has then been called.
"""

from __future__ import annotations

import asyncio
import heapq
from itertools import count
from typing import TYPE_CHECKING, Protocol

from redline.clock import Clock, SystemClock

if TYPE_CHECKING:
    from collections.abc import Callable

    from redline.clock import Timer


class MovableClock(Clock, Protocol):
    """A clock that a test moves."""

    def advance(self, seconds: float) -> None:
        """Let ``seconds`` pass, making each call that comes due at its own moment."""


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


class _TravelTimer:
    """A call that is made by the machine's time or by :meth:`TravelClock.advance`, whichever comes first."""

    __slots__ = ("_callback", "_handle")

    def __init__(self, callback: Callable[[], None], delay: float) -> None:
        self._callback: Callable[[], None] | None = callback
        self._handle = asyncio.get_running_loop().call_later(max(0.0, delay), self.fire)

    @property
    def done(self) -> bool:
        return self._callback is None

    def cancel(self) -> None:
        self._callback = None
        self._handle.cancel()

    def fire(self) -> None:
        callback = self._callback
        self.cancel()
        if callback is not None:
            callback()


class TravelClock:
    """A :class:`redline.clock.Clock` of the machine's time, which a test can push ahead; it never goes back.

    Tokens that the product under test mints by its own clock are good by this one, until a test lets them end.
    """

    def __init__(self) -> None:
        """Begin at the machine's time."""
        self._system = SystemClock()
        self._ahead = 0.0
        self._timers: list[tuple[float, int, _TravelTimer]] = []
        self._order = count()

    def time(self) -> float:
        """Return seconds since the Unix epoch."""
        return self._system.time() + self._ahead

    def monotonic(self) -> float:
        """Return seconds since some fixed moment."""
        return self._system.monotonic() + self._ahead

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        """Call ``callback`` on the running loop, when the time has come or :meth:`advance` has reached it."""
        while self._timers and self._timers[0][2].done:
            heapq.heappop(self._timers)
        timer = _TravelTimer(callback, when - self.monotonic())
        heapq.heappush(self._timers, (when, next(self._order), timer))
        return timer

    def advance(self, seconds: float) -> None:
        """Let ``seconds`` more pass, making each call that comes due at its own moment. On the loop that the calls belong to."""
        end = self.monotonic() + seconds
        while self._timers and self._timers[0][0] <= end:
            when, _, timer = heapq.heappop(self._timers)
            if not timer.done:
                self._ahead += max(0.0, when - self.monotonic())
                timer.fire()
        self._ahead += max(0.0, end - self.monotonic())
