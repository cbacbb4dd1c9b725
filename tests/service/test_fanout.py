"""Many readers at once (house: "Facts of the ground").

The law held here: what happens to one connection costs no other an event, readers who come and go while events are published miss none, and
a connection that is gone has left nothing behind.
"""

from __future__ import annotations

import asyncio
import gc
import random
import re
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import pytest

from redline.broker.subscription import Subscription
from redline.testing import StreamConnection, serving
from redline.testing.flooding import flood, stuck_reader
from redline.web.connection import Connection
from redline.web.server import raise_file_limit
from redline.web.takeover import UPLOAD_BYTES, StreamProtocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from redline.testing import RunningService

SEQUENCE = re.compile(rb"\nid: [A-Za-z0-9._]+-([0-9]+)\n\n")
MANY, EVENTS, IN_FLIGHT = 1_000, 500, 64


class Reader(asyncio.Protocol):
    """A reader that costs little: it looks at the ids alone, and that each is the next one."""

    def __init__(self, head: bytes, goal: int) -> None:
        self.last: int | None = None
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._head = head
        self._goal = goal
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.transport.write(self._head)

    def data_received(self, data: bytes) -> None:
        data = self._rest + data
        end = 0
        for match in SEQUENCE.finditer(data):
            number, end = int(match[1]), match.end() - 2
            if self.last is not None and number != self.last + 1:
                self._fail(f"{number} came after {self.last}")
            self.last = number
        self._rest = data[max(end, len(data) - 100) :]
        if self.last is not None and not self.opened.done():
            self.opened.set_result(None)
        if self.last == self._goal and not self.done.done():
            self.done.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(f"the connection was lost after {self.last}: {exc}")

    def leave(self) -> None:
        """Cut the connection."""
        self.opened.cancel()
        self.done.cancel()
        self.transport.abort()

    def _fail(self, reason: str) -> None:
        for future in (self.opened, self.done):
            if not future.done():
                future.set_exception(AssertionError(reason))

    @classmethod
    async def connect(cls, service: RunningService, token: str, goal: int, cursor: str = "") -> Reader:
        parts = urlsplit(service.stream_url(token))
        head = f"GET {parts.path}?{parts.query} HTTP/1.1\r\nHost: x\r\nLast-Event-ID: {cursor}\r\n\r\n".encode()
        _, reader = await asyncio.get_running_loop().create_connection(lambda: cls(head, goal), str(parts.hostname), parts.port or 0)
        return reader


async def gone(service: RunningService, left: int = 0) -> None:
    """Wait until the service has learnt that all but ``left`` streams are gone."""
    async with asyncio.timeout(10):
        while len(service.service.broker) > left:  # noqa: ASYNC110 - the service tells nobody
            await asyncio.sleep(0)


async def test_a_thousand_streams_receive_five_hundred_events_each_in_order() -> None:
    assert raise_file_limit() >= 2 * MANY + 200, "this machine allows too few open files: raise the hard limit (ulimit -Hn)"
    async with serving({"limits": {"streams": MANY}}) as service:
        token = service.token()
        readers = [await Reader.connect(service, token, EVENTS) for _ in range(MANY)]
        await asyncio.gather(*(reader.opened for reader in readers))
        free = asyncio.Semaphore(IN_FLIGHT)

        async def publish() -> None:
            async with free:
                await service.publish(token=token)

        await asyncio.gather(*(publish() for _ in range(EVENTS)))
        async with asyncio.timeout(30):
            await asyncio.gather(*(reader.done for reader in readers))
        assert service.service.metrics.deliveries._value.get() == MANY * EVENTS  # noqa: SLF001 - prometheus_client has no other way
        assert service.service.metrics.slow_subscribers._value.get() == 0  # noqa: SLF001 - as above
        for reader in readers:
            reader.leave()
        await gone(service)


async def test_publishing_races_with_opening_and_replay_without_gap_or_duplicate(redline: RunningService) -> None:
    token = redline.token()
    chance = random.Random(1)
    first = await redline.publish(token=token)
    known = [first]
    total = 300

    async def publisher() -> None:
        while len(known) < total:
            known.append("")
            index = len(known) - 1
            known[index] = await redline.publish(token=token)

    async def joiner() -> None:
        for _ in range(8):
            cursor = chance.choice([event_id for event_id in known if event_id])
            reader = await Reader.connect(redline, token, total, chance.choice(["", "earliest", cursor]))
            readers.append(reader)
            await reader.opened

    readers: list[Reader] = []
    await asyncio.gather(*(publisher() for _ in range(4)), *(joiner() for _ in range(10)))
    async with asyncio.timeout(10):
        await asyncio.gather(*(reader.done for reader in readers))
    assert len(readers) == 80
    for reader in readers:
        reader.leave()


async def test_connections_that_die_in_a_fan_out_cost_no_other_stream_an_event(redline: RunningService) -> None:
    token = redline.token()
    total = 400
    chance = random.Random(2)
    survivors = [await Reader.connect(redline, token, total) for _ in range(30)]
    await asyncio.gather(*(reader.opened for reader in survivors))
    published = 0

    async def publisher() -> None:
        nonlocal published
        while published < total:
            published += 1
            await redline.publish(token=token)

    async def comes_and_goes() -> None:
        while published < total:
            stream = await redline.stream(token)
            await stream.event("stream.open")
            cursor = stream.parser.last_event_id
            stream.reset() if chance.random() < 0.8 else stream.writer.close()
            again = await Reader.connect(redline, token, total, cursor)
            await again.opened
            again.leave()
            returned.append(cursor)

    returned: list[str] = []
    await asyncio.gather(*(publisher() for _ in range(4)), *(comes_and_goes() for _ in range(12)))
    async with asyncio.timeout(10):
        await asyncio.gather(*(reader.done for reader in survivors))
    assert len(returned) > 100
    for reader in survivors:
        reader.leave()
    await gone(redline)


