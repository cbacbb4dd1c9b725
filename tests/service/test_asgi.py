"""The service under an ASGI server, and under Sanic's own test clients (``web/relay.py``).

The law held here: the fallback serves the same streams, waits for a slow reader within a bound, and leaves nothing behind.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import uvicorn
from sanic import Sanic

from redline.clock import SystemClock
from redline.settings import load_settings
from redline.testing import EventParser, ManualClock, RunningService
from redline.testing.flooding import stuck_reader
from redline.web.app import create_app

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from redline.clock import Clock

SECRET = "s" * 48
pytestmark = pytest.mark.filterwarnings(
    "ignore:websockets.legacy is deprecated:DeprecationWarning",  # sanic-testing's import
    r"ignore:[\s\S]*Passing the loop argument to listeners is deprecated:DeprecationWarning",  # sanic-testing's listener
)


class Server(uvicorn.Server):
    """uvicorn, telling when it has started."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    async def startup(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - uvicorn's
        await super().startup(*args, **kwargs)
        self.ready.set()


def application(clock: Clock, **settings: object) -> Sanic[Any, Any]:
    return create_app(load_settings(None, {}, {"auth": {"secret": SECRET}, **settings}), clock=clock)


@asynccontextmanager
async def under_uvicorn(clock: Clock | None = None, **settings: object) -> AsyncIterator[RunningService]:
    clock = clock or SystemClock()
    app = application(clock, **settings)
    server = Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, lifespan="on", timeout_graceful_shutdown=1))
    serving = asyncio.create_task(server.serve())
    try:
        async with asyncio.timeout(10):
            await server.ready.wait()
        port = server.servers[0].sockets[0].getsockname()[1]
        async with httpx.AsyncClient(verify=False) as http:  # noqa: S501 - there is no TLS here
            service = RunningService(f"http://127.0.0.1:{port}", app.ctx.redline_service, clock, SECRET, http)
            yield service
            await service.hang_up()
    finally:
        server.should_exit = True
        await serving
        Sanic.unregister_app(app)


async def test_a_stream_and_its_resume() -> None:
    async with under_uvicorn() as service:
        stream = await service.stream()
        assert stream.status == 200
        assert stream.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert stream.headers["x-accel-buffering"] == "no"
        await stream.event("stream.open")
        ids = [await service.publish() for _ in range(3)]
        assert [event.last_event_id for event in await stream.collect(3)] == ids
        again = await service.stream(headers={"Last-Event-ID": ids[0]})
        assert (await again.event("stream.open")).json()["resumed"] is True
        assert [event.last_event_id for event in await again.collect(2)] == ids[1:]
        ended = await service.replay()
        assert [event.last_event_id for event in ended.events[1:-1]] == ids
        assert ended.ended


async def test_time_and_ends() -> None:
    clock = ManualClock()
    async with under_uvicorn(clock) as service:
        stream = await service.stream(service.token(ttl=60), heartbeat="event")
        await stream.event("stream.open")
        clock.advance(15)
        await stream.event("stream.heartbeat")
        clock.advance(16)
        await stream.event("stream.expiring")
        clock.advance(29)
        await stream.read_to_end()
        assert stream.events[-1].json() == {"reason": "token_expired", "retryable": False}
        other = await service.stream()
        await other.event("stream.open")
        await service.service.broker.drain()
        await other.read_to_end()
        assert other.events[-1].json() == {"reason": "shutdown", "retryable": True}
        refused = await service.stream()
        assert (await refused.event()).json()["reason"] == "shutdown"
        assert len(service.service.broker) == 0


