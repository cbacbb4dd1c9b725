"""Ids as cursors: an id is found, or is nobody's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from redline.envelope import EventId, parse_org
from redline.eventlog.retention import Retention
from redline.testing.eventlogs.kit import ACME, GLOBEX, Factory, Following, draft, parsed

if TYPE_CHECKING:
    from redline.testing.clock import ManualClock


class Cursors:
    """An id that was given is found as long as it can be placed; no other ever is."""

    async def test_every_id_is_located_even_below_the_floor(self, factory: Factory, clock: ManualClock) -> None:
        async with Following.of(factory, clock, Retention(events=3)) as following:
            ids = await following.append(*[draft() for _ in range(8)])
            bounds = await following.log.bounds(ACME)
            marks = [await following.log.locate(ACME, parsed(event_id)) for event_id in ids]
            assert [mark.id for mark in marks if mark is not None] == ids
            above = [mark is not None and mark.position >= bounds.floor.position for mark in marks]
            # The one that directly preceded the oldest may count as either: nothing is missing after it, and not every log knows that.
            assert above[:4] + above[5:] == [False] * 4 + [True] * 3
            assert await following.log.locate(ACME, parsed(bounds.floor.id)) == bounds.floor
            assert await following.log.locate(ACME, parsed(bounds.head.id)) == bounds.head

    async def test_reading_after_a_located_id_gives_exactly_what_follows(self, following: Following) -> None:
        ids = await following.append(*[draft() for _ in range(6)])
        for index, event_id in enumerate(ids):
            mark = await following.log.locate(ACME, parsed(event_id))
            assert mark is not None
            assert await following.ids(after=mark.position) == ids[index + 1 :]

    async def test_a_cursor_from_before_the_first_event_is_located(self, following: Following) -> None:
        start = (await following.log.bounds(ACME)).head
        ids = await following.append(draft(), draft())
        mark = await following.log.locate(ACME, parsed(start.id))
        assert mark is not None
        assert await following.ids(after=mark.position) == ids

    async def test_foreign_forged_and_future_ids_are_not_located(self, following: Following) -> None:
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
