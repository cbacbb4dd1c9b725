"""The server's life: from a bound socket to a quiet end.

The law of this module: the ready line is printed only when a stop would work, and a stop ends every stream at a frame's boundary, within
the time that the settings give. We run Sanic's asyncio server ourselves, because its own runner can lose a signal that comes while it
starts.
"""

from __future__ import annotations

import asyncio
import errno
import gc
import logging
import resource
import signal
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from sanic import Sanic

from redline.errors import NotYetError, StartupError
from redline.web.connection import Connection, cut, optimise

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from sanic.config import Config

    from redline.settings import Settings

_logger = logging.getLogger(__name__)
SPARE_FILES: Final = 64
"""File descriptors kept for everything that is not a stream: requests, the log, the process itself."""
_POLL: Final = 0.01
_COLLECT: Final = (10_000, 20, 20)
"""How seldom garbage is collected: events and streams are freed as they go, without the collector, which with a full history looks through
a million objects for nothing. At Python's own (700, 10, 10) that held all streams for 40 to 90 ms each time."""


def raise_file_limit() -> int:
    """Raise this process's limit of open files as far as it may, and return how many streams fit under it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return max(1, (hard if hard != resource.RLIM_INFINITY else 1_048_576) - SPARE_FILES)


def listen(host: str, port: int) -> socket.socket:
    """Return a socket bound to ``host`` and ``port`` (0 picks a free one); raises ``StartupError`` saying why it cannot be."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        bound = socket.socket(family, kind, protocol)
    except OSError as error:
        msg = f"host (REDLINE_HOST): cannot listen on {host!r}: {error.strerror}"
        raise StartupError(msg) from None
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError as error:
        bound.close()
        way_out = "stop what uses it, or set another port (0 picks a free one)"
        msg = f"port (REDLINE_PORT): cannot listen on {host}:{port}: {error.strerror}; {way_out}"
        raise (NotYetError if error.errno == errno.EADDRINUSE else StartupError)(msg) from None
    return bound


def url_of(bound: socket.socket) -> str:
    """Return the socket's address as a URL; an address of every interface is shown as one that a browser can open."""
    host, port = bound.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - shown, not bound
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@asynccontextmanager
async def running(app: Sanic[Config, Any], settings: Settings, *, own_process: bool = False) -> AsyncIterator[str]:
    """Serve ``app`` on the running loop for the length of the block; yields its URL once it accepts connections.

    ``own_process`` says that no other Sanic application will ever start in this process. Raises ``StartupError`` where it cannot start.
    """
    bound = listen(settings.host, settings.port)
    url = url_of(bound)
    if own_process:
        optimise(app)
        app.ctx.redline_service.watchdog.own_process()
    server: Any = await app.create_server(
        sock=bound,
        protocol=Connection,
        backlog=settings.limits.backlog,
        return_asyncio_server=True,
        access_log=False,
        # Sanic would accept connections from here on, before the application has started.
        asyncio_server_kwargs={"start_serving": False},
    )
    if server is None:
        msg = "Sanic made no server"
        raise StartupError(msg)
    try:
        await server.startup()
        await server.before_start()
        await server.start_serving()
        await server.after_start()
        yield url
    finally:
        await _stop(server, settings.shutdown_seconds)
        bound.close()
        Sanic.unregister_app(app)


async def _stop(server: Any, seconds: float) -> None:  # noqa: ANN401 - Sanic's AsyncioServer, whose methods have no types
    """End streams, then requests, then the rest; what is not done within ``seconds`` is cut."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    started = server.app.state.is_started
    if started:
        await server.before_stop()
    if server.server is not None:
        server.server.close()
    while server.connections and loop.time() < deadline:
        # Each time: a connection whose request has just been answered waits for the next one now.
        for connection in tuple(server.connections):
            if not connection.close_if_idle():
                connection.close_unless_asked()
        await asyncio.sleep(_POLL)
    await cut(server.connections)
    if started:
        await server.after_stop()


async def serve(app: Sanic[Config, Any], settings: Settings, ready: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT. ``ready`` is given the URL once connections are accepted and a stop works."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    gc.collect()  # before the watchdog watches: on a slow machine this holds the loop for longer than some settings let it
    async with running(app, settings, own_process=True) as url:
        # What was made to start with stays: the collector need not look through it again each time, while every stream waits.
        gc.freeze()
        gc.set_threshold(*_COLLECT)
        if not stop.is_set():
            ready(url)
        await stop.wait()
        _logger.info("Stopping: streams are told, requests are finished.")
