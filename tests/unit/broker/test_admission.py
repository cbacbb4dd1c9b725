"""Where a stream starts, what it is told first, and the places it takes (contract §1 "Resume")."""

from __future__ import annotations

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redline.broker.broker import Limits
from redline.broker.sink import unwrapped
from redline.envelope import parse_org
from redline.errors import LogUnavailable, OverCapacity
from redline.eventlog.contract import EvictedError
from redline.eventlog.memory import Retention
from tests.unit.broker.kit import Bench, FakeSink, bench, kinds, turns
from tests.unit.broker.logs import RemoteLog

GLOBEX = parse_org("globex")


async def test_without_a_cursor_a_stream_starts_at_the_head() -> None:
    async with bench(Limits(retry=3000)) as made:
        (event_id,) = await made.publish("run.stage")
        reader = await made.opened(wanted=kinds("run.stage", "change.*"), expires=made.clock.time() + 60)
        (opened,) = reader.all
        assert opened.json() == {
            "org": "acme",
            "resumed": False,
            "cursor": event_id,
            "head": event_id,
            "kinds": ["change.*", "run.stage"],
            "heartbeatSeconds": 15,
            "expiresAt": "2026-11-22T10:01:00.000Z",
        }
        assert opened.last_event_id == event_id
        retry = reader.parsed[0].retry
        assert retry is not None
        assert 3000 <= retry <= 6000


async def test_retry_is_spread() -> None:
    async with bench() as made:
        drawn = {made.broker.retry_milliseconds() for _ in range(300)}
        assert len(drawn) > 100
        assert all(2000 <= one <= 4000 for one in drawn)


async def test_a_retained_cursor_gets_exactly_what_follows() -> None:
    async with bench() as made:
        ids = await made.publish(*["run.stage"] * 5)
        for index, event_id in enumerate(ids):
            reader = await made.opened(event_id)
            assert reader.named("open")[0].json()["resumed"] is True
            assert reader.named("gap") == []
            assert reader.ids == ids[index + 1 :]


async def test_everything_that_cannot_be_placed_looks_alike() -> None:
    async with bench() as made:
        ids = await made.publish("run.stage", "run.stage")
        (foreign,) = await made.publish("run.stage", org=GLOBEX)
        epoch = ids[0].rpartition("-")[0]
        for cursor in (foreign, f"{epoch}-3", f"{epoch}-99999999999999999999", f"{epoch}-01", "zzzz-1", "nonsense", "-", "\x00", "a" * 500):
            reader = await made.opened(cursor)
            opened, gap = reader.all[:2]
            assert (opened.event, gap.event) == ("stream.open", "stream.gap")
            assert opened.json()["resumed"] is False
            assert opened.last_event_id == "", "a client cut before the gap must ask again as it did"
            assert gap.json() == {"reason": "unknown", "requested": cursor[:64], "oldest": ids[0], "head": ids[1]}
            assert gap.last_event_id == f"{epoch}-0"
            assert reader.ids == ids
        assert made.metric("redline_gaps_total", reason="unknown") == 9


async def test_an_evicted_cursor_meets_a_gap_whose_id_is_before_the_oldest() -> None:
    async with bench(retention=Retention(events=3)) as made:
        ids = await made.publish(*["run.stage"] * 6)
        reader = await made.opened(ids[1])
        gap = reader.named("gap")[0]
        assert gap.json() == {"reason": "evicted", "requested": ids[1], "oldest": ids[3], "head": ids[5]}
        assert gap.last_event_id == ids[2]
        assert reader.ids == ids[3:]
        resumed = await made.opened(ids[2])
        assert (resumed.named("gap"), resumed.ids) == ([], ids[3:])


async def test_where_nothing_is_retained_oldest_is_null_and_the_head_resumes() -> None:
    async with bench(retention=Retention(seconds=100)) as made:
        await made.opened()
        ids = await made.publish("run.stage", "run.stage")
        made.clock.advance(101)
        gap = (await made.opened(ids[0])).named("gap")[0]
        assert gap.json() == {"reason": "evicted", "requested": ids[0], "oldest": None, "head": ids[1]}
        assert gap.last_event_id == ids[1]
        assert (await made.opened(ids[1])).named("gap") == []


