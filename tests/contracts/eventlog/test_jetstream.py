"""The log on JetStream keeps the contract, over a real server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from redline.testing.eventlogs import EventLogCore, Factory, Survives
from tests.contracts.eventlog.jetstreams import Stream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from redline.clock import Clock
    from redline.eventlog.jetstream.log import JetStreamLog
    from redline.eventlog.retention import Retention


@pytest.fixture
async def stream(nats_url: str) -> AsyncIterator[Stream]:
    """Return a stream that is no other test's."""
    stream = Stream(nats_url)
    yield stream
    await stream.delete()


class TestJetStream(EventLogCore, Survives):
    @pytest.fixture
    def factory(self, stream: Stream) -> Factory:
        def make(retention: Retention, clock: Clock) -> JetStreamLog:
            del clock  # the time is the server's
            return stream.log(retention)

        return make
