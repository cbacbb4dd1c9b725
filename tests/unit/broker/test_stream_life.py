"""One stream's life: live, catching up, paused, closing, gone (contract §1)."""

from __future__ import annotations

import asyncio
import gc
import sys
import weakref

import pytest

from redline.broker.agenda import State
from redline.broker.broker import Limits
from redline.eventlog.memory import Retention
from tests.unit.broker.kit import FakeSink, bench, kinds, turns

SMALL = Limits(page_bytes=300)


async def test_a_live_reader_gets_what_is_new_in_one_write() -> None:
    async with bench() as made:
        reader = await made.opened()
        assert reader.subscription.state is State.LIVE
        ids = [*await made.publish("run.stage"), *await made.publish("run.stage", "change.detected")]
        await turns(1)
        assert reader.sink.taken == [], "what comes in meanwhile goes out in the same write"
        ids += await made.publish("run.stage")
        await turns(1)
        assert len(reader.sink.taken) == 1
        assert reader.ids == ids


async def test_all_live_readers_of_a_filter_are_given_the_same_object() -> None:
    async with bench() as made:
        readers = [await made.opened() for _ in range(3)]
        await made.publish("run.stage")
        await turns()
        assert readers[0].sink.taken[0] is readers[1].sink.taken[0] is readers[2].sink.taken[0]


async def test_nothing_is_written_before_the_connection_knows_whom_to_tell() -> None:
    async with bench() as made:
        await made.publish("run.stage")
        reader = await made.open(earliest=True)
        assert reader.sink.taken == []
        assert reader.subscription.state is State.CATCHING


@pytest.mark.parametrize("tell", ["pause", "lost"])
async def test_a_connection_that_fills_or_goes_before_the_first_write_gets_none(tell: str) -> None:
    async with bench() as made:
        await made.publish("run.stage")
        reader = await made.open(earliest=True)
        getattr(reader.subscription, tell)()
        await turns()
        assert reader.sink.taken == []
        assert len(made.broker) == (1 if tell == "pause" else 0)


async def test_a_replay_shares_the_loop_with_live_readers() -> None:
    async with bench(SMALL) as made:
        old = await made.publish(*["run.stage"] * 20)
        live = await made.opened()
        replayed = await made.open(earliest=True)
        await turns(3)
        assert 0 < len(replayed.ids) < 20
        new = await made.publish("run.stage")
        await turns(2)
        assert live.ids == new
        await turns()
        assert replayed.ids == old + new
        assert all(len(write) <= 300 for write in replayed.sink.taken)
        assert made.metric("redline_replayed_events_total") >= 20


async def test_a_write_that_fails_costs_no_other_reader_its_event() -> None:
    async with bench() as made:
        readers = [await made.opened() for _ in range(5)]
        readers[2].sink.broken = RuntimeError("the transport is closed")
        ids = await made.publish("run.stage")
        await turns()
        assert [reader.ids for reader in readers] == [ids, ids, [], ids, ids]
        assert (readers[2].sink.aborted, readers[2].subscription.state) == (1, State.CLOSING)
        readers[2].subscription.lost()
        assert len(made.broker) == 4
        assert made.metric("redline_streams_closed_total", reason="client") == 1


async def test_a_framing_that_fails_ends_its_readers_and_no_others(caplog: pytest.LogCaptureFixture) -> None:
    fails = False

    def framing(data: bytes) -> bytes:
        if fails:
            raise ZeroDivisionError
        return data

    async with bench() as made:
        bad, good = await made.open(wrap=framing), await made.opened()
        await turns()
        fails = True
        first = await made.publish("run.stage")
        await turns()
        assert bad.reason == "internal"
        second = await made.publish("run.stage")
        await turns()
        assert good.ids == first + second
        assert "ZeroDivisionError" in caplog.text


async def test_a_pause_in_the_middle_of_a_flush_leaves_the_cursor_after_what_was_written() -> None:
    async with bench(Limits(chunk_bytes=300)) as made:
        reader, other = await made.opened(), await made.opened()
        reader.sink.room = 100
        ids = await made.publish(*["run.stage"] * 10)
        await turns()
        assert 0 < len(reader.ids) < 10
        assert other.ids == ids
        assert reader.subscription.state is State.PAUSED
        reader.sink.room = None
        reader.subscription.resume()
        await turns()
        assert reader.ids == ids
        assert reader.reason is None
        assert made.metric("redline_slow_subscribers_total") == 1


async def test_a_connection_may_drain_or_go_from_within_a_write() -> None:
    async with bench() as made:
        drains, goes, other = await made.opened(), await made.opened(), await made.opened()

        def drain() -> None:
            drains.subscription.pause()
            drains.subscription.resume()

        drains.sink.on_write, goes.sink.on_write = drain, goes.subscription.lost
        ids = [*await made.publish("run.stage"), *await made.publish("run.stage")]
        await turns()
        ids += await made.publish("run.stage")
        await turns()
        assert drains.ids == other.ids == ids
        assert goes.ids == ids[:2]
        assert len(made.broker) == 2


