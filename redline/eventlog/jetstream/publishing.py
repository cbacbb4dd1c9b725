"""Messages on their way into the stream.

The law of this module: order of publishing is order in the stream; each message is answered, refused, or given up in time; and what awaits
its acknowledgement is bounded, in number and in bytes, also where NATS takes nothing any more. A message whose acknowledgement did not come
may be in the stream or not: nobody but its idempotency key can tell.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple

import orjson

from redline.errors import LogUnavailable, OverCapacity, PayloadTooLarge, only
from redline.eventlog.jetstream import wire
from redline.eventlog.jetstream.connection import unreachable
from redline.eventlog.jetstream.refusal import SUBSCRIBE, NotAllowedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redline.clock import Clock
    from redline.errors import RedlineError
    from redline.eventlog.jetstream.connection import Connection
    from redline.eventlog.jetstream.options import JetStreamOptions
    from redline.eventlog.jetstream.refusal import Refusal

_MSG_ID: Final = "Nats-Msg-Id"
_HEADERS: Final = 128
"""What a message's headers and subjects may take of the server's bound, besides its payload."""
_TOO_MANY: Final = 429
_FULL: Final = {10002, 10023, 10028, 10047, 10077}
"""NATS's numbers for: the account's, the server's, the memory's, the store's, the stream's room is used up."""
_TOO_LARGE: Final = 10054
_IN_PROCESS: Final = 10158
_TOLD_AT_ONCE: Final = 32
"""How many of those whose events were acknowledged go on in one turn of the loop.

