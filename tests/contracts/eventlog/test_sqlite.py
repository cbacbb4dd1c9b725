"""The log on SQLite keeps the contract, and its history."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from redline.eventlog.sqlite.log import SqliteLog
from redline.eventlog.sqlite.options import SqliteOptions
from redline.metrics import Metrics
from redline.testing.eventlogs import EventLogSuite, Factory, KeepsHistory

if TYPE_CHECKING:
    from pathlib import Path

    from redline.clock import Clock
    from redline.eventlog.retention import Retention


class TestSqlite(EventLogSuite, KeepsHistory):
    @pytest.fixture
    def factory(self, tmp_path: Path) -> Factory:
        def make(retention: Retention, clock: Clock) -> SqliteLog:
            return SqliteLog(SqliteOptions(tmp_path / "events.db"), retention, clock, Metrics())

        return make
