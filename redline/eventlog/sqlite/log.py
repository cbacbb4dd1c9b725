"""The event log on SQLite, as the rest of Redline sees it.

The law of this module: what is decided is decided on the loop, what waits for a disk waits on a thread, and an event is known, told and
answered only after the commit that it was in. While one group is being written the next one gathers: so publishers share an fsync, and a
disk that is slow slows them, and nobody who reads what is already there. What may wait has a bound, and beyond it is ``over_capacity``.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from redline.envelope import OrgId
from redline.errors import LogUnavailable, OverCapacity
from redline.eventlog.contract import EvictedError, Tail
from redline.eventlog.keys import IdempotencyKeys
from redline.eventlog.sqlite.batch import Batch, DamagedError, UnusableError
from redline.eventlog.sqlite.group import Answers, Group, Job, weight_of
from redline.eventlog.sqlite.index import Index
from redline.eventlog.sqlite.records import records_of
from redline.eventlog.sqlite.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future

    from redline.clock import Clock, Timer
    from redline.envelope import EventId
    from redline.errors import RedlineError
    from redline.eventlog.contract import Appended, Bounds, Draft, Follower, Mark, Record
    from redline.eventlog.retention import Retention
    from redline.eventlog.sqlite.batch import Contents
    from redline.eventlog.sqlite.options import SqliteOptions
    from redline.metrics import Metrics

_logger = logging.getLogger(__name__)
_T = TypeVar("_T")

_SWEEPS: Final = 20
_SWEEP_SECONDS: Final = (0.05, 30.0)
_PROBE_SECONDS: Final = 1.0
_TIDY: Final = 1000
"""How many events are deleted at once, and from how many on that is not left to the next sweep: some milliseconds of the writer's time."""
_ATTEMPTS: Final = 5


