"""The event log in this process's memory: the default, with nothing to install and nothing kept over a restart.

The law of this module: it is bounded in every direction (records, age and bytes of an org, and bytes over all of them, by ``retained``;
orgs; keys of an org).

Every change happens within one turn of the event loop, so there is nothing to lock and nothing half done. What is too much goes once a
turn, before anybody reads, and not once an event: each piece of code that an event need not touch is a tenth of what it costs.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
import math
from typing import TYPE_CHECKING

from redline.errors import LogUnavailable, OverCapacity, RedlineError
from redline.eventlog.contract import Appended, Tail
from redline.eventlog.keys import IdempotencyKeys
from redline.eventlog.retained import Retained
from redline.eventlog.retention import Retention
from redline.eventlog.stretch import Stretch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redline.clock import Clock, Timer
    from redline.envelope import EventId, OrgId
    from redline.eventlog.contract import Bounds, Draft, Follower, Mark, Record
    from redline.metrics import Metrics

__all__ = ["MemoryLog", "Retention"]

_logger = logging.getLogger(__name__)

_SWEEPS = 20
_SWEEP_SECONDS = (0.05, 30.0)


class MemoryLog:
    """The in-memory :class:`~redline.eventlog.contract.EventLog`."""

    def __init__(self, retention: Retention, clock: Clock, metrics: Metrics) -> None:
        """Take how much to keep, where time comes from, and where to count."""
        self._keep = retention
        self._clock = clock
        kept: Retained[Stretch] = Retained(retention, clock, metrics, self._trimmed)
        self._kept = kept
        self._orgs = kept.orgs
        metrics.orgs.set_function(lambda: len(kept.orgs))
        metrics.log_events.set_function(lambda: kept.count)
        metrics.log_bytes.set_function(lambda: kept.bytes)
        self._keys = IdempotencyKeys(retention.key_seconds, retention.keys, clock)
        # One entry per org: when its oldest record expires, or when it may be forgotten. Lazy: an entry may come too early, never too late.
        self._due: list[tuple[float, OrgId]] = []
        self._grown: set[OrgId] = set()
        self._follower: Follower | None = None
        self._timer: Timer | None = None
        low, high = _SWEEP_SECONDS
        self._interval = min(high, max(low, min(retention.seconds, retention.key_seconds) / _SWEEPS))

    async def start(self, follower: Follower) -> None:
        """Follow from now on."""
        self._follower = follower
        self._schedule()

    async def close(self) -> None:
        """Forget everything."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._follower = None
        self._kept.clear()
        self._grown.clear()
        self._due.clear()
        self._keys.clear()

    @property
    def fault(self) -> str | None:
        """Memory does not fail; only a log that is not open cannot be used."""
        return None if self._follower is not None else "the event log is not open"

    async def append(self, drafts: Sequence[Draft]) -> list[Appended | RedlineError]:
        """Append each draft within this turn of the loop, then tell the follower once."""
        self._open()
        fresh: list[Record] = []
        answers: list[Appended | RedlineError] = []
        for draft in drafts:
            try:
                answers.append(self._append(draft, fresh))
            except RedlineError as error:
                answers.append(error)
        self._tell(fresh)
        return answers

    async def bounds(self, org: OrgId) -> Bounds:
        """Return what is retained now: what has outlived its age is gone, swept or not."""
        self._settle()
        state = self._org(org)
        self._kept.trim(org)
        return state.bounds()

    async def locate(self, org: OrgId, event_id: EventId) -> Mark | None:
        """Return the place of an id of this org's present epoch, up to its head."""
        self._open()
        state = self._orgs.get(org)
        if state is None or event_id.epoch != state.epoch or event_id.seq > state.head:
            return None
        return state.mark(event_id.seq)

    async def read(self, org: OrgId, after: int, max_bytes: int) -> Sequence[Record]:
        """Return a page."""
        self._settle()
        return self._org(org).page(after, max_bytes)

    async def tail(self, org: OrgId, max_records: int, max_bytes: int) -> Tail:
        """Return the newest records within both bounds."""
        bounds = await self.bounds(org)
        return Tail(bounds, self._orgs[org].newest(max_records, max_bytes))

    def hold(self, org: OrgId) -> None:
        """Keep the org's epoch and head."""
        self._org(org).holds += 1

    def release(self, org: OrgId) -> None:
        """Let the history's age count from now."""
        state = self._orgs.get(org)
        if state is not None:
            state.holds -= 1
            state.touched = self._clock.time()

    def _open(self) -> None:
        if self._follower is None:
            msg = "The event log is closed. Try again in a moment."
            raise LogUnavailable(msg)

    def _tell(self, fresh: Sequence[Record]) -> None:
        """Hand new records to the follower. They are in the log: whatever it makes of them, their publisher gets its answer."""
        if fresh and self._follower is not None:
            try:
                self._follower.appended(fresh)
            except Exception:
                _logger.exception("The event log's follower failed on %d events, which are in the log.", len(fresh))

    def _org(self, org: OrgId) -> Stretch:
        self._open()
        state = self._orgs.get(org)
        if state is None:
            if len(self._orgs) >= self._keep.orgs:
                self._sweep_due()
            if len(self._orgs) >= self._keep.orgs:
                msg = f"This server remembers as many orgs as it may ({self._keep.orgs}). Raise history.orgs, or try again later."
                raise OverCapacity(msg, retry_after=60)
            now = self._clock.time()
            state = self._orgs[org] = Stretch(now)
            heapq.heappush(self._due, (now + self._keep.seconds, org))
        return state

    def _append(self, draft: Draft, fresh: list[Record]) -> Appended:
        envelope, key = draft.envelope, draft.key
        if key is not None and (known := self._keys.answer(envelope.org, key, draft.fingerprint)) is not None:
            return known
        state = self._org(envelope.org)
        record, size = state.append(envelope, self._clock.time())
        self._kept.grew(envelope.org, state, size)
        if not self._grown:
            asyncio.get_running_loop().call_soon(self._settle)
        self._grown.add(envelope.org)
        if key is not None:
            self._keys.remember(envelope.org, key, draft.fingerprint, record.id)
        fresh.append(record)
        return Appended(record.id, duplicate=False)

    def _settle(self) -> None:
        """Hold the orgs that have grown in this turn, and all together, to their bounds."""
        if not self._grown:
            return
        grown, self._grown = self._grown, set()
        for org in grown:
            self._kept.trim(org)
        self._kept.trim_total()

    def _trimmed(self, org: OrgId, floor: int) -> None:
        if self._follower is not None:
            self._follower.trimmed(org, floor)

    def _schedule(self) -> None:
        self._timer = self._clock.call_at(self._clock.monotonic() + self._interval, self._sweep)

    def _sweep(self) -> None:
        self._schedule()
        self._keys.purge()
        self._sweep_due()

    def _sweep_due(self) -> None:
        """Drop what has outlived its age, and forget orgs of which nothing is left to remember."""
        self._settle()
        now, age = self._clock.time(), self._keep.seconds
        while self._due and self._due[0][0] <= now:
            _, org = heapq.heappop(self._due)
            state = self._orgs[org]
            self._kept.trim(org)
            if len(state):
                due = state.oldest + age
            elif state.holds:
                due = now + age  # Whoever lets go of it later touches it then.
            elif state.touched + age > now:
                due = state.touched + age
            else:
                del self._orgs[org]
                continue
            # Never now again: a sum that rounds the other way than the difference in trim would keep this loop going.
            heapq.heappush(self._due, (max(due, math.nextafter(now, math.inf)), org))