JetStream acknowledges in bursts: what came while it wrote, it writes, and then acknowledges all of it. Were all told at once, their next
events would reach it as one burst as well, and the two would wait for each other in turns.
"""


class Outgoing(NamedTuple):
    """A message to publish. ``msg_id`` becomes its ``Nats-Msg-Id``; neither it nor the subject may hold white space."""

    subject: str
    payload: bytes
    msg_id: str | None = None


class Ack(NamedTuple):
    """The quorum has the message, under ``seq``; ``duplicate``: that of an earlier message with its ``msg_id``."""

    seq: int
    duplicate: bool


class InProcessError(LogUnavailable):
    """An earlier message with the same ``msg_id`` is on its way to the quorum: only later can be said what this one is."""


class _Batch:
    """Messages that were published together, and what became of each."""

    __slots__ = ("answers", "done", "open", "outgoing")

    def __init__(self, outgoing: Sequence[Outgoing], done: asyncio.Future[None]) -> None:
        self.outgoing = outgoing
        self.answers: list[Ack | RedlineError | None] = [None] * len(outgoing)
        self.open = 0
        self.done = done

    def answer(self, index: int, answer: Ack | RedlineError) -> bool:
        """Take what became of one; tell whether it was the last."""
        self.answers[index] = answer
        self.open -= 1
        return not self.open

    def finish(self) -> None:
        """Have whoever waits go on, with what there is."""
        if not self.done.done():
            self.done.set_result(None)


class Publishing:
    """What was published and is not yet acknowledged."""

    def __init__(self, connection: Connection, options: JetStreamOptions, clock: Clock) -> None:
        """Take what to publish on, its bounds and where time comes from."""
        self._connection = connection
        self._clock = clock
        self._timeout = options.timeout
        self._most = options.pending
        self._most_bytes = options.pending_bytes
        self._waiting: dict[int, tuple[_Batch, int, int]] = {}
        self._bytes = 0
        self._number = 0
        self._inbox = ""
        self._prefix = 0
        self._acknowledged: deque[_Batch] = deque()  # no more than wait for an acknowledgement
        connection.watch(self._changed)
        connection.watch_refusals(self._refused)

    @property
    def pending(self) -> int:
        """Return how many messages await their acknowledgement."""
        return len(self._waiting)

    async def publish(self, subject: str, payload: bytes, msg_id: str | None = None) -> Ack:
        """Publish one message; raise LogUnavailable, OverCapacity or PayloadTooLarge."""
        return only(await self.publish_all([Outgoing(subject, payload, msg_id)]))

    async def publish_all(self, outgoing: Sequence[Outgoing]) -> list[Ack | RedlineError]:
        """Publish messages in order, all before this first waits; return one answer each. Whoever cancels it leaves nothing behind."""
        batch = _Batch(outgoing, asyncio.get_running_loop().create_future())
        first = self._number + 1
        try:
            self._send(batch, outgoing)
            if batch.open:
                timer = self._clock.call_at(self._clock.monotonic() + self._timeout, batch.finish)
                try:
                    await batch.done
                finally:
                    timer.cancel()
        finally:
            if batch.open:
                self._drop(batch, first)
        return [answer if answer is not None else self._late() for answer in batch.answers]

    def _send(self, batch: _Batch, outgoing: Sequence[Outgoing]) -> None:
        """Send what may be sent, each under the next number; answer the rest."""
        connection = self._connection
        for index, message in enumerate(outgoing):
            size = len(message.payload)
            refusal = self._refusal(size)
            if refusal is not None:
                batch.answers[index] = refusal
                continue
            self._number = number = self._number + 1
            reply = f"{self._inbox}.{number}"
            self._waiting[number] = (batch, index, size)
            self._bytes += size
            batch.open += 1
            if message.msg_id is None:
                connection.send(wire.publish(message.subject, reply, message.payload))
            else:
                connection.send(wire.publish_with(message.subject, reply, message.payload, _MSG_ID, message.msg_id))

    def _refusal(self, size: int) -> RedlineError | None:
        """Return why a message of this size cannot be sent now, or None when it can."""
        connection = self._connection
        if not connection.connected:
            return unreachable()
        if size + _HEADERS > connection.max_payload:
            return PayloadTooLarge(f"The event log takes up to {connection.max_payload - _HEADERS} bytes an event (max_payload of NATS).")
        # What NATS has not taken from the socket counts as well: events that were given up may still stand there.
        if len(self._waiting) >= self._most or max(self._bytes, connection.waiting) + size > self._most_bytes:
            return OverCapacity("Too many events await the event log's acknowledgement. Try again shortly.", retry_after=1)
        if not self._inbox:
            inbox = connection.inbox()
            connection.handle(f"{inbox}.*", self._acked)
            self._inbox, self._prefix = inbox, len(inbox) + 1
        return None

    def _acked(self, subject: bytes, _reply: bytes, data: bytes, headers: bytes | None) -> None:
        waiting = self._waiting.pop(int(subject[self._prefix :]), None)
        if waiting is None:
            return
        batch, index, size = waiting
        self._bytes -= size
        if batch.answer(index, _answer(data, headers)):
            if not self._acknowledged:
                asyncio.get_running_loop().call_soon(self._tell)
            self._acknowledged.append(batch)

    def _tell(self) -> None:
        """Have some of those who wait go on in this turn of the loop, and the next ones in the next."""
        acknowledged = self._acknowledged
        for _ in range(min(len(acknowledged), _TOLD_AT_ONCE)):
            acknowledged.popleft().finish()
        if acknowledged:
            asyncio.get_running_loop().call_soon(self._tell)

    def _drop(self, batch: _Batch, first: int) -> None:
        """Forget what of a batch is still open; its numbers follow ``first``."""
        for number in range(first, first + len(batch.answers)):
            waiting = self._waiting.get(number)
            if waiting is not None and waiting[0] is batch:
                del self._waiting[number]
                self._bytes -= waiting[2]

    def _late(self) -> LogUnavailable:
        late = f"The event log did not acknowledge the event within {self._timeout:g} s"
        return LogUnavailable(f"{late}; it may have been appended or not. Try again with its key.")

    def _refused(self, refusal: Refusal) -> None:
        """Answer at once what the server does not let this user publish, or would have to answer on what it does not let him hear."""
        if refusal.verb == SUBSCRIBE:
            self._inbox = ""
        for number, (batch, index, size) in list(self._waiting.items()):
            if refusal.verb == SUBSCRIBE or batch.outgoing[index].subject == refusal.subject:
                del self._waiting[number]
                self._bytes -= size
                if batch.answer(index, NotAllowedError(refusal.right)):
                    batch.finish()

    def _changed(self) -> None:
        """Give up what waited in a life of the connection that has ended: its acknowledgements cannot come any more."""
        self._inbox = ""
        waiting, self._waiting, self._bytes = self._waiting, {}, 0
        lost = "The connection to the event log was lost; the event may have been appended or not. Try again with its key."
        for batch, index, _ in waiting.values():
            if batch.answer(index, LogUnavailable(lost)):
                batch.finish()


def _answer(data: bytes, headers: bytes | None) -> Ack | RedlineError:
    """Read an acknowledgement (PubAck)."""
    if headers is not None and wire.status(headers) == wire.NO_RESPONDERS:
        return LogUnavailable("The event log takes no events: its stream is gone or has no leader. Try again shortly.")
    try:
        ack = orjson.loads(data)
        error = ack.get("error")
        if error is None:
            return Ack(ack["seq"], ack.get("duplicate") is True)
        code, number, text = error.get("code"), error.get("err_code"), error.get("description")
    except (ValueError, KeyError, AttributeError):
        return LogUnavailable("The event log gave an acknowledgement that is none of JetStream's.")
    return _refused(code, number, text)


def _refused(code: object, number: object, text: object) -> RedlineError:
    """Say what JetStream's error means for an event."""
    if number == _TOO_LARGE:
        return PayloadTooLarge("The event is larger than the event log's stream takes (max_msg_size).")
    if number == _IN_PROCESS:
        return InProcessError("An event with the same key is being appended at this moment. Try again shortly.", retry_after=1)
    if number in _FULL or code == _TOO_MANY:
        return OverCapacity(f"The event log has no room: JetStream says {text}. Try again later.", retry_after=5)
    return LogUnavailable(f"The event log refused the event: JetStream says {text}. Try again shortly.")
