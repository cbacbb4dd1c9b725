"""Faults that a test switches on: an event log that loses history, refuses, or cannot be reached.

The law of this module: until a fault is switched on the log is the one beneath, so that a test sees what the fault changes and nothing
else; and a fault is one that a real log can have, told through its contract (``redline/eventlog/contract.py``).
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

from redline.envelope import parse_org
from redline.errors import LogUnavailable, RateLimited
from redline.eventlog.contract import Bounds, EvictedError, Tail

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from redline.envelope import EventId, OrgId
    from redline.errors import RedlineError
    from redline.eventlog.contract import Appended, Draft, EventLog, Follower, Mark, Record


class FaultyLog:
    """An :class:`~redline.eventlog.contract.EventLog` around another.

    While ``failing`` is set, whatever is awaited of it raises that; while ``refusing`` is set, that is the answer to every draft; ``fault``
    is what it says of itself.
    """

    def __init__(self, log: EventLog) -> None:
        """Take the log beneath."""
        self._log = log
        self.failing: Exception | None = None
        self.refusing: RedlineError | None = None
        self._fault: str | None = None
        self._follower: Follower | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._floors: dict[OrgId, Mark] = {}
        self._lost: dict[OrgId, int] = {}

    async def start(self, follower: Follower) -> None:
        """Open the log beneath and follow it."""
        self._check()
        self._follower, self._loop = follower, asyncio.get_running_loop()
        await self._log.start(follower)

    async def append(self, drafts: Sequence[Draft]) -> list[Appended | RedlineError]:
        """Append, or refuse."""
        self._check()
        if self.refusing is not None:
            return [self.refusing for _ in drafts]
        return await self._log.append(drafts)

    async def bounds(self, org: OrgId) -> Bounds:
        """Return what is retained, and was not lost by a fault."""
        self._check()
        return await self._cut(org, await self._log.bounds(org))

    async def locate(self, org: OrgId, event_id: EventId) -> Mark | None:
        """Return the place of an id, unless a fault made it unknown."""
        self._check()
        mark = await self._log.locate(org, event_id)
        return None if mark is None or mark.position <= self._lost.get(org, -1) else mark

    async def read(self, org: OrgId, after: int, max_bytes: int) -> Sequence[Record]:
        """Return a page."""
        self._check()
        floor = self._floors.get(org)
        if floor is not None and after < floor.position:
            raise EvictedError
        return await self._log.read(org, after, max_bytes)

    async def tail(self, org: OrgId, max_records: int, max_bytes: int) -> Tail:
        """Return the newest records."""
        self._check()
        bounds, records = await self._log.tail(org, max_records, max_bytes)
        floor = self._floors.get(org)
        kept = records if floor is None else [record for record in records if record.position > floor.position]
        return Tail(await self._cut(org, bounds), kept)

    def hold(self, org: OrgId) -> None:
        """Pass the hold on."""
        self._log.hold(org)

    def release(self, org: OrgId) -> None:
        """Pass the release on."""
        self._log.release(org)

    @property
    def fault(self) -> str | None:
        """What is wrong: what was set, or what the log beneath says."""
        return self._fault if self._fault is not None else self._log.fault

    @fault.setter
    def fault(self, fault: str | None) -> None:
        self._fault = fault

    async def close(self) -> None:
        """Close the log beneath."""
        await self._log.close()

    async def lose(self, org: OrgId, reason: Literal["evicted", "unknown"]) -> None:
        """Evict the org's whole history, or forget which events the ids that it gave so far stand for. From any thread's loop."""
        if self._loop is not None and self._loop.is_running() and self._loop is not asyncio.get_running_loop():
            return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self.lose(org, reason), self._loop))
        head = (await self._log.bounds(org)).head
        if reason == "unknown":
            self._lost[org] = head.position
            return None
        self._floors[org] = head
        if self._follower is not None:
            self._follower.trimmed(org, head.position)
        return None

    async def lose_place(self, org: OrgId) -> None:
        """Forget the org's ids so far, and tell the follower that what it was told of the org does not count. From any thread's loop."""
        await self.lose(org, "unknown")
        if self._loop is not None and self._loop.is_running() and self._follower is not None:
            if self._loop is asyncio.get_running_loop():
                self._follower.lost([org])
            else:
                self._loop.call_soon_threadsafe(self._follower.lost, [org])

    async def _cut(self, org: OrgId, bounds: Bounds) -> Bounds:
        """Return ``bounds`` as they are above what a fault evicted."""
        floor = self._floors.get(org)
        if floor is None or floor.position <= bounds.floor.position:
            return bounds
        following = await self._log.read(org, floor.position, 1)
        return Bounds(floor, following[0].id if following else None, bounds.head)

    def _check(self) -> None:
        if self.failing is not None:
            raise self.failing


class Faults:
    """The switches of a running service's log."""

    def __init__(self, log: FaultyLog) -> None:
        """Take the log to switch."""
        self._log = log

    async def gap(self, org: str = "acme", *, reason: Literal["evicted", "unknown"] = "evicted") -> None:
        """Let the next resume of the org with any id so far meet a gap, while open streams go on.

        ``evicted`` loses the history up to now; ``unknown`` keeps it, and forgets the ids (as another server's, or a lost epoch's).
        """
        await self._log.lose(parse_org(org), reason)

    async def lose_place(self, org: str = "acme") -> None:
        """Let the log lose its place in an org, as where it was deleted: open streams end with a retryable ``log_unavailable``.

        Who comes back with any id so far meets a gap (``unknown``).
        """
        await self._log.lose_place(parse_org(org))

    @contextmanager
    def publishes_refused(self, error: RedlineError | None = None) -> Iterator[None]:
        """Refuse every publish within the block, by default as ``rate_limited``."""
        self._log.refusing = error or RateLimited("Refused by the test. Try again later.", retry_after=1)
        try:
            yield
        finally:
            self._log.refusing = None

    @contextmanager
    def log_unavailable(self) -> Iterator[None]:
        """Let the log be out of reach within the block: nothing can be published, no stream opened, and the service is not ready."""
        self._log.failing = LogUnavailable("The log is out of reach: the test says so.", retry_after=1)
        self._log.fault = "out of reach: the test says so"
        try:
            yield
        finally:
            self._log.failing = self._log.fault = None
