"""The publishers: requests over connections that are kept alive.

The law of this module: a publish counts when it was answered, and with a 2xx; any other answer is a fault. A connection carries one request
at a time, so the number of connections is the number of publishes in flight.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from typing import TYPE_CHECKING, Final, cast

if TYPE_CHECKING:
    from collections.abc import Callable

    from redline.testing.load.wire import Tally

_LENGTH: Final = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
_SHOWN: Final = 300


class _Publisher(asyncio.Protocol):
    """One connection."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._buffer = b""
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        # A big batch is more than the usual buffer, and nobody waits for it here.
        self.transport.set_write_buffer_limits(high=4 * 1024 * 1024)

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer + data if self._buffer else data
        end = buffer.find(b"\r\n\r\n")
        if end < 0:
            self._buffer = buffer
            return
        found = _LENGTH.search(buffer, 0, end + 2)
        length = int(found[1]) if found else 0
        if len(buffer) < end + 4 + length:
            self._buffer = buffer
            return
        self._buffer = b""
        self._pool.answered(self, buffer[9:12], buffer[end + 4 :])

    def connection_lost(self, exc: Exception | None) -> None:
        self._pool.lost(exc)


class Pool:
    """Connections, and the requests that wait for one."""

    def __init__(self, host: str, port: int, tally: Tally) -> None:
        """Take the server's address and where to note faults."""
        self._address = (host, port)
        self._tally = tally
        self._all: list[_Publisher] = []
        self._idle: list[_Publisher] = []
        self._waiting: deque[bytes] = deque()
        self.answers = 0
        self.last_answer = b""
        self.answered_one: Callable[[], None] | None = None

    @property
    def idle(self) -> int:
        """Return how many connections carry no request."""
        return len(self._idle)

    @property
    def in_flight(self) -> int:
        """Return how many requests are not answered yet."""
        return len(self._all) - len(self._idle) + len(self._waiting)

    async def widen(self, width: int) -> None:
        """Have at least ``width`` connections."""
        loop = asyncio.get_running_loop()
        while len(self._all) < width:
            _, publisher = await loop.create_connection(lambda: _Publisher(self), *self._address)
            self._all.append(publisher)
            self._idle.append(publisher)

    def send(self, request: bytes) -> None:
        """Send a request over a connection that is idle, or as soon as one is."""
        if self._idle:
            transport = self._idle.pop().transport
            if transport is not None:
                transport.write(request)
        else:
            self._waiting.append(request)

    def answered(self, publisher: _Publisher, status: bytes, body: bytes) -> None:
        """Note an answer; its connection carries the next request."""
        self.answers += 1
        self.last_answer = body
        if not status.startswith(b"2"):
            self._tally.fault(f"a publish was answered {status.decode('latin-1')}: {body[:_SHOWN].decode('latin-1')!a}")
        self._idle.append(publisher)
        if self._waiting:
            self.send(self._waiting.popleft())
        if self.answered_one is not None:
            self.answered_one()

    def lost(self, exc: Exception | None) -> None:
        """Note that a connection has ended."""
        if not self._tally.closing:
            self._tally.fault(f"a publisher's connection ended ({exc or 'closed by the server'})")

    def close(self) -> None:
        """Close all."""
        self._tally.closing = True
        for publisher in self._all:
            if publisher.transport is not None:
                publisher.transport.abort()