async def test_a_ticket_is_bought_and_opens_a_stream() -> None:
    clock = ManualClock()
    async with under_uvicorn(clock) as service:
        headers = {"Authorization": f"Bearer {service.token(ttl=100)}"}
        url = (await service.http.post(f"{service.url}/v1/stream/tickets", headers=headers)).json()["url"]
        stream = await service.send(f"GET {url} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        await stream.event("stream.open")
        clock.advance(61)
        assert (await service.http.get(f"{service.url}{url}")).status_code == 401
        clock.advance(39)
        await stream.read_to_end()
        assert stream.events[-1].json() == {"reason": "token_expired", "retryable": False}


@pytest.mark.parametrize("reset", [False, True], ids=["fin", "rst"])
async def test_a_disconnect_is_seen_while_nothing_is_sent_and_leaves_nothing(reset: bool) -> None:  # noqa: FBT001 - a table's column
    async with under_uvicorn() as service:
        tasks = len(asyncio.all_tasks())
        streams = [await service.stream() for _ in range(10)]
        for stream in streams:
            await stream.event("stream.open")
        assert len(service.service.broker) == 10
        for stream in streams:
            if reset:
                stream.reset()
            await stream.close()
        async with asyncio.timeout(5):
            while len(service.service.broker) or len(asyncio.all_tasks()) > tasks:  # noqa: ASYNC110 - the service tells nobody
                await asyncio.sleep(0)


async def test_a_slow_reader_gets_everything() -> None:
    history = {"events": 1_000_000, "bytes": 200_000_000, "total_bytes": 200_000_000}
    async with under_uvicorn(history=history, limits={"write_buffer_bytes": 4096}) as service:
        stream = await stuck_reader(service, service.token())
        last = (await service.publish_many(500))[-1]
        stream.go_on()
        await stream.read_until(lambda self: self.parser.last_event_id == last)
        numbers = [int(event.last_event_id.rpartition("-")[2]) for event in stream.events]
        assert numbers == list(range(len(numbers)))
        live = await service.publish()
        await stream.read_until(lambda self: self.parser.last_event_id == live)


async def test_a_reader_that_stalls_is_let_go() -> None:
    clock = ManualClock()
    async with under_uvicorn(clock, limits={"write_buffer_bytes": 4096}) as service:
        tasks = len(asyncio.all_tasks())
        stream = await stuck_reader(service, service.token())
        for _ in range(2):  # what the server took off the sink to hold it itself counts as taken, once
            clock.advance(31)
        clock.advance(2)
        async with asyncio.timeout(5):
            while len(service.service.broker) or len(asyncio.all_tasks()) > tasks:  # noqa: ASYNC110 - the service tells nobody
                await asyncio.sleep(0)
        stream.reset()


async def test_a_query_that_is_not_ascii_is_refused() -> None:
    async with under_uvicorn() as service:
        connection = await service.send(b"GET /v1/stream?token=\xff HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert connection.status == 400


async def test_errors_are_the_same() -> None:
    async with under_uvicorn() as service:
        for path, status in (("/nothing", 404), ("/v1/stream", 401), ("/v1/events", 405)):
            answer = await service.http.get(service.url + path)
            assert answer.status_code == status
            assert set(answer.json()["error"]) == {"code", "message", "requestId", "details"}
        refused = await service.stream(service.token("*"))
        assert refused.status == 403


def told(body: bytes) -> list[str]:
    return [event.event for event in EventParser().feed(body)]


def test_sanics_own_test_client_serves_what_ends() -> None:
    clock = SystemClock()
    app = application(clock)
    try:
        service = RunningService("", app.ctx.redline_service, clock, SECRET, httpx.AsyncClient(verify=False))  # noqa: S501 - there is no TLS here
        headers = {"Authorization": f"Bearer {service.token()}"}
        event = {"kind": "scheduler.tick", "data": service.example("scheduler.tick")}
        _, answer = app.test_client.post("/v1/events", json=event, headers=headers)
        assert answer is not None
        assert answer.status == 201
        _, answer = app.test_client.get("/v1/kinds")
        assert answer is not None
        assert answer.status == 200
        # Each call starts and stops the service anew: what is in memory is gone, and what follows is an empty history.
        _, answer = app.test_client.get("/v1/stream?follow=false&last_event_id=earliest", headers=headers)
        assert answer is not None
        assert answer.status == 200, answer.body
        assert told(answer.body) == ["stream.open", "stream.closing"]
        _, answer = app.test_client.get("/v1/stream")
        assert answer is not None
        assert answer.status == 401
    finally:
        Sanic.unregister_app(app)


async def test_sanics_own_asgi_client_serves_what_ends() -> None:
    clock = SystemClock()
    app = application(clock)
    try:
        async with httpx.AsyncClient() as http:
            service = RunningService("", app.ctx.redline_service, clock, SECRET, http)
        headers = {"Authorization": f"Bearer {service.token()}"}
        event = {"kind": "scheduler.tick", "data": service.example("scheduler.tick")}
        _, answer = await app.asgi_client.post("/v1/events", json=event, headers=headers)
        assert answer.status == 201
        _, answer = await app.asgi_client.get("/health/live")
        assert answer.status == 200
        _, answer = await app.asgi_client.get("/v1/stream?follow=false&last_event_id=earliest", headers=headers)
        assert told(answer.body)[0] == "stream.open"
        assert told(answer.body)[-1] == "stream.closing"
    finally:
        Sanic.unregister_app(app)
