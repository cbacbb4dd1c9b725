"""Sanic's connection, with what its users need put right.

The law of this module: a client that was refused reads why. Besides :mod:`redline.web.takeover` it is the only one that knows Sanic's
insides (sanic 25.12), and ``tests/service/test_takeover.py`` fails when they move. Five things are put right:

* A URL that cannot be parsed is answered; Sanic fails once more over making a request of it, and drops the connection without a word.
* A connection that ends while its client still sends is closed for writing first, and read to its end for a moment. Closed at once, the
  kernel resets it, and the reset overtakes the answer (RFC 9112 §9.6): a body too large would be a broken connection and no 413.
* The bound of a head is this application's, up to what its settings take, not one for all applications of the process.
* There is no empty ``Alt-Svc`` header, which says nothing and is no valid value.
* A connection that has ended holds nothing: neither by a method of its own, nor by the error that ended it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, cast

from sanic.application.state import ApplicationServerInfo
from sanic.exceptions import SanicException
from sanic.http import Http, Stage
from sanic.http.constants import HTTP
from sanic.server.protocols.http_protocol import HttpProtocol

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sanic import Sanic
    from sanic.config import Config

LINGER_SECONDS: Final = 2.0
"""How long a refused client may go on sending what nobody reads."""
_CUT_SECONDS: Final = 1.0
_EMPTY_ALT_SVC: Final = b"alt-svc: \r\n"
_HEAD_END: Final = b"\r\n\r\n"


class _Http(Http):
    """One connection's requests."""

    def __init__(self, protocol: Connection) -> None:
        """Take the connection."""
        super().__init__(protocol)  # type: ignore[no-untyped-call]
        if not protocol.app.config.TOUCHUP:
            self._send = self._send_without_alt_svc

    async def _send_without_alt_svc(self, data: bytes) -> None:
        at = data.find(_EMPTY_ALT_SVC, 0, data.find(_HEAD_END) + 2)
        await self.protocol.send(data if at < 0 else data[:at] + data[at + len(_EMPTY_ALT_SVC) :])  # type: ignore[no-untyped-call]

    @property
    def HEADER_MAX_SIZE(self) -> int:  # type: ignore[override]  # noqa: N802 - Sanic's name; there it is one for the process
        most: int = self.protocol.header_bytes  # type: ignore[attr-defined]  # it is a Connection
        return most

    async def http1(self) -> None:
        """Handle requests until the connection is not to be used again."""
        try:
            await super().http1()  # type: ignore[no-untyped-call]
        finally:
            # By these it holds itself, and with it the last request.
            self.request = self.response = self.response_func = self._send = cast("Any", None)
        cast("Connection", self.protocol).unread = bool(self.request_body or self.recv_buffer)

    async def error_response(self, exception: BaseException) -> None:
        """Answer for an error, and let go of the frames it came through: Sanic's own keeps what a cancelled request ended with."""
        try:
            await super().error_response(exception)  # type: ignore[arg-type]  # Sanic gives it cancellations as well
        finally:
            exception.__traceback__ = exception.__context__ = None

    def create_empty_request(self) -> None:
        """Make the stand-in for a request that could not be read, without its URL where that is what could not be."""
        try:
            super().create_empty_request()
        except SanicException:
            self.url = None
            super().create_empty_request()


class Connection(HttpProtocol):
    """A connection of the server; made by the event loop."""

    __slots__ = ("_lingering", "header_bytes", "unread")
    HTTP_CLASS = _Http

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - Sanic's arguments
        """Take what Sanic gives."""
        super().__init__(*args, **kwargs)
        self.header_bytes = int(self.app.config.REQUEST_MAX_HEADER_SIZE)
        """The bound of a head, at hand: Sanic asks for it twice a request."""
        self.unread = False
        """Whether the client had sent, or was to send, more than was read when the last request was done."""
        self._lingering: asyncio.TimerHandle | None = None

    def close(self, timeout: float | None = None) -> None:
        """Close the connection: for writing only, and for a moment, where the client is still sending. A second call closes it at once."""
        transport = self.transport
        if not self.unread or transport is None or transport.is_closing():
            super().close(timeout=timeout)
            return
        self.unread = False
        self._lingering = self.loop.call_later(LINGER_SECONDS, self.close)
        try:
            transport.write_eof()
            transport.resume_reading()
        except Exception:  # noqa: BLE001 - uvloop raises RuntimeError between a connection's end and its notice
            self.close()

    def close_unless_asked(self) -> None:
        """Close the connection if its client has not sent a whole head: nothing was asked, so there is nothing to finish."""
        if self.transport is not None and self.http is not None and self.http.stage is Stage.REQUEST and self.http.request is None:
            self.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Take what the client sends; discard it once it was refused."""
        if self._lingering is None:
            super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave nothing behind."""
        if self._lingering is not None:
            self._lingering.cancel()
        super().connection_lost(exc)  # type: ignore[no-untyped-call]


def optimise(app: Sanic[Config, Any]) -> None:
    """Let Sanic rewrite its own methods when ``app`` starts ("touch-up": nothing is dispatched that nobody listens to).

    A request costs half as much then. But it rewrites them for the whole process, and what it has rewritten fails any other application
    that starts in it: this is for a process that is ours.
    """
    app.state.server_info = [ApplicationServerInfo(settings={"version": HTTP.VERSION_1})]
    app.config.TOUCHUP = not is_optimised()


def is_optimised() -> bool:
    """Tell whether Sanic's methods have been rewritten in this process, by whichever application."""
    return bool(getattr(Http, "__touched__", False))


async def cut(connections: Iterable[Any]) -> None:
    """Abort Sanic's connections and wait until their handlers have ended."""
    cut_off = tuple(connections)
    tasks = [connection._task for connection in cut_off if connection._task is not None]  # noqa: SLF001 - the law of this module
    for connection in cut_off:
        connection.abort()
    if tasks:
        await asyncio.wait(tasks, timeout=_CUT_SECONDS)
