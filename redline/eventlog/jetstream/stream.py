"""The stream: made where it is missing, judged where it is there, never changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from redline.eventlog.jetstream.connection import Connection
    from redline.eventlog.jetstream.options import JetStreamOptions
    from redline.eventlog.retention import Retention


class Incarnation(NamedTuple):
    """A stream as it is. ``key`` is what its ids are sealed under; another key is another stream, whatever its name.

    ``per_org`` is how many events an org keeps (-1: any number), ``age`` how long (seconds; 0: for ever), ``window`` for how long a
    ``Nats-Msg-Id`` is remembered (seconds). ``first`` and ``last`` are sequences: what is retained (``first`` is ``last + 1`` where nothing is).
    """

    name: str
    key: bytes
    per_org: int
    age: float
    window: float
    first: int
    last: int


async def ensure(connection: Connection, options: JetStreamOptions, retention: Retention) -> Incarnation:
    """Return the stream; make it where there is none. Raises StartupError where it cannot serve, LogUnavailable where NATS does not answer."""
    raise NotImplementedError


async def inspect(connection: Connection, name: str) -> Incarnation | None:
    """Return the stream as it is now; None where it is gone, or is no stream of ours. Raises LogUnavailable."""
    raise NotImplementedError
