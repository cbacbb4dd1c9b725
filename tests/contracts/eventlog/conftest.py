"""Every event log there is, for the one suite that all of them must pass.

A log joins by a factory in ``FACTORIES``: what it is called, and how to make one that keeps so much, on that clock. A log from elsewhere is
installed under the entry-point group ``redline.testing.eventlogs``, each entry such a factory.
"""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Final

import pytest

from redline.eventlog.memory import MemoryLog, Retention
from redline.metrics import Metrics
from redline.testing import ManualClock
from tests.contracts.eventlog.kit import Factory, Following

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from redline.clock import Clock
    from redline.eventlog.contract import EventLog


def memory(retention: Retention, clock: Clock) -> EventLog:
    return MemoryLog(retention, clock, Metrics())


FACTORIES: Final[dict[str, Factory]] = {"memory": memory}
INSTALLED: Final = {entry.name: entry for entry in entry_points(group="redline.testing.eventlogs")}


@pytest.fixture(params=[*FACTORIES, *INSTALLED])
def factory(request: pytest.FixtureRequest) -> Factory:
    """How to make the log under test."""
    name: str = request.param
    if name in FACTORIES:
        return FACTORIES[name]
    installed: Factory = INSTALLED[name].load()
    return installed


@pytest.fixture
def clock() -> ManualClock:
    """Time under the test's control."""
    return ManualClock()


@pytest.fixture
async def following(factory: Factory, clock: ManualClock) -> AsyncIterator[Following]:
    """Start a log with wide bounds, and write down what it tells."""
    async with Following.of(factory, clock) as following:
        yield following
