"""Who writes, and when: the groups, and what is done when the disk does not do its part.

The law of this module: one group is written at a time, while the next one gathers. A failure of the disk refuses everybody who waits and is
tried again every second; a file that cannot be trusted is not touched again.
"""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from redline.errors import OverCapacity
from redline.eventlog.sqlite.batch import DamagedError, UnusableError
from redline.eventlog.sqlite.group import Answers, Group, Job, weight_of
from redline.eventlog.sqlite.refusals import closed, unusable
from redline.eventlog.sqlite.waiting import Waiting

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future

    from redline.clock import Clock, Timer
    from redline.envelope import OrgId
    from redline.eventlog.contract import Draft, Record
    from redline.eventlog.sqlite.batch import Batch
    from redline.eventlog.sqlite.index import Index
    from redline.eventlog.sqlite.options import SqliteOptions
    from redline.eventlog.sqlite.store import Store
    from redline.metrics import Metrics

_logger = logging.getLogger(__name__)

_PROBE_SECONDS: Final = 1.0
_TIDY: Final = 1000
"""How many events are deleted at once, and from how many on that is not left to the next sweep: some milliseconds of the writer's time."""


_NEXT: Final = 5
"""Turns of the loop between two groups: by then what was written has been sent to its readers, and whoever was answered may have asked
again. Without them two halves of all that is in flight would take turns, and every reader's connection be written to twice as often."""


