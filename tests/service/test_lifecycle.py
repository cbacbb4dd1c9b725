"""The start and the stop (contract §6, house: "On stop").

The law held here: a stop ends every stream at a frame's boundary with ``stream.closing``, waits for what is being answered, cuts what
stalls, and leaves nothing: no task, no connection, no warning.
"""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import pytest

from redline.clock import SystemClock
from redline.errors import StartupError
from redline.settings import load_settings
from redline.testing import ManualClock, RunningService, StreamConnection, serving
from redline.testing.flooding import flood
from redline.web.app import create_app
from redline.web.server import listen, running, url_of
from tests.ports import free_ports
from tests.service.faulty import FaultyLog

if TYPE_CHECKING:
    from sanic import Sanic


async def started(stack: AsyncExitStack, settings: dict[str, Any] | None = None) -> RunningService:
    return await stack.enter_async_context(serving(settings))


async def test_a_stop_does_not_wait_for_who_has_not_asked_yet(caplog: pytest.LogCaptureFixture) -> None:
    async with AsyncExitStack() as stack:
        service = await started(stack, {"shutdown_seconds": 60})
        _, writer = await asyncio.open_connection("127.0.0.1", int(service.url.rpartition(":")[2]))
        writer.write(b"GET /v1/stream HTTP/1.1\r\nHo")
        await writer.drain()
        assert (await service.http.get(f"{service.url}/health/live")).status_code == 200
        async with asyncio.timeout(30):
            await stack.aclose()
        writer.close()
    assert [record.getMessage() for record in caplog.records if record.levelname in {"ERROR", "CRITICAL"}] == []


