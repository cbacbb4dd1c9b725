"""The event log on SQLite, as the rest of Redline sees it.

The law of this module: what is decided is decided on the loop, what waits for a disk waits on a thread, and an event is known, told and
answered only after the commit that it was in. So a disk that is slow slows publishers, and nobody who reads what is already there.
"""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from redline.eventlog.contract import EvictedError, Tail
from redline.eventlog.sqlite.committer import Committer
from redline.eventlog.sqlite.index import Index
from redline.eventlog.sqlite.reader import Reader
from redline.eventlog.sqlite.refusals import closed, unusable
from redline.eventlog.sqlite.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future

    from redline.clock import Clock, Timer
    from redline.envelope import EventId, OrgId
    from redline.errors import RedlineError
    from redline.eventlog.contract import Appended, Bounds, Draft, Follower, Mark, Record
    from redline.eventlog.retention import Retention
    from redline.eventlog.sqlite.batch import Contents
    from redline.eventlog.sqlite.ledger import Ledger
    from redline.eventlog.sqlite.options import SqliteOptions
    from redline.metrics import Metrics

_logger = logging.getLogger(__name__)

_SWEEPS: Final = 20
_SWEEP_SECONDS: Final = (0.05, 30.0)
_ATTEMPTS: Final = 5


def _at_once() -> None:
    """Let a commit happen without any delay."""


class SqliteLog:
    """The :class:`~redline.eventlog.contract.EventLog` in one file of this machine."""

    def __init__(
        self,
        options: SqliteOptions,
        retention: Retention,
        clock: Clock,
        metrics: Metrics,
        *,
        before_commit: Callable[[], None] = _at_once,
    ) -> None:
        """Take where the file is, how much to keep, where time comes from, and where to count; nothing is opened yet.

        ``before_commit`` is called on the writing thread before every commit of events: it is how a test makes a disk slow.
        """
        self._options = options
        self._clock = clock
        self._metrics = metrics
        self._before_commit = before_commit
        self._index = Index(retention, clock, metrics, self._trimmed)
        metrics.orgs.set_function(lambda: len(self._index.orgs))
        metrics.log_events.set_function(lambda: self._index.count)
        metrics.log_bytes.set_function(lambda: self._index.bytes)
        low, high = _SWEEP_SECONDS
        self._interval = min(high, max(low, min(retention.seconds, retention.key_seconds) / _SWEEPS))
        self._follower: Follower | None = None
        self._committer: Committer | None = None
        self._reader: Reader | None = None
        self._timer: Timer | None = None
        self._closing: asyncio.Task[None] | None = None

    # Its life.

    async def start(self, follower: Follower) -> None:
        """Open the file, check all of it, and take what it holds. Raises :class:`redline.errors.StartupError`."""
        thread = ThreadPoolExecutor(1, thread_name_prefix="redline-log-reader")
        opening = thread.submit(self._open)
        try:
            store, contents = await asyncio.wrap_future(opening)
        except BaseException:
            opening.add_done_callback(_close_unused)  # whoever started it may have gone away while it was being opened
            thread.shutdown(wait=False)
            raise
        self._closing = None
        self._index.fill(contents)
        self._committer = Committer(store, self._options, self._index, self._clock, self._metrics, self._tell)
        self._reader = Reader(store, thread, self._options.reads, self._committer.give_up)
        self._follower = follower
        self._sweep_later()

    def _open(self) -> tuple[Store, Contents]:
        store = Store(self._options, self._before_commit)
        try:
            return store, store.load()
        except BaseException:
            store.close()
            raise

    async def close(self) -> None:
        """Let nothing more in, wait for what is being written, and close the file. What still waits is refused."""
        if self._closing is None:
            self._closing = asyncio.get_running_loop().create_task(self._close())
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        committer, reader = self._committer, self._reader
        self._committer = None
        if self._timer is not None:
            self._timer.cancel()
        if committer is None or reader is None:
            return
        await committer.close()
        await reader.close()
        self._follower = self._reader = None
        self._index.clear()

    @property
    def fault(self) -> str | None:
        """Say why nothing can be appended now."""
        return "the event log is not open" if self._committer is None else self._committer.fault

    def _opened(self) -> Committer:
        if self._committer is None:
            raise closed()
        if self._committer.damaged:
            raise unusable()
        return self._committer

    # Appending.

    async def append(self, drafts: Sequence[Draft]) -> list[Appended | RedlineError]:
        """Append drafts in one transaction, shared with whoever else appends now; return after its commit."""
        return await self._opened().append(drafts)

    def _tell(self, records: Sequence[Record]) -> None:
        """Hand new records to the follower. They are in the log: whatever it makes of them, their publishers get their answers."""
        if self._follower is not None:
            try:
                self._follower.appended(records)
            except Exception:
                _logger.exception("The event log's follower failed on %d events, which are in the log.", len(records))

    def _trimmed(self, org: OrgId, floor: int) -> None:
        if self._follower is not None:
            self._follower.trimmed(org, floor)

    # Reading.

    async def bounds(self, org: OrgId) -> Bounds:
        """Return what is retained now; a new org, and its epoch, are in the file before anybody learns of them."""
        return (await self._ledger(org)).bounds()

    async def _ledger(self, org: OrgId) -> Ledger:
        committer = self._opened()
        while not (ledger := self._index.get(org)).stored:
            await committer.store(org)
            committer = self._opened()
        self._index.trim(org)
        return ledger

    async def locate(self, org: OrgId, event_id: EventId) -> Mark | None:
        """Return the place of an id of any of the org's epochs."""
        self._opened()
        ledger = self._index.orgs.get(org)
        return ledger.locate(event_id) if ledger is not None else None

    async def read(self, org: OrgId, after: int, max_bytes: int) -> Sequence[Record]:
        """Return a page."""
        self._opened()
        ledger = self._index.orgs.get(org)
        if ledger is None:
            if after:
                raise EvictedError
            return ()
        if after < ledger.floor:
            raise EvictedError
        if after >= ledger.head:
            return ()
        until = ledger.page_end(after, max_bytes)
        records = await self._pages().fetch(ledger, after, until)
        if records is None:
            raise EvictedError
        return records

    async def tail(self, org: OrgId, max_records: int, max_bytes: int) -> Tail:
        """Return the newest records within both bounds."""
        for _ in range(_ATTEMPTS):
            ledger = await self._ledger(org)
            bounds = ledger.bounds()
            records = await self._pages().fetch(ledger, ledger.tail_start(max_records, max_bytes), ledger.head)
            if records is not None:
                return Tail(bounds, records)
        raise unusable()

    def _pages(self) -> Reader:
        self._opened()
        if self._reader is None:
            raise closed()
        return self._reader

    def hold(self, org: OrgId) -> None:
        """Keep the org's epoch and head."""
        self._opened()
        self._index.get(org).holds += 1

    def release(self, org: OrgId) -> None:
        """Let the history's age count from now."""
        self._index.release(org)

    # Time.

    def _sweep_later(self) -> None:
        self._timer = self._clock.call_at(self._clock.monotonic() + self._interval, self._sweep)

    def _sweep(self) -> None:
        self._sweep_later()
        self._index.sweep()
        if self._committer is not None:
            self._committer.tidy()


def _close_unused(opening: Future[tuple[Store, Contents]]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result()[0].close()
