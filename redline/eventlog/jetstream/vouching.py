"""Whose an acknowledgement is.

The law of this module: an event is answered for only where the stream that took it is the one that this node follows. An acknowledgement
names a stream by name and a sequence, and says nothing of the key under which the event's id would be sealed: where the stream was deleted
and made anew by another node a moment ago, it is the new one's. What the old one still sends proves it alive, without a question to
anybody; only where it has been silent for long enough is it asked for.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from redline.clock import within
from redline.errors import LogUnavailable
from redline.eventlog.jetstream.stream import inspect

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redline.clock import Clock
    from redline.eventlog.jetstream.connection import Connection
    from redline.eventlog.jetstream.following import Following
    from redline.eventlog.jetstream.publishing import Ack

_FASTEST: Final = 250_000.0
"""More events a second than a stream ever takes: in the time since the old one was heard of, a new one has come to no higher sequence."""
_COMING: Final = 0.05
"""How long (seconds) the event itself may take to come back from the stream before that is asked for its key."""


class Vouching:
    """Tells acknowledgements of the stream that is followed from those of another one of its name."""

    def __init__(self, connection: Connection, name: str, following: Following, clock: Clock) -> None:
        """Take what to ask on and of which stream, what follows it, and where time comes from."""
        self._connection = connection
        self._name = name
        self._following = following
        self._clock = clock
        self._coming: asyncio.Event | None = None
        self._late = False
        self._turn = asyncio.Lock()
        self._asked = self._answered = 0
        self._key: bytes | None = None

    async def vouch(self, key: bytes, before: int, acks: Sequence[Ack]) -> bool:
        """Tell whether these are acknowledgements of the stream of that key.

        ``before`` is what this node had followed when the events were sent: what is new comes after it. Raises LogUnavailable where that
        cannot be found out.
        """
        new = [ack.seq for ack in acks if not ack.duplicate]
        if new and min(new) <= before:
            return self._refute()
        if len(new) == len(acks) and await self._proven(new):
            return True
        return await self._ask() == key or self._refute()

    async def _proven(self, new: Sequence[int]) -> bool:
        """Tell whether what was heard of the stream says enough; of a duplicate it never does, for what came first may stand anywhere."""
        least, most = min(new), max(new)
        while not self._says_enough(least, most):
            if not await self._comes(most):
                return False
        return True

    def _says_enough(self, least: int, most: int) -> bool:
        # What was published has come back; or the highest sequence that another stream can have come to since this one was heard of.
        following = self._following
        return most <= following.followed or (self._clock.monotonic() - following.heard) * _FASTEST < least

    async def _comes(self, seq: int) -> bool:
        """Wait until what was published has come back, for as long as that may take; tell whether something has.

        Once for all who wait: what comes for one was heard for all.
        """
        if (event := self._coming) is not None:
            await event.wait()
            return not self._late
        self._coming, self._late = (event := asyncio.Event()), False
        try:
            async with within(self._clock, _COMING):
                await self._following.reached(seq)
        except (TimeoutError, LogUnavailable):
            self._late = True
        finally:
            self._coming = None
            event.set()
        return not self._late

    def _refute(self) -> bool:
        self._following.doubt("the stream is another one")
        return False

    async def _ask(self) -> bytes | None:
        """Return the key of the stream as it is now, asked for once for all who ask meanwhile: by a question after theirs."""
        asked = self._asked
        async with self._turn:
            if self._answered <= asked:
                self._asked = number = self._asked + 1
                found = await inspect(self._connection, self._name)
                self._answered, self._key = number, None if found is None else found.key
            return self._key
