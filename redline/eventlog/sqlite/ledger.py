"""What is known in memory of one org's history on disk: twelve bytes an event, and never an event itself.

The law of this module: positions grow by one over all epochs, so an id's place follows from its number; and an id is this org's only where
its epoch has reached it. Where one epoch ends the next begins, so what each reached is known as soon as there is another.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from typing import TYPE_CHECKING, Final

from redline.eventlog.contract import RECORD_OVERHEAD, Bounds, Mark
from redline.eventlog.sqlite.batch import EpochRow, OrgRow
from redline.eventlog.stretch import new_epoch

if TYPE_CHECKING:
    from redline.envelope import EventId, OrgId
    from redline.eventlog.sqlite.batch import Loaded

_COMPACT_FROM: Final = 64
MOST_EPOCHS: Final = 100
"""How many epochs of an org are remembered besides those that still have events: cursors of older ones are unknown, no longer evicted."""


class Ledger:
    """One org.

    ``claimed`` runs ahead of ``head`` while events are being written. ``deleted`` is the floor that the file has: it follows ``floor``.
    ``stored`` and ``epoch_stored`` say whether the org and its newest epoch are in the file, ``noted`` when the file says it was in use.
    """

    __slots__ = (
        "_appended",
        "_sizes",
        "_start",
        "bytes",
        "claimed",
        "deleted",
        "doomed",
        "epoch_stored",
        "epochs",
        "head",
        "holds",
        "id",
        "noted",
        "opened",
        "org",
        "stored",
        "touched",
    )

    def __init__(self, org: OrgId, number: int, now: float) -> None:
        """Begin an org's history at ``now`` (Unix seconds); ``number`` is the file's for it."""
        self.org = org
        self.id = number
        self.head = self.claimed = self.deleted = 0
        self.epochs: list[tuple[int, str]] = [(0, new_epoch())]
        self.bytes = self.holds = 0
        self.touched = self.noted = now
        self.stored = self.epoch_stored = self.doomed = False
        self.opened = True
        """Whether the newest epoch is of this opening of the file."""
        self._appended: array[float] = array("d")
        self._sizes: array[int] = array("I")
        self._start = 0

    @classmethod
    def of(cls, org: OrgId, loaded: Loaded, slack: float) -> Ledger:
        """Return the ledger of an org as the file has it; ``slack`` is by how many seconds its last use may be noted too early."""
        row = loaded.row
        ledger = cls(org, row.id, row.touched)
        ledger.epochs = [(epoch.start, epoch.name) for epoch in loaded.epochs]
        ledger._appended, ledger._sizes = loaded.appended, loaded.sizes
        ledger.deleted = row.floor
        ledger.head = ledger.claimed = row.floor + len(loaded.sizes)
        ledger.bytes = sum(loaded.sizes) + RECORD_OVERHEAD * len(loaded.sizes)
        ledger.touched = max(row.touched + slack, loaded.appended[-1] if loaded.appended else 0.0)
        ledger.stored = ledger.epoch_stored = True
        ledger.opened = False
        return ledger

    def __len__(self) -> int:
        """Return how many events are retained."""
        return len(self._sizes) - self._start

    @property
    def floor(self) -> int:
        """Return the position after which everything is retained."""
        return self.head - len(self)

    @property
    def oldest(self) -> float:
        """Return when the oldest retained event was appended; only where there is one."""
        return self._appended[self._start]

    def row(self) -> OrgRow:
        """Return the org as the file is to have it from its first event on."""
        return OrgRow(self.id, self.org, self.deleted, self.noted)

    def epoch(self) -> EpochRow:
        """Return the newest epoch as the file is to have it."""
        start, name = self.epochs[-1]
        return EpochRow(self.id, start, name)

    def claim(self) -> str:
        """Return the id of one more event, which is about to be written: the first of an opening begins an epoch."""
        if not self.opened:
            self.epochs.append((self.head, new_epoch()))
            self.opened, self.epoch_stored = True, False
        self.claimed += 1
        return f"{self.epochs[-1][1]}-{self.claimed}"

    def disclaim(self) -> None:
        """Take back every claim since the head: nothing of it was written."""
        self.claimed = self.head

    def append(self, appended: float, size: int) -> int:
        """Learn that the next claimed event was written, at ``appended``, with ``size`` bytes of payload; return what it counts for."""
        self._appended.append(appended)
        self._sizes.append(size)
        self.head += 1
        self.touched = self.noted = max(self.touched, appended)
        self.bytes += size + RECORD_OVERHEAD
        return size + RECORD_OVERHEAD

    def drop_oldest(self, count: int = 1) -> int:
        """Let the ``count`` oldest events go, and return what they counted for."""
        start = self._start
        freed = sum(self._sizes[start : start + count]) + RECORD_OVERHEAD * count
        self._start = start = start + count
        self.bytes -= freed
        if start >= _COMPACT_FROM and start * 2 >= len(self._sizes):
            del self._sizes[:start], self._appended[:start]
            self._start = 0
        return freed

    def mark(self, position: int) -> Mark:
        """Return the place after a position, with the id that a client holds for it."""
        index = max(0, bisect_left(self.epochs, position, key=_start_of) - 1)
        return Mark(position, f"{self.epochs[index][1]}-{position}")

    def locate(self, event_id: EventId) -> Mark | None:
        """Return the place of an id that its epoch has reached; None for any other."""
        position = event_id.seq
        if position > self.head:
            return None
        mark = self.mark(position)
        first = self.epochs[0][0]
        return mark if mark.id == str(event_id) and position >= first else None

    def bounds(self) -> Bounds:
        """Return what is retained."""
        floor, head = self.mark(self.floor), self.mark(self.head)
        return Bounds(floor, self.mark(floor.position + 1).id if len(self) else None, head)

    def page_end(self, after: int, max_bytes: int) -> int:
        """Return the position where a page after ``after`` ends: at least one event where there is one, up to about ``max_bytes``."""
        index, size = self._start + after - self.floor, 0
        first, count = index, len(self._sizes)
        while index < count and (index == first or size < max_bytes):
            size += self._sizes[index]
            index += 1
        return after + index - first

    def tail_start(self, max_records: int, max_bytes: int) -> int:
        """Return the position after which the newest events within both bounds begin."""
        index, size, lowest = len(self._sizes), 0, max(self._start, len(self._sizes) - max_records)
        while index > lowest and size + self._sizes[index - 1] <= max_bytes:
            index -= 1
            size += self._sizes[index]
        return self.head - (len(self._sizes) - index)

    def bound_epochs(self) -> None:
        """Forget the oldest epochs where too many of them have no event left."""
        gone = bisect_left(self.epochs, self.floor, key=_start_of) - 1
        if gone > MOST_EPOCHS:
            del self.epochs[: gone - MOST_EPOCHS]


def _start_of(epoch: tuple[int, str]) -> int:
    return epoch[0]
