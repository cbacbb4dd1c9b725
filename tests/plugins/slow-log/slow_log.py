"""A third party's event log, as small as one can be: Redline's own in memory, as if it were on another machine.

Every answer takes a moment, and this node's follower is told later than the publisher is answered. Its URL is ``slow://`` or
``slow://N``, N the turns of the event loop that a moment takes.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from redline.errors import LogUnavailable
from redline.eventlog.memory import MemoryLog

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from redline.clock import Clock
    from redline.envelope import EventId, OrgId
    from redline.errors import RedlineError
    from redline.eventlog.contract import Appended, Bounds, Draft, Follower, Mark, Record, Tail
    from redline.eventlog.retention import Retention
    from redline.metrics import Metrics


class SlowLog:
    """An event log that is never in step with its node."""

    def __init__(self, turns: int, retention: Retention, clock: Clock, metrics: Metrics) -> None:
        self._turns = turns
        self._memory = MemoryLog(retention, clock, metrics)
        self._follower: Follower | None = None

    async def start(self, follower: Follower) -> None:
        self._follower = follower
        await self._memory.start(self)

    def appended(self, records: Sequence[Record]) -> None:
        asyncio.get_running_loop().call_soon(self._tell, tuple(records))

    def trimmed(self, org: OrgId, floor: int) -> None:
        if self._follower is not None:
            self._follower.trimmed(org, floor)

    def lost(self, orgs: Collection[OrgId] | None) -> None:
        if self._follower is not None:
            self._follower.lost(orgs)

    def _tell(self, records: Sequence[Record]) -> None:
        if self._follower is not None:
            self._follower.appended(records)

    async def append(self, drafts: Sequence[Draft]) -> list[Appended | RedlineError]:
        await self._moment()
        return await self._memory.append(drafts)

    async def bounds(self, org: OrgId) -> Bounds:
        answer = await self._memory.bounds(org)
        await self._moment()
        return answer

    async def locate(self, org: OrgId, event_id: EventId) -> Mark | None:
        answer = await self._memory.locate(org, event_id)
        await self._moment()
        return answer

    async def read(self, org: OrgId, after: int, max_bytes: int) -> Sequence[Record]:
        answer = await self._memory.read(org, after, max_bytes)
        await self._moment()
        return answer

    async def tail(self, org: OrgId, max_records: int, max_bytes: int) -> Tail:
        answer = await self._memory.tail(org, max_records, max_bytes)
        await self._moment()
        return answer

    def hold(self, org: OrgId) -> None:
        self._memory.hold(org)

    def release(self, org: OrgId) -> None:
        self._memory.release(org)

    @property
    def fault(self) -> str | None:
        return self._memory.fault

    async def close(self) -> None:
        await self._memory.close()

    async def _moment(self) -> None:
        for _ in range(self._turns):
            await asyncio.sleep(0)
        if self._memory.fault is not None:
            msg = "The log is closed. Try again in a moment."
            raise LogUnavailable(msg)


def make(url: str, retention: Retention, clock: Clock, metrics: Metrics) -> SlowLog:
    turns = url.removeprefix("slow://")
    if turns and not (turns.isascii() and turns.isdigit()):
        msg = "it takes slow:// or slow://N, N a number of turns"
        raise ValueError(msg)
    return SlowLog(int(turns or 3), retention, clock, metrics)
