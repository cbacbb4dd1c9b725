"""A running service, with real time and with the test's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from redline.testing import ManualClock, RunningService, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
async def redline() -> AsyncIterator[RunningService]:
    """Run a service with default settings."""
    async with serving() as service:
        yield service


@pytest.fixture
def clock() -> ManualClock:
    """Time under the test's control."""
    return ManualClock()


@pytest.fixture
async def timed(clock: ManualClock) -> AsyncIterator[RunningService]:
    """Run a service with default settings, whose time is ``clock``'s."""
    async with serving(clock=clock) as service:
        yield service