async def test_earliest_is_all_there_is_and_never_a_gap() -> None:
    async with bench(retention=Retention(events=3)) as made:
        ids = await made.publish(*["run.stage"] * 6)
        reader = await made.opened(earliest=True)
        assert (reader.named("gap"), reader.ids, reader.named("open")[0].json()["resumed"]) == ([], ids[3:], False)


@given(st.text(max_size=80) | st.from_regex(r"[a-z2-7]{12}-\d{1,22}", fullmatch=True))
def test_whatever_is_asked_for_the_first_frames_are_whole(cursor: str) -> None:
    async def work() -> None:
        async with bench() as made:
            (event_id,) = await made.publish("run.stage")
            reader = await made.opened(cursor)
            opened, gap, event = reader.all
            assert (opened.event, gap.event, event.json()["id"]) == ("stream.open", "stream.gap", event_id)
            shown = gap.json()["requested"]
            assert len(shown) <= 64
            assert shown == cursor[:64].encode("utf-8", "replace").decode()

    asyncio.run(work())


async def test_half_a_character_in_a_cursor_is_shown_as_what_json_can_carry() -> None:
    async with bench() as made:
        reader = await made.opened("\ud800\r\nid: forged\r\n\r\n")
        assert reader.named("gap")[0].json()["requested"] == "?\r\nid: forged\r\n\r\n"
        assert len(reader.all) == 2


async def test_a_stream_opened_after_a_publish_was_answered_sees_that_event() -> None:
    async with bench() as made:
        await made.opened()
        (event_id,) = await made.publish("run.stage")
        reader = await made.open(earliest=True, follow=False)
        await turns()
        assert reader.ids == [event_id]


# A log elsewhere, which this node hears of later.


class Remote(Bench):
    """A broker whose log is elsewhere."""

    def __init__(self, limits: Limits | None = None, retention: Retention | None = None, lag: int = 0) -> None:
        super().__init__(limits, retention, lambda memory: RemoteLog(memory, lag))
        assert isinstance(self.log, RemoteLog)
        self.remote = self.log


async def test_what_the_log_has_and_this_node_was_not_told_is_read_and_not_sent_twice() -> None:
    made = Remote()
    await made.broker.start()
    live = await made.opened()
    made.remote.hold_notices = True
    ids = await made.publish(*["run.stage"] * 4)
    ahead = await made.opened(ids[2])
    ended = await made.opened(earliest=True, follow=False)
    assert (ahead.ids, ended.ids) == (ids[3:], ids)
    made.remote.deliver()
    await turns()
    assert live.ids == ids
    assert ahead.ids == ids[3:]
    await made.broker.close()


async def test_a_node_that_cannot_catch_up_with_the_log_says_so() -> None:
    made = Remote(retention=Retention(events=2))
    await made.broker.start()
    await made.opened()
    made.remote.hold_notices = True
    await made.publish(*["run.stage"] * 4)
    with pytest.raises(LogUnavailable):
        await made.open()
    assert len(made.broker) == 1
    made.remote.deliver()
    await made.opened()
    await made.broker.close()


async def test_bounds_that_are_older_than_what_this_node_knows_are_asked_for_again() -> None:
    made = Remote(retention=Retention(events=3))
    await made.broker.start()
    ids = await made.publish(*["run.stage"] * 3)
    await made.opened()
    made.remote.gates["bounds"] = asyncio.Event()
    task = asyncio.ensure_future(made.open(earliest=True))
    await turns()
    ids += await made.publish("run.stage", "run.stage")
    made.remote.gates.pop("bounds").set()
    reader = await task
    await turns()
    assert (reader.ids, reader.reason) == (ids[2:], None)
    await made.broker.close()


# Places.


async def test_there_are_as_many_places_as_said_and_each_is_free_again() -> None:
    async with bench(Limits(streams=2)) as made:
        first, _ = await made.opened(), await made.opened()
        with pytest.raises(OverCapacity) as refused:
            await made.open()
        assert refused.value.retry_after
        first.subscription.lost()
        first.subscription.lost()
        await made.opened()
        assert len(made.broker) == 2


