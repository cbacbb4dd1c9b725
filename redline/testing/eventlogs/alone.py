"""What a log can promise besides that has its history to itself.

The law of this module: what stands here is not in the core because a log whose engine evicts by itself, on other machines, cannot keep it:
an engine that bounds an org by events and age has no bound for one org's bytes, and it does not say what it let go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from redline.eventlog.retention import Retention
from redline.testing.eventlogs.kit import ACME, Factory, Following, draft, parsed

if TYPE_CHECKING:
    from redline.testing.clock import ManualClock


class Alone:
    """An org's bytes are bounded, and what was evicted last is known."""

    async def test_an_orgs_bytes_are_bounded_but_the_newest_stays(self, factory: Factory, clock: ManualClock) -> None:
        async with Following.of(factory, clock, Retention(bytes=10_000)) as following:
            ids = await following.append(*[draft(b"x" * 3000) for _ in range(6)])
            kept = await following.ids()
            assert 1 <= len(kept) <= 3
            assert kept == ids[-len(kept) :]
            large = await following.append(draft(b"x" * 50_000))
            assert await following.ids() == large

    async def test_a_cursor_directly_before_the_oldest_resumes(self, factory: Factory, clock: ManualClock) -> None:
        async with Following.of(factory, clock, Retention(events=3)) as following:
            ids = await following.append(*[draft() for _ in range(8)])
            mark = await following.log.locate(ACME, parsed(ids[4]))
            assert mark is not None
            assert await following.ids(after=mark.position) == ids[5:]
