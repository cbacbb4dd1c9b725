"""What ``web/takeover.py`` and ``web/connection.py`` rely on of Sanic's insides.

The law held here: when Sanic moves, this file says what moved; and a connection that was taken over is no longer Sanic's in anything.
"""

from __future__ import annotations

import asyncio
import gc
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import sanic
from sanic import Sanic
from sanic.http import Http, Stage
from sanic.response import empty
from sanic.server.protocols.http_protocol import HttpProtocol

from redline.auth import mint_token
from redline.clock import SystemClock
from redline.settings import load_settings
from redline.testing import StreamConnection
from redline.web.app import create_app
from redline.web.connection import Connection
from redline.web.server import running
from redline.web.takeover import chunk

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sanic import Request
    from sanic.response import HTTPResponse

    from redline.testing import RunningService

OF_THE_CLASSES = {
    Http: ["http1", "create_empty_request", "http1_request_header", "HEADER_MAX_SIZE"],
    HttpProtocol: ["close", "close_if_idle", "abort", "data_received", "connection_lost", "pause_writing", "resume_writing", "HTTP_CLASS"],
}
OF_HTTP = ["protocol", "recv_buffer", "request_body", "response_func", "keep_alive", "stage", "request", "url", "_send"]
OF_A_PROTOCOL = ["transport", "connections", "_can_write", "_callback_check_timeouts", "_task", "loop", "app", "conn_info"]


def moved(what: str) -> str:
    return f"sanic {sanic.__version__} has moved {what}: read web/takeover.py and web/connection.py again, then pin its versions anew"


def sanics() -> list[object]:
    """Return all there is of Sanic's connections in this process, also what earlier tests still hold."""
    gc.collect()
    return [each for each in gc.get_objects() if isinstance(each, HttpProtocol | Http)]


class Captured:
    """Sanic's own objects of one request, as seen from its handler."""

    def __init__(self) -> None:
        self.http: Any = None


def settings_of(**settings: object) -> Any:  # noqa: ANN401 - Settings, made from anything
    return load_settings(None, {}, {"port": 0, "auth": {"secret": "s" * 48}, **settings})


def url_of_stream(url: str) -> str:
    return f"{url}/v1/stream?token=" + mint_token("s" * 48, org="acme", scopes="stream:read events:publish", ttl=600, clock=SystemClock())


@asynccontextmanager
async def captured(**config: object) -> AsyncIterator[tuple[str, Captured, Sanic[Any, Any]]]:
    """Run a service with a route that shows Sanic's objects."""
    settings = settings_of()
    app = create_app(settings)
    seen = Captured()

    @app.get("/captured")
    async def capture(request: Request) -> HTTPResponse:
        seen.http = request.stream
        return empty()

    app.config.update(config)
    async with running(app, settings) as url:
        yield url, seen, app


@pytest.mark.parametrize(("owner", "name"), [(owner, name) for owner, names in OF_THE_CLASSES.items() for name in names])
def test_the_classes_have_what_is_relied_on(owner: type, name: str) -> None:
    assert hasattr(owner, name), moved(f"{owner.__name__}.{name}")


async def test_the_objects_have_what_is_relied_on() -> None:
    async with captured() as (url, seen, _):
        connection = await StreamConnection.send(url, b"GET /captured HTTP/1.1\r\nHost: x\r\n\r\n")
        assert isinstance(seen.http, Http), moved("request.stream")
        protocol = seen.http.protocol
        assert isinstance(protocol, Connection), moved("the protocol argument of create_server")
        for name in OF_HTTP:
            assert hasattr(seen.http, name), moved(f"Http.{name}")
        for name in OF_A_PROTOCOL:
            assert hasattr(protocol, name), moved(f"HttpProtocol.{name}")
        assert protocol in protocol.connections, moved("the set of connections that a stop waits for")
        assert isinstance(protocol._can_write, asyncio.Event), moved("HttpProtocol._can_write")  # noqa: SLF001 - what the test is about
        assert isinstance(protocol._task, asyncio.Task), moved("HttpProtocol._task")  # noqa: SLF001 - as above
        assert hasattr(protocol._callback_check_timeouts, "cancel"), moved("the timer of a connection")  # noqa: SLF001 - as above
        assert seen.http.stage is Stage.IDLE, moved("the stage of a connection that waits")
        assert isinstance(seen.http.recv_buffer, bytearray), moved("Http.recv_buffer")
        await connection.close()


