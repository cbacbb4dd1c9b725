"""What time asks of a stream: heartbeats, cursors, warnings and ends (contract §1 "Heartbeat" and "Control events")."""

from __future__ import annotations

import pytest

from redline.broker.agenda import State
from redline.broker.broker import Limits
from redline.broker.filter import Filter
from redline.eventlog.memory import Retention
from tests.unit.broker.kit import bench, kinds, turns

RARE = kinds("run.stage")


@pytest.mark.parametrize("interval", [15.0, 0.05, 7.3])
async def test_heartbeats_come_by_the_streams_own_opening_and_do_not_drift(interval: float) -> None:
    async with bench(Limits(heartbeat=interval)) as made:
        reader = await made.opened()
        start, times = made.clock.monotonic(), list[float]()
        for _ in range(1001):
            made.clock.advance(interval / 50)
            times += [made.clock.monotonic() - start] * (len(reader.comments) - len(times))
        assert len(times) == 20
        assert all(abs(at - interval * number) <= interval / 10 for number, at in enumerate(times, 1))
        assert reader.sink.taken[0] == b":heartbeat\n"


async def test_no_heartbeat_is_made_up_for() -> None:
    async with bench() as made:
        reader = await made.opened()
        reader.subscription.pause()
        made.clock.advance(29)
        reader.subscription.resume()
        made.clock.advance(0.5)
        assert reader.comments == []
        made.clock.advance(0.5)
        assert reader.comments == ["heartbeat"]


async def test_a_visible_heartbeat_carries_the_head_and_no_id() -> None:
    async with bench() as made:
        reader = await made.opened(heartbeat_events=True)
        (event_id,) = await made.publish("run.stage")
        await turns()
        made.clock.advance(15)
        assert [event.json() for event in reader.named("heartbeat")] == [{"head": event_id}]
        assert reader.sink.taken[-1] == b':heartbeat\nevent: stream.heartbeat\ndata: {"head":"%b"}\n\n' % event_id.encode()


async def test_a_filtered_reader_is_told_its_cursor_with_the_next_heartbeat_and_once() -> None:
    async with bench() as made:
        reader, unfiltered = await made.opened(wanted=RARE), await made.opened()
        ids = await made.publish("change.detected", "change.detected")
        await turns()
        assert reader.named("cursor") == []
        made.clock.advance(15)
        (cursor,) = reader.named("cursor")
        assert (cursor.json(), cursor.last_event_id) == ({"head": ids[-1]}, ids[-1])
        made.clock.advance(60)
        assert len(reader.named("cursor")) == 1
        assert unfiltered.named("cursor") == []


async def test_a_reader_whose_kind_came_last_needs_no_cursor() -> None:
    async with bench() as made:
        reader = await made.opened(wanted=RARE)
        await made.publish("change.detected", "run.stage")
        await turns()
        made.clock.advance(60)
        assert reader.named("cursor") == []


async def test_at_a_quarter_of_the_history_the_cursor_comes_at_once() -> None:
    async with bench(Limits(recent_events=40), Retention(events=40)) as made:
        reader = await made.opened(wanted=RARE)
        for _ in range(9):
            await made.publish("change.detected")
            await turns()
        assert reader.named("cursor") == []
        (tenth,) = await made.publish("change.detected")
        await turns()
        assert [event.last_event_id for event in reader.named("cursor")] == [tenth]
        await made.publish(*["change.detected"] * 9)
        await made.publish("run.stage")
        await made.publish(*["change.detected"] * 9)
        await turns()
        assert len(reader.named("cursor")) == 1
        assert made.metric("redline_deliveries_total") == 1, "a cursor is no event"


async def test_a_pause_does_not_start_the_count_anew() -> None:
    async with bench(Limits(recent_events=40), Retention(events=40)) as made:
        reader = await made.opened(wanted=RARE)
        await made.publish(*["change.detected"] * 9)
        await turns()
        reader.subscription.pause()
        (tenth,) = await made.publish("change.detected")
        await turns()
        reader.subscription.resume()
        await turns()
        assert [event.last_event_id for event in reader.named("cursor")] == [tenth]


