"""A relay between a client and the service, that cuts connections at a chosen byte.

The law of this module: it changes no byte. It may hand them on one by one, stop in the middle of a frame, or keep a client waiting; what a
bad network does, at the moment that the test chooses.
"""

from __future__ import annotations

import asyncio
import re
import socket
import struct
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from redline.testing.connection import PATIENCE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

FRAME = rb"event: [^\n]+\n(?:retry: [0-9]+\n)?data: [^\n]*%b[^\n]*\n(?:id: [^\n]+\n)?\n(?:\r\n)?"
"""A frame, and the end of the HTTP chunk (CRLF) where the frame is the chunk's last."""


class Relay:
    """One relay. ``received`` is what the service has sent in all connections, whether or not it was handed on."""

    def __init__(self) -> None:
        """Hand everything on, as it comes."""
        self.received = b""
        self.dribble = False
        """Whether to hand on byte by byte."""
        self.reset = False
        """Whether a cut is a reset (RST), and not an end (FIN)."""
        self.cut_at: int | None = None
        """After how many bytes of the answer, its head included, each connection is cut; None for never."""
        self.port = 0
        self._frame: re.Pattern[bytes] | None = None
        self._place: Callable[[bytes], int] = len
        self._has_cut = asyncio.Event()
        self._open = asyncio.Event()
        self._open.set()

    def url(self, url: str) -> str:
        """Return a URL of the service as one of the relay."""
        return urlsplit(url)._replace(netloc=f"127.0.0.1:{self.port}").geturl()

    def cut(self, marker: bytes, place: Callable[[bytes], int]) -> None:
        """Cut the connection in the :data:`FRAME` whose data holds ``marker``, after as many of its bytes as ``place`` says."""
        self._frame = re.compile(FRAME % re.escape(marker))
        self._place = place
        self._has_cut.clear()

    async def was_cut(self) -> None:
        """Wait until that has happened."""
        async with asyncio.timeout(PATIENCE):
            await self._has_cut.wait()

    def hold(self) -> None:
        """Keep new connections waiting until :meth:`release`."""
        self._open.clear()

    def release(self) -> None:
        """Let those that wait pass."""
        self._open.set()

    async def serve(self, upstream: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Relay one connection to ``upstream``, a URL, until either side ends it."""
        parts = urlsplit(upstream)
        try:
            await self._open.wait()
            service_reader, service_writer = await asyncio.open_connection(parts.hostname, parts.port)
        except OSError:
            writer.close()  # the service has stopped: the client is told by an end without an answer
            return
        except asyncio.CancelledError:
            writer.close()
            raise
        request = asyncio.ensure_future(self._request(reader, service_writer))
        try:
            await self._answer(service_reader, writer)
        except OSError:
            pass  # the client was faster
        finally:
            request.cancel()
            service_writer.transport.abort()
            writer.close()

    @staticmethod
    async def _request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            writer.write(data)
        writer.transport.abort()  # the client has gone: so the service is told

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        whole, handed_on = b"", 0
        while data := await reader.read(65_536):
            self.received += data
            whole += data
            end = len(whole)
            match = self._frame.search(whole) if self._frame else None
            if match:
                end = match.start() + self._place(match[0])
                if end < handed_on:
                    msg = "the frame to be cut came in pieces, and the place has gone by"
                    raise AssertionError(msg)
            is_cut = match is not None
            if self.cut_at is not None and len(whole) >= self.cut_at:
                end, is_cut = max(handed_on, self.cut_at), True
            step = 1 if self.dribble else max(1, end - handed_on)
            for start in range(handed_on, end, step):
                writer.write(whole[start : min(end, start + step)])
                await writer.drain()
            handed_on = end
            if is_cut:
                self._frame = None
                if self.reset:
                    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    writer.transport.abort()
                self._has_cut.set()
                return


@asynccontextmanager
async def relaying(upstream: str) -> AsyncIterator[Relay]:
    """Run a relay to the service at the URL ``upstream`` for the length of the block."""
    relay = Relay()
    connections: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.set_write_buffer_limits(high=0)
        task = asyncio.create_task(relay.serve(upstream, reader, writer))
        connections.add(task)
        task.add_done_callback(connections.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    relay.port = server.sockets[0].getsockname()[1]
    try:
        yield relay
    finally:
        server.close()
        for task in tuple(connections):
            task.cancel()
        for outcome in await asyncio.gather(*connections, return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome
