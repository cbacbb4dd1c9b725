"""One consumer of the stream, from its making to the first doubt.

The law of this module: what it hands on is what the stream has, in order and without a hole that it does not name. A consumer counts what
it sends; a count that does not follow, a word of its end, or silence are doubts, and a consumer in doubt is left: another takes up where it
stood. What is sent before it is known to be of the right stream waits, and so does the server, for its flow control is answered only after
what came before it was handed on.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from redline.eventlog.jetstream import wire
from redline.eventlog.jetstream.wire import Message

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from redline.clock import Clock

HEARTBEAT: Final = 1.0
"""How often a consumer that has nothing to send says that it is there (seconds)."""
SILENCE: Final = 3.0
"""After this long without a word (seconds) nobody knows whether something was missed."""
_CONTROL: Final = 100


class Consumer:
    """What one consumer delivers. ``doubt`` is done once it must be left; its result says why."""

    def __init__(
        self,
        followed: int,
        clock: Clock,
        respond: Callable[[str], None],
        take: Callable[[Sequence[Message]], None],
        skip: Callable[[int], None],
    ) -> None:
        """Take where it begins, where time comes from, how to answer flow control, and who takes messages.

        ``skip`` takes a sequence up to which the stream has nothing more to send.
        """
        self._clock = clock
        self._respond = respond
        self._take = take
        self._skip = skip
        self._loop = asyncio.get_running_loop()
        self._sent = 0
        self._last = followed
        self._batch: list[Message] = []
        self._replies: list[str] = []
        self._scheduled = False
        self._proven = False
        self.heard = clock.monotonic()
        self.doubt: asyncio.Future[str] = self._loop.create_future()

    def prove(self) -> None:
        """Hand on from here: the stream is the right one."""
        self._proven = True
        self.heard = self._clock.monotonic()
        self._flush()

    def leave(self, why: str) -> None:
        """Hand on nothing more."""
        if not self.doubt.done():
            self.doubt.set_result(why)

    def delivered(self, subject: bytes, reply: bytes, data: bytes, headers: bytes | None) -> None:
        """Take what came on the consumer's subject."""
        if self.doubt.done():
            return
        self.heard = self._clock.monotonic()
        status = wire.status(headers)
        if headers is not None and status:
            self._control(status, reply, headers)
            return
        try:
            seq, sent, time = wire.delivery(reply)
        except ValueError:
            self.leave("it sent what is no message of a consumer's")
            return
        if sent != self._sent + 1 or seq <= self._last:
            self.leave("messages of it are missing")
            return
        self._sent, self._last = sent, seq
        self._batch.append(Message(seq, subject.decode("utf-8", "replace"), data, time, wire.key(headers) if headers else 0))
        self._schedule()

    def _control(self, status: int, reply: bytes, headers: bytes) -> None:
        if status != _CONTROL:
            self.leave(f"it ended: {wire.description(headers)}")
            return
        if reply:  # flow control: to be answered once what came before it was handed on
            self._replies.append(reply.decode("utf-8", "replace"))
        else:
            sent, last = wire.header(headers, b"Nats-Last-Consumer"), wire.header(headers, b"Nats-Last-Stream")
            if sent != str(self._sent):
                self.leave("messages of it are missing")
                return
            if last is not None and last.isdigit() and int(last) > self._last:
                self._last = int(last)
            stalled = wire.header(headers, b"Nats-Consumer-Stalled")
            if stalled:
                self._replies.append(stalled)
        self._schedule()

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        """Hand on what came in this turn of the loop."""
        self._scheduled = False
        if not self._proven or self.doubt.done():
            return
        if self._batch:
            batch, self._batch = self._batch, []
            self._take(batch)
        self._skip(self._last)
        for reply in self._replies:
            self._respond(reply)
        self._replies.clear()
