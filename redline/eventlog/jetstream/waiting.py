"""Waiting, on the service's clock.

The law of this module: whoever waits for NATS waits no longer than it said, and by :mod:`redline.clock`, so that tests can say what time it
is.
"""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from redline.clock import Clock

_FIRST: Final = 0.05
_MOST: Final = 2.0


async def pause(clock: Clock, seconds: float) -> None:
    """Wait for ``seconds``."""
    over = asyncio.Event()
    timer = clock.call_at(clock.monotonic() + seconds, over.set)
    try:
        await over.wait()
    finally:
        timer.cancel()


class Backoff:
    """How long to wait before the next attempt: twice as long each time, up to two seconds, and by chance somewhat less.

    By chance, because all nodes of a cluster lose a server at the same moment.
    """

    def __init__(self, chance: random.Random | None = None) -> None:
        """Take where chance comes from; by default from where all of Python takes it, since one of its own costs more than it is worth."""
        self._uniform = random.uniform if chance is None else chance.uniform
        self._next = _FIRST

    def reset(self) -> None:
        """Begin anew: it went well."""
        self._next = _FIRST

    def delay(self) -> float:
        """Return the seconds to wait now."""
        longest, self._next = self._next, min(_MOST, self._next * 2)
        return longest * self._uniform(0.5, 1.0)
