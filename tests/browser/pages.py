"""A server of pages: the host of somebody's own UI, which is another origin than Redline's.

The law of this module: it serves one page and knows nothing of Redline; what the page imports, the test says.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PAGE = Path(__file__).with_name("page.html")


@dataclass(frozen=True)
class Pages:
    """Where the page is."""

    origin: str

    @property
    def url(self) -> str:
        """Return the page's address."""
        return f"{self.origin}/page.html"


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while (head := await reader.readuntil(b"\r\n\r\n")) is not None:
            found = head.startswith(b"GET /page.html ")
            body = PAGE.read_bytes() if found else b""
            status = b"200 OK" if found else b"404 Not Found"
            fields = b"Content-Type: text/html; charset=utf-8\r\nCache-Control: no-cache\r\nContent-Length: %d" % len(body)
            writer.write(b"HTTP/1.1 %b\r\n%b\r\n\r\n%b" % (status, fields, body))
            await writer.drain()
    except (asyncio.IncompleteReadError, OSError):
        pass  # the browser has closed the connection
    finally:
        writer.close()


@asynccontextmanager
async def serving_pages() -> AsyncIterator[Pages]:
    """Serve the page for the length of the block."""
    connections: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(_answer(reader, writer))
        connections.add(task)
        task.add_done_callback(connections.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield Pages(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    finally:
        server.close()
        for task in tuple(connections):
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
