"""How far the stream was followed, who is told of it, and who waits for more.

The law of this module: it only goes forward, each message is handed on once, and a hole is named before what comes after it. A wait costs
nothing until it is over; who waits is bounded by who asks, each for a time.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final, Protocol

from redline.clock import within
from redline.errors import LogUnavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from redline.clock import Clock
    from redline.eventlog.jetstream.wire import Message

_logger = logging.getLogger(__name__)

_NEVER: Final = 1 << 63


class Listener(Protocol):
    """Who is told, on the loop. None of these may fail."""

    def on_messages(self, messages: Sequence[Message]) -> None:
        """Take what came since the last turn of the loop, in order; sequences follow one another without a hole."""

    def on_jump(self, first_missing: int, following: int) -> None:
        """Note that the sequences from ``first_missing`` to before ``following`` were evicted before they came here."""

    def on_lost(self) -> None:
        """Note that the stream is gone, is another one, or has lost what was followed. Nothing more comes until :meth:`Following.start`."""


class Progress:
    """``followed`` is the sequence up to which everything was handed over, ``times`` how often the stream was taken up."""

    def __init__(self, clock: Clock, timeout: float, listener: Listener) -> None:
        """Take where time comes from, how long a wait may take (seconds), and whom to tell."""
        self._clock = clock
        self._timeout = timeout
        self._listener = listener
        self._waiters: dict[asyncio.Future[None], int] = {}
        self._soonest = 0
        self._newest: Message | None = None
        self._due: int | None = None
        self.times = 0
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
            del waiter  # it holds the error, and that its frames: this one, and whoever waits

    def learn(self, due: int | None) -> None:
        """Learn up to where the stream was when it was last looked at; None while it is not followed, and nobody knows."""
        self.times += due is not None and self._due is None
        self._due = due
        if due is not None:
            for waiter, seq in self._waiters.items():
                if seq == _NEVER and not waiter.done():
                    waiter.set_result(None)

    @property
    def behind(self) -> bool:
        """Tell whether that has not all come yet."""
        return self._due is None or self.followed < self._due

    async def caught_up(self) -> None:
        """Wait until it has. Raises as :meth:`reached`."""
        while self._due is None:
            await self.reached(_NEVER)
        await self.reached(self._due)

    def begin(self, after: int) -> None:
        """Begin after a sequence."""
        self.followed = after
        self._newest = self._due = None

    async def stands(self, get: Callable[[int], Awaitable[Message | None]]) -> bool:
        """Tell whether what was handed on last is what the stream has there. What it has no more proves nothing.

        A stream that was brought back from a backup has its key as before, and is soon as long again, of other events.
        """
        if self._newest is None:
            self._newest = await get(self.followed) if self.followed else None
            return True
        return await get(self._newest.seq) in {None, self._newest}

    def take(self, messages: Sequence[Message]) -> None:
        """Hand messages on that the stream has one after the other, in runs without a hole."""
        start = 0
        while start < len(messages):
            first = messages[start].seq
            if first != self.followed + 1:
                self._tell(self._listener.on_jump, self.followed + 1, first)
            stop = len(messages)
            if messages[-1].seq - first != stop - 1 - start:
                stop = next(at for at in range(start + 1, stop) if messages[at].seq != messages[at - 1].seq + 1)
            run = messages[start:stop]
            self._newest = run[-1]
            self.followed = self._newest.seq
            self._tell(self._listener.on_messages, run)
            start = stop
        self._wake()

    def skip(self, last: int) -> None:
        """Note that up to ``last`` there is nothing more to come."""
        if last > self.followed:
            first, self.followed = self.followed + 1, last
            self._tell(self._listener.on_jump, first, last + 1)
            self._wake()

    def _tell(self, call: Callable[..., None], *args: object) -> None:
        try:
            call(*args)
        except Exception:
            _logger.exception("The event log failed on what came from its stream, up to %d.", self.followed)

    def _wake(self) -> None:
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
