"""What the stream retains, read."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from redline.eventlog.jetstream.connection import Connection
    from redline.eventlog.jetstream.options import JetStreamOptions
    from redline.eventlog.jetstream.wire import Message


class State(NamedTuple):
    """What the leader says the stream has."""

    first: int
    last: int
    messages: int


class History:
    """Reads of one stream. All raise LogUnavailable where NATS does not answer in time."""

    requests: int
    """How many requests were made."""

    def __init__(self, connection: Connection, options: JetStreamOptions) -> None:
        """Take what to ask and which stream."""

    async def page(self, subject: str, from_seq: int, max_messages: int, max_bytes: int) -> list[Message]:
        """Return the subject's messages from a sequence on, in order: at least one if there is any, none when the leader has none."""
        raise NotImplementedError

    async def get(self, seq: int) -> Message | None:
        """Return the message of a sequence, from the leader; None where it has none."""
        raise NotImplementedError

    async def last(self, subject: str) -> Message | None:
        """Return the newest message of a subject, from the leader; None where it has none."""
        raise NotImplementedError

    async def state(self) -> State:
        """Return what the stream has, from the leader."""
        raise NotImplementedError