def test_the_version_is_one_that_was_tried() -> None:
    assert sanic.__version__.startswith("25.12."), moved("on")


async def test_a_stream_is_not_sanics_any_more() -> None:
    async with captured() as (url, _, app):
        del app
        before = sanics()
        streams = [await StreamConnection.open(url_of_stream(url)) for _ in range(5)]
        for stream in streams:
            await stream.event("stream.open")
        left = [each for each in sanics() if not any(each is known for known in before)]
        assert left == [], "its protocol, its timer and its task would still lead there"
        named = [task for task in asyncio.all_tasks() if "connection_task" in repr(task)]
        assert named == []
        for stream in streams:
            await stream.close()


async def test_sanics_timeouts_do_not_cut_a_stream() -> None:
    async with captured(RESPONSE_TIMEOUT=0.05, KEEP_ALIVE_TIMEOUT=0.05, REQUEST_TIMEOUT=0.05) as (url, seen, app):
        stream = await StreamConnection.open(url_of_stream(url))
        opened = await stream.event("stream.open")
        # Each of these ends by such a timeout: once they have, the stream's time would have come as well.
        for _ in range(3):
            idle = await StreamConnection.send(url, b"GET /captured HTTP/1.1\r\nHost: x\r\n\r\n")
            assert await idle.reader.read(-1) == b""
            await idle.close()
        assert len(app.ctx.redline_service.broker) == 1
        await app.ctx.redline_service.broker.drain()
        await stream.read_to_end()
        assert [event.event for event in stream.events] == ["stream.open", "stream.closing"]
        assert opened.json()["resumed"] is False
        assert seen.http is not None
        await stream.close()


async def test_keep_alive_connections_go_on_beside_streams(redline: RunningService) -> None:
    connection = await redline.send(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
    await connection.read_body()
    for _ in range(5):
        stream = await redline.stream()
        await stream.event("stream.open")
        connection.writer.write(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
        head = await connection.reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK")
        assert await connection.reader.readexactly(17) == b'{"status":"live"}'
        stream.reset()


async def test_a_connection_can_be_taken_after_other_requests_on_it(redline: RunningService) -> None:
    connection = await redline.send(b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n")
    await connection.read_body()
    target = redline.stream_url().removeprefix(redline.url).encode()
    connection.writer.write(b"GET " + target + b" HTTP/1.1\r\nHost: x\r\n\r\n")
    head = await connection.reader.readuntil(b"\r\n\r\n")
    assert b"text/event-stream" in head
    assert b"stream.open" in await connection.reader.readuntil(b"\n\n\r\n")
    event_id = await redline.publish()
    assert event_id.encode() in await connection.reader.readuntil(b"\n\n\r\n")


async def test_a_full_buffer_at_the_takeover_is_known() -> None:
    """A client that asks for much before it reads: its buffer is full when its stream begins."""
    settings = {"limits": {"write_buffer_bytes": 4096}, "auth": {"secret": "s" * 48}, "port": 0}
    loaded = load_settings(None, {}, settings)
    app = create_app(loaded)
    async with running(app, loaded) as url:
        target = url_of_stream(url).removeprefix(url).encode()
        flood = b"GET /v1/kinds HTTP/1.1\r\nHost: x\r\n\r\n" * 400 + b"GET " + target + b" HTTP/1.1\r\nHost: x\r\n\r\n"
        connection = await StreamConnection.send(url, flood, receive_buffer=4096)
        everything = connection.reader
        seen = b""
        async with asyncio.timeout(20):
            while b"event: stream.open" not in seen or not seen.endswith(b"\n\n\r\n"):
                seen = seen[-100_000:] + await everything.read(65_536)
        assert len(app.ctx.redline_service.broker) == 1
        draining = asyncio.create_task(app.ctx.redline_service.broker.drain())
        seen += await everything.read(-1)
        await draining
        assert seen.endswith(b"0\r\n\r\n")
        assert seen.count(b"event: stream.closing") == 1
        await connection.close()


@pytest.mark.parametrize("data", [b"x", b"", b"a" * 65_536, b"\r\n"])
def test_a_chunk_is_one_of_http(data: bytes) -> None:
    size, _, rest = chunk(data).partition(b"\r\n")
    assert int(size, 16) == len(data)
    assert rest == data + b"\r\n"
