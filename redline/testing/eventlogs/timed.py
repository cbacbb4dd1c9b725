"""What time does, on a clock under the test's control."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from redline.errors import RateLimited
from redline.eventlog.contract import Appended
from redline.eventlog.retention import Retention
from redline.testing.eventlogs.kit import ACME, GLOBEX, Factory, Following, draft, parsed

if TYPE_CHECKING:
    from redline.testing.clock import ManualClock


class Timed:
    """Ages: of events, of idle orgs, of keys."""

    async def test_records_keep_the_time_of_appending(self, following: Following, clock: ManualClock) -> None:
        clock.advance(5)
        await following.append(draft())
        (record,) = await following.records()
        assert record.appended == pytest.approx(clock.time(), abs=1)

    async def test_events_outlive_their_age_by_nothing_that_can_be_seen(self, factory: Factory, clock: ManualClock) -> None:
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

    async def test_an_idle_org_is_remembered_for_the_age_and_no_longer(self, factory: Factory, clock: ManualClock) -> None:
        async with Following.of(factory, clock, Retention(seconds=100)) as following:
            (event_id,) = await following.append(draft())
            clock.advance(99)
            mark = await following.log.locate(ACME, parsed(event_id))
            assert mark == (await following.log.bounds(ACME)).head
            clock.advance(120)
            assert await following.log.locate(ACME, parsed(event_id)) is None
            fresh = await following.append(draft())
            assert parsed(fresh[0]).epoch != parsed(event_id).epoch

    async def test_a_held_org_is_remembered_and_its_age_counts_from_the_last_release(self, factory: Factory, clock: ManualClock) -> None:
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

    async def test_a_key_lives_for_its_window_even_when_its_event_is_gone(self, factory: Factory, clock: ManualClock) -> None:
        async with Following.of(factory, clock, Retention(events=2, seconds=10, key_seconds=60)) as following:
            (first,) = await following.append(draft(b"1", key="k"))
            await following.append(*[draft() for _ in range(5)])
            clock.advance(59)
            assert await following.answer(draft(b"1", key="k")) == Appended(first, duplicate=True)
            clock.advance(1)
            after = await following.answer(draft(b"2", key="k"))
            assert isinstance(after, Appended)
            assert not after.duplicate

    async def test_too_many_keys_are_refused_until_the_oldest_ends(self, factory: Factory, clock: ManualClock) -> None:
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
