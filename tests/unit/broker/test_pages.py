"""Pages of the log are read once for all who come to them together."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from redline.broker import pages as pages_module
from redline.broker.broker import Limits
from redline.errors import LogUnavailable, RedlineError
from redline.eventlog.memory import Retention
from tests.garbage import garbage, no_collector
from tests.unit.broker.kit import ACME, FakeSink, Reader, bench, turns
from tests.unit.broker.logs import RemoteLog

if TYPE_CHECKING:
    import pytest

SMALL = Limits(recent_events=4, page_bytes=300)
ROOMY = Retention(events=1000)


async def test_readers_who_come_together_cost_the_log_what_one_costs() -> None:
    reads = []
    for count in (1, 30):
        async with bench(SMALL, ROOMY, lambda memory: RemoteLog(memory, lag=2)) as made:
            ids = [(await made.publish("run.stage", data=b'"%d"' % (n * 10**40)))[0] for n in range(100)]
            await made.opened()
            assert isinstance(made.log, RemoteLog)
            made.log.calls.clear()
            readers = [await made.open(after=ids[9]) for _ in range(count)]
            await turns(2000)
            assert all(reader.ids == ids[10:] for reader in readers)
            reads.append(made.log.calls.count("read"))
            assert len(made.broker.pages) == 0, "nothing is kept once nobody replays"
    assert reads[0] > 10
    assert reads[1] == reads[0]


async def test_one_that_goes_away_takes_no_page_from_the_others() -> None:
    async with bench(SMALL, ROOMY, RemoteLog) as made:
        ids = [(await made.publish("run.stage"))[0] for _ in range(20)]
        await made.opened()
        assert isinstance(made.log, RemoteLog)
        made.log.gates["read"] = asyncio.Event()
        first, second = await made.opened(after=ids[0]), await made.opened(after=ids[0])
        assert made.log.calls.count("read") == 1
        first.subscription.lost()
        await turns()
        made.log.gates["read"].set()
        await turns(200)
        assert second.ids == ids[1:]
        assert first.ids == []


async def test_a_page_that_cannot_be_read_is_nobodys_and_is_asked_for_again() -> None:
    async with bench(SMALL, ROOMY, RemoteLog) as made:
        ids = [(await made.publish("run.stage"))[0] for _ in range(20)]
        await made.opened()
        assert isinstance(made.log, RemoteLog)
        made.log.errors["read"] = LogUnavailable("away")
        readers: list[Reader] = [await made.opened(after=ids[0]) for _ in range(3)]
        assert [reader.reason for reader in readers] == ["log_unavailable"] * 3
        made.log.errors.clear()
        reader = await made.opened(after=ids[0])
        await turns(200)
        assert reader.ids == ids[1:]


async def test_what_a_page_could_not_be_read_for_is_kept_by_nobody() -> None:
    with no_collector():
        async with bench(SMALL, ROOMY, RemoteLog) as made:
            for _ in range(20):
                await made.publish("run.stage")
            topic = (await made.opened()).opening.topic
            assert isinstance(made.log, RemoteLog)
            made.log.errors["read"] = LogUnavailable("away")
            with suppress(LogUnavailable):
                await made.broker.pages.after(topic, 1)
            made.log.errors.clear()
            del topic
            await turns()
            assert garbage((RedlineError,)) == []


async def test_what_is_kept_is_bounded_by_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages_module, "MOST_BYTES", 5000)
    async with bench(SMALL, ROOMY) as made:
        for _ in range(60):
            await made.publish("run.stage", data=b'"%b"' % (b"x" * 600))
        topic, pages = (await made.opened()).opening.topic, made.broker.pages
        position = (await made.log.bounds(ACME)).floor.position
        with pages:
            while page := await pages.after(topic, position):
                position = page[-1].position
                assert len(pages) <= 4
            assert len(pages) > 1
        assert len(pages) == 0


async def test_a_kept_page_of_what_was_evicted_is_not_sent() -> None:
    async with bench(SMALL, Retention(events=30)) as made:
        ids = [(await made.publish("run.stage"))[0] for _ in range(30)]
        stalled = await made.opened(after=ids[0], sink=_full())
        with made.broker.pages:
            await made.broker.pages.after(stalled.opening.topic, 1)
            for _ in range(10):
                await made.publish("run.stage")
            await turns()
            stalled.subscription.resume()
            await turns()
            assert stalled.reason == "slow_subscriber"


async def test_a_page_that_arrives_when_nobody_replays_any_more_is_not_kept() -> None:
    async with bench(SMALL, ROOMY, RemoteLog) as made:
        await made.publish("run.stage")
        assert isinstance(made.log, RemoteLog)
        topic = (await made.opened()).opening.topic
        pages = made.broker.pages
        made.log.gates["read"] = asyncio.Event()
        with pages:
            asking = asyncio.ensure_future(pages.after(topic, 0))
            await turns(3)
        made.log.gates["read"].set()
        assert len(await asking) == 1
        assert len(pages) == 0


def _full() -> FakeSink:
    """Return a connection that is full from its first write on."""
    sink = FakeSink()
    sink.room = 0
    return sink
