"""A memory log that fails when it is told to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from redline import testing
from redline.eventlog.memory import MemoryLog, Retention
from redline.metrics import Metrics

if TYPE_CHECKING:
    from redline.clock import Clock


class FaultyLog(testing.FaultyLog):
    """The test kit's, around a log in memory."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(MemoryLog(Retention(), clock, Metrics()))