async def test_a_quarter_in_bytes_is_the_same_to_the_log_and_to_this_node() -> None:
    """The log counts a record's own bytes as well as its payload; counting frames alone would be late by far."""
    async with bench(Limits(recent_events=10_000, recent_bytes=40_000), Retention(events=10_000, bytes=40_000)) as made:
        reader = await made.opened(wanted=RARE)
        for _ in range(17):
            await made.publish("change.detected")
            await turns()
        assert made.metric("redline_log_bytes") > 10_000
        assert len(reader.named("cursor")) == 1


async def test_what_was_withheld_while_live_counts_in_a_catch_up() -> None:
    async with bench(Limits(recent_events=40, page_bytes=300), Retention(events=1000)) as made:
        reader = await made.opened(wanted=RARE)
        ids = await made.publish(*["change.detected"] * 9)
        await turns()
        reader.subscription.pause()
        ids += await made.publish(*["change.detected"] * 100, data=b'"%b"' % (b"x" * 100))
        await turns()
        reader.subscription.resume()
        await turns(200)
        assert ids.index(reader.named("cursor")[0].last_event_id) < 13


async def test_at_the_end_of_a_catch_up_a_filtered_reader_is_told_its_cursor() -> None:
    async with bench() as made:
        ids = await made.publish("change.detected", "run.stage", "change.detected")
        reader = await made.opened(ids[0], RARE)
        assert reader.ids == [ids[1]]
        assert reader.last_event_id == ids[2]
        assert (await made.opened(ids[0])).named("cursor") == []
        assert (await made.opened(ids[2], RARE)).named("cursor") == []


async def test_a_pause_is_a_catch_up_too() -> None:
    async with bench() as made:
        reader = await made.opened(wanted=RARE)
        ids = await made.publish("change.detected", "change.detected")
        await turns()
        reader.subscription.pause()
        reader.subscription.resume()
        await turns()
        assert [event.last_event_id for event in reader.named("cursor")] == [ids[1]]


async def test_what_a_scope_withholds_counts_as_well() -> None:
    async with bench() as made:
        reader = await made.opened(wanted=Filter())
        (secret,) = await made.publish("run.stage", scope="admin")
        await turns()
        made.clock.advance(15)
        assert reader.ids == []
        assert reader.last_event_id == secret


@pytest.mark.parametrize(
    ("limits", "retention", "size"),
    [
        (Limits(recent_events=40), Retention(events=40), 2),
        (Limits(recent_events=10_000, recent_bytes=40_000), Retention(events=10_000, bytes=40_000), 2),
        (Limits(recent_events=10_000, recent_bytes=40_000), Retention(events=10_000, bytes=40_000), 3000),
        (Limits(), Retention(total_bytes=20_000), 2),
        (Limits(), Retention(total_bytes=20_000), 3000),
    ],
    ids=["events", "small bytes", "large bytes", "small under the ceiling", "large under the ceiling"],
)
@pytest.mark.parametrize("batch", [1, 7])
async def test_a_rare_kinds_reader_beside_a_flood_never_meets_a_gap(limits: Limits, retention: Retention, size: int, batch: int) -> None:
    async with bench(limits, retention) as made:
        reader = await made.opened(wanted=RARE)
        for _ in range(200):
            await made.publish(*["change.detected"] * batch, data=b'"%b"' % (b"x" * size))
            await turns(2)
            async with made.broker.admit(made.request(reader.last_event_id, RARE)) as opening:
                assert opening.gap is None
        assert len(reader.named("cursor")) <= 200, "at most one a flush"


