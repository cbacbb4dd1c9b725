"""Processes in simulated time.

The law of this module: time passes only by waking the process whose turn is next, and two processes due at once wake in the order in which
they were set. So what happens depends on what was said, never on when anyone looked.
"""

from __future__ import annotations

import heapq
from collections.abc import Generator
from itertools import count
from typing import TypeAlias, TypeVar

_Answer = TypeVar("_Answer")

Doing: TypeAlias = Generator[float, None, _Answer]
"""A part of a process: it yields the seconds that it wants to sleep, and comes to an answer."""
Process: TypeAlias = Doing[None]


class Agenda:
    """Who sleeps until when; as large as there are processes alive. Seconds are counted from the simulation's beginning."""

    def __init__(self) -> None:
        """Begin at 0, with nobody."""
        self.now = 0.0
        self._sleeping: list[tuple[float, int, Process]] = []
        self._order = count()

    def __len__(self) -> int:
        """Return how many processes are alive."""
        return len(self._sleeping)

    @property
    def next(self) -> float:
        """When the next process wakes; infinity when all have ended."""
        return self._sleeping[0][0] if self._sleeping else float("inf")

    def spawn(self, process: Process, delay: float = 0.0) -> None:
        """Let ``process`` begin ``delay`` seconds from now."""
        heapq.heappush(self._sleeping, (self.now + delay, next(self._order), process))

    def wake_next(self) -> None:
        """Pass to the next waking, and let that process run until it sleeps again or ends. Raises ``IndexError`` when all have ended."""
        self.now, _, process = heapq.heappop(self._sleeping)
        for seconds in process:
            self.spawn(process, seconds)
            return