async def test_a_reader_that_was_overtaken_by_eviction_is_told_so_and_meets_a_gap() -> None:
    async with bench(retention=Retention(events=5)) as made:
        reader = await made.opened()
        first = await made.publish("run.stage")
        await turns()
        reader.subscription.pause()
        kept = (await made.publish(*["run.stage"] * 7))[-5:]
        await turns()
        reader.subscription.resume()
        await turns()
        assert reader.reason == "slow_subscriber"
        assert reader.ids == first
        back = await made.opened(reader.last_event_id)
        assert back.named("gap")[0].json()["reason"] == "evicted"
        assert back.ids == kept


async def test_a_reader_that_needs_nothing_of_what_was_evicted_is_not_called_slow() -> None:
    async with bench(retention=Retention(events=5)) as made:
        reader = await made.opened()
        reader.subscription.pause()
        ids = await made.publish(*["run.stage"] * 9)
        reader.subscription.resume()
        await turns()
        assert reader.ids == ids
        assert reader.reason is None


async def test_without_following_a_stream_ends_exactly_at_the_head_at_its_opening() -> None:
    async with bench(SMALL) as made:
        ids = await made.publish(*["run.stage"] * 9)
        reader = await made.open(ids[1], follow=False)
        await made.publish("run.stage")
        await turns()
        assert reader.ids == ids[2:]
        assert (reader.reason, reader.last_event_id) == ("end_of_history", ids[-1])
        empty = await made.opened(follow=False)
        assert (empty.ids, empty.reason) == ([], "end_of_history")


async def test_history_that_was_read_to_its_end_ends_well_even_if_it_was_evicted_since() -> None:
    async with bench(retention=Retention(events=3)) as made:
        ids = await made.publish(*["run.stage"] * 3)
        sink = FakeSink()
        sink.room = 0
        reader = await made.opened(earliest=True, follow=False, sink=sink)
        assert (reader.ids, reader.subscription.state) == (ids, State.PAUSED)
        await made.publish(*["run.stage"] * 9)
        reader.subscription.resume()
        assert reader.reason == "end_of_history"


async def test_history_whose_end_was_evicted_before_it_was_read_does_not_end_well() -> None:
    async with bench(SMALL, Retention(events=3)) as made:
        await made.publish(*["run.stage"] * 3)
        reader = await made.open(earliest=True, follow=False)
        await made.publish(*["run.stage"] * 9)
        await turns()
        assert reader.reason == "slow_subscriber"


async def test_closing_is_offered_once_and_cut_a_second_later() -> None:
    async with bench() as made:
        reader = await made.opened()
        reader.subscription.close("token_revoked")
        reader.subscription.close("shutdown")
        (closing,) = reader.named("closing")
        assert closing.json() == {"reason": "token_revoked", "retryable": False}
        assert b"retry:" not in (reader.sink.last or b"")
        made.clock.advance(0.8)
        assert reader.sink.aborted == 0
        made.clock.advance(0.2)
        assert reader.sink.aborted == 1
        assert len(made.broker) == 1
        reader.subscription.lost()
        assert len(made.broker) == 0
        assert made.metric("redline_streams_closed_total", reason="token_revoked") == 1


async def test_draining_ends_all_and_admits_none() -> None:
    async with bench() as made:
        readers = [await made.opened() for _ in range(3)]
        late = await made.open()
        drained = asyncio.ensure_future(made.broker.drain())
        await turns(2)
        assert {reader.reason for reader in (*readers, late)} == {"shutdown"}
        assert all(b"retry:" in (reader.sink.last or b"") for reader in readers)
        assert not drained.done()
        for reader in (*readers, late):
            reader.subscription.lost()
        await drained


async def test_nothing_holds_a_lost_subscription() -> None:
    async with bench() as made:
        sink = FakeSink()
        reader = await made.opened(sink=sink)
        await made.publish("run.stage")
        await turns()
        gone = weakref.ref(reader.subscription)
        gc.disable()
        try:
            reader.subscription.lost()
            del reader, sink  # which hold each other, as a connection and its subscription do
            assert gone() is None, "only the garbage collector could free it"
        finally:
            gc.enable()


async def test_a_subscription_is_small() -> None:
    async with bench() as made:
        reader = await made.opened(wanted=kinds("run.stage"))
        assert not hasattr(reader.subscription, "__dict__")
        assert sys.getsizeof(reader.subscription) <= 256


async def test_resuming_often_in_one_turn_starts_no_second_replay() -> None:
    async with bench(SMALL) as made:
        ids = await made.publish(*["run.stage"] * 30)
        reader = await made.open(earliest=True)
        await turns(1)
        for _ in range(10):
            reader.subscription.pause()
            reader.subscription.resume()
        written = len(reader.sink.taken)
        await turns(1)
        assert len(reader.sink.taken) == written + 1
        await turns()
        assert reader.ids == ids
