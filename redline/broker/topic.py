"""One org on this node: its recent history in frames, who listens, and the flush.

The law of this module: an event is encoded once, and what is new since the last flush is joined once per filter, into one object that every
live reader's connection is given. Whoever is *live* stands exactly at ``flushed``; whoever is not stands where its own cursor says, and
reads pages from here until it has caught up. Nothing in here waits.
"""

from __future__ import annotations

import sys
from bisect import bisect_right
from typing import TYPE_CHECKING, NamedTuple

from redline.eventlog.contract import Mark
from redline.eventlog.window import Window
from redline.sse import HEARTBEAT, control_frame, event_frame

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from redline.broker.filter import Filter
    from redline.broker.subscription import Subscription
    from redline.envelope import OrgId
    from redline.eventlog.contract import Record, Tail
    from redline.metrics import Metrics

SCAN = 4096
"""Frames looked at for one page at most, so that a filter which passes nothing holds the loop for about a millisecond only."""


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


class Bound(NamedTuple):
    """How much a topic keeps and writes at once. ``chunk_bytes`` bounds a flush's chunk, and so what a stalled reader can add."""

    events: int
    bytes: int
    chunk_bytes: int


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
            withheld_bytes += len(framed.frame)
        end = framed
    return Page(passed, end, last, withheld, withheld_bytes) if end is not None else None


class Group:
    """The readers of a topic that have one filter and one framing. ``live`` maps each live one to its connection's ``write``."""

    __slots__ = ("filter", "heartbeat", "live", "marked", "members", "withheld", "withheld_bytes", "wrap")

    def __init__(self, wanted: Filter, wrap: Callable[[bytes], bytes], marked: int) -> None:
        """Take what passes, how a chunk is framed for the connection, and the position at which the group begins."""
        self.filter = wanted
        self.wrap = wrap
        self.heartbeat = wrap(HEARTBEAT)
        self.live: dict[Subscription, Callable[[bytes], object]] = {}
        self.members = 0
        self.marked = marked
        """The last position whose id every live member has been sent."""
        self.withheld = 0
        self.withheld_bytes = 0


