"""A slow way to a server: every byte passes, and as few a second as the test says."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_PIECE = 16_384


class SlowRelay:
    """``rate`` is how many bytes a second pass to the server on each connection; None for as many as come."""

    def __init__(self, target: int) -> None:
        self.rate: float | None = None
        self.port = 0
        self._target = target
        self._tasks: set[asyncio.Task[None]] = set()

    def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection, in a task of ours: a stream server's own reports that it was cancelled."""
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to = None
        try:
            there, to = await asyncio.open_connection("127.0.0.1", self._target, limit=_PIECE)
            ways = [asyncio.ensure_future(self._pass(reader, to, slowly=True)), asyncio.ensure_future(self._pass(there, writer))]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
        finally:
            for each in (writer, to):
                if each is not None:
                    each.transport.abort()

    async def end(self) -> None:
        """Cut every connection."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, slowly: bool = False) -> None:
        with suppress(OSError):
            while data := await reader.read(_PIECE):
                if slowly and self.rate is not None:
                    await asyncio.sleep(len(data) / self.rate)
                writer.write(data)
                await writer.drain()


@asynccontextmanager
async def slowing(target: int) -> AsyncIterator[SlowRelay]:
    """Run a relay before a port of this machine for the length of the block."""
    relay = SlowRelay(target)
    server = await asyncio.start_server(relay.connected, "127.0.0.1", 0, limit=_PIECE)
    relay.port = server.sockets[0].getsockname()[1]
    try:
        yield relay
    finally:
        server.close()
        await relay.end()
        await server.wait_closed()
