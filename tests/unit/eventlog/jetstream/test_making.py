"""Where there is no room for one more consumer, the limit that says so is named, with the way out."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from redline.clock import SystemClock
from redline.errors import StartupError
from redline.eventlog.jetstream.configuration import configuration
from redline.eventlog.jetstream.log import JetStreamLog
from redline.eventlog.jetstream.making import TooManyConsumersError, make_consumer
from redline.eventlog.retention import Retention
from redline.metrics import Metrics
from redline.testing import ManualClock, serving
from redline.testing.eventlogs import Following
from tests.nats import NatsServer
from tests.unit.eventlog.jetstream.kit import wired

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.eventlog.jetstream.kit import Wired


async def limited(wire: Wired, most: int) -> None:
    """Make the stream as somebody would who wants few consumers."""
    await wire.api("STREAM.CREATE", {**configuration(wire.options, Retention()), "max_consumers": most})


async def refused(wire: Wired) -> str:
    """Return why one more node does not start."""
    log = JetStreamLog(replace(wire.options, timeout=1.0), Retention(), SystemClock(), Metrics())
    node = Following(log, ManualClock())
    with pytest.raises(StartupError) as raised:
        await log.start(node)
    assert "\n" not in str(raised.value)
    return str(raised.value)


async def test_the_streams_own(nats_url: str) -> None:
    async with wired(nats_url, make=False) as wire:
        await limited(wire, 1)
        await make_consumer(wire.connection, wire.options.stream, "other", wire.connection.inbox(), 0)
        message = await refused(wire)
        assert f"The stream {wire.options.stream} has as many consumers as its max_consumers (1) allows" in message
        assert "name another stream (option stream)" in message


async def test_the_accounts(tmp_path: Path) -> None:
    account = 'accounts { A { jetstream { max_consumers: 1 }, users: [{ user: "u", password: "p" }] } }'
    server = NatsServer(tmp_path / "nats", more=[account])
    try:
        async with wired(f"nats://u:p@{server.start().address}") as wire:
            inbox = wire.connection.inbox()
            wire.connection.handle(inbox, lambda *_: None)
            await make_consumer(wire.connection, wire.options.stream, "other", inbox, 0)
            message = await refused(wire)
            assert "The account has as many consumers of JetStream as its limit (max_consumers) allows" in message
            assert "Raise it" in message
            with pytest.raises(TooManyConsumersError):
                await make_consumer(wire.connection, wire.options.stream, "another", inbox, 0)
    finally:
        server.kill()


async def test_while_it_runs_it_is_a_fault_until_there_is_room(nats_url: str, caplog: pytest.LogCaptureFixture) -> None:
    async with wired(nats_url, make=False) as wire:
        await limited(wire, 2)
        stream = wire.options.stream
        inboxes = [wire.connection.inbox() for _ in range(2)]
        for inbox in inboxes:
            wire.connection.handle(inbox, lambda *_: None)
        async with serving({"eventlog": f"{nats_url}?stream={stream}"}) as redline:

            async def ready(status: int, reason: str = "ready") -> None:
                async with asyncio.timeout(60):
                    while True:
                        response = await redline.http.get(f"{redline.url}/health/ready")
                        if response.status_code == status and reason in response.text:
                            break
                        await asyncio.sleep(0.01)  # as an orchestrator asks

            await ready(200)
            await make_consumer(wire.connection, stream, "one", inboxes[0], 0)
            consumers = await wire.api("CONSUMER.NAMES")
            (ours,) = set(consumers["consumers"]) - {"one"}
            await wire.connection.requests.api(f"CONSUMER.DELETE.{stream}.{ours}")
            await make_consumer(wire.connection, stream, "two", inboxes[1], 0)
            await ready(503, f"The stream {stream} has as many consumers as its max_consumers (2) allows")
            await wire.connection.requests.api(f"CONSUMER.DELETE.{stream}.two")
            await ready(200)
            await redline.publish("scheduler.tick")
    errors = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert len(errors) == 1, errors
    assert "max_consumers (2)" in errors[0]
