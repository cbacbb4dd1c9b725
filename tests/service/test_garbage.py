"""What a request leaves behind.

The law held here: what was answered is free at once. A reference cycle, such as an error that is kept with the frames it came through,
would hold requests and payloads until a garbage collector runs, and under a flood of refusals that is no bound at all.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from redline.testing import serving
from tests.garbage import garbage, no_collector

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from redline.testing import RunningService
    from tests.nats import NatsServer

REPEATED: Final = 5


class Caller:
    """Requests, each in a way of its own."""

    def __init__(self, service: RunningService) -> None:
        self._service = service
        self.good = {"kind": "scheduler.tick", "data": service.example("scheduler.tick")}
        self.other = {"kind": "run.stage", "data": service.example("run.stage")}
        self.bad = {"kind": "scheduler.tick", "data": {}}
        self.unknown = {"kind": "no.such", "data": {}}

    async def one(self, event: object, *, token: str | None = None) -> int:
        headers = {"Authorization": f"Bearer {token or self._service.token()}", "Content-Type": "application/json"}
        response = await self._service.http.post(f"{self._service.url}/v1/events", content=json.dumps(event), headers=headers)
        return response.status_code

    async def batch(self, *events: object) -> int:
        headers = {"Authorization": f"Bearer {self._service.token()}", "Content-Type": "application/x-ndjson"}
        content = "\n".join(event if isinstance(event, str) else json.dumps(event) for event in events)
        response = await self._service.http.post(f"{self._service.url}/v1/events", content=content, headers=headers)
        return response.status_code

    async def get(self, path: str, **headers: str) -> int:
        response = await self._service.http.get(f"{self._service.url}{path}", headers=headers)
        return response.status_code

    async def conflict(self) -> int:
        key = uuid4().hex
        await self.one({**self.good, "key": key})
        return await self.one({**self.other, "key": key})

    async def conflict_in_a_batch(self) -> int:
        key = uuid4().hex
        return await self.batch({**self.good, "key": key}, {**self.other, "key": key})

    async def log_unavailable(self, call: Callable[[], Awaitable[int]]) -> int:
        with self._service.faults.log_unavailable():
            return await call()

    async def refused(self, call: Callable[[], Awaitable[int]]) -> int:
        with self._service.faults.publishes_refused():
            return await call()

    def stream(self, **query: str) -> str:
        return self._service.stream_url(None, **query).removeprefix(self._service.url)


SHAPES: Final[dict[str, tuple[int, Callable[[Caller], Awaitable[int]]]]] = {
    "an event": (201, lambda it: it.one(it.good)),
    "a batch": (200, lambda it: it.batch(it.good, it.other)),
    "an invalid event": (422, lambda it: it.one(it.bad)),
    "an unknown kind": (422, lambda it: it.one(it.unknown)),
    "a batch with all that may be wrong": (207, lambda it: it.batch(it.good, it.bad, it.unknown, "{")),
    "a key used before": (409, Caller.conflict),
    "a key used before in its batch": (207, Caller.conflict_in_a_batch),
    "a bad token": (401, lambda it: it.one(it.good, token="nobody.knows.it")),
    "a log out of reach": (503, lambda it: it.log_unavailable(lambda: it.one(it.good))),
    "a log out of reach for a batch": (503, lambda it: it.log_unavailable(lambda: it.batch(it.good, it.other))),
    "a log out of reach for a stream": (200, lambda it: it.log_unavailable(lambda: it.get(it.stream(), accept="text/event-stream"))),
    "a log out of reach for a program": (503, lambda it: it.log_unavailable(lambda: it.get(it.stream(), accept="*/*"))),
    "a limit": (429, lambda it: it.refused(lambda: it.one(it.good))),
    "a limit for a batch": (207, lambda it: it.refused(lambda: it.batch(it.good, it.other))),
    "a stream for nobody": (401, lambda it: it.get("/v1/stream?token=nobody")),
    "a stream of no kind": (400, lambda it: it.get(it.stream(kinds="%"))),
    "no route": (404, lambda it: it.get("/v1/nothing")),
}


@pytest.mark.parametrize("shape", SHAPES)
async def test_what_was_answered_is_free(shape: str) -> None:
    with no_collector():
        async with serving() as service:
            caller, (status, call) = Caller(service), SHAPES[shape]
            assert await call(caller) == status
            garbage()
            for _ in range(REPEATED):
                assert await call(caller) == status
            await caller.get("/health/live")  # on the same connection: the one before it is done with
            assert garbage() == []


MUCH: Final = 1 << 16
CONNECTIONS: Final = {
    "that asked for a head only": b"HEAD /v1/events HTTP/1.1\r\nHost: x\r\n\r\n",
    "that sent nothing": b"",
    "that sent half a head": b"POST /v1/events HTTP/1.1\r\nHost: x\r\n",
    "that sent half a body": b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n{" % MUCH,
    "that sent half a chunk": b"POST /v1/events HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{",
    "that sent too much": b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (2 * MUCH) + bytes(2 * MUCH),
    "that spoke no HTTP": b"\0\r\n\r\n",
    "that was answered": b"GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "that sent two": b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n" * 2,
}


@pytest.mark.parametrize("shape", CONNECTIONS)
async def test_a_connection_leaves_nothing(shape: str) -> None:
    with no_collector():
        async with serving({"limits": {"body_bytes": MUCH}}) as service:
            for round_ in range(1 + REPEATED):
                if round_ == 1:
                    garbage()
                reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(service.url).port)
                writer.write(CONNECTIONS[shape])
                writer.write_eof()
                await reader.read()
                writer.close()
                with suppress(ConnectionError):
                    await writer.wait_closed()
            await Caller(service).get("/health/live")  # by then the others have been noticed
            assert garbage() == []


async def test_a_client_that_does_not_wait_for_its_stream_leaves_nothing() -> None:
    with no_collector():
        async with serving() as service:
            path = Caller(service).stream()
            for round_ in range(1 + REPEATED):
                if round_ == 1:
                    garbage()
                _, writer = await asyncio.open_connection("127.0.0.1", urlsplit(service.url).port)
                writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                writer.transport.abort()
                await Caller(service).get("/health/live")
            assert garbage() == []


async def test_what_a_nats_that_stands_still_did_not_take_is_free(nats_server: NatsServer) -> None:
    with no_collector():
        async with serving({"eventlog": f"{nats_server.url}?timeout=1&pending=4"}) as service:
            caller = Caller(service)
            keyed = [{**caller.good, "key": f"k{n}"} for n in range(4)]
            assert await caller.batch(*keyed) == 200
            nats_server.pause()
            try:
                for round_ in range(3):
                    if round_ == 1:
                        garbage()
                    assert await caller.one(caller.good) == 503
                    assert await caller.batch(*[{**event, "key": f"{round_}-{event['key']}"} for event in keyed]) == 207
                await caller.get("/health/live")
                assert garbage() == []
            finally:
                nats_server.resume()


async def test_what_a_nats_that_is_gone_cannot_give_is_free(nats_server: NatsServer) -> None:
    with no_collector():
        async with serving({"eventlog": f"{nats_server.url}?timeout=1"}) as service:
            caller = Caller(service)
            assert await caller.one(caller.good) == 201
            nats_server.kill()
            for number in range(4):
                if number == 1:
                    garbage()
                assert await caller.get(caller.stream()) == 503
            await caller.get("/health/live")
            assert garbage() == []
