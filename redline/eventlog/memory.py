"""The event log in this process's memory: the default, with nothing to install and nothing kept over a restart.

The law of this module: it is bounded in every direction (records, age and bytes of an org; bytes over all orgs; orgs; keys of an org),
and a loud org pays for itself: when the whole is too large, the org that holds the most bytes loses its oldest record first.

Every change happens within one turn of the event loop, so there is nothing to lock and nothing half done.
"""

from __future__ import annotations

import base64
import heapq
import secrets
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from redline.envelope import EventId
from redline.errors import IdempotencyConflict, LogUnavailable, OverCapacity, RateLimited, RedlineError
from redline.eventlog.contract import Appended, Bounds, EvictedError, Mark, Record, Tail
from redline.eventlog.window import Window

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redline.clock import Clock, Timer
    from redline.envelope import OrgId
    from redline.eventlog.contract import Draft, Follower
    from redline.metrics import Metrics

RECORD_OVERHEAD: Final = 600
"""Bytes that a record takes besides its payload (the objects around it, measured on CPython 3.11), so that a flood of small events cannot
outgrow a bound that counts bytes."""
_SWEEPS = 20
_SWEEP_SECONDS = (0.05, 30.0)


@dataclass(frozen=True, slots=True)
class Retention:
    """How much is kept. ``seconds`` is the history's age; ``key_seconds`` the window of idempotency keys."""

    events: int = 1000
    seconds: float = 86_400.0
    bytes: int = 8 * 1024 * 1024
    total_bytes: int = 256 * 1024 * 1024
    orgs: int = 100_000
    key_seconds: float = 120.0
    keys: int = 10_000


class _Key:
    """An idempotency key's use: which event it named, and until when (monotonic seconds) it is held."""

    __slots__ = ("fingerprint", "id", "until")

    def __init__(self, event_id: str, fingerprint: bytes, until: float) -> None:
        self.id = event_id
        self.fingerprint = fingerprint
        self.until = until


class _Org:
    """One org's part of the log. Positions are 1, 2, 3 … within its epoch, so a record's index follows from its position."""

    __slots__ = ("bytes", "epoch", "head", "holds", "keys", "records", "touched")

    def __init__(self, now: float) -> None:
        # 60 random bits: an epoch tells nothing (not even when it began), and an org that was forgotten never gets an old one again.
        self.epoch = base64.b32encode(secrets.token_bytes(8))[:12].decode().lower()
        self.head = 0
        self.records: Window[Record] = Window()
        self.bytes = 0
        self.keys: OrderedDict[str, _Key] = OrderedDict()
        self.holds = 0
        self.touched = now

    @property
    def floor(self) -> int:
        return self.head - len(self.records)

    def mark(self, position: int) -> Mark:
        return Mark(position, f"{self.epoch}-{position}")

    def bounds(self) -> Bounds:
        oldest = self.records[0].id if len(self.records) else None
        return Bounds(self.mark(self.floor), oldest, self.mark(self.head))


