"""The stream read as it stands: what came since it was last heard of, and whether it is still the one that is followed.

The law of this module: what is handed on was read from the very stream that is followed, which is looked at after something was taken from
it, not before: a stream that is the right one now was it then.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from redline.eventlog.jetstream.configuration import subjects_of
from redline.eventlog.jetstream.history import History
from redline.eventlog.jetstream.stream import inspect

if TYPE_CHECKING:
    from redline.clock import Clock
    from redline.eventlog.jetstream.connection import Connection
    from redline.eventlog.jetstream.options import JetStreamOptions
    from redline.eventlog.jetstream.progress import Progress

_PAGES: Final = 16
_PAGE_MESSAGES: Final = 1000
_PAGE_BYTES: Final = 1 << 20


class LostError(Exception):
    """The stream is not the one that was followed."""


class CatchingUp:
    """Reads one stream after what was handed on of it. ``looked`` is when it was last seen to be itself, on the clock."""

    def __init__(self, connection: Connection, options: JetStreamOptions, clock: Clock, progress: Progress) -> None:
        """Take what to read, where time comes from, and who is handed what was read."""
        self._connection = connection
        self._stream = options.stream
        self._history = History(connection, options)
        self._clock = clock
        self._progress = progress
        self._key = b""
        self.looked = -math.inf

    def begin(self, key: bytes) -> None:
        """Begin with the stream of that key."""
        self._key = key
        self.looked = -math.inf

    async def up(self) -> None:
        """Read some pages of what came since, without a consumer. Raises :class:`LostError`; LogUnavailable where NATS does not answer.

        A cluster that elects a leader of its servers makes no consumer for some seconds, while its streams are written and read.
        """
        (subject,) = subjects_of(self._stream)
        last: int | None = None
        try:
            read = await self.inspect()
            for _ in range(_PAGES):
                page = await self._history.page(subject, self._progress.followed + 1, _PAGE_MESSAGES, _PAGE_BYTES)
                if page:
                    read = await self.inspect()
                self.looked = self._clock.monotonic()
                if not page:
                    read = self._progress.followed
                    break
                self._progress.take(page)
            last = read
        finally:
            self._progress.learn(last)

    async def inspect(self) -> int:
        """Return the stream's last sequence, if this is still the stream that was followed. Raises as :meth:`up`."""
        found, progress = await inspect(self._connection, self._stream), self._progress
        if found is None or found.key != self._key or found.last < progress.followed or not await progress.stands(self._history.get):
            raise LostError
        return found.last
