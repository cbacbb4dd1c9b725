"""The mark in every payload, and what a reader of it must find.

The law of this module: every delivery is checked. A mark carries its number within its channel and the moment of sending. Publishes that
are in flight together may be taken in any order, but every reader must find the same one, each number whole and once; anything else is a
fault, and a run with a fault has no result. Where a payload is not ours to write in, :mod:`redline.testing.load.stamped` finds another way.
"""

from __future__ import annotations

import re
from array import array
from typing import TYPE_CHECKING, ClassVar, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

LONGEST_TAIL: Final = 65_536
MARK_BYTES: Final = 33
"""A mark without filler: ``~`` sequence ``.`` nanoseconds ``.`` filler ``!``. Neither sign occurs anywhere else in a stream."""
MARK: Final = re.compile(rb"~(\d{10})\.(\d{19})\.x*!")
COMMENT: Final = re.compile(rb"(?:^|\n):")
_digits: list[bytes] = []


def mark(sequence: int, now: int, filler: bytes) -> bytes:
    """Return the mark of an event; ``now`` in nanoseconds of the monotonic clock, which all processes of a machine share."""
    return b"~%010d.%019d.%b!" % (sequence, now, filler)


def digits(first: int, count: int) -> list[bytes]:
    """Return the numbers from ``first`` on as they stand in marks; made once, because every delivery is compared with them."""
    end = first + count
    if end > len(_digits):
        _digits.extend(b"%010d" % number for number in range(len(_digits), max(end, 2 * len(_digits))))
    return _digits[first:end]


class Channel:
    """One sequence of events: how they are published, how many were, and what its readers were sent last."""

    __slots__ = ("_logged", "after", "before", "chunk", "count", "first", "head", "name", "order", "readers", "sent", "times")

    longest: ClassVar[int] = LONGEST_TAIL
    """The most bytes of a mark, or whatever carries it, that a reader keeps until the rest has come."""

    def __init__(self, name: str, head: bytes, before: bytes, after: bytes) -> None:
        """Take the head of a publishing request up to its Content-Length, and what stands before and after the mark in an event."""
        self.name = name
        self.head = head
        self.before = before
        self.after = after
        self.sent = 0
        self.readers = 0
        # What a reader received last and what stood in it: a flush gives all readers the same bytes, and comparing is cheaper than parsing.
        self.chunk = b""
        self.first = self.count = 0
        self.times: list[int] = []
        self.order: list[bytes] = []
        """The numbers in the order in which readers have found them."""
        self._logged: set[bytes] = set()

    def check(self, position: int, seen: list[bytes]) -> str:
        """Return what is wrong with a reader that found ``seen`` after ``position`` events, or nothing. Whoever is first sets the order."""
        known = self.order[position : position + len(seen)]
        fresh = seen[len(known) :]
        if seen[: len(known)] != known or (fresh and position > len(self.order)):
            return f"a reader that has {position} events was to get {_shown(known)} and got {_shown(seen)}"
        if fresh:
            if not self._logged.isdisjoint(fresh) or len(set(fresh)) != len(fresh):
                return f"a reader that has {position} events got {_shown(fresh)}, of which some had come before"
            if int(max(fresh)) >= self.sent:
                return f"a reader got {_shown(fresh)}, which were never published"
            self._logged.update(fresh)
            self.order += fresh
        return ""

    def scan(self, data: bytes, *, timing: bool) -> tuple[list[bytes], list[int], bytes]:
        """Return the numbers in what a reader has received, when each was sent (where ``timing``), and a mark begun but not ended."""
        found = MARK.findall(data)
        cut = data.find(b"~", data.rfind(b"!") + 1)
        return [one[0] for one in found], [int(one[1]) for one in found] if timing else [], data[cut:] if cut >= 0 else b""

    def settle(self, until: int) -> None:
        """Take the events before ``until`` that no reader was to find as found, in their order."""
        missed = [number for number in digits(0, until) if number not in self._logged]
        self._logged.update(missed)
        self.order += missed

    def request(self, now: int, filler: bytes, batch: int) -> bytes:
        """Return the request that publishes the next ``batch`` events, one a line."""
        numbers = range(self.sent, self.sent + batch)
        self.sent += batch
        body = b"\n".join([b"%b%b%b" % (self.before, mark(number, now, filler), self.after) for number in numbers])
        return b"%bContent-Length: %d\r\n\r\n%b" % (self.head, len(body), body)


class Tally:
    """What all readers of a load have received, and what was wrong."""

    def __init__(self) -> None:
        """Begin at nothing."""
        self.received = 0
        self.beats = 0
        self.goal = 1
        self.reached: Callable[[], None] = _nothing
        """Called whenever ``received`` has come to ``goal``."""
        self.faults = 0
        self.first_fault = ""
        self.failed: Callable[[], None] = _nothing
        self.timing = False
        self.closing = False
        self.latencies: array[int] = array("q")
        self.arrivals: array[int] = array("q")

    def fault(self, what: str) -> None:
        """Note that something is not as it must be; whoever waits is told at once."""
        self.faults += 1
        if self.faults == 1:
            self.first_fault = what
        self.failed()

    def record(self, now: int, times: list[int]) -> None:
        """Note the latencies of events that were sent at ``times`` and have arrived ``now``."""
        for sent in times:
            self.latencies.append(now - sent)
            self.arrivals.append(now)


def quantile(order: Sequence[int], share: float) -> float:
    """Return a quantile of sorted nanoseconds, in seconds (nearest rank); not a number where there are none."""
    return order[min(len(order) - 1, int(len(order) * share))] / 1e9 if order else float("nan")


def _shown(numbers: list[bytes]) -> list[int]:
    return [int(number) for number in numbers[:5]]


def _nothing() -> None:
    """Do nothing: nobody waits."""
