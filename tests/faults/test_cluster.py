"""Two nodes over three NATS servers, any of which is killed, paused or restarted while 4 publishers and 40 subscribers are at work.

The promise: every acknowledged event reaches every subscriber exactly once, in the log's one order, and a publish that is repeated under
its key is one event.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from redline.testing import StreamConnection
from tests.faults.nodes import nodes
from tests.faults.processes import token
from tests.faults.traffic import Traffic
from tests.nats import NatsCluster
from tests.nginx import fronting

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.faults.conftest import Tally

pytestmark = pytest.mark.timeout(900)


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[NatsCluster]:
    """Run three servers; whatever a test has left of them is killed."""
    made = NatsCluster(tmp_path / "nats")
    try:
        yield await made.start()
    finally:
        made.kill()


async def test_the_leader_killed_and_one_paused(cluster: NatsCluster, seconds: float, tally: Tally) -> None:
    async with nodes(f"{cluster.url}?replicas=3") as both:
        traffic = Traffic([node.url for node in both])
        killed = paused = 0
        async with traffic.flowing():
            await traffic.more(10)
            until = time.monotonic() + seconds
            while not killed or time.monotonic() < until:
                leader = await cluster.leader("REDLINE")
                leader.kill()
                killed += 1
                await traffic.more(10)
                leader.start()
                await traffic.more(10)
                await cluster.settled()
                # The new leader, or one that follows: in turn.
                other = await cluster.leader("REDLINE")
                if paused % 2:
                    other = next(each for each in cluster.servers if each is not other)
                other.pause()
                paused += 1
                await traffic.more(10)
                other.resume()
                await traffic.more(10)
        lost = await traffic.lost()
        assert all(subscriber.connections == 1 for subscriber in traffic.subscribers), "no stream was to end for any of this"
    tally(f"the leader killed {killed} times, a server paused {paused} times, {traffic.told()}", killed + paused, lost)


async def test_all_servers_killed(cluster: NatsCluster, seconds: float, tally: Tally) -> None:
    """What was answered is in their files; streams stay open, and go on when a majority is back."""
    async with nodes(f"{cluster.url}?replicas=3") as both:
        traffic = Traffic([node.url for node in both])
        killed = 0
        async with traffic.flowing():
            until = time.monotonic() + seconds
            while not killed or time.monotonic() < until:
                await traffic.more(10)
                cluster.kill()
                killed += 1
                await cluster.start()
                await traffic.more(10)
        lost = await traffic.lost()
        assert all(subscriber.connections == 1 for subscriber in traffic.subscribers), "no stream was to end for any of this"
    tally(f"all servers killed at once {killed} times, {traffic.told()}", killed, lost)


async def test_a_node_that_lags(cluster: NatsCluster, seconds: float, tally: Tally) -> None:
    """It stood still while others published: it never calls a good cursor unknown, and its own readers miss nothing."""
    async with nodes(f"{cluster.url}?replicas=3") as both:
        traffic = Traffic([node.url for node in both], publish_to=[both[0].url])
        paused = refused = 0
        async with traffic.flowing():
            until = time.monotonic() + seconds
            while not paused or time.monotonic() < until:
                await traffic.more(10)
                both[1].pause()
                paused += 1
                await traffic.more(10)
                newest = {each.org: list(each.acknowledged.values())[-1] for each in traffic.publishers}
                both[1].resume()
                for org, event_id in [*newest.items()] * 5:
                    stream = await StreamConnection.open(f"{both[1].url}/v1/stream?token={token(org)}&last_event_id={event_id}")
                    opening = await stream.event()
                    await stream.close()
                    if opening.event == "stream.closing":
                        assert opening.json() == {"reason": "log_unavailable", "retryable": True}
                        refused += 1
                    else:
                        assert (opening.event, opening.json()["resumed"]) == ("stream.open", True)
        lost = await traffic.lost()
    tally(f"a node stood still {paused} times, {refused} streams told to come back, {traffic.told()}", paused, lost)


async def test_a_node_killed(cluster: NatsCluster, seconds: float, tally: Tally) -> None:
    async with nodes(f"{cluster.url}?replicas=3") as both:
        traffic = Traffic([node.url for node in both])
        killed = 0
        async with traffic.flowing():
            until = time.monotonic() + seconds
            while killed < 2 or time.monotonic() < until:
                await traffic.more(10)
                node = both[killed % 2]
                await node.kill()
                killed += 1
                await traffic.more(10)
                await node.start()
        lost = await traffic.lost()
        assert all(subscriber.connections > 1 for subscriber in traffic.subscribers)
    tally(f"a node killed {killed} times, {traffic.told()}", killed, lost)


@pytest.mark.toolchain("nginx")
async def test_a_rolling_restart_behind_nginx(cluster: NatsCluster, seconds: float, tmp_path: Path, tally: Tally) -> None:
    async with nodes(f"{cluster.url}?replicas=3") as both, fronting(tmp_path / "nginx", *(node.url for node in both)) as nginx:
        traffic = Traffic([nginx.url])
        restarts = 0
        async with traffic.flowing():
            until = time.monotonic() + seconds
            while restarts < 2 or time.monotonic() < until:
                await traffic.more(10)
                node = both[restarts % 2]
                assert await node.stop() == 0
                restarts += 1
                await traffic.more(10)
                await node.start()
        lost = await traffic.lost()
        assert traffic.answers["over_capacity"] < traffic.acknowledged / 10, "there was always a node that took them"
        reasons = {reason for subscriber in traffic.subscribers for reason in subscriber.reasons}
        assert reasons <= {"shutdown", "over_capacity"}, "each stream that ended said so, and nothing was cut"
    tally(f"a node restarted behind nginx {restarts} times, {traffic.told()}", restarts, lost)
