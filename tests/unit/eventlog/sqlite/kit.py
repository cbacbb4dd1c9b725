"""A log on SQLite in a folder of the test's."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from redline.eventlog.retention import Retention
from redline.eventlog.sqlite.log import SqliteLog
from redline.eventlog.sqlite.options import SqliteOptions
from redline.metrics import Metrics
from redline.testing import ManualClock
from redline.testing.eventlogs import Following

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from redline.clock import Clock


def nothing() -> None:
    """Do not make the disk slow."""


class Opened(Following):
    """A started log, its metrics, and its clock."""

    log: SqliteLog

    def __init__(self, log: SqliteLog, clock: ManualClock, metrics: Metrics) -> None:
        super().__init__(log, clock)
        self.metrics = metrics

    def metric(self, name: str, **labels: str) -> float:
        value = self.metrics._registry.get_sample_value(name, labels)  # noqa: SLF001 - what /metrics would say
        assert value is not None, name
        return value


@asynccontextmanager
async def opened(  # noqa: PLR0913 - what differs from one test to the next, most of it rarely and by name
    path: Path,
    retention: Retention | None = None,
    *,
    clock: ManualClock | None = None,
    before_commit: Callable[[], None] = nothing,
    queue_events: int = 10_000,
    group_events: int = 1000,
) -> AsyncIterator[Opened]:
    """Open a log for the length of the block."""
    options = SqliteOptions(path, queue_events=queue_events, group_events=group_events)
    clock, metrics = clock or ManualClock(), Metrics()
    log = SqliteLog(options, retention or Retention(), clock, metrics, before_commit=before_commit)
    following = Opened(log, clock, metrics)
    await log.start(following)
    try:
        yield following
    finally:
        await log.close()


def maker(path: Path) -> Callable[[Retention, Clock], SqliteLog]:
    """Return a factory of logs on one file."""
    return lambda retention, clock: SqliteLog(SqliteOptions(path), retention, clock, Metrics())
