"""One node over one NATS server that is stopped, killed, slow, or whose stream is deleted: what a client sees of it."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import TYPE_CHECKING

import httpx
import nats
import pytest

from redline.testing import StreamConnection
from tests.faults.nodes import nodes
from tests.faults.processes import token
from tests.faults.traffic import STAGE, Traffic
from tests.nats import NatsServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from tests.faults.conftest import Tally
    from tests.faults.nodes import Node

DEADLINE = 2.0
"""Seconds after which a publish is refused (?timeout=), and what a machine under load may add to them."""
GRACE = 4.0


@pytest.fixture
def server(tmp_path: Path) -> Iterator[NatsServer]:
    """Run a server; whatever a test has left of it is killed."""
    made = NatsServer(tmp_path / "nats", more=["max_payload: 2MB"]).start()
    yield made
    made.kill()


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    """Speak HTTP as a publisher of ``acme``."""
    headers = {"Authorization": f"Bearer {token()}"}
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(timeout=60, verify=False, headers=headers, limits=limits) as client:  # noqa: S501 - there is no TLS here
        yield client


def event(key: str, size: int = 0) -> dict[str, object]:
    """Return the body of a publish."""
    return {"kind": "run.stage", "data": {**STAGE, "runId": key, "message": "x" * size}, "key": key}


async def publish(http: httpx.AsyncClient, node: Node, key: str, size: int = 0) -> tuple[str, str]:
    """Publish an event; return its id and an empty code, or the error's code."""
    response = await http.post(f"{node.url}/v1/events", json=event(key, size))
    body = response.json()
    return (body["id"], "") if response.status_code == httpx.codes.CREATED else ("", body["error"]["code"])


async def published(http: httpx.AsyncClient, node: Node, key: str, size: int = 0) -> str:
    """Publish an event again and again until it is taken, and return its id."""
    async with asyncio.timeout(30):
        while True:
            event_id, code = await publish(http, node, key, size)
            if not code:
                return event_id
            assert code in {"log_unavailable", "over_capacity"}
            await asyncio.sleep(0.05)


async def until_ready(node: Node) -> None:
    """Wait until ``/health/ready`` says that the log is back."""
    async with asyncio.timeout(30):
        while (await node.ready())[0] != httpx.codes.OK:  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.05)


@pytest.mark.timeout(900)
async def test_one_server_stopped(server: NatsServer, http: httpx.AsyncClient, rounds: int, tally: Tally) -> None:
    """Publishes are refused within their deadline, streams stay open with their heartbeats, and catch up by themselves."""
    rounds = min(rounds, 20)
    async with nodes(f"{server.url}?timeout={DEADLINE}", 1) as (node,):
        streams = [await StreamConnection.open(f"{node.url}/v1/stream?token={token()}") for _ in range(10)]
        for stream in streams:
            await stream.event("stream.open")
        expected, refused = [], Counter[str]()
        for number in range(rounds):
            expected.append(await published(http, node, f"before-{number}"))
            (server.kill if number % 2 else server.stop)()
            for each in range(3):
                began = time.monotonic()
                event_id, code = await publish(http, node, f"while-{number}-{each}")
                assert (event_id, code) == ("", "log_unavailable")
                assert time.monotonic() - began < DEADLINE + GRACE
                refused[code] += 1
            status, why = await node.ready()
            assert (status, "NATS" in why) == (503, True), why
            beats = [stream.heartbeats for stream in streams]
            for stream, before in zip(streams, beats, strict=True):
                await stream.read_until(lambda stream, before=before: stream.heartbeats >= before + 2)  # type: ignore[misc]
            server.start()
            expected += [await published(http, node, f"while-{number}-{each}") for each in range(3)]
            expected.append(await published(http, node, f"after-{number}"))
            await until_ready(node)
        lost = 0
        for stream in streams:
            seen = [each.last_event_id for each in await stream.collect(len(expected))]
            lost += len(set(expected) - set(seen))
            assert seen == expected
            assert not stream.closed, "it was to stay open through all of this"
            assert [each.event for each in stream.events if each.event.startswith("stream.")] == ["stream.open"]
            await stream.close()
        assert await node.metric("redline_log_reconnects_total") == rounds
    tally(f"the NATS server stopped or killed, {refused['log_unavailable']} publishes refused, {len(expected)} events", rounds, lost)