class Committer:
    """Writes groups to a store. ``fault`` says why it does not; ``damaged`` that it never will again."""

    def __init__(  # noqa: PLR0913, PLR0917 - made in one place
        self, store: Store, options: SqliteOptions, index: Index, clock: Clock, metrics: Metrics, tell: Callable[[Sequence[Record]], None]
    ) -> None:
        """Take where to write, the bounds, what is known, where time comes from, where to count, and whom to tell of what is written."""
        self._store = store
        self._index = index
        self._clock = clock
        self._metrics = metrics
        self._tell = tell
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="redline-log-writer")
        self._waiting = Waiting(options)
        self._flight: asyncio.Future[None] | None = None
        self._pumping = self._tidying = self._probing = self._closed = False
        self._timer: Timer | None = None
        self.fault: str | None = None
        self.damaged = False

    # Who comes to have something written.

    async def append(self, drafts: Sequence[Draft]) -> Answers:
        """Append drafts in one transaction, shared with whoever else appends now; return after its commit. Raises ``LogUnavailable``."""
        self._check()
        weight = weight_of(drafts)
        if not self._waiting.has_room(len(drafts), weight):
            msg = "More events wait for this server's disk than may (queue_events, queue_bytes of REDLINE_EVENTLOG). Try again in a moment."
            return [OverCapacity(msg, retry_after=1) for _ in drafts]
        return await self._wait(Job(drafts, None, asyncio.get_running_loop().create_future(), weight))

    async def store(self, org: OrgId) -> None:
        """Have an org that the index knows in the file. Raises ``LogUnavailable``."""
        self._check()
        await self._wait(Job((), org, asyncio.get_running_loop().create_future()))

    def tidy(self) -> None:
        """Have done what the index wants done to the file, now that there is time."""
        if self.fault is None and self._index.untidy:
            self._tidying = True
            self._soon()

    async def close(self) -> None:
        """Refuse what waits, and let what is being written be written."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        self._waiting.refuse(closed())
        if self._flight is not None:
            await self._flight
        self._thread.shutdown(wait=False)

    def _check(self) -> None:
        if self._closed:
            raise closed()
        if self.fault is not None:
            raise unusable()

    async def _wait(self, job: Job) -> Answers:
        self._waiting.put(job)
        self._soon()
        try:
            return await job.done
        finally:
            del job  # what it waits for holds its error, and that its frames: this one, and whoever appends

    # Groups.

    def _soon(self, turns: int = 1) -> None:
        """Begin a group after so many turns of the loop, so that all who ask in them share one."""
        if not self._pumping and self._flight is None and not self._closed:
            self._pumping = True
            self._pump(turns)

    def _pump(self, turns: int = 0) -> None:
        if turns:
            asyncio.get_running_loop().call_soon(self._pump, turns - 1)
            return
        self._pumping = False
        if self._closed or self.damaged or self._flight is not None:
            return
        group = self._gather()
        if group.batch:
            loop = asyncio.get_running_loop()
            self._flight = loop.create_future()

            def landed(writing: Future[tuple[float, int]]) -> None:
                loop.call_soon_threadsafe(self._landed, group, writing)

            self._thread.submit(_timed, self._store, group.batch, self._clock).add_done_callback(landed)
        else:
            group.answer()
            self._tidying = False
            if self._waiting:
                self._soon()

    def _gather(self) -> Group:
        index = self._index
        group = Group(index, self._clock.time())
        for job in self._waiting.take():
            group.take(job)
        batch = group.batch
        batch.probe = self._probing
        if self._tidying or index.backlog >= _TIDY:
            index.tidy(batch, _TIDY)
        elif batch:
            # A log in balance lets go of as many as it takes: they go with those that come, and cost no commit of their own.
            index.tidy(batch, 2 * len(batch.events) + 1)
        return group

    def _landed(self, group: Group, writing: Future[tuple[float, int]]) -> None:
        """Go on, on the loop, once a group was written, or was not."""
        flight, self._flight = self._flight, None
        error = writing.exception()
        try:
            if error is not None:
                self._failed(group, error)
            else:
                self._written(group, *writing.result())
        finally:
            if flight is not None:
                flight.set_result(None)
        if self._waiting or (self.fault is None and (self._tidying or self._index.backlog >= _TIDY)):
            self._soon(_NEXT)

    def _written(self, group: Group, committed: float, keys_deleted: int) -> None:
        if self.fault is not None and not self.damaged:
            _logger.warning("The event log's file can be written again.")
            self.fault = None
        self._probing = False
        self._index.tidied(group.batch, keys_deleted)
        self._tidying = self._tidying and self._index.untidy
        records = group.written()
        if records:
            self._metrics.log_group_events.observe(len(records))
            self._metrics.log_follow_lag_seconds.observe(max(0.0, self._clock.monotonic() - committed))
            self._tell(records)
            group.trim()
        group.answer()

    # What goes wrong.

    def _failed(self, group: Group, error: BaseException) -> None:
        group.failed(unusable())
        self._tidying = False
        if isinstance(error, UnusableError):
            fault = f"the event log's file cannot be written: {error}"
            if fault != self.fault:
                _logger.error("Events are refused for now: %s. That is tried again every second.", fault)
            self.fault = fault
            # Nobody else may come to try again: a server that is not ready is sent nothing.
            if not self._closed:
                self._timer = self._clock.call_at(self._clock.monotonic() + _PROBE_SECONDS, self._probe)
        else:
            self.give_up(error)
        self._waiting.refuse(unusable())

    def give_up(self, error: BaseException) -> None:
        """Touch the file no more: what it says cannot be trusted, and only a look at all of it would tell what can."""
        if not self.damaged:
            known = isinstance(error, DamagedError)
            _logger.critical(
                "The event log's file is damaged: %s. Nothing is served from it any more. Stop this server, bring the file back from a "
                "backup (or move it away, to begin anew), and start again.",
                error if known else type(error).__name__,
                exc_info=None if known else error,
            )
        self.damaged = True
        self.fault = f"the event log's file is damaged: {error}"
        self._waiting.refuse(unusable())  # a reader may have found it, while they waited for a group that is still being written

    def _probe(self) -> None:
        if not self.damaged:
            self._probing = True
            self._soon()


def _timed(store: Store, batch: Batch, clock: Clock) -> tuple[float, int]:
    """Write a batch, on the writing thread; return when that was done (monotonic seconds) and how many keys it deleted."""
    keys_deleted = store.write(batch)
    return clock.monotonic(), keys_deleted
