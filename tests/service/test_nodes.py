"""Two nodes on one stream of NATS, seen from outside: one order, the same ids, and clients that move between them."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import pytest

from redline.eventlog.jetstream.log import JetStreamLog
from redline.eventlog.retention import Retention
from redline.metrics import Metrics
from redline.testing import ManualClock, serving
from tests.contracts.eventlog.jetstreams import Stream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from redline.testing import RunningService
    from redline.testing.connection import StreamConnection

SETTINGS: Final[dict[str, Any]] = {"auth": {"secret": "s" * 40}, "retry_milliseconds": 0}


@pytest.fixture
async def stream(nats_url: str) -> AsyncIterator[Stream]:
    stream = Stream(nats_url)
    yield stream
    await stream.delete()


@asynccontextmanager
async def two(stream: Stream) -> AsyncIterator[tuple[RunningService, RunningService]]:
    settings = {**SETTINGS, "eventlog": stream.url}
    async with serving(settings) as one, serving(settings) as other:
        yield one, other


async def events(stream: StreamConnection, count: int) -> list[tuple[str, str]]:
    """Return the next events of a stream, each with its id."""
    return [(event.last_event_id, event.data) for event in await stream.collect(count)]


async def test_all_streams_of_an_org_see_one_order_on_whichever_node(stream: Stream) -> None:
    async with two(stream) as nodes:
        streams = [await node.stream() for node in nodes for _ in range(3)]
        for each in streams:
            await each.event("stream.open")
        ids = await asyncio.gather(*(nodes[number % 2].publish("run.stage", key=f"k{number // 2}") for number in range(40)))
        assert len(set(ids)) == 20, "the same key on both nodes is one event"
        seen = [await events(each, 20) for each in streams]
        assert all(each == seen[0] for each in seen)
        assert {event_id for event_id, _ in seen[0]} == set(ids)


async def test_a_client_that_moves_between_nodes_misses_nothing_and_sees_nothing_twice(stream: Stream) -> None:
    async with two(stream) as nodes:
        published: list[str] = []
        seen: list[str] = []
        reader = await nodes[0].stream()
        cursor = (await reader.event("stream.open")).last_event_id
        for turn in range(1, 9):
            published += [await nodes[number % 2].publish("run.stage") for number in range(5)]
            await reader.close()
            reader = await nodes[turn % 2].stream(headers={"Last-Event-ID": cursor})
            assert (await reader.event("stream.open")).json()["resumed"] is True
            seen += [event_id for event_id, _ in await events(reader, 5)]
            cursor = seen[-1]
        assert seen == published


async def test_a_stream_deleted_behind_its_back_is_a_new_epoch_and_a_gap(stream: Stream) -> None:
    async with two(stream) as nodes:
        readers = [await node.stream() for node in nodes]
        old = await nodes[0].publish("run.stage")
        for reader in readers:
            assert await events(reader, 1)
        await stream.delete()
        for reader in readers:
            *_, closing = await reader.read_to_end()
            assert (closing.event, closing.json()) == ("stream.closing", {"reason": "log_unavailable", "retryable": True})
        for node in nodes:
            async with asyncio.timeout(30):
                while (await node.http.get(f"{node.url}/health/ready")).is_error:
                    pass
        new = await nodes[1].publish("run.stage")
        for node in nodes:
            back = await node.stream(last_event_id=old)
            assert (await back.event("stream.open")).json()["resumed"] is False
            assert (await back.event("stream.gap")).json()["reason"] == "unknown"
            assert [event_id for event_id, _ in await events(back, 1)] == [new]


async def test_a_thousand_clients_that_come_back_ask_nats_nothing(stream: Stream) -> None:
    # The clock stands still: once a second, whatever comes, the log asks what the stream still has.
    clock = ManualClock(time.time())
    log = JetStreamLog(stream.options, Retention(), clock, Metrics())
    async with serving(SETTINGS, clock=clock, log=log) as node:
        ids = [await node.publish("run.stage") for _ in range(20)]
        first = await node.stream()
        await first.event("stream.open")
        before = log.history.requests
        gate = asyncio.Semaphore(50)

        async def come_back(number: int) -> None:
            async with gate:
                at = number % 20
                back = await node.stream(last_event_id=ids[at])
                assert (await back.event("stream.open")).json()["resumed"] is True
                assert [event_id for event_id, _ in await events(back, 19 - at)] == ids[at + 1 :]
                await back.close()

        await asyncio.gather(*(come_back(number) for number in range(1000)))
        assert log.history.requests == before
