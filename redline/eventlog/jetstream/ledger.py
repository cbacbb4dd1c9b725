"""What is known of one org: of everything that the stream retains, where it stands.

The law of this module: it is pure, and never claims more than is so. It is read from the stream once and then follows it, and lets go of
what the stream lets go of by its own rules: beyond so many events, and beyond an age. So a node knows, without asking, where each of an
org's ids stands, however many clients come back at once.

The org's places are its events' sequences. ``low`` is the lowest place after which nothing is missing: that of the event which went last,
or, where the org has never had more than fits, wherever the stream itself begins.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections import deque
from typing import Final

from redline.eventlog.jetstream.seal import BEFORE, EVENT, ORIGIN, Sealed

_COMPACT_FROM: Final = 256


class Ledger:
    """One org's retained events, without themselves. ``per_org`` is how many the stream keeps."""

    __slots__ = ("_checks", "_seqs", "_sizes", "_start", "_times", "_voids", "gone", "head", "low", "origin", "per_org")

    def __init__(self, per_org: int, origin: Sealed) -> None:
        """Begin with nothing retained at ``origin``: a place of that kind, whose sequence is where the org starts."""
        self.per_org = per_org
        self.origin = origin
        self.low = self.head = origin.seq
        """The newest event's place, retained or not, is the head; the origin's where none is known."""
        self.gone: tuple[int, int] | None = None
        """The event that stood directly before the oldest that is retained, with its check, where it is known."""
        self._seqs = array("Q")
        self._checks = array("I")
        self._sizes = array("I")
        self._times = array("d")
        self._start = 0
        self._voids: deque[int] = deque()

    def __len__(self) -> int:
        """Return how many events are retained."""
        return len(self._seqs) - self._start

    def begin(self, low: int, origin: Sealed) -> None:
        """Learn, once it was read, from where on nothing is missing, and where the stream was followed to by then."""
        if self.gone is None:
            self.low = low
            self.head = max(self.head, low)
        self.origin = max(origin, Sealed(ORIGIN, self.low, 0))

    # Growing and shrinking, as the stream does.

    def append(self, seq: int, check: int, size: int, time: float) -> bool:
        """Add the newest event: what of its nonce stands in its id, its payload's bytes, and when the stream took it (Unix seconds).

        Tells whether the oldest went for it. What is not newer than the head is known already.
        """
        if seq <= self.head:
            return False
        self.head = seq
        self._seqs.append(seq)
        self._checks.append(check)
        self._sizes.append(size)
        self._times.append(time)
        if len(self._seqs) - self._start + len(self._voids) <= self.per_org:
            return False
        if self._voids:
            return self._shrink()
        self._drop()
        return True

    def void(self, seq: int) -> bool:
        """Count a message that is no event, and takes a place of the org's all the same; tell whether the oldest event went for it."""
        if seq <= self.head or (self._voids and seq <= self._voids[-1]):
            return False
        self._voids.append(seq)
        return self._shrink()

    def _shrink(self) -> bool:
        dropped = False
        while len(self) + len(self._voids) > self.per_org:
            if self._voids and not (len(self) and self._seqs[self._start] < self._voids[0]):
                self._voids.popleft()
            else:
                self._drop()
                dropped = True
        return dropped

    def trim(self, *, before: float = 0.0, below: int = 0) -> bool:
        """Let go of what the stream took before a moment (Unix seconds) and of all below a sequence; tell whether an event went."""
        dropped = False
        while self._start < len(self._seqs) and (self._times[self._start] <= before or self._seqs[self._start] < below):
            self._drop()
            dropped = True
        while self._voids and self._voids[0] < max(below, self.low):
            self._voids.popleft()
        return dropped

    def _drop(self) -> None:
        start = self._start
        self.gone = (self._seqs[start], self._checks[start])
        self.low = self._seqs[start]
        self._start = start = start + 1
        if start >= _COMPACT_FROM and start * 2 >= len(self._seqs):
            for column in (self._seqs, self._checks, self._sizes, self._times):
                del column[:start]
            self._start = 0

    def extend(self, later: Ledger) -> None:
        """Add what another ledger of the same org was told meanwhile."""
        for index in range(later._start, len(later._seqs)):
            self.append(later._seqs[index], later._checks[index], later._sizes[index], later._times[index])
        for seq in later._voids:
            self.void(seq)

    # What is there.

    def floor(self) -> Sealed:
        """Return what the id of the place after which everything is retained says."""
        if len(self):
            return Sealed(BEFORE, self._seqs[self._start], self._checks[self._start])
        return self.top()

    def top(self) -> Sealed:
        """Return what the head's id says."""
        if len(self):
            return Sealed(EVENT, self._seqs[-1], self._checks[-1])
        if self.gone is not None:
            return Sealed(EVENT, *self.gone)
        return self.origin

    def oldest(self) -> Sealed | None:
        """Return what the id of the oldest retained event says."""
        return Sealed(EVENT, self._seqs[self._start], self._checks[self._start]) if len(self) else None

    def place(self, sealed: Sealed) -> int | None:  # noqa: PLR0911 - each is a case of its own
        """Return the position that an id of this org names; below ``low`` where its event went; None where it is no place of this stream.

        Only for what is not newer than the stream was followed: an id of what comes later would look like one of what never was.
        """
        kind, seq, check = sealed
        index = bisect_left(self._seqs, seq, self._start)
        there = index < len(self._seqs) and self._seqs[index] == seq
        if kind == ORIGIN:
            # Nothing was retained at that sequence: what is, came later, or this is another stream's.
            if index > self._start or there:
                return None
            return min(self.low, seq)
        if there:
            if self._checks[index] != check:
                return None
            if kind == EVENT:
                return seq
            return self.low if index == self._start else seq - 1
        if seq > self.low:
            return None
        if self.gone is not None and seq == self.gone[0]:
            if check != self.gone[1]:
                return None
            return seq if kind == EVENT else seq - 1
        return seq - 1

    # What to read.

    def page(self, after: int, max_bytes: int) -> tuple[int, ...]:
        """Return the places of the next events after a position: at least one, up to about ``max_bytes`` of payload; none at the head."""
        first = last = bisect_right(self._seqs, after, self._start)
        size = 0
        while last < len(self._seqs) and (last == first or size < max_bytes):
            size += self._sizes[last]
            last += 1
        return tuple(self._seqs[first:last])

    def newest(self, max_records: int, max_bytes: int) -> tuple[int, ...]:
        """Return the places of the newest events within both bounds, oldest first."""
        first, size = len(self._seqs), 0
        least = max(self._start, len(self._seqs) - max_records)
        while first > least:
            size += self._sizes[first - 1]
            if size > max_bytes:
                break
            first -= 1
        return tuple(self._seqs[first:])
