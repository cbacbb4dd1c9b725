"""A stream of a test's own on a running server, and logs on it."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from redline.clock import SystemClock
from redline.eventlog.jetstream.connection import Connection
from redline.eventlog.jetstream.log import JetStreamLog
from redline.eventlog.jetstream.options import parse_options
from redline.eventlog.jetstream.requests import ApiError
from redline.eventlog.jetstream.subjects import keys_of
from redline.eventlog.retention import Retention
from redline.metrics import Metrics
from redline.testing.clock import ManualClock
from redline.testing.eventlogs import Following

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence

    from redline.clock import Clock
    from redline.eventlog.jetstream.wire import Message


class Stream:
    """A name that no other test has; what has that name is deleted in the end."""

    def __init__(self, url: str, *, timeout: float = 20.0) -> None:
        name = f"T{secrets.token_hex(6)}"
        self.options = replace(parse_options(url), stream=name, timeout=timeout)
        self.url = f"{url}?stream={name}&timeout={timeout:g}"

    def log(self, retention: Retention | None = None, clock: Clock | None = None) -> JetStreamLog:
        """Return one node's log, not started; its time is the machine's, as the server's is."""
        return JetStreamLog(self.options, retention or Retention(), clock or SystemClock(), Metrics())

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[Connection]:
        """Return a connection that no log uses."""
        connection = Connection(self.options, SystemClock())
        await connection.start()
        try:
            yield connection
        finally:
            await connection.close()

    async def delete(self) -> None:
        """Delete the stream, where there is one, and its keys."""
        for name in (self.options.stream, keys_of(self.options.stream)):
            await self.delete_only(name)

    async def delete_only(self, name: str) -> None:
        """Delete a stream, where there is one."""
        async with self.connected() as connection:
            try:
                await connection.requests.api(f"STREAM.DELETE.{name}")
            except ApiError as error:
                if error.code != 404:
                    raise

    @asynccontextmanager
    async def nodes(self, count: int, retention: Retention | None = None) -> AsyncIterator[list[Following]]:
        """Start that many nodes on the stream."""
        async with AsyncExitStack() as stack:
            yield [
                await stack.enter_async_context(Following.of(lambda *_: self.log(retention), ManualClock(), retention))
                for _ in range(count)
            ]


def log_of(node: Following) -> JetStreamLog:
    """Return a node's log, to look into it."""
    log = node.log
    assert isinstance(log, JetStreamLog)
    return log


async def until(what: Callable[[], object]) -> None:
    """Wait until something is so, asked at each turn of the loop."""
    async with asyncio.timeout(30):
        while not what():  # noqa: ASYNC110 - what is looked at has no event to wait for
            await asyncio.sleep(0)


class Lag:
    """What has come to a node, and it was not told of yet."""

    def __init__(self, node: Following) -> None:
        consumer = log_of(node).following._consumer  # noqa: SLF001 - where a node can lag, and its requests are answered
        assert consumer is not None
        self.consumer = consumer
        self.messages: list[Sequence[Message]] = []

    def be_overtaken(self) -> None:
        """Have the node give up what it has not seen, as when it stood still for too long, and take the stream up where it stood."""
        self.consumer.leave("it stood still, for a test")


@contextmanager
def lagging(node: Following) -> Iterator[Lag]:
    """Keep from a node what comes; it is told of that after the block, if it was not overtaken."""
    lag = Lag(node)
    consumer: Any = lag.consumer
    take, skip = consumer._take, consumer._skip  # noqa: SLF001 - as above
    consumer._take, consumer._skip = lag.messages.append, lambda _: None  # noqa: SLF001 - as above
    try:
        yield lag
    finally:
        consumer._take, consumer._skip = take, skip  # noqa: SLF001 - as above
        if not consumer.doubt.done():
            for messages in lag.messages:
                take(messages)
