"""Work that is due soon but not now, a little in each turn of the event loop.

The law of this module: whatever waits here, a turn of the loop does only so much of it, first come first served; so a thousand readers who
come back at once, each with a page of history to be written, hold up no live event for longer than a few pages take.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

SHARE: Final = 16
"""How many callbacks a turn makes. A page of 64 KiB takes about 0.1 ms to cut, to join and to write."""


class Turns:
    """Callbacks in the order in which they came. One for each broker; used on one event loop."""

    __slots__ = ("_scheduled", "_waiting")

    def __init__(self) -> None:
        """Begin with none."""
        self._waiting: deque[Callable[[], None]] = deque()
        self._scheduled = False

    def __len__(self) -> int:
        """Return how many wait: at most one a stream, as each asks for its next turn when it has had the last."""
        return len(self._waiting)

    def soon(self, callback: Callable[[], None]) -> None:
        """Call back in the next turn of the loop, or in one after it where many wait."""
        self._waiting.append(callback)
        self._schedule()

    def clear(self) -> None:
        """Forget all that wait, and the turn that was asked for: the next may be on another loop."""
        self._waiting.clear()
        self._scheduled = False

    def _schedule(self) -> None:
        if self._waiting and not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        self._scheduled = False
        try:
            for _ in range(min(SHARE, len(self._waiting))):
                self._waiting.popleft()()
        finally:
            self._schedule()
