"""A connection to a real NATS, a stream of the test's own, and a listener that can be waited for."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

from redline.clock import SystemClock
from redline.errors import LogUnavailable
from redline.eventlog.jetstream.connection import Connection
from redline.eventlog.jetstream.following import Following
from redline.eventlog.jetstream.history import History
from redline.eventlog.jetstream.options import parse_options
from redline.eventlog.jetstream.publishing import Outgoing, Publishing
from redline.eventlog.jetstream.stream import ensure
from redline.eventlog.retention import Retention

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from redline.clock import Clock
    from redline.eventlog.jetstream.options import JetStreamOptions
    from redline.eventlog.jetstream.publishing import Ack
    from redline.eventlog.jetstream.stream import Incarnation
    from redline.eventlog.jetstream.wire import Message


def options_of(url: str, query: str = "") -> JetStreamOptions:
    """Return options for a stream that no other test has; ``query`` are more of them, as a URL has them."""
    return parse_options(f"{url}?stream=T{secrets.token_hex(6)}{query and '&'}{query}")


class Changes:
    """Has the connection's comings and goings, to be waited for."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._changed = asyncio.Event()
        connection.watch(self._changed.set)

    async def until(self, *, connected: bool) -> None:
        while self._connection.connected is not connected:
            self._changed.clear()
            await self._changed.wait()


class Heard:
    """A listener: what it was told, in order, and a way to wait for it."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.jumps: list[tuple[int, int]] = []
        self.batches = 0
        self.losses = 0
        self._told = asyncio.Event()
        self.also: Callable[[Sequence[Message]], None] = lambda _messages: None

    @property
    def data(self) -> list[bytes]:
        return [message.data for message in self.messages]

    def on_messages(self, messages: Sequence[Message]) -> None:
        self.messages += messages
        self.batches += 1
        self._told.set()
        self.also(messages)

    def on_jump(self, first_missing: int, following: int) -> None:
        self.jumps.append((first_missing, following))
        self._told.set()

    def on_lost(self) -> None:
        self.losses += 1
        self._told.set()

    async def until(self, condition: Callable[[Heard], bool]) -> None:
        while not condition(self):
            self._told.clear()
            await self._told.wait()


class Wired:
    """All of the wire side, on one stream."""

    def __init__(self, options: JetStreamOptions, clock: Clock) -> None:
        self.options = options
        self.connection = Connection(options, clock)
        self.changes = Changes(self.connection)
        self.publishing = Publishing(self.connection, options, clock)
        self.history = History(self.connection, options)
        self.heard = Heard()
        self.following = Following(self.connection, options, clock, self.heard)
        self.stream: Incarnation

    def subject(self, org: str = "acme") -> str:
        return f"{self.options.stream}.{org}"

    async def publish(self, *payloads: bytes, org: str = "acme") -> list[int]:
        """Publish payloads that must be acknowledged; return their sequences."""
        answers = await self.publishing.publish_all([Outgoing(self.subject(org), payload) for payload in payloads])
        return [acknowledged(answer).seq for answer in answers]

    async def follow(self, after: int | None = None) -> None:
        await self.following.start(self.stream.key, self.stream.last if after is None else after)

    async def api(self, name: str, body: dict[str, object] | None = None) -> dict[str, Any]:
        return await self.connection.requests.api(f"{name}.{self.options.stream}", body)


def acknowledged(answer: object) -> Ack:
    """Return an answer that must be an acknowledgement."""
    assert isinstance(answer, tuple), answer
    return answer  # type: ignore[return-value]


@asynccontextmanager
async def wired(
    url: str, query: str = "", *, retention: Retention | None = None, clock: Clock | None = None, make: bool = True
) -> AsyncIterator[Wired]:
    """Connect, with a stream of the test's own unless ``make`` says otherwise, for the length of the block."""
    wire = Wired(options_of(url, query), clock or SystemClock())
    await wire.connection.start()
    try:
        if make:
            wire.stream = await ensure(wire.connection, wire.options, retention or Retention())
        yield wire
    finally:
        await wire.following.close()
        with suppress(LogUnavailable):  # of a server that the test has stopped
            await wire.connection.requests.ask(f"$JS.API.STREAM.DELETE.{wire.options.stream}")
        await wire.connection.close()


async def turns(count: int = 20) -> None:
    """Let the loop turn."""
    for _ in range(count):
        await asyncio.sleep(0)
