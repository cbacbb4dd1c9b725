"""The stream of keys, made, read and written.

The law of this module: it is made, judged and never changed as the stream of events is (:mod:`redline.eventlog.jetstream.stream`); and what
it says counts only for what the stream of events has: a key of an event that is not there yet was of a stream that was set back.
"""

from __future__ import annotations

import logging
import secrets
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING, Final

import orjson

from redline.clock import within
from redline.errors import LogUnavailable
from redline.eventlog.jetstream import entries
from redline.eventlog.jetstream.configuration import configuration
from redline.eventlog.jetstream.history import History
from redline.eventlog.jetstream.stream import ensure_as, inspect_at
from redline.eventlog.jetstream.subjects import keys_of
from redline.eventlog.retention import Retention

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redline.eventlog.jetstream.connection import Connection
    from redline.eventlog.jetstream.keys import Keys, Row
    from redline.eventlog.jetstream.options import JetStreamOptions
    from redline.eventlog.jetstream.stream import Incarnation
    from redline.eventlog.jetstream.wire import Message

_logger = logging.getLogger(__name__)

MARGIN: Final = 60.0
"""How much longer than a key's window (seconds) its entry is kept: it may be written late, and is read a moment later."""
_MOST: Final = 4096
"""The most entries of a message: 160 KiB."""
_HEADERS: Final = 128
_WAITING_BYTES: Final = 1 << 20
"""Where NATS has not taken so much of what was sent before, nothing more is sent."""
_ATTEMPT: Final = 1.0
"""How long (seconds) an answer is waited for before it is asked again: what was asked while a leader was elected is never answered."""
_PAGE: Final = 256
_PAGE_BYTES: Final = 1 << 20
_PER_SECOND: Final = 8


def keys_configuration(options: JetStreamOptions, window: float) -> dict[str, object]:
    """Return the configuration of a new stream of keys, for keys that are remembered for ``window`` seconds."""
    age = window + MARGIN
    like = configuration(options, Retention(seconds=age, key_seconds=0.0))
    name = keys_of(options.stream)
    return like | {"name": name, "subjects": [name], "max_msgs_per_subject": -1, "max_bytes": -1}


class KeyStream:
    """The stream of keys of one stream of events. All but :meth:`begin` raise LogUnavailable or ``StartupError``."""

    def __init__(self, connection: Connection, options: JetStreamOptions, keys: Keys, events: History) -> None:
        """Take how to reach it, where what was read goes, and how to ask the stream of events."""
        self.name = keys_of(options.stream)
        self._connection = connection
        self._options = options
        self._keys = keys
        self._events = events
        self._history = History(connection, replace(options, stream=self.name))
        self._stream = self._own = b""
        self._writer = b""
        self._window = 0.0
        self._read = self._head = 0
        self._complained = False

    def begin(self, incarnation: Incarnation) -> None:
        """Begin with a stream of events: what was written of another does not count."""
        self._stream = entries.stream_of(incarnation.key)
        self._writer = secrets.token_bytes(entries.WRITER_BYTES)
        self._window = incarnation.window
        self._head = incarnation.last

    async def find(self) -> None:
        """Find the stream of keys, or make it. What is read next is its first message."""
        found = await ensure_as(self._connection, self._options, keys_configuration(self._options, self._window))
        self._own, self._read = found.key, 0

    async def read(self) -> bool:
        """Remember what was written since the last time; tell whether the stream is still the one that was found."""
        found = await self._inspect()
        if found is None or found[0].key != self._own or found[0].last < self._read:
            return False
        last, now = found[0].last, found[1]
        while self._read < last:
            page = await self._history.page(self.name, self._read + 1, _PAGE, _PAGE_BYTES)
            for message in page:
                await self._take(message, now)
            self._read = page[-1].seq if page else last
        return True

    async def _inspect(self) -> tuple[Incarnation, float] | None:
        try:
            async with within(self._connection.clock, _ATTEMPT):
                return await inspect_at(self._connection, self.name)
        except TimeoutError:
            raise LogUnavailable(f"JetStream did not tell of it within {_ATTEMPT:g} s.") from None  # noqa: EM102, TRY003 - one line

    async def _take(self, message: Message, now: float) -> None:
        try:
            read = entries.decode(self._stream, self._writer, message.data, self._keys.held)
        except ValueError as error:
            if not self._complained:
                self._complained = True
                _logger.error("Message %d of the stream %s is passed over: %s.", message.seq, self.name, error)  # noqa: TRY400 - not ours
            return
        if not read:
            return
        if max(use.seq for use, _ in read) > self._head:
            self._head = (await self._events.state()).last
        for part, together in groupby(read, key=lambda each: int(each[1] * _PER_SECOND)):
            uses = [use for use, _ in together if use.seq <= self._head]
            self._keys.remember(uses, max(0.0, now - message.time) + part / _PER_SECOND)

    @property
    def most(self) -> int:
        """Return how many entries a message may have."""
        room = (self._connection.max_payload - _HEADERS - entries.HEAD_BYTES) // entries.ENTRY_BYTES
        return max(1, min(_MOST, room))

    async def write(self, used: Sequence[tuple[Row, float]]) -> None:
        """Write keys, each with how much of its window is over (seconds); return when the stream has them."""
        if self._connection.waiting > _WAITING_BYTES:
            raise LogUnavailable("NATS takes nothing of what was sent before.")  # noqa: EM101, TRY003 - one line
        reply = await self._connection.requests.ask(self.name, entries.encode(self._stream, self._writer, used))
        try:
            ack = orjson.loads(reply.data)
            error, stream = ack.get("error"), ack.get("stream")
        except (ValueError, AttributeError):
            raise LogUnavailable("NATS gave an acknowledgement that is none of JetStream's.") from None  # noqa: EM101, TRY003 - one line
        if error or stream != self.name:
            raise LogUnavailable(f"JetStream says {(error or {}).get('description')!r:.200} of the stream {stream or self.name!r:.50}.")  # noqa: EM102, TRY003