async def test_a_reader_that_stalls_and_goes_on_gets_everything() -> None:
    settings = {"limits": {"write_buffer_bytes": 4096}, "history": {"events": 1_000_000, "bytes": 200_000_000, "total_bytes": 200_000_000}}
    async with serving(settings) as service:
        token = service.token()
        stream = await stuck_reader(service, token)
        last = (await service.publish_many(1000, token=token))[-1]
        other = await service.stream(token)
        assert (await other.event("stream.open")).last_event_id == last
        stream.go_on()
        await stream.read_until(lambda self: self.parser.last_event_id == last)
        numbers = [int(event.last_event_id.rpartition("-")[2]) for event in stream.events]
        assert numbers == list(range(len(numbers)))
        live = await service.publish(token=token)
        assert [(await each.event("scheduler.tick")).last_event_id for each in (other,)] == [live]
        await stream.read_until(lambda self: self.parser.last_event_id == live)


async def test_a_reader_that_falls_out_of_history_is_closed_and_told_on_its_return() -> None:
    async with serving({"limits": {"write_buffer_bytes": 4096}, "history": {"events": 50}}) as service:
        token = service.token()
        stream = await stuck_reader(service, token)
        ids = await service.publish_many(100, token=token)
        stream.go_on()
        await stream.read_to_end()
        assert stream.events[-1].json() == {"reason": "slow_subscriber", "retryable": True}
        numbers = [int(event.last_event_id.rpartition("-")[2]) for event in stream.events[:-1]]
        assert numbers == list(range(len(numbers))), "what it got, it got whole and in order"
        again = await service.replay(token, headers={"Last-Event-ID": stream.parser.last_event_id})
        assert again.events[1].json()["reason"] == "evicted"
        assert [event.last_event_id for event in again.events[2:-1]] == ids[-50:]


async def fin(stream: StreamConnection) -> None:
    await stream.close()


async def rst(stream: StreamConnection) -> None:
    stream.reset()


def living(*kinds: type) -> list[Any]:
    gc.collect()
    return [each for each in gc.get_objects() if isinstance(each, kinds)]


@pytest.mark.parametrize("leave", [fin, rst])
@pytest.mark.parametrize("mode", ["live", "replaying", "paused", "unread"])
async def test_a_connection_that_is_gone_has_left_nothing_behind(mode: str, leave: Callable[[StreamConnection], Awaitable[None]]) -> None:
    async with serving({"limits": {"write_buffer_bytes": 4096}}) as service:
        token = service.token()
        await service.publish_many(1000, token=token)
        assert living(Subscription, StreamProtocol) == []
        wheel, tasks = len(service.service.broker.wheel), len(asyncio.all_tasks())
        streams = []
        for _ in range(20):
            query = {"last_event_id": "earliest"} if mode == "replaying" else {}
            streams.append(await StreamConnection.open(service.stream_url(token, **query), receive_buffer=4096))
            if mode in {"live", "paused"}:
                await streams[-1].event("stream.open")
            if mode == "paused":
                streams[-1].stall()
        if mode == "paused":
            await flood(service, token)
        assert len(service.service.broker) == 20
        assert len(living(Subscription, StreamProtocol)) == 40
        for stream in streams:
            await leave(stream)
        await gone(service)
        assert living(Subscription, StreamProtocol) == []
        assert len(service.service.broker.wheel) == wheel
        async with asyncio.timeout(5):
            while len(asyncio.all_tasks()) > tasks:  # noqa: ASYNC110 - a connection's last turns of the loop
                await asyncio.sleep(0)
        assert "redline_streams_open 0.0" in (await service.http.get(f"{service.url}/metrics")).text


async def test_an_open_stream_holds_no_task_and_no_connection_of_sanics(redline: RunningService) -> None:
    async with asyncio.timeout(10):
        tasks = len(asyncio.all_tasks())
        for _ in range(20):
            await (await redline.stream()).event("stream.open")
        assert len(asyncio.all_tasks()) == tasks
        assert living(Connection) == []


async def test_a_client_that_uploads_into_its_stream_is_dropped(redline: RunningService) -> None:
    stream = await redline.stream()
    await stream.event("stream.open")
    stream.writer.write(b"x" * UPLOAD_BYTES)
    await redline.publish()
    await stream.event("scheduler.tick")
    assert len(redline.service.broker) == 1
    stream.writer.write(b"x")
    await gone(redline)
    await stream.read_until(lambda self: self.closed)
    assert not stream.ended


async def test_bytes_after_the_request_are_no_request(redline: RunningService) -> None:
    target = redline.stream_url().removeprefix(redline.url).encode()
    pipelined = b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % target + b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n" * 3
    stream = await redline.send(pipelined)
    await stream.event("stream.open")
    event_id = await redline.publish()
    assert (await stream.event()).last_event_id == event_id
    assert b"live" not in stream.raw


@pytest.mark.parametrize(
    "body", [b"Content-Length: 5\r\n\r\nhello", b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", b"Content-Length: 5\r\n\r\n"]
)
async def test_a_body_of_the_request_is_nothing(redline: RunningService, body: bytes) -> None:
    target = redline.stream_url().removeprefix(redline.url).encode()
    stream = await redline.send(b"GET " + target + b" HTTP/1.1\r\nHost: x\r\n" + body)
    await stream.event("stream.open")
    event_id = await redline.publish()
    assert (await stream.event()).last_event_id == event_id
