"""One node over one NATS server that is stopped, killed, slow, or whose stream is deleted: what a client sees of it."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlencode

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

CHANGE = {
    "changeId": "chg_1", "vendorId": "stripe", "documentUrl": "https://example.com/pricing", "title": "Pricing", "category": "pricing",
    "severity": "high", "detectedAt": "2026-11-22T10:00:00.000Z",
}  # fmt: skip
DEADLINE = 2.0
"""Seconds after which a publish is refused (?timeout=)."""
GRACE = 4.0
"""What a machine under load may add to them."""
LARGE = 22_000
"""Bytes of a large event, about."""
FLOODS = 12
"""How often all that is refused is sent again."""


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
    """Return the body of a publish, of about ``size`` bytes at least."""
    if not size:
        return {"kind": "run.stage", "data": {**STAGE, "runId": key}, "key": key}
    excerpt = {"before": "x" * min(10_000, size // 2), "after": "y" * min(10_000, size // 2)}
    return {"kind": "change.detected", "data": {**CHANGE, "runId": key, "summary": "z" * 2000, "excerpt": excerpt}, "key": key}


@asynccontextmanager
async def reading(node: Node, **query: str) -> AsyncIterator[StreamConnection]:
    """Open a stream of ``acme``, and close it with the block."""
    stream = await StreamConnection.open(f"{node.url}/v1/stream?{urlencode({'token': token(), **query})}")
    try:
        await stream.event("stream.open")
        yield stream
    finally:
        await stream.close()


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
    async with nodes(f"{server.url}?timeout={DEADLINE}", 1) as (node,), AsyncExitStack() as opened:
        streams = [await opened.enter_async_context(reading(node)) for _ in range(10)]
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
    """Bounded memory, ``over_capacity`` rather than growth; and what is repeated under its key afterwards is there once."""
    rounds, number, most = min(rounds, 10), 300, 50
    async with (
        nodes(f"{server.url}?timeout={DEADLINE}&pending={most}", 1) as (node,),
        reading(node) as stream,
    ):
        answers, expected, grown = Counter[str](), 0, 0
        for each in range(rounds):
            keys = [f"{each}-{n}" for n in range(number)]
            server.pause()
            before = node.memory
            for _ in range(FLOODS):
                told = await asyncio.gather(*(publish(http, node, key, LARGE) for key in keys))
                answers.update(code for _, code in told)
            grown = max(grown, node.memory - before)
            assert set(answers) == {"over_capacity", "log_unavailable"}
            server.resume()
            await asyncio.gather(*(published(http, node, key, LARGE) for key in keys))
            expected += number
            await until_ready(node)
        tried = rounds * FLOODS * number
        assert answers["over_capacity"] > tried / 2, answers
        assert grown < FLOODS * number * LARGE / 3, f"it grew by {grown} bytes while it refused"
        async with reading(node, follow="false", last_event_id="earliest") as history:
            await history.read_to_end(timeout=60)
        kept = [one.payload["runId"] for one in history.events if one.event == "change.detected"]
        live = [one.payload["runId"] for one in await stream.collect(expected, timeout=60)]
        assert len(set(kept)) == len(kept), "a publish that was repeated under its key is there twice"
        assert live == kept
    tally(
        f"NATS standing still, {answers['over_capacity']} publishes over capacity and {answers['log_unavailable']} too late, "
        f"at most {grown / 2**20:.0f} MiB more memory under {FLOODS * number * LARGE / 2**20:.0f} MiB",
        rounds,
        expected - len(kept),
    )
