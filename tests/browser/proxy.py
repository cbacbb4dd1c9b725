"""A proxy between a browser and the service that can fall silent, or cut.

The law of this module: it changes no byte; muted, it holds the streams that it has, hands nothing on in them, and serves all else.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Proxy:
    """One proxy, at ``url``."""

    def __init__(self, upstream: str) -> None:
        """Hand everything on."""
        self.url = ""
        self._upstream = urlsplit(upstream)
        self._streams: set[asyncio.Task[None]] = set()
        self._muted: set[asyncio.Task[None]] = set()
        self.connections: set[asyncio.Task[None]] = set()

    def mute(self) -> None:
        """Fall silent in every stream that is open now."""
        self._muted = set(self._streams)

    def cut(self) -> None:
        """End every stream that is open now, without a word."""
        while self._streams:
            self._streams.pop().cancel()

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        task = asyncio.create_task(self._serve(reader, writer))
        self.connections.add(task)
        task.add_done_callback(self.connections.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        service_reader, service_writer = await asyncio.open_connection(self._upstream.hostname, self._upstream.port)
        here = asyncio.current_task()
        assert here is not None

        async def hand_on(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
            while data := await source.read(65_536):
                if b"Content-Type: text/event-stream" in data or b"content-type: text/event-stream" in data:
                    self._streams.add(here)
                if here not in self._muted:
                    target.write(data)
                    await target.drain()

        try:
            ways = [asyncio.create_task(hand_on(reader, service_writer)), asyncio.create_task(hand_on(service_reader, writer))]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
        finally:
            service_writer.transport.abort()
            writer.transport.abort()


@asynccontextmanager
async def proxying(upstream: str) -> AsyncIterator[Proxy]:
    """Run a proxy to the service at the URL ``upstream`` for the length of the block."""
    proxy = Proxy(upstream)
    server = await asyncio.start_server(proxy.accept, "127.0.0.1", 0)
    proxy.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield proxy
    finally:
        server.close()
        for task in tuple(proxy.connections):
            task.cancel()
        await asyncio.gather(*proxy.connections, return_exceptions=True)