async def test_an_orgs_places_are_counted_while_they_are_being_opened_too() -> None:
    made = Remote(Limits(streams_per_org=2), lag=3)
    await made.broker.start()
    answers = await asyncio.gather(*(made.open() for _ in range(5)), return_exceptions=True)
    assert sum(isinstance(answer, OverCapacity) for answer in answers) == 3
    assert len(made.broker) == 2
    with pytest.raises(OverCapacity):
        await made.open()
    await made.open(org=GLOBEX)
    await made.broker.close()


async def test_while_a_stream_is_open_within_the_block_it_counts_once() -> None:
    async with bench(Limits(streams_per_org=2)) as made, made.broker.admit(made.request()) as opening:
        made.broker.attach(opening, FakeSink(), unwrapped)
        await made.opened()
        with pytest.raises(OverCapacity):
            await made.open()


@pytest.mark.parametrize("after", range(12))
async def test_a_cancelled_opening_leaves_no_place_taken_wherever_it_stood(after: int) -> None:
    made = Remote(lag=2)
    await made.broker.start()
    (event_id,) = await made.publish("run.stage")
    task = asyncio.ensure_future(made.open(event_id))
    await turns(after)
    task.cancel()
    (answer,) = await asyncio.gather(task, return_exceptions=True)
    if not isinstance(answer, asyncio.CancelledError):
        assert not isinstance(answer, BaseException)
        answer.subscription.lost()
    await turns()
    assert len(made.broker) == 0
    made.clock.advance(100)
    assert len(made.broker._topics) == 0  # noqa: SLF001 - a pin that was lost would keep it
    await made.broker.close()


@pytest.mark.parametrize("method", ["locate", "bounds", "tail"])
@pytest.mark.parametrize("error", [LogUnavailable("away"), OSError("a fault of the log"), EvictedError()])
async def test_an_opening_that_fails_leaves_no_place_taken(method: str, error: Exception) -> None:
    made = Remote()
    await made.broker.start()
    (event_id,) = await made.publish("run.stage")
    made.remote.errors[method] = error
    with pytest.raises(type(error)):
        await made.open(event_id)
    assert len(made.broker) == 0
    made.remote.errors.clear()
    assert (await made.opened(event_id)).reason is None
    await made.broker.close()


async def test_an_opening_that_is_not_attached_frees_its_place_even_on_errors() -> None:
    async with bench() as made:
        admitted = made.broker.admit(made.request())
        await admitted.__aenter__()
        assert len(made.broker) == 1
        assert not await admitted.__aexit__(ZeroDivisionError, ZeroDivisionError(), None)
        async with made.broker.admit(made.request()):
            pass
        assert len(made.broker) == 0


async def test_an_opening_is_attached_once_and_in_its_block() -> None:
    async with bench() as made:
        async with made.broker.admit(made.request()) as opening:
            made.broker.attach(opening, FakeSink(), unwrapped)
            with pytest.raises(RuntimeError):
                made.broker.attach(opening, FakeSink(), unwrapped)
        async with made.broker.admit(made.request()) as late:
            pass
        with pytest.raises(RuntimeError):
            made.broker.attach(late, FakeSink(), unwrapped)
        assert len(made.broker) == 1


async def test_nobody_is_admitted_while_draining_and_who_is_on_the_way_is_sent_off() -> None:
    async with bench() as made, made.broker.admit(made.request()) as opening:
        await made.broker.drain()
        with pytest.raises(OverCapacity):
            await made.open()
        sink = FakeSink()
        made.broker.attach(opening, sink, unwrapped)
        assert sink.last is not None
        assert json.loads(sink.last.split(b"data: ")[1].split(b"\n")[0])["reason"] == "shutdown"


async def test_a_refusal_is_one_closing_frame() -> None:
    async with bench() as made:
        frame = made.broker.refusal("over_capacity")
        assert frame.startswith(b"event: stream.closing\nretry: ")
        assert frame.endswith(b'\ndata: {"reason":"over_capacity","retryable":true}\n\n')
