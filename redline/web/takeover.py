"""A stream leaves Sanic once its head is sent.

The law of this module: it is the one place that knows Sanic's insides. Sanic's request, response, task and timers are let go, as for a
WebSocket upgrade, and the connection's transport is handed to a small protocol of ours that is the subscription's sink. What is relied on
(sanic 25.12) is listed in :func:`take_over`; ``tests/service/test_takeover.py`` fails when it moves.
"""

from __future__ import annotations

import asyncio
import fcntl
import struct
import termios
from typing import TYPE_CHECKING, Any, Final, cast

from sanic.exceptions import RequestCancelled
from sanic.http import Http, Stage

if TYPE_CHECKING:
    from collections.abc import Callable

    from sanic import Request

    from redline.broker.subscription import Subscription

UPLOAD_BYTES: Final = 16_384
"""What a client may send into its stream before it is dropped. It has nothing to say; but reading must go on, or its FIN goes unseen."""
_COUNT: Final = struct.Struct("i")
_LAST_CHUNK: Final = b"0\r\n\r\n"


def chunk(data: bytes) -> bytes:
    """Return ``data`` as one chunk of HTTP/1.1 (RFC 9112 §7.1)."""
    return b"%x\r\n%b\r\n" % (len(data), data)


class StreamProtocol(asyncio.Protocol):
    """The connection of one stream, and its :class:`~redline.broker.sink.Sink`."""

    __slots__ = ("_subscription", "_transport", "_uploaded", "write")

    def __init__(self, transport: asyncio.Transport) -> None:
        """Take the connection; :meth:`serve` must follow within the same turn of the loop."""
        self._transport = transport
        self._subscription: Subscription | None = None
        self._uploaded = 0
        self.write: Callable[[bytes], None] = transport.write

    def serve(self, subscription: Subscription) -> None:
        """Tell ``subscription`` from now on what the connection does."""
        self._subscription = subscription

    # The sink.

    def finish(self, frames: bytes) -> None:
        """Send the last frames and the last chunk, then close."""
        try:
            self._transport.write(chunk(frames) + _LAST_CHUNK)
        except Exception:  # noqa: BLE001 - uvloop raises RuntimeError between a connection's end and its notice
            self._transport.abort()
        else:
            self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        self._transport.abort()

    def unsent(self) -> int:
        """Return what waits in this process and in the kernel for the client to acknowledge (``SIOCOUTQ``, tcp(7))."""
        try:
            queued: int = _COUNT.unpack(
                fcntl.ioctl(self._transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, bytes(_COUNT.size))
            )[0]
            return queued + self._transport.get_write_buffer_size()
        except (OSError, ValueError):
            return 0  # the connection is on its way out

    # The connection.

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave nothing behind, whatever the reason."""
        del exc
        if self._subscription is not None:
            self._subscription.lost()
            self._subscription = None

    def pause_writing(self) -> None:
        """Learn that the buffer is full."""
        if self._subscription is not None:
            self._subscription.pause()

    def resume_writing(self) -> None:
        """Learn that the buffer has drained."""
        if self._subscription is not None:
            self._subscription.resume()

    def data_received(self, data: bytes) -> None:
        """Discard what the client sends, and the client when that is much."""
        self._uploaded += len(data)
        if self._uploaded > UPLOAD_BYTES:
            self._transport.abort()


def can_take_over(request: Request) -> bool:
    """Tell whether the request came over a connection that can be taken over; under an ASGI server it did not."""
    return isinstance(request.stream, Http)


def take_over(request: Request, write_buffer_bytes: int) -> tuple[StreamProtocol, bool]:
    """Take the connection away from Sanic; return its new protocol, and whether the connection's buffer is full already.

    Call it once the response's head was sent, and return from the handler after it. ``write_buffer_bytes`` is how much may wait for a
    reader before it is paused. Raises ``RequestCancelled`` when the client has gone.

    Relied on: ``request.stream`` is the connection's :class:`sanic.http.Http`, whose loop ends when ``keep_alive`` is false and sends
    nothing more when ``response_func`` is None and ``stage`` is IDLE; ``protocol.transport`` may be None, and nothing is closed then;
    ``protocol.connections`` is what a stop waits for.
    """
    http = cast("Any", request.stream)
    protocol = http.protocol
    transport: asyncio.Transport | None = protocol.transport
    if transport is None or transport.is_closing():
        raise RequestCancelled
    # While it still is Sanic's: it is told at once where its buffer is fuller than that, and nobody would be told again.
    transport.set_write_buffer_limits(high=write_buffer_bytes)
    full = not protocol._can_write.is_set()  # noqa: SLF001 - the one place that may
    protocol.connections.discard(protocol)
    protocol.transport = None
    if protocol._callback_check_timeouts is not None:  # noqa: SLF001 - as above
        protocol._callback_check_timeouts.cancel()  # noqa: SLF001 - as above
    http.request_body = None
    http.response_func = None
    http.keep_alive = False
    http.stage = Stage.IDLE
    ours = StreamProtocol(transport)
    transport.set_protocol(ours)
    transport.resume_reading()
    return ours, full
