"""Messages on their way into the stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redline.clock import Clock
    from redline.errors import RedlineError
    from redline.eventlog.jetstream.connection import Connection
    from redline.eventlog.jetstream.options import JetStreamOptions


class Outgoing(NamedTuple):
    """A message to publish. ``msg_id`` becomes its ``Nats-Msg-Id``."""

    subject: str
    payload: bytes
    msg_id: str | None = None


class Ack(NamedTuple):
    """The quorum has the message, under ``seq``; ``duplicate``: that of an earlier message with its ``msg_id``."""

    seq: int
    duplicate: bool


class Publishing:
    """What was published and is not yet acknowledged."""

    acknowledged: int
    """The highest sequence that was acknowledged here."""

    def __init__(self, connection: Connection, options: JetStreamOptions, clock: Clock) -> None:
        """Take what to publish on, its bounds and where time comes from."""

    async def publish(self, subject: str, payload: bytes, msg_id: str | None = None) -> Ack:
        """Publish one message; raise LogUnavailable or OverCapacity."""
        raise NotImplementedError

    async def publish_all(self, outgoing: Sequence[Outgoing]) -> list[Ack | RedlineError]:
        """Publish messages in order, all at once; return one answer each."""
        raise NotImplementedError
