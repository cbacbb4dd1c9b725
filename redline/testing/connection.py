"""A plain HTTP/1.1 connection that reads a stream byte by byte.

The law of this module: it shows what is on the wire. It decodes chunks and nothing else, so that a test can cut, stall, flood or look at
single bytes; and every wait has an end.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self, cast
from urllib.parse import urlsplit

from redline.testing.events import EventParser, StreamEvent

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

PATIENCE = 10.0
"""Seconds after which a test that still waits has failed."""


@dataclass(slots=True)
class StreamConnection:
    """An open response. ``raw`` is the body as received so far, ``events`` what it dispatched."""

    status: int
    headers: dict[str, str]
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    raw: bytes = b""
    ended: bool = False
    """Whether the body ended properly: by its last chunk."""
    closed: bool = False
    """Whether the connection ended, properly or not."""
    parser: EventParser = field(default_factory=EventParser)
    events: list[StreamEvent] = field(default_factory=list)
    _taken: int = 0

    @classmethod
    async def open(  # noqa: PLR0913 - a request has these parts
        cls,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        method: str = "GET",
        version: str = "1.1",
        receive_buffer: int | None = None,
        last_event_id: str = "",
    ) -> Self:
        """Send a request and read the response's head. ``receive_buffer`` in bytes makes a client that is soon full."""
        parts = urlsplit(url)
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        fields = {"Host": parts.netloc, "Accept": "text/event-stream", **(headers or {})}
        head = f"{method} {target} HTTP/{version}\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        request = head.encode("utf-8", "surrogateescape") + b"\r\n"
        return await cls.send(url, request, receive_buffer=receive_buffer, last_event_id=last_event_id)

    @classmethod
    async def send(cls, url: str, request: bytes, *, receive_buffer: int | None = None, last_event_id: str = "") -> Self:
        """Send the bytes of a request to the host of ``url``, whatever they are, and read the response's head."""
        parts = urlsplit(url)
        raw = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        raw.setblocking(False)  # noqa: FBT003 - the socket API's own
        if receive_buffer is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        async with asyncio.timeout(PATIENCE):
            try:
                await asyncio.get_running_loop().sock_connect(raw, (parts.hostname or "", parts.port or 80))
                reader, writer = await asyncio.open_connection(sock=raw, limit=receive_buffer or 2**20)
            except BaseException:
                raw.close()
                raise
            writer.write(request)
            try:
                status_line, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").rstrip("\r\n").split("\r\n")
            except BaseException:
                writer.transport.abort()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
                raise
        parsed = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        return cls(int(status_line.split()[1]), parsed, reader, writer, parser=EventParser(last_event_id=last_event_id))

    async def read_body(self) -> bytes:
        """Read to the body's end and return all of it."""
        await self.read_until(lambda self: self.ended or self.closed)
        return self.raw

    async def read_until(self, done: Callable[[Self], bool], *, timeout: float | None = None) -> None:  # noqa: ASYNC109 - part of what a test asks for
        """Read until ``done`` is true of this connection.

        ``EOFError`` when it ends before; ``TimeoutError`` when that takes more than ``timeout`` seconds (:data:`PATIENCE`).
        """
        async with self._within(timeout):
            await self._read_until(done)

    async def event(self, kind: str | None = None, *, timeout: float | None = None) -> StreamEvent:  # noqa: ASYNC109 - as above
        """Return the next event that was not returned yet; of ``kind``, passing over others, where that is given."""
        async with self._within(timeout):
            while True:
                event = await self._next()
                if kind is None or event.event == kind:
                    return event

    async def collect(
        self,
        until: int | str | Callable[[StreamEvent], bool],
        *,
        control: bool = False,
        timeout: float | None = None,  # noqa: ASYNC109 - as above
    ) -> list[StreamEvent]:
        """Return the events that were not returned yet, up to the one that meets the condition, that one included.

        ``until`` is how many events, or the kind of the last one, or a function that is true of it. The service's control events are
        passed over, unless ``control`` says that they count or ``until`` is the name of one. Errors are those of :meth:`read_until`.
        """
        counts = control or (isinstance(until, str) and until.startswith("stream."))
        found: list[StreamEvent] = []
        async with self._within(timeout):
            while not isinstance(until, int) or len(found) < until:
                event = await self._next()
                if not counts and event.event.startswith("stream."):
                    continue
                found.append(event)
                if event.event == until if isinstance(until, str) else callable(until) and until(event):
                    break
        return found

    async def read_to_end(self, *, timeout: float | None = None) -> list[StreamEvent]:  # noqa: ASYNC109 - as above
        """Read until the stream ends, and return every event of it."""
        await self.read_until(lambda self: self.ended or self.closed, timeout=timeout)
        return self.events

    @property
    def heartbeats(self) -> int:
        """How many heartbeat comments have come."""
        return self.parser.comments.count("heartbeat")

    def stall(self) -> None:
        """Read nothing more from the network, as a reader that hangs. Only what was opened with a small ``receive_buffer`` is soon full."""
        cast("asyncio.Transport", self.writer.transport).pause_reading()

    def go_on(self) -> None:
        """Read again."""
        cast("asyncio.Transport", self.writer.transport).resume_reading()

    async def close(self) -> None:
        """Close the connection (FIN)."""
        self.writer.close()
        with contextlib.suppress(OSError):  # the other side may have been faster
            await self.writer.wait_closed()

    def reset(self) -> None:
        """Cut the connection (RST)."""
        raw = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    @contextlib.asynccontextmanager
    async def _within(self, seconds: float | None) -> AsyncIterator[None]:
        """Bound a wait, and say what had come when it was over."""
        seconds = PATIENCE if seconds is None else seconds
        try:
            async with asyncio.timeout(seconds):
                yield
        except TimeoutError:
            last = [event.event for event in self.events[-5:]]
            msg = f"after {seconds:g} s the stream is still open and what is waited for has not come; it brought {len(self.events)} events"
            raise TimeoutError(f"{msg}, the last of them {last}" if last else msg) from None

    async def _next(self) -> StreamEvent:
        await self._read_until(lambda self: len(self.events) > self._taken)
        self._taken += 1
        return self.events[self._taken - 1]

    async def _read_until(self, done: Callable[[Self], bool]) -> None:
        while not done(self):
            if self.ended or self.closed:
                msg = f"the stream ended after {len(self.events)} events: {[event.event for event in self.events[-5:]]}"
                raise EOFError(msg)
            await self._chunk()

    async def _chunk(self) -> None:
        """Read the next chunk, or the whole of a body whose length was told."""
        length = self.headers.get("content-length")
        try:
            if length is None:
                size = int((await self.reader.readuntil(b"\r\n"))[:-2], 16)
                data = (await self.reader.readexactly(size + 2))[:-2]
            else:
                size, data = 0, await self.reader.readexactly(int(length))
        except (asyncio.IncompleteReadError, OSError):
            self.closed = True
            return
        self.ended = not size
        if data:
            self._take(data)

    def _take(self, data: bytes) -> None:
        self.raw += data
        self.events.extend(self.parser.feed(data))