class Topic:
    """One org's recent history and readers."""

    def __init__(self, org: OrgId, tail: Tail, bound: Bound, metrics: Metrics) -> None:
        """Begin with the newest part of the log, as :meth:`EventLog.tail` returned it."""
        self.org = org
        self.bound = bound
        self.flushed: Mark = tail.bounds.head
        """Up to here every live reader has been written to."""
        self.floor = tail.bounds.floor.position
        """Up to here the log itself has evicted."""
        self.recent_floor = tail.records[0].position - 1 if tail.records else tail.bounds.head.position
        """Up to here history has left this node's memory, and may still be in the log."""
        self.groups: dict[tuple[Filter, Callable[[bytes], bytes]], Group] = {}
        self.readers = 0
        self.pins = 0
        self.idle_since = 0.0
        self._metrics = metrics
        self._frames: Window[Framed] = Window()
        self._bytes = 0
        self._fresh: list[Framed] = []
        for record in tail.records:
            self._keep(Framed.of(record))

    @property
    def dirty(self) -> bool:
        """Tell whether there is anything to flush."""
        return bool(self._fresh)

    def push(self, records: Sequence[Record]) -> None:
        """Take new records, in order; what this topic has already is passed over (its tail may have been read after they were appended)."""
        newest = self._frames[-1].position if len(self._frames) else self.flushed.position
        for record in records:
            if record.position > newest:
                framed = Framed.of(record)
                self._fresh.append(framed)
                self._keep(framed)
        while len(self._frames) > self.bound.events or (self._bytes > self.bound.bytes and len(self._frames) > 1):
            self._drop()

    def trim(self, floor: int) -> None:
        """Forget everything up to and including the position ``floor``: the log has."""
        self.floor = max(self.floor, floor)
        while len(self._frames) and self._frames[0].position <= floor:
            self._drop()

    def page(self, after: int, until: int, wanted: Filter, max_bytes: int) -> Page | None:
        """Return the page after a position, up to ``until``; None when there is nothing. Only for positions from ``recent_floor`` on."""
        start = bisect_right(self._frames, after, key=_position)
        stop = min(bisect_right(self._frames, until, key=_position), start + SCAN)
        return paginate(self._frames.between(start, stop), wanted, max_bytes)

    def flush(self) -> None:
        """Write what is new to every live reader, in chunks of a bounded size."""
        fresh, self._fresh = self._fresh, []
        start = size = 0
        for index, framed in enumerate(fresh, 1):
            size += len(framed.frame)
            if size >= self.bound.chunk_bytes or index == len(fresh):
                self._flush(fresh[start:index])
                start, size = index, 0

    def _flush(self, fresh: list[Framed]) -> None:
        newest = fresh[-1]
        # First: a write may fill a connection's buffer, whose reader then leaves the live ones and notes `flushed` as its cursor.
        self.flushed = Mark(newest.position, newest.id)
        for group in tuple(self.groups.values()):
            self._write(group, fresh)

    def _write(self, group: Group, fresh: list[Framed]) -> None:
        """Give one joined chunk to every live reader of the group. This is the hot path: one `write` call a reader, and nothing else."""
        page = paginate(fresh, group.filter, sys.maxsize)
        if page is None:
            return
        group.withheld = page.withheld if page.frames else group.withheld + page.withheld
        group.withheld_bytes = page.withheld_bytes if page.frames else group.withheld_bytes + page.withheld_bytes
        if page.last is not None:
            group.marked = page.last.position
        frames = page.frames
        if self.far_behind(group.withheld, group.withheld_bytes):
            frames.append(self.cursor_frame(self.flushed.id))
            group.marked = self.flushed.position
            group.withheld = group.withheld_bytes = 0
        if not frames or not group.live:
            return
        chunk = group.wrap(b"".join(frames))
        readers = tuple(group.live.items())
        failed: list[Subscription] = []
        for subscription, write in readers:
            try:
                write(chunk)
            except Exception:  # noqa: BLE001 - a connection on its way out may raise anything; it must not cost the next one its event
                failed.append(subscription)
        self._metrics.deliveries.inc(len(frames) * (len(readers) - len(failed)))
        for subscription in failed:
            subscription.fail()

    def far_behind(self, withheld: int, withheld_bytes: int) -> bool:
        """Tell whether so much has been withheld from a reader that it must learn its cursor now (contract §1, ``stream.cursor``)."""
        return withheld * 4 >= self.bound.events or withheld_bytes * 4 >= self.bound.bytes

    def cursor_frame(self, event_id: str) -> bytes:
        """Return the frame that moves a filtered reader's cursor."""
        return control_frame("stream.cursor", {"head": self.flushed.id}, event_id=event_id)

    def join(self, wanted: Filter, wrap: Callable[[bytes], bytes]) -> Group:
        """Return the group of a filter and a framing, with one more member."""
        group = self.groups.get((wanted, wrap))
        if group is None:
            group = self.groups[wanted, wrap] = Group(wanted, wrap, self.flushed.position)
        group.members += 1
        self.readers += 1
        return group

    def leave(self, group: Group, subscription: Subscription) -> None:
        """Take a member out of its group, and the group out when it was the last."""
        group.live.pop(subscription, None)
        group.members -= 1
        self.readers -= 1
        if not group.members:
            self.groups.pop((group.filter, group.wrap), None)

    def _keep(self, framed: Framed) -> None:
        self._frames.append(framed)
        self._bytes += len(framed.frame)

    def _drop(self) -> None:
        dropped = self._frames.popleft()
        self._bytes -= len(dropped.frame)
        self.recent_floor = dropped.position


def _position(framed: Framed) -> int:
    return framed.position
