"""How far the stream was followed, and who waits for more.

The law of this module: it only goes forward, and a wait costs nothing until it is over. Who waits is bounded by who asks: each for a time.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from redline.errors import LogUnavailable
from redline.eventlog.jetstream.waiting import within

if TYPE_CHECKING:
    from redline.clock import Clock


class Progress:
    """``followed`` is the sequence up to which everything was handed over."""

    def __init__(self, clock: Clock, timeout: float) -> None:
        """Take where time comes from, and how long a wait may take (seconds)."""
        self._clock = clock
        self._timeout = timeout
        self._waiters: dict[asyncio.Future[None], int] = {}
        self._soonest = 0
        self.followed = 0

    async def reached(self, seq: int) -> None:
        """Wait until ``seq`` was handed over. Raises LogUnavailable after the timeout, or what :meth:`fail` says."""
        if seq <= self.followed:
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._soonest = min(seq, self._soonest) if self._waiters else seq
        self._waiters[waiter] = seq
        try:
            async with within(self._clock, self._timeout):
                await waiter
        except TimeoutError:
            msg = f"This node did not catch up with the event log within {self._timeout:g} s. Try again shortly."
            raise LogUnavailable(msg) from None
        finally:
            self._waiters.pop(waiter, None)

    def advance(self, seq: int) -> None:
        """Note that everything up to ``seq`` is being handed over. Nobody is woken yet."""
        self.followed = seq

    def wake(self) -> None:
        """Let those go on who waited for no more than there is."""
        if not self._waiters or self._soonest > self.followed:
            return
        for waiter, seq in self._waiters.items():
            if seq <= self.followed and not waiter.done():
                waiter.set_result(None)
        self._soonest = min((seq for seq in self._waiters.values() if seq > self.followed), default=0)

    def fail(self, why: str) -> None:
        """End all waits."""
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_exception(LogUnavailable(why))
