"""What is retained, of which org, and what of the rest is still to be deleted.

The law of this module: what is evicted is gone at once for every reader, and from the file a little later, in batches that a publisher does
not feel; so the file may hold more than is retained, and never less. It has the bounds of the log in memory, and they mean the same.
"""

from __future__ import annotations

import heapq
import math
from typing import TYPE_CHECKING, Final

from redline.envelope import OrgId
from redline.errors import OverCapacity
from redline.eventlog.keys import IdempotencyKeys
from redline.eventlog.retained import Retained
from redline.eventlog.sqlite.batch import OrgRow, Trim
from redline.eventlog.sqlite.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Callable

    from redline.clock import Clock
    from redline.eventlog.retention import Retention
    from redline.eventlog.sqlite.batch import Batch, Contents
    from redline.metrics import Metrics

_SLACK: Final = 20
_TOUCHES: Final = 500


class Index(Retained[Ledger]):
    """The orgs and the idempotency keys of an open file.

    ``backlog`` counts the events that are evicted and still in the file, ``key_seconds`` is for how long a key is held.
    """

    def __init__(self, retention: Retention, clock: Clock, metrics: Metrics, trimmed: Callable[[OrgId, int], None]) -> None:
        """Take how much to keep, where time comes from, where to count, and whom to tell of every floor that rose."""
        super().__init__(retention, clock, metrics, trimmed)
        self.keys = IdempotencyKeys(retention.key_seconds, retention.keys, clock)
        self.key_seconds = retention.key_seconds
        self._key_rows = 0
        self._keys_stay = False
        self.backlog = 0
        self._next_id = 1
        self._slack = retention.seconds / _SLACK
        self._due: list[tuple[float, OrgId]] = []
        self._leftover: dict[int, Ledger] = {}
        self._touches: dict[int, float] = {}

    def fill(self, contents: Contents) -> None:
        """Take what the file holds, and hold it to the bounds of today."""
        now = self._clock.time()
        for one in sorted(contents.orgs, key=lambda one: one.row.id):
            ledger = Ledger.of(OrgId(one.row.name), one, 2 * self._slack)
            self._next_id = max(self._next_id, ledger.id + 1)
            self.bytes += ledger.bytes
            self.count += len(ledger)
            older = self.orgs.get(ledger.org)
            if older is not None:
                self._doom(older)
            self.orgs[ledger.org] = ledger
        for ledger in self.orgs.values():
            self.trim(ledger.org)
            heapq.heappush(self._due, (now, ledger.org))
        self.trim_total()
        self._key_rows = len(contents.keys)
        # Of two uses of one key the later counts: by the wall clock, which may have been set back, the earlier one has not ended either.
        last = {(row.org, row.key): row for row in contents.keys}
        for row in sorted(last.values(), key=lambda row: row.until):
            if row.until > now:
                self.keys.restore(OrgId(row.org), row.key, row.fingerprint, row.event, row.until - now)

    def clear(self) -> None:
        """Forget everything; the file keeps it."""
        super().clear()
        self.keys.clear()
        self._key_rows = 0
        self._due.clear()
        self._leftover.clear()
        self._touches.clear()
        self.backlog = 0

    def get(self, org: OrgId) -> Ledger:
        """Return an org's ledger, a new one where there is none. Raises ``OverCapacity`` where no more orgs fit."""
        ledger = self.orgs.get(org)
        if ledger is None:
            if len(self.orgs) >= self._keep.orgs:
                self.sweep()
            if len(self.orgs) >= self._keep.orgs:
                msg = f"This server remembers as many orgs as it may ({self._keep.orgs}). Raise history.orgs, or try again later."
                raise OverCapacity(msg, retry_after=60)
            now = self._clock.time()
            ledger = self.orgs[org] = Ledger(org, self._next_id, now)
            self._next_id += 1
            heapq.heappush(self._due, (now + self._slack, org))
        return ledger

    def append(self, ledger: Ledger, appended: float, size: int) -> None:
        """Count an event that was written."""
        self.grew(ledger.org, ledger, ledger.append(appended, size))

    def release(self, org: OrgId) -> None:
        """Let the history's age count from now."""
        ledger = self.orgs.get(org)
        if ledger is not None:
            ledger.holds -= 1
            ledger.touched = self._clock.time()
            self._note(ledger)

    def sweep(self) -> None:
        """Drop what has outlived its age, and forget orgs of which nothing is left to remember."""
        self.keys.purge()
        self._keys_stay = False
        now, age = self._clock.time(), self._keep.seconds
        while self._due and self._due[0][0] <= now:
            _, org = heapq.heappop(self._due)
            ledger = self.orgs[org]
            self.trim(org)
            if ledger.holds:
                ledger.touched = now
                self._note(ledger)
                due = now + self._slack
            elif len(ledger):
                due = ledger.oldest + age
            elif ledger.touched + age > now or ledger.claimed != ledger.head:
                due = ledger.touched + age
            else:
                del self.orgs[org]
                self._doom(ledger)
                continue
            # Looked at often, for who is held has to be noted meanwhile. Never now again: a sum may round the other way than the difference
            # in trim.
            heapq.heappush(self._due, (max(min(due, now + self._slack), math.nextafter(now, math.inf)), org))

    # What is still to be done to the file.

    @property
    def untidy(self) -> bool:
        """Tell whether anything is."""
        return bool(self._leftover or self._touches or self._keys_over)

    @property
    def _keys_over(self) -> bool:
        return self._key_rows > len(self.keys) and not self._keys_stay

    def tidy(self, batch: Batch, budget: int) -> None:
        """Put into ``batch`` what is to be deleted and noted, about ``budget`` rows at most."""
        if self._keys_over:
            batch.keys_before = self._clock.time()
        for ledger in self._leftover.values():
            if budget <= 0:
                break
            floor = min(ledger.floor, ledger.deleted + budget)
            budget -= max(1, floor - ledger.deleted)
            # An epoch goes once the file's own floor is past it, not only ours: the next life finds the epoch of all that it finds.
            first = ledger.epochs[0][0]
            batch.trims.append(Trim(OrgRow(ledger.id, ledger.org, floor, ledger.noted), first if first <= floor else 0))
            if ledger.doomed and floor == ledger.floor:
                batch.forgotten.append(ledger.id)
        for number in list(self._touches)[:_TOUCHES]:
            batch.touches[number] = self._touches[number]

    def tidied(self, batch: Batch, keys_deleted: int) -> None:
        """Learn that a batch was written, and how many keys went with it."""
        self._key_rows += len(batch.keys) - keys_deleted
        # By the wall clock, which may have been set back, they have not ended: at the next sweep, then.
        self._keys_stay = batch.keys_before is not None and not keys_deleted
        for row, _ in batch.trims:
            ledger = self._leftover[row.id]
            self.backlog -= row.floor - ledger.deleted
            ledger.deleted = row.floor
            if ledger.deleted == ledger.floor and not ledger.doomed:
                del self._leftover[row.id]
        for number in batch.forgotten:
            del self._leftover[number]
        for number, touched in batch.touches.items():
            if self._touches.get(number) == touched:
                del self._touches[number]

    def drop(self, history: Ledger, count: int = 1) -> None:
        """Let the ``count`` oldest events of an org go; from the file, when there is time."""
        super().drop(history, count)
        self.backlog += count
        self._leftover[history.id] = history
        history.bound_epochs()

    def _doom(self, ledger: Ledger) -> None:
        """Have what the file holds of a forgotten org deleted."""
        count = len(ledger)
        super().drop(ledger, count)
        self.backlog += count
        ledger.doomed = True
        if ledger.stored:
            self._leftover[ledger.id] = ledger
        self._touches.pop(ledger.id, None)

    def _note(self, ledger: Ledger) -> None:
        """Have the file say when the org was last in use, where what it says is too old to remember it long enough."""
        if ledger.stored and ledger.touched - ledger.noted >= self._slack:
            ledger.noted = ledger.touched
            self._touches[ledger.id] = ledger.touched