class SqliteLog:
    """The :class:`~redline.eventlog.contract.EventLog` in one file of this machine."""

    def __init__(
        self,
        options: SqliteOptions,
        retention: Retention,
        clock: Clock,
        metrics: Metrics,
        *,
        before_commit: Callable[[], None] = lambda: None,
    ) -> None:
        """Take where the file is, how much to keep, where time comes from, and where to count; nothing is opened yet.

        ``before_commit`` is called on the writing thread before every commit of events: it is how a test makes a disk slow.
        """
        self._options = options
        self._keep = retention
        self._clock = clock
        self._metrics = metrics
        self._before_commit = before_commit
        self._keys = IdempotencyKeys(retention.key_seconds, retention.keys, clock)
        self._index = Index(retention, clock, metrics, self._trimmed)
        metrics.orgs.set_function(lambda: len(self._index.orgs))
        metrics.log_events.set_function(lambda: self._index.count)
        metrics.log_bytes.set_function(lambda: self._index.bytes)
        low, high = _SWEEP_SECONDS
        self._interval = min(high, max(low, min(retention.seconds, retention.key_seconds) / _SWEEPS))
        self._follower: Follower | None = None
        self._store: Store | None = None
        self._writer = self._reader = ThreadPoolExecutor(1)
        self._timers: dict[str, Timer] = {}
        self._queue: deque[Job] = deque()
        self._waiting_events = self._waiting_bytes = self._reading = self._key_rows = 0
        self._flight: asyncio.Future[None] | None = None
        self._pumping = self._tidying = self._probing = False
        self._fault: str | None = None
        self._damaged = False
        self._closing: asyncio.Task[None] | None = None

    # Its life.

    async def start(self, follower: Follower) -> None:
        """Open the file, check all of it, and take what it holds. Raises :class:`redline.errors.StartupError`."""
        self._fault, self._damaged, self._closing = None, False, None
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="redline-log-writer")
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="redline-log-reader")
        opening = self._writer.submit(self._open)
        try:
            self._store, contents = await asyncio.wrap_future(opening)
        except BaseException:
            opening.add_done_callback(_close_unused)  # whoever started it may have gone away while it was being opened
            self._writer.shutdown(wait=False)
            self._reader.shutdown(wait=False)
            raise
        self._follower = follower
        self._take(contents)
        self._again("sweep", self._interval, self._sweep)

    def _open(self) -> tuple[Store, Contents]:
        store = Store(self._options, self._before_commit)
        try:
            return store, store.load()
        except BaseException:
            store.close()
            raise

    def _take(self, contents: Contents) -> None:
        self._index.fill(contents.orgs)
        now = self._clock.time()
        self._key_rows = len(contents.keys)
        for row in contents.keys:
            if row.until > now and (ledger := self._index.orgs.get(OrgId(row.org))) is not None:
                self._keys.restore(ledger.org, row.key, row.fingerprint, row.event, row.until - now)

    async def close(self) -> None:
        """Let nothing more in, wait for what is being written, and close the file. What still waits is refused."""
        if self._closing is None:
            self._closing = asyncio.get_running_loop().create_task(self._close())
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        store, self._store, self._follower = self._store, None, self._follower
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        for job in self._queue:
            if not job.done.done():
                job.done.set_exception(_closed())
        self._queue.clear()
        self._waiting_events = self._waiting_bytes = 0
        while self._flight is not None:
            await asyncio.shield(self._flight)
        self._follower = None
        if store is not None:
            await asyncio.wrap_future(self._reader.submit(lambda: None))
            await asyncio.wrap_future(self._writer.submit(store.close))
        self._writer.shutdown(wait=False)
        self._reader.shutdown(wait=False)
        self._index.clear()
        self._keys.clear()

    @property
    def fault(self) -> str | None:
        """Say why nothing can be appended now."""
        return "the event log is not open" if self._store is None else self._fault

    def _opened(self) -> Store:
        if self._store is None:
            raise _closed()
        if self._damaged:
            raise self._refusal()
        return self._store

    def _refusal(self) -> LogUnavailable:
        return LogUnavailable("The event log cannot be used now. Try again in a moment; if it stays so, tell whoever runs this server.", retry_after=1)

    # Appending.

    async def append(self, drafts: Sequence[Draft]) -> list[Appended | RedlineError]:
        """Append drafts in one transaction, shared with whoever else appends now; returns after its commit."""
        self._opened()
        if self._fault is not None:
            raise self._refusal()
        weight, options = weight_of(drafts), self._options
        if self._queue and (
            self._waiting_events + len(drafts) > options.queue_events or self._waiting_bytes + weight > options.queue_bytes
        ):
            msg = "More events wait for this server's disk than may (queue_events and queue_bytes of REDLINE_EVENTLOG). Try again in a moment."
            return [OverCapacity(msg, retry_after=1) for _ in drafts]
        return await self._wait(Job(drafts, None, asyncio.get_running_loop().create_future(), weight))

    async def _wait(self, job: Job) -> Answers:
        self._queue.append(job)
        self._waiting_events += len(job.drafts)
        self._waiting_bytes += job.weight
        self._soon()
        return await job.done

    def _soon(self) -> None:
        """Begin a group at the end of this turn of the loop, so that all who ask in it share one."""
        if not self._pumping and self._flight is None and self._store is not None:
            self._pumping = True
            asyncio.get_running_loop().call_soon(self._pump)

    def _pump(self) -> None:
        self._pumping = False
        store = self._store
        if store is None or self._flight is not None or self._damaged:
            return
        group = self._gather()
        if not group.batch:
            group.answer()
            if self._queue:
                self._soon()
            return
        loop = asyncio.get_running_loop()
        self._flight = loop.create_future()
        writing = self._writer.submit(_timed, store, group.batch, self._clock)
        writing.add_done_callback(partial(loop.call_soon_threadsafe, self._landed, group))

    def _gather(self) -> Group:
        options = self._options
        group = Group(self._index, self._keys, self._clock.time(), self._keep.key_seconds)
        events = size = 0
        while self._queue:
            job = self._queue[0]
            if events and (events + len(job.drafts) > options.group_events or size + job.weight > options.group_bytes):
                break
            self._queue.popleft()
            self._waiting_events -= len(job.drafts)
            self._waiting_bytes -= job.weight
            events, size = events + len(job.drafts), size + job.weight
            group.take(job)
        batch = group.batch
        batch.probe = self._probing
        if self._tidying or self._index.backlog >= _TIDY:
            self._index.tidy(batch, _TIDY)
            if self._key_rows > len(self._keys):
                batch.keys_before = self._clock.time()
        elif batch:
            # A log in balance lets go of as many as it takes: they go with those that come, and cost no commit of their own.
            self._index.tidy(batch, 2 * len(batch.events) + 1)
        return group

    def _landed(self, group: Group, writing: Future[tuple[float, int]]) -> None:
        """Go on, on the loop, once a group was written, or was not."""
        flight, self._flight = self._flight, None
        error = writing.exception()
        if error is not None:
            self._failed(group, error)
        else:
            self._probing, self._fault = False, None
            committed, keys_deleted = writing.result()
            self._written(group, committed, keys_deleted)
        if flight is not None:
            flight.set_result(None)
        if self._queue or self._tidying or self._index.backlog >= _TIDY:
            self._soon()

    def _written(self, group: Group, committed: float, keys_deleted: int) -> None:
        batch = group.batch
        self._key_rows += len(batch.keys) - keys_deleted
        self._index.tidied(batch)
        records = group.written()
        if records:
            self._metrics.log_group_events.observe(len(records))
            self._metrics.log_follow_lag_seconds.observe(max(0.0, self._clock.monotonic() - committed))
            self._tell(records)
            group.trim()
        group.answer()
        if self._tidying and not self._index.untidy and (batch.keys_before is None or not keys_deleted):
            self._tidying = False

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

    # What goes wrong.

    def _failed(self, group: Group, error: BaseException) -> None:
        group.failed(self._refusal())
        self._tidying = False
        if isinstance(error, UnusableError):
            self._suffer(f"the event log's file cannot be written: {error}")
            # Nobody else may come to try again: a server that is not ready is sent nothing.
            self._again("probe", _PROBE_SECONDS, self._probe)
        else:
            self._break(error)
        for job in self._queue:
            if not job.done.done():
                job.done.set_exception(self._refusal())
        self._queue.clear()
        self._waiting_events = self._waiting_bytes = 0

    def _suffer(self, fault: str) -> None:
        if fault != self._fault:
            _logger.error("Events are refused for now: %s. That is tried again every second.", fault)
        self._fault = fault

    def _break(self, error: BaseException) -> None:
        """Serve nothing any more: what the file says cannot be trusted, and only a look at all of it would tell what can."""
        if not self._damaged:
            known = isinstance(error, DamagedError)
            _logger.critical(
                "The event log's file is damaged: %s. Nothing is served from it any more. Stop this server, bring the file back from a backup "
                "(or move it away, to begin anew), and start again.",
                error if known else type(error).__name__,
                exc_info=None if known else error,
            )
        self._damaged = True
        self._fault = f"the event log's file is damaged: {error}"

    def _probe(self) -> None:
        if self._fault is not None and not self._damaged:
            self._probing = True
            self._soon()

    # Reading.

    async def bounds(self, org: OrgId) -> Bounds:
        """Return what is retained now; a new org, and its epoch, are in the file before anybody learns of them."""
        self._opened()
        while not (ledger := self._index.get(org)).stored:
            if self._fault is not None:
                raise self._refusal()
            await self._wait(Job((), org, asyncio.get_running_loop().create_future()))
            self._opened()
        self._index.trim(ledger)
        return ledger.bounds()

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
            raise EvictedError
        if after >= ledger.head:
            return ()
        if after < ledger.floor:
            raise EvictedError
        until = ledger.page_end(after, max_bytes)
        records = await self._fetch(org, ledger.id, after, until)
        if len(records) != until - after:
            if after < ledger.floor:  # deleted while we were reading
                raise EvictedError
            self._break(DamagedError(f"events of org number {ledger.id} after {after} are missing"))
            raise self._refusal()
        return records

    async def tail(self, org: OrgId, max_records: int, max_bytes: int) -> Tail:
        """Return the newest records within both bounds."""
        for _ in range(_ATTEMPTS):
            bounds = await self.bounds(org)
            ledger = self._index.get(org)
            start = ledger.tail_start(max_records, max_bytes)
            until = bounds.head.position
            if start == until:
                return Tail(bounds, ())
            records = await self._fetch(org, ledger.id, start, until)
            if len(records) == until - start:
                return Tail(bounds, records)
            if start >= ledger.floor:
                self._break(DamagedError(f"events of org number {ledger.id} after {start} are missing"))
                break
        raise self._refusal()

    async def _fetch(self, org: OrgId, number: int, after: int, until: int) -> list[Record]:
        store = self._opened()
        if self._reading >= self._options.reads:
            msg = "More of this server's history is being read than may (reads of REDLINE_EVENTLOG). Try again in a moment."
            raise OverCapacity(msg, retry_after=1)
        ledger = self._index.get(org)
        self._reading += 1
        try:
            reading = self._reader.submit(lambda: records_of(ledger.org, list(ledger.epochs), store.read(number, after, until)))
            return await asyncio.wrap_future(reading)
        except UnusableError as error:
            _logger.warning("The event log's file could not be read: %s.", error)
            raise self._refusal() from error
        except DamagedError as error:
            self._break(error)
            raise self._refusal() from error
        finally:
            self._reading -= 1

    def hold(self, org: OrgId) -> None:
        """Keep the org's epoch and head."""
        self._opened()
        self._index.get(org).holds += 1

    def release(self, org: OrgId) -> None:
        """Let the history's age count from now."""
        self._index.release(org)

    # Time.

    def _again(self, name: str, seconds: float, callback: Callable[[], None]) -> None:
        if self._store is not None:
            self._timers[name] = self._clock.call_at(self._clock.monotonic() + seconds, callback)

    def _sweep(self) -> None:
        self._again("sweep", self._interval, self._sweep)
        self._keys.purge()
        self._index.sweep()
        if self._fault is None and (self._index.untidy or self._key_rows > len(self._keys)):
            self._tidying = True
            self._soon()


def _timed(store: Store, batch: Batch, clock: Clock) -> tuple[float, int]:
    """Write a batch, on the writing thread; return when that was done (monotonic seconds) and how many keys it deleted."""
    keys_deleted = store.write(batch)
    return clock.monotonic(), keys_deleted


def _close_unused(opening: Future[tuple[Store, Contents]]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result()[0].close()


def _closed() -> LogUnavailable:
    return LogUnavailable("The event log is closed. Try again in a moment.", retry_after=1)
