"""An event log that fails when it is told to.

The law of this module: until then it is the one beneath, so that a test sees what a fault changes and nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from redline.eventlog.memory import MemoryLog, Retention
from redline.metrics import Metrics

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redline.clock import Clock
    from redline.envelope import EventId, OrgId
    from redline.errors import RedlineError
    from redline.eventlog.contract import Appended, Bounds, Draft, Follower, Mark, Record, Tail


class FaultyLog:
    """A memory log. While ``failing`` is set, whatever is awaited of it raises that; ``fault`` is what it says of itself."""

    def __init__(self, clock: Clock) -> None:
        self._log = MemoryLog(Retention(), clock, Metrics())
        self.failing: Exception | None = None
        self.fault: str | None = None

    async def start(self, follower: Follower) -> None:
        self._check()
        await self._log.start(follower)

    async def append(self, drafts: Sequence[Draft]) -> list[Appended | RedlineError]:
        self._check()
        return await self._log.append(drafts)

    async def bounds(self, org: OrgId) -> Bounds:
        self._check()
        return await self._log.bounds(org)

    async def locate(self, org: OrgId, event_id: EventId) -> Mark | None:
        self._check()
        return await self._log.locate(org, event_id)

    async def read(self, org: OrgId, after: int, max_bytes: int) -> Sequence[Record]:
        self._check()
        return await self._log.read(org, after, max_bytes)

    async def tail(self, org: OrgId, max_records: int, max_bytes: int) -> Tail:
        self._check()
        return await self._log.tail(org, max_records, max_bytes)

    def hold(self, org: OrgId) -> None:
        self._log.hold(org)

    def release(self, org: OrgId) -> None:
        self._log.release(org)

    async def close(self) -> None:
        await self._log.close()

    def _check(self) -> None:
        if self.failing is not None:
            raise self.failing
