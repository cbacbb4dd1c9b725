"""The readers: thousands of streams in one process, each delivery counted and checked.

The law of this module: the load side must not be the limit. Once a stream is open its reader does one comparison for each piece of data
that arrives, and parses only what no other reader of its channel has just received.
"""

from __future__ import annotations

import asyncio
import re
import socket
import struct
from time import monotonic_ns
from typing import TYPE_CHECKING, Final, cast

from redline.testing.load.wire import COMMENT, Channel, Tally

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_LONGEST_HEAD: Final = 65_536
_RESET: Final = struct.pack("ii", 1, 0)
_STALLED_BUFFER: Final = 4096
_SHOWN: Final = 300
_LAST_CHUNK: Final = b"\r\n0\r\n\r\n"
"""The end of an answer in chunks (RFC 9112 section 7.1)."""
_LENGTH: Final = re.compile(rb"(?i)\r\ncontent-length: *(\d{1,9})")


class LoadError(Exception):
    """The load could not be carried out as it was asked for."""


class Reader(asyncio.Protocol):
    """One open stream."""

    __slots__ = ("channel", "expected", "tail", "tally", "transport")

    def __init__(self, channel: Channel, tally: Tally, expected: int) -> None:
        """Take the channel, where to count, and how many of the channel's events came before this stream."""
        self.channel = channel
        self.tally = tally
        self.expected = expected
        self.tail = b""
        self.transport: asyncio.Transport | None = None

    def data_received(self, data: bytes) -> None:
        """Check and count what arrived."""
        channel, tally = self.channel, self.tally
        if not self.tail and self.expected == channel.first and data == channel.chunk:
            count, times = channel.count, channel.times
            self.expected += count
        else:
            count, times = self._parse(data)
        if not count:
            return
        if tally.timing:
            tally.record(monotonic_ns(), times)
        tally.received += count
        if tally.received >= tally.goal:
            tally.reached()

    def _parse(self, data: bytes) -> tuple[int, list[int]]:
        channel, tally = self.channel, self.tally
        joined = self.tail + data if self.tail else data
        seen, times, tail = channel.scan(joined, timing=tally.timing)
        count = len(seen)
        if not seen and not tail:
            tally.beats += len(COMMENT.findall(joined))
        if len(tail) > channel.longest:
            tally.fault(f"{channel.name}: an event began that did not end within {channel.longest} bytes")
        if seen and (wrong := channel.check(self.expected, seen)):
            tally.fault(f"{channel.name}: {wrong}")
        if seen and not tail and not self.tail:
            channel.chunk, channel.first, channel.count, channel.times = data, self.expected, count, times
        self.tail = tail
        self.expected += count
        return count, times

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that the stream has ended: where nobody asked for that, it has lost its events."""
        if not self.tally.closing:
            self.tally.fault(f"{self.channel.name}: a stream ended ({exc or 'closed by the server'})")


class _Opening(asyncio.Protocol):
    """A stream until it is open: the head, and the frame that says so where there is one."""

    def __init__(self, request: bytes, opened: bytes, reader: Reader, done: asyncio.Future[None]) -> None:
        self._request = request
        self._opened = opened
        self._reader = reader
        self._done = done
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = _open_end(self._buffer, self._opened)
        if end is None:
            return
        if isinstance(end, str):
            self._fail(end)
        elif self._transport is not None and not self._done.done():
            rest, self._buffer = self._buffer[end:], b""
            self._reader.transport = self._transport
            self._transport.set_protocol(self._reader)
            self._reader.data_received(rest)
            self._done.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        said = self._buffer.partition(b"\r\n\r\n")[2][:_SHOWN].decode("latin-1")
        self._fail(f"a stream ended before it was open ({exc or 'closed by the server'}){f'; it said {said!a}' * bool(said)}")

    def _fail(self, why: str) -> None:
        if not self._done.done():
            self._done.set_exception(LoadError(why))
        if self._transport is not None:
            self._transport.abort()


def _open_end(buffer: bytes, opened: bytes) -> int | str | None:
    """Return where the opening of a stream ends, None while it has not arrived, or why it is none."""
    late = f"no opening of a stream within {_LONGEST_HEAD} bytes" if len(buffer) > _LONGEST_HEAD else None
    head = buffer.find(b"\r\n\r\n")
    if head < 0:
        return late
    if not buffer.startswith((b"HTTP/1.1 200", b"HTTP/1.0 200")):
        return f"a stream was refused: {buffer[:_SHOWN].decode('latin-1')!a}"
    if b"text/event-stream" not in buffer[:head]:
        return "what answered is no event stream"
    if not opened:
        return head + 4
    found = buffer.find(opened, head)
    length = _LENGTH.search(buffer, 0, head + 2)
    if found < 0 and (buffer.endswith(_LAST_CHUNK) or (length and len(buffer) >= head + 4 + int(length[1]))):
        return f"a stream was refused: {buffer[head + 4 : head + 4 + _SHOWN].decode('latin-1')!a}"
    end = buffer.find(b"\n\n", found) if found >= 0 else -1
    return late if end < 0 else end + 2


class Hall:
    """All readers of a load."""

    def __init__(self, host: str, port: int, tally: Tally) -> None:
        """Take the server's address and where to count."""
        self._address = (host, port)
        self._tally = tally
        self.readers: list[Reader] = []
        self._stalled: list[socket.socket] = []

    async def open(self, plan: Iterable[tuple[bytes, Channel]], *, opened: bytes, width: int, expected: int | None = None) -> None:
        """Open a stream for each of ``plan``, ``width`` at a time. They begin at ``expected``, or where their channel stands.

        Raises ``LoadError`` where one is refused.
        """
        loop = asyncio.get_running_loop()
        waiting: Iterator[tuple[bytes, Channel]] = iter(plan)

        async def opener() -> None:
            for request, channel in waiting:
                reader = Reader(channel, self._tally, channel.sent if expected is None else expected)
                done: asyncio.Future[None] = loop.create_future()
                opening = _Opening(request, opened, reader, done)
                await loop.create_connection(lambda opening=opening: opening, *self._address)  # type: ignore[misc]  # bound at once
                await done
                self.readers.append(reader)
                channel.readers += 1

        try:
            async with asyncio.TaskGroup() as openers:
                for _ in range(width):
                    openers.create_task(opener())
        except ExceptionGroup as group:
            raise group.exceptions[0] from None

    async def stall(self, request: bytes, count: int, opened: bytes) -> None:
        """Open streams that are read until they are open, and never again."""
        loop = asyncio.get_running_loop()
        for _ in range(count):
            connection = socket.socket()
            connection.settimeout(0)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _STALLED_BUFFER)
            self._stalled.append(connection)
            await loop.sock_connect(connection, self._address)
            await loop.sock_sendall(connection, request)
            buffer = b""
            while (end := _open_end(buffer, opened)) is None:
                data = await loop.sock_recv(connection, 1024)
                if not data:
                    msg = "a stream ended before it was open"
                    raise LoadError(msg)
                buffer += data
            if isinstance(end, str):
                raise LoadError(end)

    def behind(self) -> str:
        """Return which reader does not stand at the end of its channel, or nothing."""
        for reader in self.readers:
            if reader.expected != reader.channel.sent or reader.tail:
                return f"{reader.channel.name}: of {reader.channel.sent} events a reader got those before {reader.expected}"
        return ""

    def close(self) -> None:
        """Reset every connection, so that none lingers on this machine's ports."""
        self._tally.closing = True
        for reader in self.readers:
            if reader.transport is not None and not reader.transport.is_closing():
                connection = reader.transport.get_extra_info("socket")
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                reader.transport.abort()
            reader.channel.readers -= 1
        self.readers.clear()
        for stalled in self._stalled:
            stalled.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            stalled.close()
        self._stalled.clear()
