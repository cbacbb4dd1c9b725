"""One org on this node: its recent history in frames, who listens, and the flush.

The law of this module: an event is encoded once, and what is new since the last flush is joined once per filter, into one object that every
live reader's connection is given. Whoever is *live* stands exactly at ``flushed``; whoever is not stands where its own cursor says, and
reads pages from here until it has caught up. Nothing in here waits.
"""

from __future__ import annotations

import logging
import sys
from bisect import bisect_right
from typing import TYPE_CHECKING, Final, NamedTuple

from redline.broker.control import cursor_frame
from redline.broker.page import Framed, Page, paginate
from redline.eventlog.contract import Mark
from redline.eventlog.window import Window
from redline.sse import HEARTBEAT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from redline.broker.filter import Filter
    from redline.broker.subscription import Subscription
    from redline.envelope import OrgId
    from redline.eventlog.contract import Record, Tail
    from redline.metrics import Metrics

_logger = logging.getLogger(__name__)

LOST: Final = "log_unavailable"
"""The reason that the readers of a topic are told when the log has lost its place in it."""
SCAN = 4096
"""Frames looked at for one page at most, so that a filter which passes nothing holds the loop for about a millisecond only."""


class Bound(NamedTuple):
    """How much a topic keeps and writes at once. ``chunk_bytes`` bounds a flush's chunk, and so what a stalled reader can add."""

    events: int
    bytes: int
    chunk_bytes: int


class Group:
    """The readers of a topic that have one filter and one framing. ``live`` maps each live one to its connection's ``write``."""

    __slots__ = ("filter", "floor", "heartbeat", "live", "marked", "members", "withheld", "withheld_bytes", "wrap")

    def __init__(self, wanted: Filter, wrap: Callable[[bytes], bytes]) -> None:
        """Take what passes, and how a chunk is framed for the connection."""
        self.filter = wanted
        self.wrap = wrap
        self.heartbeat = wrap(HEARTBEAT)
        self.live: dict[Subscription, Callable[[bytes], object]] = {}
        self.members = 0
        self.marked = self.floor = 0
        """The last position whose id every live member has been sent, and the log's floor at that moment."""
        self.withheld = self.withheld_bytes = 0
        """What passed none of them since."""

    def fail(self, write: Callable[[bytes], object]) -> None:
        """Cut the live member whose ``write`` has raised; one that has left meanwhile is told by its connection."""
        for subscription, each in tuple(self.live.items()):
            if each is write:
                subscription.fail()

    def mark(self, position: int, floor: int) -> None:
        """Learn that every live member has been sent the id of ``position``, the log's floor being ``floor``."""
        self.marked, self.floor = position, floor
        self.withheld = self.withheld_bytes = 0


