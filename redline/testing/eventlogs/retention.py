"""Retention: no more is kept than said, and what is gone is seen to be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from redline.eventlog.contract import EvictedError
from redline.eventlog.retention import Retention
from redline.testing.eventlogs.kit import ACME, MUCH, Factory, Following, draft, parsed

if TYPE_CHECKING:
    from redline.testing.clock import ManualClock


class Bounded:
    """The bound by events, and the gap that eviction makes."""

    @pytest.mark.parametrize("count", [0, 1, 4, 5, 6, 17])
    async def test_no_more_events_are_kept_than_said(self, factory: Factory, clock: ManualClock, count: int) -> None:
        async with Following.of(factory, clock, Retention(events=5)) as following:
            ids = [event_id for _ in range(count) for event_id in await following.append(draft())]
            bounds = await following.log.bounds(ACME)
            assert await following.ids() == ids[-5:]
            assert bounds.oldest == (ids[-5:][0] if ids else None)
            assert bounds.head.id == (ids[-1] if ids else bounds.floor.id)

    async def test_reading_below_the_floor_fails_and_from_it_does_not(self, factory: Factory, clock: ManualClock) -> None:
        async with Following.of(factory, clock, Retention(events=3)) as following:
            await following.append(*[draft() for _ in range(3)])
            start = (await following.log.bounds(ACME)).floor
            ids = await following.append(*[draft() for _ in range(3)])
            with pytest.raises(EvictedError):
                await following.log.read(ACME, start.position, MUCH)
            assert await following.ids(after=(await following.log.bounds(ACME)).floor.position) == ids

    async def test_a_follower_is_told_of_floors_no_higher_than_they_are(self, factory: Factory, clock: ManualClock) -> None:
        async with Following.of(factory, clock, Retention(events=3)) as following:
            for _ in range(9):
                await following.append(draft())
                bounds = await following.log.bounds(ACME)
                assert all(floor <= bounds.floor.position for floor in following.floors[ACME])
                assert following.floors[ACME] == sorted(following.floors[ACME])

    @pytest.mark.parametrize(("records", "size", "most"), [(3, MUCH, 3), (100, 350, 3), (0, MUCH, 0), (100, 50, 0), (100, MUCH, 8)])
    async def test_the_tail_is_the_newest_within_both_bounds(self, following: Following, records: int, size: int, most: int) -> None:
        ids = await following.append(*[draft(b"x" * 100) for _ in range(8)])
        tail = await following.log.tail(ACME, records, size)
        assert [record.id for record in tail.records] == (ids[-most:] if most else [])
        assert tail.bounds == await following.log.bounds(ACME)
        assert tail.bounds.head.id == ids[-1]

    async def test_a_reader_that_eviction_overtakes_meets_it_and_never_skips(self, factory: Factory, clock: ManualClock) -> None:
        async with Following.of(factory, clock, Retention(events=10)) as following:
            await following.append(*[draft() for _ in range(10)])
            bounds = await following.log.bounds(ACME)
            (record,) = (await following.log.read(ACME, bounds.floor.position, 1))[:1]
            for _ in range(10):
                await following.append(draft())
            with pytest.raises(EvictedError):
                await following.log.read(ACME, record.position, MUCH)
            mark = await following.log.locate(ACME, parsed(record.id))
            assert mark is None or mark.position < (await following.log.bounds(ACME)).floor.position

    async def test_much_more_than_is_kept_comes_and_goes(self, factory: Factory, clock: ManualClock) -> None:
        async with Following.of(factory, clock, Retention(events=50)) as following:
            ids: list[str] = []
            for _ in range(30):
                ids += await following.append(*[draft(b"%d" % n) for n in range(100)])
            assert await following.ids() == ids[-50:]
            assert [record.envelope.data for record in await following.records()] == [b"%d" % n for n in range(50, 100)]
