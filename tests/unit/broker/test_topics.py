"""A node's topics: read once, kept while somebody reads, and nothing lost between the log and them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from redline.broker.agenda import State
from redline.broker.broker import Limits
from redline.envelope import parse_org
from redline.errors import IdempotencyConflict, LogUnavailable, OverCapacity
from redline.eventlog.contract import Draft
from redline.eventlog.memory import Retention
from tests.unit.broker.kit import ACME, Bench, bench, envelope, kinds, turns
from tests.unit.broker.logs import RemoteLog

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

FEW = Limits(recent_events=3, page_bytes=300)
LARGE = b'"%b"' % (b"x" * 100)


class Remote(Bench):
    """A broker whose log answers when the test lets it."""

    def __init__(self, limits: Limits | None = None, retention: Retention | None = None) -> None:
        super().__init__(limits, retention, RemoteLog)
        assert isinstance(self.log, RemoteLog)
        self.remote = self.log


@pytest.fixture
async def remote() -> AsyncIterator[Remote]:
    made = Remote(FEW)
    await made.broker.start()
    yield made
    await made.broker.close()
    await turns(3)


async def test_what_arrives_while_a_topic_is_read_is_neither_lost_nor_doubled() -> None:
    made = Remote()
    await made.broker.start()
    ids = await made.publish("run.stage")
    made.remote.gates["tail"] = asyncio.Event()
    openings = [asyncio.ensure_future(made.open(earliest=True)) for _ in range(3)]
    await turns()
    ids += await made.publish("run.stage", "run.stage")
    made.remote.gates["tail"].set()
    readers = await asyncio.gather(*openings)
    ids += await made.publish("run.stage")
    await turns()
    assert [reader.ids for reader in readers] == [ids] * 3
    assert made.remote.calls.count("tail") == 1
    await made.broker.close()


async def test_what_arrives_right_after_a_topic_was_read_does_not_hide_what_arrived_meanwhile() -> None:
    made = Remote()
    await made.broker.start()
    made.remote.gates = {"tail": asyncio.Event(), "bounds": asyncio.Event()}
    opening = asyncio.ensure_future(made.open(earliest=True))
    await turns()
    ids = await made.publish("run.stage")
    made.remote.gates["tail"].set()
    await turns()
    ids += await made.publish("run.stage")
    made.remote.gates["bounds"].set()
    reader = await opening
    await turns()
    assert reader.ids == ids
    await made.broker.close()


async def test_what_arrives_while_a_topic_is_read_waits_within_bounds(remote: Remote) -> None:
    """More than that, and the tail is read again: nothing is missing, and nothing has piled up."""
    remote.remote.gates["tail"] = asyncio.Event()
    opening = asyncio.ensure_future(remote.open(earliest=True))
    await turns()
    ids = [event_id for _ in range(50) for event_id in await remote.publish("run.stage")]
    assert len(remote.broker._topics._arrived[ACME]) <= 3  # noqa: SLF001 - what waits
    remote.remote.gates["tail"].set()
    reader = await opening
    await turns()
    assert reader.ids == ids
    assert remote.remote.calls.count("tail") == 2


async def test_the_first_who_asked_may_go_away(remote: Remote) -> None:
    remote.remote.gates["tail"] = asyncio.Event()
    first, second = asyncio.ensure_future(remote.open()), asyncio.ensure_future(remote.open())
    await turns()
    first.cancel()
    await turns()
    remote.remote.gates["tail"].set()
    assert (await second).subscription.state in {State.CATCHING, State.LIVE}
    assert first.cancelled()
    assert len(remote.broker) == 1


async def test_a_topic_outlives_its_last_reader_by_the_linger_and_is_read_again_after() -> None:
    async with bench(Limits(linger=30), Retention(seconds=100)) as made:
        reader = await made.opened()
        (event_id,) = await made.publish("run.stage")
        made.clock.advance(500)
        reader.subscription.lost()
        made.clock.advance(29)
        assert len(made.broker._topics) == 1  # noqa: SLF001 - there is no other sign of it
        made.clock.advance(62)
        assert len(made.broker._topics) == 0  # noqa: SLF001 - as above
        assert (await made.opened(event_id)).named("gap") == [], "from the last stream's end the history's age counts"


async def test_an_org_that_nobody_reads_any_more_is_forgotten_after_its_age() -> None:
    async with bench(Limits(linger=30), Retention(seconds=100)) as made:
        reader = await made.opened()
        (event_id,) = await made.publish("run.stage")
        reader.subscription.lost()
        made.clock.advance(300)
        assert (await made.opened(event_id)).named("gap")[0].json()["reason"] == "unknown"


@pytest.mark.parametrize("linger", [0.0, 0.01])
async def test_a_linger_of_nothing_neither_spins_nor_loses_a_reader(linger: float) -> None:
    made = Remote(Limits(linger=linger))
    await made.broker.start()
    made.remote.lag = 2
    opening = asyncio.ensure_future(made.open())
    for _ in range(20):
        await turns(1)
        made.clock.advance(0.3)
    reader = await opening
    ids = await made.publish("run.stage")
    await turns()
    assert reader.ids == ids
    await made.broker.close()


async def test_one_topic_that_cannot_be_flushed_does_not_cost_another_its_events(caplog: pytest.LogCaptureFixture) -> None:
    globex = parse_org("globex")

    def framing(data: bytes) -> bytes:
        if b"globex" in data:
            raise ZeroDivisionError
        return data

    async with bench() as made:
        bad, good = await made.open(org=globex, wrap=framing), await made.opened()
        await turns()
        await made.publish("run.stage", org=globex)
        ids = await made.publish("run.stage")
        await turns()
        ids += await made.publish("run.stage")
        await turns()
        assert good.ids == ids
        assert bad.reason == "internal"
        assert "ZeroDivisionError" in caplog.text


# Where this node's memory holds less than the log.


async def test_what_has_left_memory_is_paged_from_the_log_and_joined_to_what_is_there(remote: Remote) -> None:
    live = await remote.opened()
    ids = [event_id for _ in range(20) for event_id in await remote.publish("run.stage", data=LARGE)]
    await turns()
    reader = await remote.open(ids[1])
    ids += await remote.publish("run.stage")
    await turns(100)
    assert (reader.ids, live.ids) == (ids[2:], ids)
    assert reader.subscription.state is State.LIVE
    assert remote.remote.calls.count("read") > 1


async def test_a_filtered_replay_from_the_log_tells_its_cursor_on_the_way(remote: Remote) -> None:
    await remote.publish("run.stage", *["change.detected"] * 30, data=LARGE)
    reader = await remote.open(earliest=True, wanted=kinds("run.stage"))
    await turns(200)
    assert len(reader.ids) == 1
    assert len(reader.named("cursor")) > 1
    assert reader.subscription.state is State.LIVE


async def test_a_replay_from_the_log_stops_at_what_was_flushed(remote: Remote) -> None:
    """The log is ahead of what this node was told: what a reader has by then it would get a second time."""
    reader = await remote.opened()
    ids = await remote.publish(*["run.stage"] * 6)
    await turns()
    reader.subscription.pause()
    ids += await remote.publish(*["run.stage"] * 6)
    await turns()
    remote.remote.hold_notices = True
    ids += await remote.publish("run.stage", "run.stage")
    reader.subscription.resume()
    await turns(100)
    assert reader.ids == ids[:-2]
    remote.remote.deliver()
    await turns()
    assert reader.ids == ids


async def test_a_pause_stops_the_paging_and_a_resume_goes_on(remote: Remote) -> None:
    await remote.opened()
    ids = [event_id for _ in range(20) for event_id in await remote.publish("run.stage")]
    await turns()
    reader = await remote.open(ids[0])
    reader.sink.room = 500
    await turns(100)
    got = len(reader.ids)
    assert 0 < got < 19
    reader.sink.room = None
    reader.subscription.resume()
    reader.subscription.pause()
    reader.subscription.resume()
    await turns(100)
    assert reader.ids == ids[1:]


async def test_who_is_lost_while_the_log_is_read_leaves_no_task(remote: Remote) -> None:
    await remote.publish(*["run.stage"] * 20)
    remote.remote.gates["read"] = asyncio.Event()
    reader = await remote.opened(earliest=True)
    assert "read" in remote.remote.calls
    before = len(asyncio.all_tasks())
    reader.subscription.lost()
    await turns()
    assert len(asyncio.all_tasks()) == before - 1
    assert reader.sink.taken == []
    assert len(remote.broker) == 0


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (LogUnavailable("away"), "log_unavailable"),
        (OverCapacity("full"), "over_capacity"),
        (IdempotencyConflict("nonsense"), "internal"),
        (OSError("a fault of the log"), "internal"),
    ],
)
async def test_a_log_that_fails_ends_the_stream_for_a_reason_and_its_reader_resumes(remote: Remote, error: Exception, reason: str) -> None:
    ids = await remote.publish(*["run.stage"] * 20)
    remote.remote.errors["read"] = error
    reader = await remote.opened(ids[3])
    assert reader.reason == reason
    assert reader.named("closing")[0].json()["retryable"]
    remote.remote.errors.clear()
    back = await remote.open(reader.last_event_id)
    await turns(200)
    assert back.ids == ids[4:]


async def test_what_is_evicted_while_it_is_replayed_is_not_passed_over_in_silence() -> None:
    made = Remote(FEW, Retention(events=10))
    await made.broker.start()
    ids = await made.publish(*["run.stage"] * 10, data=LARGE)
    made.remote.gates["read"] = asyncio.Event()
    reader = await made.opened(ids[0])
    await made.publish(*["run.stage"] * 8)
    await turns()
    assert reader.ids == []
    made.remote.gates["read"].set()
    await turns(200)
    assert reader.reason == "slow_subscriber"
    assert reader.ids == ids[1 : 1 + len(reader.ids)]
    await made.broker.close()


async def test_a_log_without_what_must_be_there_is_not_asked_for_ever(remote: Remote, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = await remote.publish(*["run.stage"] * 20)

    async def nothing(*_: object) -> list[object]:
        return []

    monkeypatch.setattr(remote.log, "read", nothing)
    reader = await remote.opened(ids[3])
    assert reader.reason == "slow_subscriber"


# The end.


async def test_closing_ends_who_waits_for_a_topic_with_an_error_and_not_as_cancelled() -> None:
    made = Remote()
    await made.broker.start()
    made.remote.gates["tail"] = asyncio.Event()
    before = len(asyncio.all_tasks())
    waiting = asyncio.ensure_future(made.open())
    await turns()
    await made.broker.close()
    with pytest.raises(LogUnavailable):
        await waiting
    assert len(asyncio.all_tasks()) == before


async def test_closing_cuts_who_was_not_drained() -> None:
    async with bench() as made:
        reader = await made.opened()
        await made.broker.close()
        assert reader.sink.aborted
        with pytest.raises(LogUnavailable):
            await made.broker.publish([Draft(envelope())])
        made.clock.advance(1000)
        assert reader.sink.taken == []
