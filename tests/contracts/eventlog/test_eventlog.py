"""What every event log promises (``redline.eventlog.contract``), and contract §1 and §2 as far as they are the log's."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from redline.envelope import EventId, parse_org
from redline.errors import IdempotencyConflict, LogUnavailable, RateLimited
from redline.eventlog.contract import Appended, EvictedError
from redline.eventlog.memory import Retention
from tests.contracts.eventlog.kit import ACME, GLOBEX, MUCH, Following, draft, parsed

if TYPE_CHECKING:
    from redline.testing import ManualClock
    from tests.contracts.eventlog.kit import Factory


# Order.


async def test_what_is_appended_is_read_in_order_and_whole(following: Following) -> None:
    ids = [*await following.append(draft(b"1"), draft(b"2")), *await following.append(draft(b"3"))]
    assert await following.ids() == ids
    floor = (await following.log.bounds(ACME)).floor.position
    records = await following.log.read(ACME, floor, MUCH)
    assert [record.envelope.data for record in records] == [b"1", b"2", b"3"]
    assert [record.id for record in records] == ids
    assert all(record.mark.position == record.position and record.mark.id == record.id for record in records)


async def test_ids_are_ids_and_none_is_given_twice(following: Following) -> None:
    ids = await following.append(*[draft() for _ in range(50)], *[draft(org=GLOBEX) for _ in range(50)])
    assert len(set(ids)) == 100
    assert all(str(parsed(event_id)) == event_id for event_id in ids)


async def test_an_id_tells_nothing_of_other_orgs(following: Following) -> None:
    (first,) = await following.append(draft())
    await following.append(*[draft(org=GLOBEX) for _ in range(7)])
    (other,) = await following.append(draft(org=GLOBEX))
    assert parsed(first).epoch != parsed(other).epoch


@pytest.mark.parametrize("page", [1, 5, 60, 10_000])
async def test_reading_in_pages_finds_everything_once(following: Following, page: int) -> None:
    ids = await following.append(*[draft(b'"%b"' % (b"x" * (n % 40))) for n in range(30)])
    assert await following.ids(page=page) == ids


async def test_a_page_holds_at_least_one_record_however_large(following: Following) -> None:
    await following.append(draft(b"x" * 5000), draft(b"y"))
    floor = (await following.log.bounds(ACME)).floor.position
    assert [len(record.envelope.data) for record in await following.log.read(ACME, floor, 1)] == [5000]


async def test_a_page_is_about_as_large_as_asked(following: Following) -> None:
    await following.append(*[draft(b"x" * 100) for _ in range(20)])
    floor = (await following.log.bounds(ACME)).floor.position
    assert 5 <= len(await following.log.read(ACME, floor, 500)) <= 6


async def test_nothing_is_read_at_the_head(following: Following) -> None:
    await following.append(draft())
    assert list(await following.log.read(ACME, (await following.log.bounds(ACME)).head.position, MUCH)) == []


async def test_the_follower_is_told_everything_once_in_order(following: Following) -> None:
    ids = [*await following.append(draft(), draft(org=GLOBEX), draft()), *await following.append(draft())]
    assert [record.id for record in following.told[ACME]] == [ids[0], ids[2], ids[3]]
    assert [record.id for record in following.told[GLOBEX]] == [ids[1]]
    floor = (await following.log.bounds(ACME)).floor.position
    assert following.told[ACME] == list(await following.log.read(ACME, floor, MUCH))


async def test_concurrent_appenders_agree_on_one_order(following: Following) -> None:
    answers = await asyncio.gather(*(following.append(draft(b"%d" % n), draft(b"%d" % n)) for n in range(40)))
    ids = await following.ids()
    assert sorted(ids) == sorted(event_id for answer in answers for event_id in answer)
    assert [record.id for record in following.told[ACME]] == ids
    assert all(ids.index(first) < ids.index(second) for first, second in answers)


async def test_orgs_do_not_see_each_other(following: Following) -> None:
    (mine,) = await following.append(draft())
    assert await following.ids(GLOBEX) == []
    assert await following.log.locate(GLOBEX, parsed(mine)) is None
    tail = await following.log.tail(GLOBEX, 10, MUCH)
    assert list(tail.records) == []


async def test_records_keep_all_of_their_envelope_and_the_time_of_appending(following: Following, clock: ManualClock) -> None:
    clock.advance(5)
    sent = draft(b'{"\xc3\xa9":1}')
    sent = sent._replace(envelope=type(sent.envelope)(ACME, "change.detected", "2020-01-01T00:00:00.000Z", sent.envelope.data, "admin"))
    await following.append(sent)
    floor = (await following.log.bounds(ACME)).floor.position
    (record,) = await following.log.read(ACME, floor, MUCH)
    assert record.envelope == sent.envelope
    assert record.appended == pytest.approx(clock.time(), abs=1)


# What is retained.


@pytest.mark.parametrize("count", [0, 1, 4, 5, 6, 17])
async def test_no_more_events_are_kept_than_said(factory: Factory, clock: ManualClock, count: int) -> None:
    async with Following.of(factory, clock, Retention(events=5)) as following:
        ids = [event_id for _ in range(count) for event_id in await following.append(draft())]
        bounds = await following.log.bounds(ACME)
        assert await following.ids() == ids[-5:]
        assert bounds.oldest == (ids[-5:][0] if ids else None)
        assert bounds.head.id == (ids[-1] if ids else bounds.floor.id)


async def test_events_outlive_their_age_by_nothing_that_can_be_seen(factory: Factory, clock: ManualClock) -> None:
    async with Following.of(factory, clock, Retention(seconds=100)) as following:
        following.log.hold(ACME)
        await following.append(draft())
        clock.advance(60)
        second = await following.append(draft())
        clock.advance(39)
        assert len(await following.ids()) == 2
        clock.advance(1)
        assert await following.ids() == second
        clock.advance(60)
        bounds = await following.log.bounds(ACME)
        assert (bounds.oldest, bounds.floor, bounds.head.id) == (None, bounds.head, second[0])


async def test_an_orgs_bytes_are_bounded_but_the_newest_stays(factory: Factory, clock: ManualClock) -> None:
    async with Following.of(factory, clock, Retention(bytes=10_000)) as following:
        ids = await following.append(*[draft(b"x" * 3000) for _ in range(6)])
        kept = await following.ids()
        assert 1 <= len(kept) <= 3
        assert kept == ids[-len(kept) :]
        large = await following.append(draft(b"x" * 50_000))
        assert await following.ids() == large


async def test_reading_below_the_floor_fails_and_from_it_does_not(factory: Factory, clock: ManualClock) -> None:
    async with Following.of(factory, clock, Retention(events=3)) as following:
        await following.append(*[draft() for _ in range(3)])
        start = (await following.log.bounds(ACME)).floor
        ids = await following.append(*[draft() for _ in range(3)])
        with pytest.raises(EvictedError):
            await following.log.read(ACME, start.position, MUCH)
        assert await following.ids(after=(await following.log.bounds(ACME)).floor.position) == ids


async def test_a_follower_is_told_of_floors_no_higher_than_they_are(factory: Factory, clock: ManualClock) -> None:
    async with Following.of(factory, clock, Retention(events=3)) as following:
        for _ in range(9):
            await following.append(draft())
            bounds = await following.log.bounds(ACME)
            assert all(floor <= bounds.floor.position for floor in following.floors[ACME])
            assert following.floors[ACME] == sorted(following.floors[ACME])


@pytest.mark.parametrize(("records", "size", "most"), [(3, MUCH, 3), (100, 350, 3), (0, MUCH, 0), (100, 50, 0), (100, MUCH, 8)])
async def test_the_tail_is_the_newest_within_both_bounds(following: Following, records: int, size: int, most: int) -> None:
    ids = await following.append(*[draft(b"x" * 100) for _ in range(8)])
    tail = await following.log.tail(ACME, records, size)
    assert [record.id for record in tail.records] == (ids[-most:] if most else [])
    assert tail.bounds == await following.log.bounds(ACME)
    assert tail.bounds.head.id == ids[-1]


# Ids as cursors.


async def test_every_id_is_located_even_below_the_floor(factory: Factory, clock: ManualClock) -> None:
    async with Following.of(factory, clock, Retention(events=3)) as following:
        ids = await following.append(*[draft() for _ in range(8)])
        bounds = await following.log.bounds(ACME)
        marks = [await following.log.locate(ACME, parsed(event_id)) for event_id in ids]
        assert [mark.id for mark in marks if mark is not None] == ids
        assert [mark is not None and mark.position >= bounds.floor.position for mark in marks] == [False] * 4 + [True] * 4
        assert await following.log.locate(ACME, parsed(bounds.floor.id)) == bounds.floor
        assert await following.log.locate(ACME, parsed(bounds.head.id)) == bounds.head


async def test_reading_after_a_located_id_gives_exactly_what_follows(following: Following) -> None:
    ids = await following.append(*[draft() for _ in range(6)])
    for index, event_id in enumerate(ids):
        mark = await following.log.locate(ACME, parsed(event_id))
        assert mark is not None
        assert await following.ids(after=mark.position) == ids[index + 1 :]


async def test_a_cursor_from_before_the_first_event_is_located(following: Following) -> None:
    start = (await following.log.bounds(ACME)).head
    ids = await following.append(draft(), draft())
    mark = await following.log.locate(ACME, parsed(start.id))
    assert mark is not None
    assert await following.ids(after=mark.position) == ids


async def test_foreign_forged_and_future_ids_are_not_located(following: Following) -> None:
    (mine,) = await following.append(draft())
    (other,) = await following.append(draft(org=GLOBEX))
    known = parsed(mine)
    for event_id in (
        parsed(other),
        EventId("forged", known.seq),
        EventId(known.epoch, known.seq + 1),
        EventId(known.epoch, 9_999_999_999_999_999_999),
        EventId(known.epoch.upper() + "x", known.seq),
    ):
        assert await following.log.locate(ACME, event_id) is None
    assert await following.log.locate(parse_org("nobody"), known) is None


# Memory of orgs.


async def test_an_idle_org_is_remembered_for_the_age_and_no_longer(factory: Factory, clock: ManualClock) -> None:
    async with Following.of(factory, clock, Retention(seconds=100)) as following:
        (event_id,) = await following.append(draft())
        clock.advance(99)
        mark = await following.log.locate(ACME, parsed(event_id))
        assert mark == (await following.log.bounds(ACME)).head
        clock.advance(120)
        assert await following.log.locate(ACME, parsed(event_id)) is None
        fresh = await following.append(draft())
        assert parsed(fresh[0]).epoch != parsed(event_id).epoch


async def test_a_held_org_is_remembered_and_its_age_counts_from_the_last_release(factory: Factory, clock: ManualClock) -> None:
    async with Following.of(factory, clock, Retention(seconds=100)) as following:
        start = (await following.log.bounds(ACME)).head
        following.log.hold(ACME)
        following.log.hold(ACME)
        clock.advance(1000)
        following.log.release(ACME)
        clock.advance(1000)
        assert (await following.log.bounds(ACME)).head == start
        following.log.release(ACME)
        clock.advance(95)
        assert await following.log.locate(ACME, parsed(start.id)) == start
        clock.advance(120)
        assert await following.log.locate(ACME, parsed(start.id)) is None


# Idempotency keys.


async def test_a_key_used_again_for_the_same_event_returns_the_first_id(following: Following) -> None:
    first = await following.answer(draft(b"1", key="k"))
    again = await following.answer(draft(b"1", key="k"))
    assert isinstance(first, Appended)
    assert (first.duplicate, again) == (False, Appended(first.id, duplicate=True))
    assert await following.ids() == [first.id]
    assert len(following.told[ACME]) == 1


async def test_a_key_works_within_one_batch_and_one_bad_draft_concerns_itself_alone(following: Following) -> None:
    answers = await following.log.append([draft(b"1", key="k"), draft(b"1", key="k"), draft(b"2", key="k"), draft(b"3")])
    first, again, conflict, last = answers
    assert isinstance(first, Appended)
    assert again == Appended(first.id, duplicate=True)
    assert isinstance(conflict, IdempotencyConflict)
    assert isinstance(last, Appended)
    assert await following.ids() == [first.id, last.id]


async def test_keys_of_different_orgs_have_nothing_to_do_with_each_other(following: Following) -> None:
    await following.append(draft(b"1", key="k"))
    other = await following.answer(draft(b"2", org=GLOBEX, key="k"))
    assert isinstance(other, Appended)
    assert not other.duplicate


async def test_a_key_lives_for_its_window_even_when_its_event_is_gone(factory: Factory, clock: ManualClock) -> None:
    async with Following.of(factory, clock, Retention(events=2, seconds=10, key_seconds=60)) as following:
        (first,) = await following.append(draft(b"1", key="k"))
        await following.append(*[draft() for _ in range(5)])
        clock.advance(59)
        assert await following.answer(draft(b"1", key="k")) == Appended(first, duplicate=True)
        clock.advance(1)
        after = await following.answer(draft(b"2", key="k"))
        assert isinstance(after, Appended)
        assert not after.duplicate


async def test_too_many_keys_are_refused_and_none_is_forgotten_for_them(factory: Factory, clock: ManualClock) -> None:
    async with Following.of(factory, clock, Retention(keys=3, key_seconds=60)) as following:
        ids = [(await following.append(draft(key=f"k{n}")))[0] for n in range(3)]
        refused = await following.answer(draft(key="k3"))
        assert isinstance(refused, RateLimited)
        assert refused.retry_after is not None
        assert 1 <= refused.retry_after <= 61
        for n, event_id in enumerate(ids):
            assert await following.answer(draft(key=f"k{n}")) == Appended(event_id, duplicate=True)
        assert isinstance(await following.answer(draft(org=GLOBEX, key="k3")), Appended)
        assert isinstance(await following.answer(draft()), Appended)
        clock.advance(refused.retry_after)
        assert isinstance(await following.answer(draft(key="k3")), Appended)


# The end.


async def test_a_closed_log_says_so_and_closes_twice(factory: Factory, clock: ManualClock) -> None:
    async with Following.of(factory, clock) as following:
        (event_id,) = await following.append(draft())
        assert following.log.fault is None
        await following.log.close()
        await following.log.close()
        assert following.log.fault
        for use in (
            following.log.append([draft()]),
            following.log.bounds(ACME),
            following.log.locate(ACME, parsed(event_id)),
            following.log.read(ACME, 0, 1),
            following.log.tail(ACME, 1, 1),
        ):
            with pytest.raises(LogUnavailable):
                await use


async def test_a_cancelled_append_happened_or_not_and_breaks_nothing(following: Following) -> None:
    for _ in range(20):
        task = asyncio.get_running_loop().create_task(following.log.append([draft()]))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    (last,) = await following.append(draft())
    ids = await following.ids()
    assert ids[-1] == last
    assert [record.id for record in following.told[ACME]] == ids