class Topic:
    """One org's recent history and readers."""

    def __init__(self, org: OrgId, tail: Tail, bound: Bound, metrics: Metrics) -> None:
        """Begin with the newest part of the log, as :meth:`EventLog.tail` returned it."""
        self.org = org
        self.bound = bound
        self.flushed: Mark = tail.bounds.head
        """Up to here every live reader has been written to."""
        self.newest = self.flushed.position
        """Up to here this topic has been told."""
        self.floor = tail.bounds.floor.position
        """Up to here the log itself has evicted."""
        self.recent_floor = tail.records[0].position - 1 if tail.records else tail.bounds.head.position
        """Up to here history has left this node's memory, and may still be in the log."""
        self.groups: dict[tuple[Filter, Callable[[bytes], bytes]], Group] = {}
        self.readers = 0
        self.pins = 0
        """How many readers there are, and how many are being opened."""
        self.lost = False
        """Nothing comes here any more (:meth:`lose`)."""
        self.idle_since = 0.0
        self._metrics = metrics
        self._frames: Window[Framed] = Window()
        self._bytes = 0
        self._fresh: list[Framed] = []
        for record in tail.records:
            self._keep(Framed.of(record))
        self._bound_recent()

    @property
    def dirty(self) -> bool:
        """Tell whether there is anything to flush."""
        return bool(self._fresh)

    def push(self, records: Sequence[Record]) -> None:
        """Take new records, in order; what this topic has already is passed over (its tail may have been read after they were appended)."""
        for record in records:
            if record.position > self.newest:
                self.newest = record.position
                framed = Framed.of(record)
                self._fresh.append(framed)
                self._keep(framed)
        self._bound_recent()

    def trim(self, floor: int) -> None:
        """Forget everything up to and including the position ``floor``: the log has."""
        self.floor = max(self.floor, floor)
        while len(self._frames) and self._frames[0].position <= floor:
            self._drop()

    def lose(self) -> None:
        """End here: this may have a hole. What was not flushed never is, and every reader is closed, to come back and learn of the gap.

        The live ones now; the others when they would go on (:meth:`Subscription.advance`).
        """
        self.lost = True
        self._fresh.clear()
        for group in tuple(self.groups.values()):
            for subscription in tuple(group.live):
                subscription.close(LOST)

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
            try:
                self._write(group, fresh)
            except Exception:
                _logger.exception("A flush failed for %d streams; they are closed, and their readers resume.", len(group.live))
                for subscription in tuple(group.live):
                    subscription.close("internal")

    def _write(self, group: Group, fresh: list[Framed]) -> None:
        """Give one joined chunk to every live reader of the group. This is the hot path: one `write` call a reader, and nothing else."""
        page = paginate(fresh, group.filter, sys.maxsize)
        if page is None:
            return
        frames, events = page.frames, len(page.frames)
        if page.last is not None:
            group.mark(page.last.position, self.floor)
        group.withheld += page.withheld
        group.withheld_bytes += page.withheld_bytes
        if self.far_behind(group.withheld, group.withheld_bytes) or self._endangered(group):
            frames.append(cursor_frame(self.flushed, self.flushed.id))
            group.mark(self.flushed.position, self.floor)
        if not frames or not group.live:
            return
        chunk = group.wrap(b"".join(frames))
        # The writes alone: with thousands of readers, what counts is how much memory is touched for each.
        writes = tuple(group.live.values())
        failed: list[Callable[[bytes], object]] = []
        for write in writes:
            try:
                write(chunk)
            except Exception:  # noqa: BLE001 - a connection on its way out may raise anything; it must not cost the next one its event
                failed.append(write)
        self._metrics.deliveries.inc(events * (len(writes) - len(failed)))
        for write in failed:
            group.fail(write)

    def far_behind(self, withheld: int, withheld_bytes: int) -> bool:
        """Tell whether so much has been withheld from a reader that it must learn its cursor now (contract §1, ``stream.cursor``)."""
        return withheld * 4 >= self.bound.events or withheld_bytes * 4 >= self.bound.bytes

    def _endangered(self, group: Group) -> bool:
        """Tell whether eviction is coming for the group's last id: it stands in the oldest quarter of what is retained.

        An org's own bounds never get that far (see :meth:`far_behind`); a short age, or a ceiling over all orgs, may.
        """
        if not group.withheld or self.floor <= group.floor:
            return False
        return (group.marked - self.floor) * 4 < self.flushed.position - self.floor

    def join(self, wanted: Filter, wrap: Callable[[bytes], bytes]) -> Group:
        """Return the group of a filter and a framing, with one more member."""
        group = self.groups.get((wanted, wrap))
        if group is None:
            group = self.groups[wanted, wrap] = Group(wanted, wrap)
            group.mark(self.flushed.position, self.floor)
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
        self._bytes += framed.weight

    def _bound_recent(self) -> None:
        while len(self._frames) > self.bound.events or (self._bytes > self.bound.bytes and len(self._frames) > 1):
            self._drop()

    def _drop(self) -> None:
        dropped = self._frames.popleft()
        self._bytes -= dropped.weight
        self.recent_floor = dropped.position


def _position(framed: Framed) -> int:
    return framed.position
