"""A log that keeps its history when it is closed: the same again, and more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from redline.errors import IdempotencyConflict
from redline.eventlog.contract import Appended
from redline.eventlog.retention import Retention
from redline.testing.eventlogs.kit import ACME, GLOBEX, Factory, Following, draft, parsed

if TYPE_CHECKING:
    from redline.testing.clock import ManualClock


class Survives:
    """What survives a close, wherever the history is kept; the ``factory``, asked again, makes a log of the same history."""

    async def test_history_and_ids_survive(self, factory: Factory, clock: ManualClock) -> None:
        kept: list[object] = []
        for life in range(4):
            async with Following.of(factory, clock) as following:
                assert [list(record) for record in await following.records()] == kept
                await following.append(*[draft(b"%d" % (life * 10 + n), key=f"{life}/{n}") for n in range(3)], draft(org=GLOBEX))
                kept = [list(record) for record in await following.records()]
        assert len(kept) == 12

    async def test_a_cursor_of_an_earlier_life_resumes_exactly(self, factory: Factory, clock: ManualClock) -> None:
        ids: list[str] = []
        for _ in range(4):
            async with Following.of(factory, clock) as following:
                ids += await following.append(draft(), draft(), draft())
        async with Following.of(factory, clock) as following:
            assert await following.ids() == ids
            for index, event_id in enumerate(ids):
                mark = await following.log.locate(ACME, parsed(event_id))
                assert mark is not None
                assert mark.id == event_id
                assert await following.ids(after=mark.position) == ids[index + 1 :]

    async def test_a_cursor_beyond_what_its_life_reached_is_nobodys(self, factory: Factory, clock: ManualClock) -> None:
        async with Following.of(factory, clock) as following:
            (last,) = (await following.append(draft(), draft()))[1:]
        beyond = parsed(last)._replace(seq=parsed(last).seq + 1)
        async with Following.of(factory, clock) as following:
            assert await following.log.locate(ACME, beyond) is None
            ids = await following.append(draft(), draft())
            assert await following.log.locate(ACME, beyond) is None
            crossed = parsed(ids[0])._replace(seq=parsed(last).seq)
            assert await following.log.locate(ACME, crossed) is None
            assert await following.log.locate(ACME, parsed(last)) is not None

    async def test_a_start_that_was_told_before_any_event_survives(self, factory: Factory, clock: ManualClock) -> None:
        async with Following.of(factory, clock) as following:
            start = (await following.log.bounds(ACME)).head
        async with Following.of(factory, clock) as following:
            assert (await following.log.bounds(ACME)).head == start
            ids = await following.append(draft(), draft())
        async with Following.of(factory, clock) as following:
            mark = await following.log.locate(ACME, parsed(start.id))
            assert mark == start
            assert await following.ids(after=mark.position) == ids

    async def test_what_was_evicted_in_an_earlier_life_stays_so(self, factory: Factory, clock: ManualClock) -> None:
        keep = Retention(events=4)
        ids: list[str] = []
        for life in range(3):
            async with Following.of(factory, clock, keep) as following:
                assert await following.ids() == ids[-4:]
                for event_id in ids[:-5]:
                    mark = await following.log.locate(ACME, parsed(event_id))
                    assert mark is None or mark.position < (await following.log.bounds(ACME)).floor.position
                ids += await following.append(*[draft() for _ in range(9 - life)])

    async def test_a_key_of_an_earlier_life_is_known(self, factory: Factory, clock: ManualClock) -> None:
        async with Following.of(factory, clock) as following:
            (first,) = await following.append(draft(b"1", key="k"))
        async with Following.of(factory, clock) as following:
            assert await following.answer(draft(b"1", key="k")) == Appended(first, duplicate=True)
            assert isinstance(await following.answer(draft(b"other", key="k")), IdempotencyConflict)
            assert await following.ids() == [first]

    async def test_a_key_of_an_earlier_life_outlives_its_event(self, factory: Factory, clock: ManualClock) -> None:
        keep = Retention(events=2)
        async with Following.of(factory, clock, keep) as following:
            (first,) = await following.append(draft(b"1", key="k"))
            ids = await following.append(draft(b"2"), draft(b"3"), draft(b"4"))
            assert await following.ids() == ids[-2:]
        for _ in range(2):
            async with Following.of(factory, clock, keep) as following:
                assert await following.answer(draft(b"1", key="k")) == Appended(first, duplicate=True)
                assert isinstance(await following.answer(draft(b"other", key="k")), IdempotencyConflict)
                assert await following.ids() == ids[-2:]


class KeepsHistory(Survives):
    """What a log promises besides that goes by this process's clock, and holds its history to this process's bounds."""

    async def test_each_life_gives_ids_of_its_own(self, factory: Factory, clock: ManualClock) -> None:
        epochs: list[str] = []
        for _ in range(4):
            async with Following.of(factory, clock) as following:
                ids = await following.append(draft(), draft())
                epochs += {parsed(event_id).epoch for event_id in ids}
        assert len(set(epochs)) == 4

    async def test_keys_survive_for_the_rest_of_their_window(self, factory: Factory, clock: ManualClock) -> None:
        keep = Retention(key_seconds=60)
        async with Following.of(factory, clock, keep) as following:
            (first,) = await following.append(draft(b"1", key="k"))
            clock.advance(20)
            (second,) = await following.append(draft(b"2", key="l"))
        clock.advance(30)
        async with Following.of(factory, clock, keep) as following:
            assert await following.answer(draft(b"1", key="k")) == Appended(first, duplicate=True)
            assert isinstance(await following.answer(draft(b"other", key="k")), IdempotencyConflict)
            clock.advance(10)
            again = await following.answer(draft(b"1", key="k"))
            assert isinstance(again, Appended)
            assert not again.duplicate
            assert await following.answer(draft(b"2", key="l")) == Appended(second, duplicate=True)

    async def test_what_was_evicted_stays_evicted_and_seen_as_a_gap(self, factory: Factory, clock: ManualClock) -> None:
        keep = Retention(events=4, seconds=1000)
        async with Following.of(factory, clock, keep) as following:
            ids = await following.append(*[draft() for _ in range(9)])
        async with Following.of(factory, clock, keep) as following:
            assert await following.ids() == ids[-4:]
            mark = await following.log.locate(ACME, parsed(ids[0]))
            assert mark is None or mark.position < (await following.log.bounds(ACME)).floor.position
            ids += await following.append(draft(), draft())
        async with Following.of(factory, clock, keep) as following:
            assert await following.ids() == ids[-4:]
        clock.advance(1000)
        async with Following.of(factory, clock, keep) as following:
            assert await following.ids() == []

    async def test_bounds_that_are_narrower_now_count_at_once(self, factory: Factory, clock: ManualClock) -> None:
        async with Following.of(factory, clock) as following:
            ids = await following.append(*[draft() for _ in range(20)])
        async with Following.of(factory, clock, Retention(events=5)) as following:
            assert await following.ids() == ids[-5:]
