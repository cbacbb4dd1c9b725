"""The log in memory keeps the contract."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from redline.eventlog.memory import MemoryLog, Retention
from redline.metrics import Metrics
from redline.testing.eventlogs import EventLogSuite, Factory

if TYPE_CHECKING:
    from redline.clock import Clock


def memory(retention: Retention, clock: Clock) -> MemoryLog:
    return MemoryLog(retention, clock, Metrics())


class TestMemory(EventLogSuite):
    @pytest.fixture
    def factory(self) -> Factory:
        return memory
