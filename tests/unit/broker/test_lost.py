"""A log that has lost its place: what was told of an org is forgotten, its readers are sent away, and come back to a whole history."""

from __future__ import annotations

import asyncio
import gc
import weakref
from typing import TYPE_CHECKING

import pytest

from redline.broker.agenda import State
from redline.broker.broker import Limits
from redline.envelope import parse_org
from redline.errors import LogUnavailable
from redline.eventlog.memory import MemoryLog, Retention
from tests.unit.broker.kit import ACME, Bench, FakeSink, turns
from tests.unit.broker.logs import RemoteLog

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

GLOBEX = parse_org("globex")
FEW = Limits(recent_events=3, page_bytes=300)


class Remote(Bench):
    """A broker over a log on another machine, which can be deleted there."""

    def __init__(self) -> None:
        super().__init__(FEW, Retention(seconds=100), RemoteLog)
        assert isinstance(self.log, RemoteLog)
        self.remote = self.log

    async def rebuild(self) -> None:
        """Put a new log in the place of the old: the same positions will be other events."""
        self.remote.memory = MemoryLog(Retention(seconds=100), self.clock, self.metrics)
        await self.remote.memory.start(self.remote)


@pytest.fixture
async def remote() -> AsyncIterator[Remote]:
    made = Remote()
    await made.broker.start()
    yield made
    await made.broker.close()
    await turns(3)


async def test_its_streams_are_told_to_come_back_and_meet_the_gap(remote: Remote) -> None:
    reader, other = await remote.opened(), await remote.opened(org=GLOBEX)
    old = await remote.publish("run.stage", "run.stage")
    await turns()
    remote.remote.lost([ACME])
    await remote.rebuild()
    assert (reader.ids, reader.reason, reader.last_event_id) == (old, "log_unavailable", old[-1])
    assert reader.named("closing")[0].json()["retryable"]
    assert 2000 <= (reader.parsed[0].retry or 0) <= 4000
    assert other.reason is None, "nobody else is sent away"
    assert remote.metric("redline_streams_closed_total", reason="log_unavailable") == 1
    new = await remote.publish("run.stage")
    back = await remote.opened(reader.last_event_id)
    new += await remote.publish("run.stage")
    await turns()
    assert back.named("gap")[0].json()["reason"] == "unknown"
    assert back.ids == new
    assert reader.ids == old, "and the one of before saw none of them"


async def test_all_orgs_are_meant_where_none_is_named(remote: Remote) -> None:
    readers = [await remote.opened(org=org) for org in (ACME, GLOBEX)]
    remote.remote.lost(None)
    assert [reader.reason for reader in readers] == ["log_unavailable"] * 2
    assert len(remote.broker._topics) == 0  # noqa: SLF001 - there is no other sign of it


async def test_nothing_of_it_leaks(remote: Remote) -> None:
    """No place, no hold, no pin, no task, no topic: the org is remembered for the history's age after its last event, and no longer."""
    reader = await remote.opened()
    topic = weakref.ref(reader.opening.topic)
    (event_id,) = await remote.publish("run.stage")
    await turns()
    tasks = len(asyncio.all_tasks())
    remote.remote.lost([ACME])
    remote.remote.lost([ACME, GLOBEX])
    remote.remote.lost(None)
    assert len(remote.broker) == 1, "its connection is still there"
    reader.subscription.lost()
    assert len(remote.broker) == 0
    assert len(asyncio.all_tasks()) == tasks
    del reader
    gc.collect()
    assert topic() is None
    remote.clock.advance(300)
    assert (await remote.opened(event_id)).named("gap")[0].json()["reason"] == "unknown", "a hold would have kept its id"


async def test_a_reader_that_takes_nothing_any_more_is_aborted(remote: Remote) -> None:
    reader = await remote.opened()
    remote.remote.lost([ACME])
    remote.clock.advance(2)
    assert reader.sink.aborted


async def test_what_was_not_flushed_yet_never_is(remote: Remote) -> None:
    reader = await remote.opened()
    (one,) = await remote.publish("run.stage")
    remote.remote.lost([ACME])
    await turns()
    assert reader.ids == []
    assert (await remote.opened(reader.last_event_id)).ids == [one], "it was not lost after all"


