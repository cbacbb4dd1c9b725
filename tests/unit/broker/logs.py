"""Logs that are not in this process, or not well: a log in memory behind awaits that the test holds."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from redline.envelope import EventId, OrgId
    from redline.errors import RedlineError
    from redline.eventlog.contract import Appended, Bounds, Draft, Follower, Mark, Record, Tail
    from redline.eventlog.memory import MemoryLog


class RemoteLog:
    """Every answer takes ``lag`` turns of the loop to come back, and describes the moment before; ``held`` notices wait until delivered.

    A method named in ``gates`` waits for its event before it answers; one in ``errors`` raises instead.
    """

    def __init__(self, memory: MemoryLog, lag: int = 0) -> None:
        self.memory = memory
        self.lag = lag
        self.hold_notices = False
        self.notices: list[tuple[str, Any]] = []
        self.gates: dict[str, asyncio.Event] = {}
        self.errors: dict[str, Exception] = {}
        self.calls: list[str] = []
        self._follower: Follower | None = None

    async def _answer(self, name: str) -> None:
        self.calls.append(name)
        if name in self.gates:
            await self.gates[name].wait()
        for _ in range(self.lag):
            await asyncio.sleep(0)
        if name in self.errors:
            raise self.errors[name]

    # As a follower of the log beneath.

    def appended(self, records: Sequence[Record]) -> None:
        self.notices.append(("appended", list(records)))
        if not self.hold_notices:
            self.deliver()

    def trimmed(self, org: OrgId, floor: int) -> None:
        self.notices.append(("trimmed", (org, floor)))
        if not self.hold_notices:
            self.deliver()

    def lost(self, orgs: Collection[OrgId] | None) -> None:
        self.notices.append(("lost", orgs))
        if not self.hold_notices:
            self.deliver()

    def deliver(self, count: int | None = None) -> None:
        """Tell the broker the first ``count`` notices (all of them, unless said)."""
        assert self._follower is not None
        for _ in range(len(self.notices) if count is None else min(count, len(self.notices))):
            what, told = self.notices.pop(0)
            if what == "appended":
                self._follower.appended(told)
            elif what == "trimmed":
                self._follower.trimmed(*told)
            else:
                self._follower.lost(told)

    # As a log.

    async def start(self, follower: Follower) -> None:
        self._follower = follower
        await self.memory.start(self)

    async def append(self, drafts: Sequence[Draft]) -> list[Appended | RedlineError]:
        await self._answer("append")
        return await self.memory.append(drafts)

    async def bounds(self, org: OrgId) -> Bounds:
        answer = await self.memory.bounds(org)
        await self._answer("bounds")
        return answer

    async def locate(self, org: OrgId, event_id: EventId) -> Mark | None:
        answer = await self.memory.locate(org, event_id)
        await self._answer("locate")
        return answer

    async def read(self, org: OrgId, after: int, max_bytes: int) -> Sequence[Record]:
        answer = await self.memory.read(org, after, max_bytes)
        await self._answer("read")
        return answer

    async def tail(self, org: OrgId, max_records: int, max_bytes: int) -> Tail:
        answer = await self.memory.tail(org, max_records, max_bytes)
        await self._answer("tail")
        return answer

    def hold(self, org: OrgId) -> None:
        self.memory.hold(org)

    def release(self, org: OrgId) -> None:
        self.memory.release(org)

    @property
    def fault(self) -> str | None:
        return self.memory.fault

    async def close(self) -> None:
        await self.memory.close()
