"""One unbroken stretch of one org's history, in memory.

The law of this module: positions are 1, 2, 3 … within an epoch, so where a record stands follows from its position, and what is retained is
always everything from some position up to the head.
"""

from __future__ import annotations

import base64
import secrets
from typing import TYPE_CHECKING

from redline.eventlog.contract import RECORD_OVERHEAD, Bounds, EvictedError, Mark, Record
from redline.eventlog.window import Window

if TYPE_CHECKING:
    from redline.envelope import Envelope


def weight(envelope: Envelope) -> int:
    """Return the bytes that an envelope's record counts for."""
    return len(envelope.data) + RECORD_OVERHEAD


def new_epoch() -> str:
    """Return a name for an unbroken stretch of an org's history, which was never given before and never will be.

    60 random bits: an epoch tells nothing (not even when it began), and an org that was forgotten never gets an old one again.
    """
    return base64.b32encode(secrets.token_bytes(8))[:12].decode().lower()


class Stretch:
    """What an org has in the log. ``bytes`` is what its records count for; ``holds`` and ``touched`` say when it may be forgotten."""

    __slots__ = ("bytes", "epoch", "head", "holds", "records", "touched")

    def __init__(self, now: float) -> None:
        """Begin an epoch at ``now`` (Unix seconds)."""
        self.epoch = new_epoch()
        self.head = 0
        self.records: Window[Record] = Window()
        self.bytes = 0
        self.holds = 0
        self.touched = now

    def __len__(self) -> int:
        """Return how many records are retained."""
        return len(self.records)

    @property
    def oldest(self) -> float:
        """Return when the oldest retained record was appended; only where there is one."""
        return self.records[0].appended

    @property
    def floor(self) -> int:
        """Return the position after which everything is retained."""
        return self.head - len(self.records)

    def mark(self, position: int) -> Mark:
        """Return the place after a position, with the id that a client holds for it."""
        return Mark(position, f"{self.epoch}-{position}")

    def bounds(self) -> Bounds:
        """Return what is retained."""
        oldest = self.records[0].id if len(self.records) else None
        return Bounds(self.mark(self.floor), oldest, self.mark(self.head))

    def append(self, envelope: Envelope, now: float) -> tuple[Record, int]:
        """Add the newest record at ``now`` (Unix seconds); return it, and what it counts for."""
        self.head = head = self.head + 1
        record = Record(head, f"{self.epoch}-{head}", envelope, now)
        self.records.append(record)
        self.touched = now
        size = weight(envelope)
        self.bytes += size
        return record, size

    def drop_oldest(self, count: int = 1) -> int:
        """Let the ``count`` oldest records go, and return what they counted for."""
        size = count * RECORD_OVERHEAD
        for _ in range(count):
            size += len(self.records.popleft().envelope.data)
        self.bytes -= size
        return size

    def page(self, after: int, max_bytes: int) -> list[Record]:
        """Return records after a position, as :meth:`redline.eventlog.contract.EventLog.read` does."""
        index = after - self.floor
        if index < 0:
            raise EvictedError
        page: list[Record] = []
        size = 0
        while index < len(self.records) and (not page or size < max_bytes):
            record = self.records[index]
            page.append(record)
            size += len(record.envelope.data)
            index += 1
        return page

    def newest(self, max_records: int, max_bytes: int) -> list[Record]:
        """Return the newest records within both bounds, oldest first."""
        index, size = len(self.records), 0
        while index > max(0, len(self.records) - max_records):
            size += len(self.records[index - 1].envelope.data)
            if size > max_bytes:
                break
            index -= 1
        return self.records.between(index, len(self.records))
