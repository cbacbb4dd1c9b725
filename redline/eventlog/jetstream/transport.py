"""The bytes of one connection to NATS.

The law of this module: a connection ends at once and leaves nobody waiting, whatever its peer does; and each read that brings something is
told of. It is nats-py's own transport (2.16) but for that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nats.aio.transport import TcpTransport

if TYPE_CHECKING:
    from collections.abc import Callable
    from ssl import SSLContext
    from urllib.parse import ParseResult


class Socket(TcpTransport):
    """nats-py's transport, which can also be ended at once, and says how much waits in it, that something came, whether it is encrypted."""

    def __init__(self, heard: Callable[[], None]) -> None:
        """Take who is told of each read that brought something."""
        super().__init__()  # type: ignore[no-untyped-call]  # nats-py's own lack of a type
        self._heard = heard
        self._agreeing = False

    async def connect_tls(self, uri: str | ParseResult, ssl_context: SSLContext, buffer_size: int, connect_timeout: int) -> None:
        """Agree on TLS."""
        self._agreeing = True
        await super().connect_tls(uri, ssl_context, buffer_size, connect_timeout)
        self._agreeing = False

    async def wait_closed(self) -> None:
        """Wait until the connection is closed; asyncio tells a stream nothing of its end on which TLS was never agreed."""
        if not self._agreeing:
            await super().wait_closed()  # type: ignore[no-untyped-call]  # nats-py's own lack of a type

    async def read(self, buffer_size: int) -> bytes:
        """Read what comes next."""
        if data := await super().read(buffer_size):
            self._heard()
        return bytes(data)

    def __bool__(self) -> bool:
        """Say that this is a transport, also before it is connected: nats-py would take another."""
        return True

    def abort(self) -> None:
        """End the connection without waiting for the peer."""
        for writer in (self._io_writer, self._bare_io_writer):
            if writer is not None:
                writer.transport.abort()

    @property
    def waiting(self) -> int:
        """Return the bytes that the peer has not taken yet."""
        return self._io_writer.transport.get_write_buffer_size() if self._io_writer is not None else 0

    @property
    def encrypted(self) -> bool:
        """Return whether TLS is spoken."""
        return self._io_writer is not None and self._io_writer.get_extra_info("ssl_object") is not None
