"""Three servers, of which one dies, stands still, or leads no more: what was acknowledged is followed, once and in order."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from redline.errors import LogUnavailable, OverCapacity, StartupError
from redline.eventlog.jetstream.publishing import Ack, Outgoing
from redline.eventlog.jetstream.stream import ensure
from redline.eventlog.retention import Retention
from tests.nats import NatsCluster
from tests.unit.eventlog.jetstream.kit import wired

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.unit.eventlog.jetstream.kit import Wired

MUCH = Retention(events=100_000)


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[NatsCluster]:
    """Return a cluster that a test may harm."""
    cluster = NatsCluster(tmp_path)
    try:
        yield await cluster.start()
    finally:
        cluster.kill()


class Publisher:
    """Publishes numbers under keys, each until it is acknowledged."""

    def __init__(self, wire: Wired) -> None:
        self._wire = wire
        self._stopped = False
        self.acknowledged: dict[bytes, int] = {}
        self.refused = 0
        self._more = asyncio.Event()

    async def run(self) -> None:
        number = 0
        while not self._stopped:
            payload = b"%d" % number
            (answer,) = await self._wire.publishing.publish_all([Outgoing(self._wire.subject(), payload, f"k{number}")])
            if isinstance(answer, Ack):
                self.acknowledged[payload] = answer.seq
                number += 1
                self._more.set()
            else:
                assert isinstance(answer, LogUnavailable | OverCapacity), answer
                self.refused += 1
                await asyncio.sleep(0.01)  # not to wait for anything: to leave the machine to the servers

    async def more(self, count: int) -> None:
        """Wait until that many more were acknowledged."""
        until = len(self.acknowledged) + count
        while len(self.acknowledged) < until:
            self._more.clear()
            await self._more.wait()

    def stop(self) -> None:
        self._stopped = True


async def made(wire: Wired) -> None:
    """Make the stream, however long a cluster that has just begun takes for it."""
    while True:
        with suppress(LogUnavailable, StartupError):
            wire.stream = await ensure(wire.connection, wire.options, MUCH)
            return


async def caught_up(wire: Wired, seq: int) -> None:
    """Wait until ``seq`` was handed over, for as often as the log's own patience is over: elections take several seconds."""
    while wire.following.followed < seq:
        with suppress(LogUnavailable):
            await wire.following.reached(seq)


async def whole(wire: Wired, publisher: Publisher) -> None:
    """Check that the follower has everything that was acknowledged, once, in the order of the stream."""
    await caught_up(wire, max(publisher.acknowledged.values()))
    heard = {message.data: message.seq for message in wire.heard.messages}
    assert len(heard) == len(wire.heard.messages)
    assert {data: heard.get(data) for data in publisher.acknowledged} == publisher.acknowledged
    sequences = [message.seq for message in wire.heard.messages]
    assert sequences == sorted(set(sequences))
    assert wire.heard.jumps == []
    assert wire.heard.losses == 0


@pytest.mark.parametrize("trouble", ["leader killed", "leader paused", "own server killed", "own server paused", "leader steps down"])
async def test_one_of_three_in_trouble(cluster: NatsCluster, trouble: str) -> None:
    async with wired(cluster.url, "replicas=3&timeout=5", make=False) as wire:
        await made(wire)
        await wire.follow()
        publisher = Publisher(wire)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(publisher.run())
            await publisher.more(50)
            leader = await cluster.leader(wire.options.stream)
            own = next(server for server in cluster.servers if server.name == wire.connection.peer)
            victim = own if trouble.startswith("own") else leader
            if trouble == "leader steps down":
                await wire.connection.requests.api(f"STREAM.LEADER.STEPDOWN.{wire.options.stream}")
            elif trouble.endswith("killed"):
                victim.kill()
            else:
                victim.pause()
            await publisher.more(50)
            if trouble.endswith("killed"):
                victim.start()
            victim.resume()
            await publisher.more(50)
            publisher.stop()
        await whole(wire, publisher)


async def test_without_a_quorum_nothing_is_acknowledged_and_with_it_all_goes_on(cluster: NatsCluster) -> None:
    async with wired(cluster.url, "replicas=3&timeout=2", make=False) as wire:
        await made(wire)
        await wire.follow()
        await wire.publish(b"before")
        own = next(server for server in cluster.servers if server.name == wire.connection.peer)
        others = [server for server in cluster.servers if server is not own]
        for server in others:
            server.kill()
        for _ in range(3):
            with pytest.raises(LogUnavailable):
                await wire.publishing.publish(wire.subject(), b"without")
        for server in others:
            server.begin()
        for server in others:
            server.await_ready()
        publisher = Publisher(wire)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(publisher.run())
            await publisher.more(10)
            publisher.stop()
        await caught_up(wire, max(publisher.acknowledged.values()))
        assert wire.heard.data[0] == b"before"
        kept = [data for data in wire.heard.data if data in publisher.acknowledged]
        assert kept == list(publisher.acknowledged)


async def test_more_replicas_than_the_cluster_has_servers(cluster: NatsCluster) -> None:
    with pytest.raises(StartupError, match="no suitable peers for placement; set the option replicas"):
        async with wired(cluster.url, "replicas=5&timeout=2"):
            pass