class MemoryLog:
    """The in-memory :class:`~redline.eventlog.contract.EventLog`."""

    def __init__(self, retention: Retention, clock: Clock, metrics: Metrics) -> None:
        """Take how much to keep, where time comes from, and where to count."""
        self._keep = retention
        self._clock = clock
        self._metrics = metrics
        metrics.orgs.set_function(lambda: len(self._orgs))
        metrics.log_events.set_function(lambda: self._count)
        metrics.log_bytes.set_function(lambda: self._bytes)
        self._orgs: dict[OrgId, _Org] = {}
        self._bytes = self._count = 0
        self._heaviest: list[tuple[int, OrgId]] | None = None
        # One entry per org: when its oldest record expires, or when it may be forgotten. Lazy: an entry may come too early, never too late.
        self._due: list[tuple[float, OrgId]] = []
        self._follower: Follower | None = None
        self._timer: Timer | None = None
        self._remember = max(retention.seconds, retention.key_seconds)
        low, high = _SWEEP_SECONDS
        self._interval = min(high, max(low, retention.seconds / _SWEEPS))

    async def start(self, follower: Follower) -> None:
        """Follow from now on."""
        self._follower = follower
        self._schedule()

    async def close(self) -> None:
        """Forget everything."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._follower = None
        self._orgs.clear()
        self._due.clear()
        self._heaviest = None
        self._bytes = self._count = 0

    @property
    def fault(self) -> str | None:
        """Memory does not fail; only a log that is not open cannot be used."""
        return None if self._follower is not None else "the event log is not open"

    async def append(self, drafts: Sequence[Draft]) -> list[Appended | RedlineError]:
        """Append each draft within this turn of the loop, then tell the follower once."""
        follower = self._open()
        fresh: list[Record] = []
        answers: list[Appended | RedlineError] = []
        for draft in drafts:
            try:
                answers.append(self._append(draft, fresh))
            except RedlineError as error:
                answers.append(error)
        follower.appended(fresh)
        for org in {record.envelope.org for record in fresh}:
            self._trim(org)
        self._trim_total()
        return answers

    async def bounds(self, org: OrgId) -> Bounds:
        """Return what is retained now: what has outlived its age is gone, swept or not."""
        state = self._org(org)
        self._trim(org)
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
        state = self._org(org)
        index = after - state.floor
        if index < 0:
            raise EvictedError
        page: list[Record] = []
        size = 0
        while index < len(state.records) and size < max_bytes:
            record = state.records[index]
            page.append(record)
            size += len(record.envelope.data)
            index += 1
        return page

    async def tail(self, org: OrgId, max_records: int, max_bytes: int) -> Tail:
        """Return the newest records within both bounds."""
        bounds = await self.bounds(org)
        records = self._orgs[org].records
        index, size = len(records), 0
        while index > max(0, len(records) - max_records):
            size += len(records[index - 1].envelope.data)
            if size > max_bytes:
                break
            index -= 1
        return Tail(bounds, records.between(index, len(records)))

    def hold(self, org: OrgId) -> None:
        """Keep the org's epoch and head."""
        self._org(org).holds += 1

    def release(self, org: OrgId) -> None:
        """Let the history's age count from now."""
        state = self._orgs.get(org)
        if state is not None:
            state.holds -= 1
            state.touched = self._clock.time()

    def _open(self) -> Follower:
        if self._follower is None:
            msg = "The event log is closed. Try again in a moment."
            raise LogUnavailable(msg)
        return self._follower

    def _org(self, org: OrgId) -> _Org:
        self._open()
        state = self._orgs.get(org)
        if state is None:
            if len(self._orgs) >= self._keep.orgs:
                self._sweep_due()
            if len(self._orgs) >= self._keep.orgs:
                msg = f"This server remembers as many orgs as it may ({self._keep.orgs}). Raise history.orgs, or try again later."
                raise OverCapacity(msg, retry_after=60)
            now = self._clock.time()
            state = self._orgs[org] = _Org(now)
            heapq.heappush(self._due, (now + self._keep.seconds, org))
        return state

    def _append(self, draft: Draft, fresh: list[Record]) -> Appended:
        envelope = draft.envelope
        state = self._org(envelope.org)
        if draft.key is not None and (known := self._known_key(state, draft)) is not None:
            return known
        now = self._clock.time()
        state.head += 1
        record = Record(state.head, f"{state.epoch}-{state.head}", envelope, now)
        state.records.append(record)
        state.touched = now
        size = len(envelope.data) + RECORD_OVERHEAD
        state.bytes += size
        self._bytes += size
        self._count += 1
        if self._heaviest is not None:
            heapq.heappush(self._heaviest, (-state.bytes, envelope.org))
        if draft.key is not None:
            until = self._clock.monotonic() + self._keep.key_seconds
            state.keys[draft.key] = _Key(record.id, draft.fingerprint, until)
        fresh.append(record)
        return Appended(record.id, duplicate=False)

    def _known_key(self, state: _Org, draft: Draft) -> Appended | None:
        """Return the first answer given under the draft's key; None when the key is new and there is room for it."""
        now = self._clock.monotonic()
        while state.keys and next(iter(state.keys.values())).until <= now:
            state.keys.popitem(last=False)
        known = state.keys.get(draft.key or "")
        if known is None:
            if len(state.keys) >= self._keep.keys:
                wait = max(1, int(next(iter(state.keys.values())).until - now) + 1)
                msg = f"The org has {self._keep.keys} idempotency keys in use. Send fewer keys, or try again in {wait} s."
                raise RateLimited(msg, retry_after=wait)
            return None
        if known.fingerprint != draft.fingerprint:
            msg = "The key was used before for an event of another kind or payload. Use a new key for a new event."
            raise IdempotencyConflict(msg)
        return Appended(known.id, duplicate=True)

    def _drop_oldest(self, state: _Org, reason: str) -> None:
        size = len(state.records.popleft().envelope.data) + RECORD_OVERHEAD
        state.bytes -= size
        self._bytes -= size
        self._count -= 1
        self._metrics.log_evicted[reason].inc()

    def _trim(self, org: OrgId) -> None:
        """Hold the org to its own bounds. The newest record stays whatever its size: an event that was accepted can be read."""
        state = self._orgs[org]
        records, keep = state.records, self._keep
        before = len(records)
        oldest_allowed = self._clock.time() - keep.seconds
        while len(records) and records[0].appended <= oldest_allowed:
            self._drop_oldest(state, "age")
        while len(records) > keep.events:
            self._drop_oldest(state, "count")
        while len(records) > 1 and state.bytes > keep.bytes:
            self._drop_oldest(state, "bytes")
        if len(records) != before and self._follower is not None:
            self._follower.trimmed(org, state.floor)

    def _trim_total(self) -> None:
        """Hold all orgs together to the ceiling.

        The heap is kept only while the ceiling presses, and lazily: an entry may say more than the org still holds (then it is put right
        and pushed back), never less, because every append pushes.
        """
        if self._bytes <= self._keep.total_bytes:
            if self._heaviest is not None and self._bytes < self._keep.total_bytes * 0.9:
                self._heaviest = None
            return
        if self._heaviest is None or len(self._heaviest) > 4 * len(self._orgs) + 1024:
            self._heaviest = [(-state.bytes, org) for org, state in self._orgs.items()]
            heapq.heapify(self._heaviest)
        trimmed: set[OrgId] = set()
        while self._bytes > self._keep.total_bytes and self._heaviest:
            claimed, org = self._heaviest[0]
            state = self._orgs.get(org)
            if state is None or not len(state.records):
                heapq.heappop(self._heaviest)
            elif -claimed != state.bytes:
                heapq.heapreplace(self._heaviest, (-state.bytes, org))
            else:
                self._drop_oldest(state, "ceiling")
                heapq.heapreplace(self._heaviest, (-state.bytes, org))
                trimmed.add(org)
        for org in trimmed:
            if self._follower is not None:
                self._follower.trimmed(org, self._orgs[org].floor)

    def _schedule(self) -> None:
        self._timer = self._clock.call_at(self._clock.monotonic() + self._interval, self._sweep)

    def _sweep(self) -> None:
        self._sweep_due()
        self._schedule()

    def _sweep_due(self) -> None:
        """Drop what has outlived its age, and forget orgs of which nothing is left to remember."""
        now = self._clock.time()
        while self._due and self._due[0][0] <= now:
            _, org = heapq.heappop(self._due)
            state = self._orgs.get(org)
            if state is None:
                continue
            self._trim(org)
            if len(state.records):
                due = state.records[0].appended + self._keep.seconds
            elif state.holds or state.touched + self._remember > now:
                due = max(min(state.touched + self._remember, now + self._keep.seconds), now + self._interval)
            else:
                del self._orgs[org]
                continue
            heapq.heappush(self._due, (due, org))