async def test_a_stop_ends_open_streams_and_stalled_ones_and_half_open_requests_within_5_seconds() -> None:
    """What is half open is cut after ``shutdown_seconds``, here half of the default: of the five seconds three are for a slow machine."""
    async with AsyncExitStack() as stack:
        tasks = asyncio.all_tasks()
        service = await started(stack, {"shutdown_seconds": 2, "limits": {"write_buffer_bytes": 4096}})
        token = service.token()
        streams = [await service.stream(token) for _ in range(20)]
        catching_up = [await service.stream(token, last_event_id="earliest", receive_buffer=4096) for _ in range(3)]
        stalled = [await service.stream(token, receive_buffer=4096) for _ in range(3)]
        for stream in (*catching_up, *stalled):
            stream.stall()
        reading = [asyncio.create_task(stream.read_to_end()) for stream in streams]
        await flood(service, token)
        idle = await service.send(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
        half_open = []
        for request in (b"GET /v1/kin", b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{", b""):
            reader, writer = await asyncio.open_connection("127.0.0.1", int(service.url.rpartition(":")[2]))
            writer.write(request)
            half_open.append((reader, writer))
        await service.http.get(f"{service.url}/health/live")

        before = time.monotonic()
        await stack.aclose()
        assert time.monotonic() - before < 5

        for events in await asyncio.gather(*reading):
            assert events[-1].json() == {"reason": "shutdown", "retryable": True}
            assert [event.event for event in events].count("stream.closing") == 1
        assert all(stream.ended for stream in streams)
        assert len(service.service.broker) == 0
        assert await idle.read_body() == b'{"status":"live"}'
        assert await idle.reader.read(-1) == b""
        for reader, writer in half_open:
            await reader.read(-1)
            writer.close()
        assert asyncio.all_tasks() <= tasks


async def test_a_stop_without_stragglers_waits_for_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """By the service's clock it takes no time at all: that one stands still. By ``shutdown_seconds`` it would be a minute."""
    async with AsyncExitStack() as stack:
        service = await stack.enter_async_context(serving({"shutdown_seconds": 60}, clock=ManualClock()))
        streams = [await service.stream() for _ in range(50)]
        keep_alive = await service.send(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
        await keep_alive.read_body()
        reading = [asyncio.create_task(stream.read_to_end()) for stream in streams]
        async with asyncio.timeout(30):
            await stack.aclose()
        for events in await asyncio.gather(*reading):
            assert [event.event for event in events] == ["stream.open", "stream.closing"]
        assert await keep_alive.reader.read(-1) == b""
    assert [record.getMessage() for record in caplog.records if record.levelname in {"ERROR", "CRITICAL"}] == []


async def test_a_stream_that_stops_with_the_service_resumes_at_its_last_event() -> None:
    async with AsyncExitStack() as stack:
        service = await started(stack)
        stream = await service.stream()
        ids = [await service.publish() for _ in range(3)]
        await stack.aclose()
        await stream.read_to_end()
        assert [event.last_event_id for event in stream.events] == [stream.events[0].last_event_id, *ids, ids[-1]]


class HeldLog(FaultyLog):
    """A log whose appends wait."""

    def __init__(self) -> None:
        super().__init__(SystemClock())
        self.waiting = asyncio.Event()
        self.go_on = asyncio.Event()

    async def append(self, drafts: Any) -> Any:  # noqa: ANN401 - as the one beneath
        self.waiting.set()
        await self.go_on.wait()
        return await super().append(drafts)

    async def close(self) -> None:
        self.closed_after_append = self.go_on.is_set()
        await super().close()


async def test_a_request_that_is_being_answered_is_answered_and_its_connection_closed_at_once() -> None:
    log = HeldLog()
    async with AsyncExitStack() as stack:
        service = await stack.enter_async_context(serving({"shutdown_seconds": 60}, log=log))
        body = json.dumps({"kind": "scheduler.tick", "data": service.example("scheduler.tick")})
        head = f"POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {service.token()}\r\nContent-Type: application/json\r\n"
        request = f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode()
        publishing = asyncio.create_task(StreamConnection.send(service.url, request))
        await log.waiting.wait()
        stream = await service.stream()
        stopping = asyncio.create_task(stack.aclose())
        await stream.read_to_end()
        log.go_on.set()
        answer = await publishing
        assert answer.status == 201
        assert "id" in json.loads(await answer.read_body())
        async with asyncio.timeout(30):  # a keep-alive connection that has been answered is not waited for, which would take a minute
            await stopping
        assert log.closed_after_append
        await answer.close()


async def test_a_stream_on_its_way_in_while_the_service_stops_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    log = FaultyLog(SystemClock())
    waiting, go_on = asyncio.Event(), asyncio.Event()
    tail = log.tail

    async def held(*arguments: Any) -> Any:  # noqa: ANN401 - as the one beneath
        waiting.set()
        await go_on.wait()
        return await tail(*arguments)

    monkeypatch.setattr(log, "tail", held)
    async with AsyncExitStack() as stack:
        service = await stack.enter_async_context(serving(log=log))
        opening = asyncio.create_task(service.stream())
        await waiting.wait()
        other = await service.send(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
        stopping = asyncio.create_task(stack.aclose())
        await other.read_body()
        assert await other.reader.read(-1) == b"", "idle connections are closed: the stop is under way"
        go_on.set()
        stream = await opening
        await stream.read_to_end()
        assert stream.events[-1].json() == {"reason": "shutdown", "retryable": True}
        await stopping
        assert len(service.service.broker) == 0


async def test_a_fault_at_the_start_stops_it_and_frees_the_port() -> None:
    log = FaultyLog(SystemClock())
    log.failing = StartupError("the event log cannot be opened")
    (port,) = free_ports(1)
    settings = load_settings(None, {}, {"port": port, "auth": {"secret": "s" * 48}})
    with pytest.raises(StartupError, match="cannot be opened"):
        async with running(create_app(settings, log=log), settings):
            pytest.fail("it started")
    log.failing = None
    async with running(create_app(settings), settings) as url:
        assert url == f"http://127.0.0.1:{port}"


async def test_a_port_in_use_is_named() -> None:
    async with serving() as service:
        port = int(service.url.rpartition(":")[2])
        settings = load_settings(None, {}, {"port": port, "auth": {"secret": "s" * 48}})
        with pytest.raises(StartupError, match=rf"REDLINE_PORT.*127\.0\.0\.1:{port}"):
            async with running(create_app(settings), settings):
                pytest.fail("it started")


def test_a_host_that_is_none_is_named() -> None:
    with pytest.raises(StartupError, match=r"REDLINE_HOST.*no\.such\.host\.invalid"):
        listen("no.such.host.invalid", 0)


@pytest.mark.parametrize(("host", "shown"), [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("localhost", None)])  # noqa: S104 - of this test alone
def test_the_url_can_be_opened(host: str, shown: str | None) -> None:
    bound = listen(host, 0)
    try:
        url = url_of(bound)
        assert url.endswith(f":{bound.getsockname()[1]}")
        assert shown is None or url.startswith(f"http://{shown}:")
    finally:
        bound.close()


def test_without_a_key_there_is_no_start() -> None:
    with pytest.raises(StartupError, match="REDLINE_AUTH__SECRET"):
        create_app(load_settings(None, {}, {}))


async def test_two_services_in_one_process_share_nothing() -> None:
    async with serving() as one, serving() as two:
        await one.publish()
        assert (await two.replay(two.token())).events[0].json()["head"].endswith("-0")
        refused = await two.http.get(two.stream_url(one.token()))
        assert refused.status_code == 401
        stream = await two.stream()
        await one.service.broker.drain()
        event_id = await two.publish()
        assert (await stream.event("scheduler.tick")).last_event_id == event_id


async def test_a_service_can_be_started_again_and_again_in_one_process() -> None:
    apps: list[Sanic[Any, Any]] = []
    settings = load_settings(None, {}, {"port": 0, "auth": {"secret": "s" * 48}})
    for _ in range(3):
        app = create_app(settings)
        apps.append(app)
        async with running(app, settings) as url:
            connection = await StreamConnection.send(url, b"GET /health/ready HTTP/1.1\r\nHost: x\r\n\r\n")
            assert connection.status == 200
            await connection.close()
    assert len({app.name for app in apps}) == 3
