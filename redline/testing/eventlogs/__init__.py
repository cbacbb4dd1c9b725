"""One suite for every event log: what ``redline.eventlog.contract`` promises, and contract §1 and §2 as far as they are the log's.

A log's author subclasses it and says how to make one; pytest (with anyio's plugin) does the rest::

    class TestMyLog(EventLogSuite):
        @pytest.fixture
        def factory(self, tmp_path):
            return lambda retention, clock: MyLog(tmp_path / "log", retention, clock)

The law of this package: nothing in it knows a log. It waits for a follower where a log may tell it later, and asks of what was acknowledged
only what a log on many machines can keep as well. A log whose time is not the clock's and whose history is not this process's alone (a
server's, say) takes :class:`EventLogCore`, all others :class:`EventLogSuite`. To those that keep their history when they are closed,
:class:`Survives` and :class:`KeepsHistory` go with the one and the other; their factory opens the same history again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from redline.testing.clock import ManualClock
from redline.testing.eventlogs.alone import Alone
from redline.testing.eventlogs.cursors import Cursors
from redline.testing.eventlogs.durable import KeepsHistory, Survives
from redline.testing.eventlogs.ending import Ending
from redline.testing.eventlogs.keys import Keys
from redline.testing.eventlogs.kit import Factory, Following
from redline.testing.eventlogs.model import Model
from redline.testing.eventlogs.order import Order
from redline.testing.eventlogs.retention import Bounded
from redline.testing.eventlogs.timed import Timed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["EventLogCore", "EventLogSuite", "Factory", "Following", "KeepsHistory", "Survives"]


class EventLogCore(Order, Bounded, Cursors, Keys, Ending):
    """Everything but what time does, and what only a log by itself can do."""

    pytestmark = pytest.mark.anyio

    @pytest.fixture
    def anyio_backend(self) -> str:
        """Run on asyncio, as the service does."""
        return "asyncio"

    @pytest.fixture
    def clock(self) -> ManualClock:
        """Return time under the test's control."""
        return ManualClock()

    @pytest.fixture
    async def following(self, factory: Factory, clock: ManualClock) -> AsyncIterator[Following]:
        """Start a log with wide bounds, and write down what it tells."""
        async with Following.of(factory, clock) as following:
            yield following

    @pytest.fixture
    def factory(self) -> Factory:
        """Say how to make a log; a subclass does."""
        msg = "give your subclass a fixture `factory`, which returns a function of retention and clock that makes your log"
        raise NotImplementedError(msg)


class EventLogSuite(EventLogCore, Alone, Timed, Model):
    """All that a log promises."""
