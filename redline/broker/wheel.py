"""One timer for all streams.

The law of this module: a stream costs no timer of its own. Each entry stands in one slot of the wheel, and the clock is asked only for the
next slot that holds anything. An entry is called at its slot's beginning, so up to one slot early and never late: heartbeats have room for
that, and a credential's end must not be overrun. It is told until when it should do what is due, and asks again for a time after that.
"""

from __future__ import annotations

import heapq
import logging
import math
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from redline.clock import Clock, Timer


_logger = logging.getLogger(__name__)


class Entry(Protocol):
    """What stands on the wheel. ``slot`` belongs to the wheel; it is -1 off it."""

    slot: int

    def tick(self, now: float, until: float) -> None:
        """Do at ``now`` what is due up to ``until`` (monotonic seconds). May come after the entry was removed. Should not raise."""


class Wheel:
    """Entries by the time at which they want to be called."""

    def __init__(self, clock: Clock, granularity: float) -> None:
        """Take where time comes from, and a slot's width in seconds."""
        self._clock = clock
        self._width = granularity
        self._slots: dict[int, dict[Entry, None]] = {}
        self._order: list[int] = []
        self._timer: Timer | None = None
        self._next = math.inf
        self._stopped = False

    def __len__(self) -> int:
        """Return how many entries wait."""
        return sum(map(len, self._slots.values()))

    def put(self, entry: Entry, when: float) -> None:
        """Have ``entry`` called at ``when`` (monotonic seconds), instead of whenever it was to be called before.

        What is due already is called as soon as the clock calls again.
        """
        self.remove(entry)
        if self._stopped:
            return
        slot = math.floor(when / self._width)
        entries = self._slots.get(slot)
        if entries is None:
            entries = self._slots[slot] = {}
            heapq.heappush(self._order, slot)
            if slot < self._next:
                self._arm(slot)
        entries[entry] = None
        entry.slot = slot

    def remove(self, entry: Entry) -> None:
        """Do not call ``entry``. Harmless when it is not on the wheel."""
        entries = self._slots.get(entry.slot)
        if entries is not None:
            entries.pop(entry, None)
        entry.slot = -1

    def start(self) -> None:
        """Call again, after :meth:`stop`."""
        self._stopped = False

    def stop(self) -> None:
        """Call nobody any more, and take nobody."""
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()
        self._slots.clear()
        self._order.clear()
        self._timer, self._next = None, math.inf

    def _arm(self, slot: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._next = slot
        self._timer = self._clock.call_at(slot * self._width, self._turn)

    def _turn(self) -> None:
        now = self._clock.monotonic()
        self._timer, self._next = None, math.inf
        # Taken first, called then: an entry that asks for a time that has passed is called at the next turn, and cannot hold up this one.
        due: list[tuple[int, dict[Entry, None]]] = []
        while self._order and self._order[0] * self._width <= now:
            slot = heapq.heappop(self._order)
            due.append((slot, self._slots.pop(slot)))
        for slot, entries in due:
            until = max(now + self._width, (slot + 1) * self._width)
            for entry in entries:
                entry.slot = -1
            for entry in entries:
                self._call(entry, now, until)
        while self._order and not self._slots[self._order[0]]:
            del self._slots[heapq.heappop(self._order)]
        if self._order and self._order[0] < self._next:
            self._arm(self._order[0])

    @staticmethod
    def _call(entry: Entry, now: float, until: float) -> None:
        """Call one entry; whatever becomes of it, the others' heartbeats and ends depend on the wheel's turning on."""
        try:
            entry.tick(now, until)
        except Exception:
            _logger.exception("An entry of the wheel failed; the others go on.")