async def test_a_topic_that_is_being_read_is_read_again(remote: Remote) -> None:
    old = await remote.publish("run.stage", "run.stage")
    remote.remote.gates["tail"] = asyncio.Event()
    openings = [asyncio.ensure_future(remote.open(earliest=True)) for _ in range(3)]
    await turns()
    await remote.publish("run.stage")
    remote.remote.lost([ACME])
    await remote.rebuild()
    new = await remote.publish("run.stage")
    remote.remote.gates["tail"].set()
    readers = await asyncio.gather(*openings)
    new += await remote.publish("run.stage")
    await turns()
    assert [reader.ids for reader in readers] == [new] * 3
    assert not set(old) & set(new)
    assert remote.remote.calls.count("tail") == 2


@pytest.mark.parametrize("gate", ["locate", "bounds", "read"])
async def test_a_stream_that_is_being_opened_is_refused_for_now_and_leaves_nothing(remote: Remote, gate: str) -> None:
    """Its topic is not told anything any more: opened, it would stay silent for ever."""
    first = await remote.opened()
    (event_id,) = await remote.publish("run.stage")
    await turns()
    remote.remote.hold_notices = gate == "read"
    await remote.publish("run.stage")
    remote.remote.gates[gate] = asyncio.Event()
    opening = asyncio.ensure_future(remote.open(event_id))
    await turns()
    remote.remote.hold_notices = False
    remote.remote.notices.clear()
    remote.remote.lost([ACME])
    remote.remote.gates[gate].set()
    with pytest.raises(LogUnavailable, match="its place"):
        await opening
    first.subscription.lost()
    assert len(remote.broker) == 0
    assert first.opening.topic.pins == 0


async def test_a_stream_that_was_opened_and_has_no_connection_yet_ends_with_its_first_turn(remote: Remote) -> None:
    async with remote.broker.admit(remote.request()) as opening:
        remote.remote.lost([ACME])
        sink = FakeSink()
        remote.broker.attach(opening, sink, bytes)
    await turns()
    assert b"log_unavailable" in (sink.last or b"")
    assert sink.taken == []


async def test_a_reader_that_is_paused_ends_when_it_could_go_on(remote: Remote) -> None:
    reader = await remote.opened()
    reader.subscription.pause()
    await remote.publish("run.stage")
    await turns()
    remote.remote.lost([ACME])
    await remote.publish("run.stage")
    await turns()
    reader.subscription.resume()
    assert (reader.ids, reader.reason) == ([], "log_unavailable")


async def test_a_replay_from_the_log_sends_nothing_more(remote: Remote) -> None:
    """What comes from the log under the same positions is another history by now."""
    await remote.publish(*["run.stage"] * 20)
    remote.remote.gates["read"] = asyncio.Event()
    reader = await remote.opened(earliest=True)
    assert remote.remote.calls.count("read") == 1
    remote.remote.lost([ACME])
    remote.remote.gates["read"].set()
    await turns()
    assert (reader.ids, reader.reason) == ([], "log_unavailable")
    assert remote.remote.calls.count("read") == 1


async def test_a_replay_that_fails_for_it_says_so(remote: Remote) -> None:
    await remote.publish(*["run.stage"] * 20)
    remote.remote.gates["read"] = asyncio.Event()
    reader = await remote.opened(earliest=True)
    remote.remote.lost([ACME])
    await remote.rebuild()
    await remote.remote.memory.bounds(ACME)
    remote.remote.errors["read"] = LogUnavailable("deleted")
    remote.remote.gates["read"].set()
    await turns()
    assert (reader.ids, reader.reason) == ([], "log_unavailable")


async def test_one_that_was_told_twice_is_closed_once(remote: Remote) -> None:
    reader = await remote.opened()
    remote.remote.lost([ACME])
    remote.remote.lost([ACME])
    await turns()
    assert reader.subscription.state is State.CLOSING
    assert remote.metric("redline_streams_closed_total", reason="log_unavailable") == 1


async def test_it_is_said_once_how_many_orgs_it_meets(remote: Remote, caplog: pytest.LogCaptureFixture) -> None:
    await remote.opened()
    await remote.opened(org=GLOBEX)
    remote.remote.lost([parse_org("initech")])
    assert caplog.messages == []
    remote.remote.lost(None)
    assert [message for message in caplog.messages if "2 orgs" in message] == caplog.messages