async def test_a_warning_comes_30_seconds_before_the_end_and_the_end_is_never_late() -> None:
    async with bench() as made:
        reader = await made.opened(expires=made.clock.time() + 100)
        made.clock.advance(69.8)
        assert reader.named("expiring") == []
        made.clock.advance(0.2)
        (expiring,) = reader.named("expiring")
        assert expiring.json() == {"expiresAt": "2026-11-22T10:01:40.000Z"}
        made.clock.advance(29.8)
        assert reader.reason is None
        made.clock.advance(0.2)
        assert reader.reason == "token_expired"
        assert len(reader.named("expiring")) == 1


@pytest.mark.parametrize(("left", "warned", "reason"), [(0.0, 0, "token_expired"), (-5.0, 0, "token_expired"), (20.0, 1, None)])
async def test_a_credential_that_is_about_to_end_is_treated_so_from_the_start(left: float, warned: int, reason: str | None) -> None:
    async with bench() as made:
        reader = await made.opened(expires=made.clock.time() + left)
        assert (len(reader.named("expiring")), reader.reason) == (warned, reason)


async def test_the_credentials_end_is_one_of_the_wall_clock_whichever_way_that_jumps() -> None:
    async with bench() as made:
        ahead, behind = await made.opened(expires=made.clock.time() + 1000), await made.opened(expires=made.clock.time() + 100)
        made.clock.set_time(made.clock.time() + 990)
        made.clock.advance(15)
        assert (ahead.reason, behind.reason) == ("token_expired", "token_expired")
        late = await made.opened(expires=made.clock.time() + 100)
        made.clock.set_time(made.clock.time() - 500)
        made.clock.advance(590)
        assert late.reason is None
        made.clock.advance(10)
        assert late.reason == "token_expired"


async def test_a_paused_reader_is_warned_when_it_resumes() -> None:
    async with bench(Limits(heartbeat=24, stall=1000)) as made:
        reader = await made.opened(expires=made.clock.time() + 100)
        reader.subscription.pause()
        made.clock.advance(75)
        reader.subscription.resume()
        made.clock.advance(0)
        assert len(reader.named("expiring")) == 1


async def test_a_paused_readers_credential_ends_in_time() -> None:
    async with bench(Limits(stall=1000)) as made:
        reader = await made.opened(expires=made.clock.time() + 50)
        reader.subscription.pause()
        made.clock.advance(50)
        assert reader.reason == "token_expired"


async def test_a_stream_that_is_too_old_ends_and_may_come_again() -> None:
    async with bench(Limits(max_age=60)) as made:
        reader = await made.opened()
        made.clock.advance(59.8)
        assert reader.reason is None
        made.clock.advance(0.2)
        assert reader.reason == "max_age"
        assert reader.named("closing")[0].json()["retryable"]


async def test_a_reader_that_takes_nothing_for_too_long_is_ended_and_then_cut() -> None:
    async with bench(Limits(stall=30)) as made:
        reader = await made.opened()
        reader.subscription.pause()
        made.clock.advance(29.8)
        reader.subscription.resume()
        await turns()
        assert reader.subscription.state is State.LIVE
        made.clock.advance(60)
        reader.subscription.pause()
        made.clock.advance(29.8)
        assert reader.reason is None
        made.clock.advance(0.2)
        assert reader.named("closing")[0].json()["reason"] == "slow_subscriber"
        assert reader.sink.aborted == 0
        made.clock.advance(1)
        assert reader.sink.aborted == 1


async def test_a_slow_reader_that_takes_something_now_and_then_is_not_stalled() -> None:
    async with bench(Limits(stall=30)) as made:
        reader = await made.opened()
        reader.sink.waiting = 100_000
        reader.subscription.pause()
        for _ in range(10):
            reader.sink.waiting -= 1
            made.clock.advance(30)
            assert reader.reason is None
        made.clock.advance(30.2)
        assert reader.named("closing")[0].json()["reason"] == "slow_subscriber"


async def test_nothing_is_due_for_who_is_gone() -> None:
    async with bench() as made:
        reader = await made.opened(expires=made.clock.time() + 50)
        reader.subscription.lost()
        made.clock.advance(100)
        assert reader.sink.taken == []
        assert made.metric("redline_streams_closed_total", reason="token_expired") == 0
