"""A stretch of history as one reader gets it.

The law of this module: an event is encoded in one place, and one rule says what of a stretch of events passes a filter, where it ends, and
how much was withheld. It is the same for the newest events, for those in this node's memory, and for those that come from the log.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from redline.eventlog.contract import RECORD_OVERHEAD
from redline.sse import event_frame

if TYPE_CHECKING:
    from collections.abc import Iterable

    from redline.broker.filter import Filter
    from redline.eventlog.contract import Record


class Framed(NamedTuple):
    """A record as it goes out."""

    position: int
    id: str
    kind: str
    scope: str | None
    frame: bytes

    @classmethod
    def of(cls, record: Record) -> Framed:
        """Encode a record: the one place where that happens."""
        envelope = record.envelope
        return cls(record.position, record.id, envelope.kind, envelope.scope, event_frame(record.id, envelope))

    @property
    def weight(self) -> int:
        """Return the bytes that it counts for: never fewer than the log counts for its record, which has the payload alone."""
        return len(self.frame) + RECORD_OVERHEAD


class Page(NamedTuple):
    """A stretch of history for one filter: what passes, the record it ends with, and how much was withheld since the last that passed."""

    frames: list[bytes]
    end: Framed
    last: Framed | None
    withheld: int
    withheld_bytes: int


def paginate(frames: Iterable[Framed], wanted: Filter, max_bytes: int) -> Page | None:
    """Cut the page that begins ``frames``; None when there are none. It passes at least one frame, unless none passes at all."""
    passed: list[bytes] = []
    end = last = None
    size = withheld = withheld_bytes = 0
    for framed in frames:
        if wanted.admits(framed.kind, framed.scope):
            if passed and size + len(framed.frame) > max_bytes:
                break
            passed.append(framed.frame)
            size += len(framed.frame)
            last, withheld, withheld_bytes = framed, 0, 0
        else:
            withheld += 1
            withheld_bytes += framed.weight
        end = framed
    return Page(passed, end, last, withheld, withheld_bytes) if end is not None else None