@pytest.mark.timeout(900)
async def test_the_stream_deleted_behind_redlines_back(server: NatsServer, rounds: int, tally: Tally) -> None:
    """A new epoch, and a gap: nobody is told that nothing was missed, and what comes after is whole."""
    rounds = min(rounds, 10)
    async with nodes(server.url) as both:
        traffic = Traffic([node.url for node in both], subscribers=20)
        deleted: list[int] = []
        async with traffic.flowing():
            for _ in range(rounds):
                await traffic.more(5)
                deleted.append(await delete(server))
                await traffic.more(5)
            # Everything from here on is of the last stream, which nobody deletes.
            started = {publisher.name: len(publisher.acknowledged) for publisher in traffic.publishers}
            await traffic.more(20)
        lost = 0
        for subscriber in traffic.subscribers:
            history = await traffic.history(subscriber.org)
            late = {
                key: event_id
                for publisher in traffic.publishers
                if publisher.org == subscriber.org
                for key, event_id in publisher.acknowledged.items()
                if key.startswith("last-") or int(key.partition("-")[2]) > started[publisher.name]
            }
            assert {reason for _, reason in subscriber.gaps} == {"unknown"}
            assert len(subscriber.gaps) >= rounds, "a gap for each stream that is gone"
            since = subscriber.seen[subscriber.gaps[-1][0] :]
            assert since == history[-len(since) :], "after the last gap: everything, once each, in order"
            lost += len(late.items() - {(key, event_id) for event_id, key in since})
            ids = [event_id for event_id, _ in subscriber.seen]
            assert len(set(ids)) == len(ids), "an id was given again"
            assert subscriber.reasons["log_unavailable"] >= rounds
    tally(f"the stream deleted ({sum(deleted)} events with it), {traffic.told()}", rounds, lost)


async def delete(server: NatsServer) -> int:
    """Delete Redline's stream, as anybody who may; return how many messages it had."""
    client = await nats.connect(server.url)
    try:
        stream = client.jetstream()
        messages = (await stream.stream_info("REDLINE")).state.messages
        await stream.delete_stream("REDLINE")
        return int(messages)
    finally:
        await client.close()


@pytest.mark.timeout(900)
async def test_a_nats_that_stands_still(server: NatsServer, http: httpx.AsyncClient, rounds: int, tally: Tally) -> None:
    """Bounded memory, ``over_capacity`` rather than growth; and what was repeated under its key afterwards is there once."""
    rounds = min(rounds, 5)
    size, number, most = 200_000, 200, 20
    async with nodes(f"{server.url}?timeout={DEADLINE}&pending={most}", 1) as (node,):
        stream = await StreamConnection.open(f"{node.url}/v1/stream?token={token()}")
        await stream.event("stream.open")
        for warming in range(20):
            await published(http, node, f"warming-{warming}", size)
        before, answers, expected = node.memory, Counter[str](), 20
        for each in range(rounds):
            server.pause()
            told = await asyncio.gather(*(publish(http, node, f"{each}-{n}", size) for n in range(number)))
            answers.update(code for _, code in told)
            assert answers[""] == 0
            assert answers["over_capacity"] >= (each + 1) * (number - 2 * most), answers
            assert set(answers) <= {"over_capacity", "log_unavailable"}
            server.resume()
            await asyncio.gather(*(published(http, node, f"{each}-{n}", size) for n in range(number)))
            expected += number
            await until_ready(node)
        grown = node.memory - before
        assert grown < 64 * 2**20 + rounds * number * size, f"it grew by {grown} bytes"
        history = await StreamConnection.open(f"{node.url}/v1/stream?token={token()}&follow=false&last_event_id=earliest")
        await history.read_to_end(timeout=60)
        keys = [one.payload["runId"] for one in history.events if one.event == "run.stage"]
        live = [one.payload["runId"] for one in await stream.collect(expected, timeout=60)]
        assert len(set(keys)) == len(keys) == expected
        assert live == keys
        for each_stream in (stream, history):
            await each_stream.close()
    tally(
        f"NATS standing still, {answers['over_capacity']} publishes over capacity, {answers['log_unavailable']} unanswered by it, "
        f"{expected} events, {grown / 2**20:.0f} MiB more memory",
        rounds,
        expected - len(keys),
    )
