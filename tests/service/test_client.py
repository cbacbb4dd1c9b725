"""The client against a real service, over a network that fails where the test says."""

from __future__ import annotations

import asyncio
import json
import random
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx
import pytest

from redline.auth import mint_token
from redline.client import Client, NewEvent, Published, Refused, StreamEnded, SyncClient
from redline.clock import SystemClock
from redline.testing import PATIENCE, serving
from tests.ports import free_ports

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from redline.client import Event
    from redline.client.connection import Token
    from redline.testing import ManualClock, RunningService

SECRET = "the secret of these tests, long enough"
TICK = "scheduler.tick"


async def at_once(_: float) -> None:
    """Wait, but not for long: what is tested is what happens, not when."""
    await asyncio.sleep(0)


def client_for(redline: RunningService, url: str | None = None, token: Token | None = None) -> Client:
    # Without the machine's certificates, which take longer to load than a test that makes a thousand clients should.
    transport = httpx.AsyncHTTPTransport(verify=False)
    return Client(url or redline.url, redline.token() if token is None else token, sleep=at_once, transport=transport)


@dataclass
class Network:
    """A TCP proxy. Each connection passes so many bytes of the answer as ``passes`` says, in turn, and is then cut; then without limit.

    ``answers`` are sent in place of the service's, one a connection, before that. ``stalled`` passes nothing more, and cuts nothing either.
    """

    port: int
    passes: list[int] = field(default_factory=list)
    answers: list[bytes] = field(default_factory=list)
    stalled: bool = False
    connections: int = 0
    passed: int = 0
    url: str = ""

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            if self.answers:
                await reader.readuntil(b"\r\n\r\n")
                writer.write(self.answers.pop(0))
            else:
                await self._pass(reader, writer, self.passes.pop(0) if self.passes else None)
        except (OSError, RuntimeError):
            pass  # the client was faster; uvloop says so with a RuntimeError
        finally:
            writer.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, left: int | None) -> None:
        from_service, to_service = await asyncio.open_connection("127.0.0.1", self.port)
        upwards = asyncio.create_task(self._upwards(reader, to_service))
        try:
            while data := await from_service.read(65_536):
                if self.stalled:
                    continue
                part = data if left is None else data[:left]
                writer.write(part)
                self.passed += len(part)
                if left is not None:
                    left -= len(part)
                    if len(part) < len(data):
                        break
        finally:
            upwards.cancel()
            to_service.transport.abort()

    @staticmethod
    async def _upwards(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65_536):
                writer.write(data)
            writer.write_eof()
        except (OSError, RuntimeError):
            pass


