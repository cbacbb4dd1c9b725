"""What waits for the disk, in the order in which it came.

The law of this module: what may wait has a bound, in events and in bytes; and what shares a group has one as well. A job that is larger
than either is taken where nothing else is: it would never be taken otherwise.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from redline.errors import RedlineError
    from redline.eventlog.sqlite.group import Job
    from redline.eventlog.sqlite.options import SqliteOptions


class Waiting:
    """The jobs that no group has taken yet."""

    def __init__(self, options: SqliteOptions) -> None:
        """Take the bounds."""
        self._options = options
        self._jobs: deque[Job] = deque()
        self._events = self._bytes = 0

    def __bool__(self) -> bool:
        """Tell whether anybody waits."""
        return bool(self._jobs)

    def has_room(self, events: int, weight: int) -> bool:
        """Tell whether so many more events, of so many bytes, may wait."""
        options = self._options
        return not self._jobs or (self._events + events <= options.queue_events and self._bytes + weight <= options.queue_bytes)

    def put(self, job: Job) -> None:
        """Let a job wait."""
        self._jobs.append(job)
        self._events += len(job.drafts)
        self._bytes += job.weight

    def take(self) -> Iterator[Job]:
        """Take out the jobs of one group, one after the other."""
        options, events, size = self._options, 0, 0
        while self._jobs:
            job = self._jobs[0]
            if events and (events + len(job.drafts) > options.group_events or size + job.weight > options.group_bytes):
                return
            self._jobs.popleft()
            self._events -= len(job.drafts)
            self._bytes -= job.weight
            events, size = events + len(job.drafts), size + job.weight
            yield job

    def refuse(self, error: RedlineError) -> None:
        """Tell all who wait that it was for nothing."""
        for job in self._jobs:
            if not job.done.done():
                job.done.set_exception(error)
        self._jobs.clear()
        self._events = self._bytes = 0