@asynccontextmanager
async def network(url: str) -> AsyncIterator[Network]:
    """Put a network between a service and its client."""
    between = Network(urlsplit(url).port or 0)
    tasks: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(between.connected(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    between.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield between
    finally:
        server.close()
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def whole(client: Client) -> list[str | None]:
    """Return the ids of all retained events, read to the end."""
    async with asyncio.timeout(PATIENCE), client, aclosing(client.subscribe(earliest=True, follow=False)) as stream:
        return [event.id async for event in stream]


async def published(redline: RunningService, number: int, token: str | None = None) -> list[str]:
    return [await redline.publish("change.stateChanged", token=token) for _ in range(number)]


async def until(found: Callable[[], bool]) -> None:
    """Wait for a condition that the other side brings about."""
    async with asyncio.timeout(PATIENCE):
        while not found():  # noqa: ASYNC110 - it is the other side's doing, which sets no event here
            await asyncio.sleep(0.001)


# Publishing.


async def test_what_is_published_is_received(redline: RunningService) -> None:
    async with client_for(redline) as client, aclosing(client.subscribe(control=True)) as stream:
        assert (await anext(stream)).kind == "stream.open"
        answer = await client.publish(TICK, redline.example(TICK), at="2026-11-22T12:00:00+02:00")
        event = await anext(stream)
    assert answer == Published(event.id or "", duplicate=False)
    assert (event.kind, event.org, event.at) == (TICK, "acme", "2026-11-22T10:00:00.000Z")
    assert event.data["tickId"] == redline.example(TICK)["tickId"]


async def test_an_event_whose_answer_was_lost_is_published_once(redline: RunningService) -> None:
    async with network(redline.url) as between, client_for(redline, between.url) as client:
        between.passes = [0, 0, 20]
        answer = await client.publish(TICK, redline.example(TICK))
        assert answer.duplicate
        assert between.connections == 4
    assert await whole(client_for(redline)) == [answer.id]


async def test_a_batch_whose_answer_was_lost_is_published_once(redline: RunningService) -> None:
    async with network(redline.url) as between, client_for(redline, between.url) as client:
        between.passes = [0]
        answers = await client.publish_many(NewEvent(TICK, redline.example(TICK)) for _ in range(3))
    assert [isinstance(answer, Published) and answer.duplicate for answer in answers] == [True] * 3
    assert await whole(client_for(redline)) == [answer.id for answer in answers if isinstance(answer, Published)]


async def test_an_answer_that_is_cut_anywhere_costs_nothing(redline: RunningService) -> None:
    async with network(redline.url) as between, client_for(redline, between.url) as client:
        await client.publish(TICK, redline.example(TICK))
        length = between.passed
    expected = await whole(client_for(redline))
    for position in range(length):
        async with network(redline.url) as between, client_for(redline, between.url) as client:
            between.passes = [position]
            expected.append((await client.publish(TICK, redline.example(TICK))).id)
            assert between.connections == 2
    assert await whole(client_for(redline)) == expected


async def test_a_publish_is_tried_again_after_503(redline: RunningService) -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    refusal = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 3\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    async with network(redline.url) as between, Client(between.url, redline.token(), sleep=sleep, random=lambda: 0.0) as client:
        between.answers = [refusal, refusal]
        assert not (await client.publish(TICK, redline.example(TICK))).duplicate
    assert waits == [3.0, 3.0]


async def test_refusals_come_with_their_details(redline: RunningService) -> None:
    async with client_for(redline) as client:
        with pytest.raises(Refused) as caught:
            await client.publish(TICK, {"tickId": 7})
        assert (caught.value.code, caught.value.status) == ("invalid_payload", 422)
        assert "/data/tickId" in [detail.pointer for detail in caught.value.details]
        assert caught.value.request_id
        first, second = await client.publish_many([NewEvent("no.such", {}), NewEvent(TICK, redline.example(TICK))])
        assert isinstance(first, Refused)
        assert first.code == "unknown_kind"
        assert isinstance(second, Published)
        with pytest.raises(Refused) as caught:
            await client.validate(TICK, {})
        await client.validate(TICK, redline.example(TICK))
    assert await whole(client_for(redline)) == [second.id]


async def test_a_key_used_for_another_event_is_a_conflict(redline: RunningService) -> None:
    async with client_for(redline) as client:
        await client.publish(TICK, redline.example(TICK), key="k")
        with pytest.raises(Refused) as caught:
            await client.publish(TICK, {**redline.example(TICK), "tickId": "another"}, key="k")
    assert (caught.value.code, caught.value.status) == ("idempotency_conflict", 409)


async def test_more_events_than_fit_one_request_all_arrive_in_order(redline: RunningService) -> None:
    async with client_for(redline) as client:
        answers = await client.publish_many(NewEvent(TICK, redline.example(TICK)) for _ in range(2100))
    ids = [answer.id for answer in answers if isinstance(answer, Published)]
    assert len(set(ids)) == 2100
    assert await whole(client_for(redline)) == ids[-1000:]


async def test_a_service_with_narrower_bounds_takes_a_batch_as_well() -> None:
    async with serving({"limits": {"batch_lines": 3, "body_bytes": 1024}}) as narrow, client_for(narrow) as client:
        answers = await client.publish_many(NewEvent(TICK, narrow.example(TICK)) for _ in range(20))
        assert all(isinstance(answer, Published) for answer in answers)


# Publishing without an event loop.


@asynccontextmanager
async def sync_client_for(redline: RunningService, url: str | None = None) -> AsyncIterator[SyncClient]:
    transport = httpx.HTTPTransport(verify=False)
    with SyncClient(url or redline.url, redline.token(), transport=transport, sleep=lambda _: None) as client:
        yield client


async def test_a_blocking_publish_whose_answer_was_lost_is_published_once(redline: RunningService) -> None:
    async with network(redline.url) as between, sync_client_for(redline, between.url) as client:
        between.passes = [0, 0, 20]
        answer = await asyncio.to_thread(client.publish, TICK, redline.example(TICK))
        assert (answer.duplicate, between.connections) == (True, 4)


async def test_a_blocking_batch_whose_answer_was_lost_is_published_once(redline: RunningService) -> None:
    async with network(redline.url) as between, sync_client_for(redline, between.url) as client:
        between.passes = [0]
        answers = await asyncio.to_thread(client.publish_many, [NewEvent(TICK, redline.example(TICK)) for _ in range(1200)])
    assert [isinstance(each, Published) and each.duplicate for each in answers] == [True] * 1000 + [False] * 200
    assert await whole(client_for(redline)) == [each.id for each in answers if isinstance(each, Published)][-1000:]


async def test_a_blocking_publish_is_tried_again_when_the_service_says(redline: RunningService) -> None:
    waits: list[float] = []
    late = b"HTTP/1.1 %b\r\nRetry-After: 3\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    async with network(redline.url) as between:
        between.answers = [late % b"503 Service Unavailable", late % b"429 Too Many Requests"]
        with SyncClient(between.url, redline.token(), sleep=waits.append, random=lambda: 0.0) as client:
            assert not (await asyncio.to_thread(client.publish, TICK, redline.example(TICK))).duplicate
    assert waits == [3.0, 3.0]


async def test_a_blocking_refusal_comes_with_its_details(redline: RunningService) -> None:
    async with sync_client_for(redline) as client:
        with pytest.raises(Refused) as caught:
            await asyncio.to_thread(client.validate, TICK, {"tickId": 7})
        assert (caught.value.code, caught.value.status) == ("invalid_payload", 422)
        assert "/data/tickId" in [detail.pointer for detail in caught.value.details]


async def test_one_blocking_client_serves_many_threads(redline: RunningService) -> None:
    async with sync_client_for(redline) as client, asyncio.TaskGroup() as group:
        tasks = [group.create_task(asyncio.to_thread(client.publish, TICK, redline.example(TICK))) for _ in range(40)]
    assert sorted(task.result().id for task in tasks) == sorted(event_id or "" for event_id in await whole(client_for(redline)))


# Subscribing.


LAST_CHUNK = len(b"\r\n0\r\n\r\n")


@pytest.mark.parametrize(("kinds", "step"), [(None, 1), ("change.*", 5)])
async def test_a_stream_cut_anywhere_gives_each_event_once_and_in_order(redline: RunningService, kinds: str | None, step: int) -> None:
    (first,) = await published(redline, 1)
    other = await redline.publish(TICK)
    expected = [first] if kinds is not None else [first, other]
    async with network(redline.url) as between, client_for(redline, between.url) as client:

        async def read() -> list[str | None]:
            async with asyncio.timeout(PATIENCE), aclosing(client.subscribe(kinds, earliest=True, follow=False)) as stream:
                return [event.id async for event in stream]

        assert await read() == expected
        length = between.passed
        for position in range(0, length, step):
            between.passes, between.connections = [position], 0
            assert await read() == expected, f"cut after {position} bytes"
            # Once stream.closing was taken whole there is nothing to reconnect for.
            assert between.connections == (2 if position < length - LAST_CHUNK else 1), f"cut after {position} bytes"


@pytest.mark.parametrize("seed", range(5))
async def test_a_stream_that_is_cut_again_and_again_while_events_come_misses_none(redline: RunningService, seed: int) -> None:
    chance = random.Random(seed)
    async with network(redline.url) as between:
        between.passes = [chance.randrange(3000) for _ in range(30)]
        found: list[str | None] = []
        expected = await published(redline, 1)
        client = client_for(redline, between.url)
        async with asyncio.timeout(PATIENCE), client, aclosing(client.subscribe(earliest=True)) as stream:
            while len(found) < 60:
                found.append((await anext(stream)).id)
                if len(expected) < 60:
                    expected += await published(redline, chance.randrange(1, 4))
        assert found == expected[:60]
        assert between.connections > 5


async def test_a_connection_gone_silent_is_replaced() -> None:
    async with serving({"heartbeat_seconds": 0.05}) as beating, network(beating.url) as between:
        client = client_for(beating, between.url)
        async with asyncio.timeout(PATIENCE), client, aclosing(client.subscribe(earliest=True)) as stream:
            (first,) = await published(beating, 1)
            assert (await anext(stream)).id == first
            between.stalled = True
            before = between.connections
            (second,) = await published(beating, 1)
            waiting = asyncio.ensure_future(anext(stream))
            await until(lambda: between.connections > before)
            between.stalled = False
            assert (await waiting).id == second


def minted(clock: ManualClock | SystemClock, ttl: float = 3600.0) -> str:
    return mint_token(SECRET, org="acme", scopes="stream:read events:publish", ttl=ttl, clock=clock)


async def test_a_service_that_restarts_is_found_again_and_its_gap_is_told() -> None:
    token = minted(SystemClock())
    waiting: asyncio.Future[Event]
    settings = {"auth": {"secret": SECRET}, "port": free_ports(1)[0]}
    async with serving(settings) as first:
        client = Client(first.url, token, sleep=at_once)
        stream = client.subscribe(earliest=True)
        before = await first.publish(token=token)
        assert (await anext(stream)).id == before
        waiting = asyncio.ensure_future(anext(stream))
    assert not waiting.done()
    async with asyncio.timeout(PATIENCE), serving(settings) as second, client, aclosing(stream):
        after = await second.publish(token=token)
        gap = await waiting
        assert (gap.kind, gap.data["reason"], gap.data["requested"]) == ("stream.gap", "unknown", before)
        event = gap
        while event.control or event.id != after:
            event = await anext(stream)


async def test_a_full_service_is_waited_for() -> None:
    async with serving({"limits": {"streams": 1}}) as small:
        holder = await small.stream()
        waits: list[float] = []

        async def sleep(seconds: float) -> None:
            waits.append(seconds)
            await holder.close()
            await until(lambda: len(small.service.broker) == 0)

        async with Client(small.url, small.token(), sleep=sleep) as client, aclosing(client.subscribe(earliest=True)) as stream:
            waiting = asyncio.ensure_future(anext(stream))
            await until(lambda: len(waits) == 1)
            (event_id,) = await published(small, 1)
            async with asyncio.timeout(PATIENCE):
                assert (await waiting).id == event_id
        assert 2.0 <= waits[0] <= 4.0


async def test_a_token_that_ends_is_replaced_by_another(timed: RunningService, clock: ManualClock) -> None:
    given: list[str] = []

    async def token() -> str:
        given.append(timed.token(ttl=60.0))
        return given[-1]

    async with asyncio.timeout(PATIENCE), client_for(timed, token=token) as client, aclosing(client.subscribe(earliest=True)) as stream:
        (first,) = await published(timed, 1)
        assert (await anext(stream)).id == first
        waiting = asyncio.ensure_future(anext(stream))
        clock.advance(61.0)
        await until(lambda: len(given) == 2)
        (second,) = await published(timed, 1)
        assert (await waiting).id == second
    assert len(set(given)) == 2


async def test_a_token_that_ends_ends_the_stream_where_there_is_no_other(timed: RunningService, clock: ManualClock) -> None:
    client = client_for(timed, token=timed.token(ttl=60.0))
    async with asyncio.timeout(PATIENCE), client, aclosing(client.subscribe(control=True)) as stream:
        assert (await anext(stream)).kind == "stream.open"
        clock.advance(61.0)
        while (await anext(stream)).kind != "stream.closing":
            pass
        with pytest.raises(StreamEnded) as caught:
            await anext(stream)
    assert caught.value.reason == "token_expired"


async def test_an_old_cursor_gets_its_gap_and_what_is_left() -> None:
    async with serving({"history": {"events": 3}}) as short:
        ids = await published(short, 10)
        async with client_for(short) as client, aclosing(client.subscribe(last_event_id=ids[2], follow=False)) as stream:
            gap, *rest = [event async for event in stream]
    assert (gap.kind, gap.data["reason"], gap.data["oldest"]) == ("stream.gap", "evicted", ids[-3])
    assert [event.id for event in rest] == ids[-3:]


async def test_a_rare_kind_does_not_fall_out_of_history() -> None:
    async with serving({"history": {"events": 8}}) as short, network(short.url) as between:
        client = client_for(short, between.url)
        async with asyncio.timeout(PATIENCE), client, aclosing(client.subscribe(TICK, control=True)) as stream:
            assert (await anext(stream)).kind == "stream.open"
            cursor: Event | None = None
            for _ in range(5):
                *_, last = await published(short, 4)
                while cursor is None or cursor.id != last:
                    cursor = await anext(stream)
                    assert cursor.kind == "stream.cursor"
            assert json.loads(cursor.text if cursor else "{}")["head"] == (cursor.id if cursor else None)
        async with client_for(short) as again, aclosing(again.subscribe(TICK, cursor.id if cursor else "", follow=False)) as stream:
            assert [event async for event in stream] == []


@pytest.mark.parametrize(("asked", "code"), [({"kinds": "no.such"}, "unknown_kind"), ({"kinds": "not a kind"}, "malformed_request")])
async def test_a_wrong_filter_is_refused(redline: RunningService, asked: dict[str, str], code: str) -> None:
    async with client_for(redline) as client, aclosing(client.subscribe(asked["kinds"])) as stream:
        with pytest.raises(Refused) as caught:
            await anext(stream)
    assert (caught.value.code, caught.value.status) == (code, 400)


async def test_leaving_frees_the_stream(redline: RunningService) -> None:
    async with client_for(redline) as client:
        async with aclosing(client.subscribe(control=True)) as stream:
            await anext(stream)
            assert len(redline.service.broker) == 1
        await until(lambda: len(redline.service.broker) == 0)


async def test_many_streams_of_one_client_are_open_at_once(redline: RunningService) -> None:
    async def first(client: Client, ready: Callable[[], Awaitable[object]]) -> str | None:
        async with aclosing(client.subscribe(control=True)) as stream:
            await anext(stream)
            await ready()
            return (await anext(stream)).id

    barrier = asyncio.Barrier(151)
    async with asyncio.timeout(PATIENCE), Client(redline.url, redline.token()) as client, asyncio.TaskGroup() as group:
        tasks = [group.create_task(first(client, barrier.wait)) for _ in range(150)]
        await barrier.wait()
        (event_id,) = await published(redline, 1)
    assert {task.result() for task in tasks} == {event_id}


async def test_a_ticket_opens_what_the_clients_token_opens(redline: RunningService) -> None:
    async with client_for(redline) as client, sync_client_for(redline) as blocking:
        for ticket in (await client.ticket(), await asyncio.to_thread(blocking.ticket)):
            stream = await redline.http.get(f"{redline.url}{ticket.url}&follow=false")
            assert (stream.status_code, b'"org":"acme"' in stream.content) == (200, True)
            by_itself = await redline.http.get(f"{redline.url}/v1/stream", params={"ticket": ticket.ticket, "follow": "false"})
            assert by_itself.status_code == 200
    async with client_for(redline, token=redline.token(scopes="events:publish")) as client:
        with pytest.raises(Refused) as caught:
            await client.ticket()
    assert caught.value.code == "forbidden"
