"""One node over one NATS server that is stopped, killed, slow, or whose stream is deleted: what a client sees of it."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import chain
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import httpx
import nats
import pytest

from redline.testing import StreamConnection
from tests.faults.nodes import nodes
from tests.faults.processes import token
from tests.faults.slow import slowing
from tests.faults.traffic import STAGE, Traffic
from tests.nats import NatsServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence
    from pathlib import Path

    from tests.faults.conftest import Tally
    from tests.faults.nodes import Node

CHANGE = {
    "changeId": "chg_1", "vendorId": "stripe", "documentUrl": "https://example.com/pricing", "title": "Pricing", "category": "pricing",
    "severity": "high", "detectedAt": "2026-11-22T10:00:00.000Z",
}  # fmt: skip
DEADLINE = 1.0
"""Seconds after which a publish is refused (?timeout=)."""
GRACE = 4.0
"""What a machine under load may add to them."""
LARGE = 22_000
"""Bytes of a large event, about."""
FLOOD = 300
FLOODS = 5
BATCH = 30
"""How many of them come at once, how often all that are refused are sent again, and how many are one request."""


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


async def publish(http: httpx.AsyncClient, node: Node, key: str) -> tuple[str, str]:
    """Publish an event; return its id and an empty code, or the error's code."""
    response = await http.post(f"{node.url}/v1/events", json=event(key))
    body = response.json()
    return (body["id"], "") if response.status_code == httpx.codes.CREATED else ("", body["error"]["code"])


async def published(http: httpx.AsyncClient, node: Node, key: str) -> str:
    """Publish an event again and again until it is taken, and return its id."""
    async with asyncio.timeout(30):
        while True:
            event_id, code = await publish(http, node, key)
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
    rounds = min(rounds // 2, 20)
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
    rounds = min(rounds // 2, 10)
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


class Flood:
    """Large events, sent over and over while NATS does not take them, and then until each is taken."""

    def __init__(self, http: httpx.AsyncClient, node: Node) -> None:
        self.answers: Counter[str] = Counter()
        self.expected = 0
        self.grown = 0
        self._http = http
        self._node = node
        self._keys: list[str] = []

    async def refused(self, name: str) -> None:
        """Send them all at once, again and again."""
        self._keys = [f"{name}-{n}" for n in range(FLOOD)]
        before = self._node.memory
        for _ in range(FLOODS):
            self.answers.update((await self._send(self._keys)).values())
        self.grown = max(self.grown, self._node.memory - before)

    async def taken(self) -> None:
        """Send each until it is taken."""
        left = self._keys
        async with asyncio.timeout(60):
            while left:
                left = [key for key, code in (await self._send(left)).items() if code]
                await asyncio.sleep(0.1)
        self.expected += FLOOD

    async def _send(self, keys: Sequence[str]) -> dict[str, str]:
        """Send them in batches, all at once; return each one's error, or nothing where it was taken."""
        batches = [keys[start : start + BATCH] for start in range(0, len(keys), BATCH)]
        answers = await asyncio.gather(*map(self._send_batch, batches))
        return dict(zip(keys, chain.from_iterable(answers), strict=True))

    async def _send_batch(self, keys: Sequence[str]) -> list[str]:
        lines = "\n".join(json.dumps(event(key, LARGE)) for key in keys)
        response = await self._http.post(f"{self._node.url}/v1/events", content=lines, headers={"Content-Type": "application/x-ndjson"})
        body = response.json()
        if "error" in body:
            return [body["error"]["code"]] * len(keys)
        return [result["error"]["code"] if "error" in result else "" for result in body["results"]]

    async def lost(self, stream: StreamConnection) -> int:
        """Return how many of them are not there; see that the others are there once, and that memory did not grow by what was refused."""
        # What was taken all the same is held here, as history and in frames.
        assert self.grown < FLOODS * FLOOD * LARGE / 2 + 2 * FLOOD * LARGE, f"it grew by {self.grown} bytes while it refused"
        async with reading(self._node, follow="false", last_event_id="earliest") as history:
            await history.read_to_end(timeout=60)
        kept = [one.payload["runId"] for one in history.events if one.event == "change.detected"]
        live = [one.payload["runId"] for one in await stream.collect(self.expected, timeout=60)]
        assert len(set(kept)) == len(kept), "a publish that was repeated under its key is there twice"
        assert live == kept
        return self.expected - len(kept)

    def told(self) -> str:
        """Return what this was, for the account."""
        refused = ", ".join(f"{count} {code}" for code, count in sorted(self.answers.items()) if code)
        return (
            f"publishes refused: {refused}; at most {self.grown / 2**20:.0f} MiB more memory under {FLOODS * FLOOD * LARGE / 2**20:.0f} MiB"
        )


@pytest.mark.timeout(900)
async def test_a_nats_that_stands_still(server: NatsServer, http: httpx.AsyncClient, rounds: int, tally: Tally) -> None:
    """Bounded memory, ``over_capacity`` rather than growth; and what is repeated under its key afterwards is there once."""
    rounds, most = min(rounds // 4, 5), 50
    async with nodes(f"{server.url}?timeout={DEADLINE}&pending={most}", 1) as (node,), reading(node) as stream:
        flood = Flood(http, node)
        for number in range(rounds):
            server.pause()
            await flood.refused(str(number))
            assert set(flood.answers) == {"over_capacity", "log_unavailable"}
            server.resume()
            await flood.taken()
            await until_ready(node)
        assert flood.answers["over_capacity"] > rounds * (FLOOD - most) / 2, flood.answers
        lost = await flood.lost(stream)
    tally(f"NATS standing still, {flood.told()}", rounds, lost)


@pytest.mark.timeout(900)
async def test_a_slow_nats(server: NatsServer, http: httpx.AsyncClient, rounds: int, tally: Tally) -> None:
    """The same where NATS takes something, and far too little."""
    rounds, most = min(rounds // 4, 5), 50
    async with (
        slowing(server.port) as relay,
        nodes(f"nats://127.0.0.1:{relay.port}?timeout={DEADLINE}&pending={most}", 1) as (node,),
        reading(node) as stream,
    ):
        flood = Flood(http, node)
        for number in range(rounds):
            relay.rate = LARGE * 20
            await flood.refused(str(number))
            assert set(flood.answers) <= {"", "over_capacity", "log_unavailable"}
            relay.rate = None
            await flood.taken()
            await until_ready(node)
        assert flood.answers["over_capacity"] > rounds * (FLOOD - most) / 2, flood.answers
        lost = await flood.lost(stream)
    tally(f"a slow NATS, {flood.told()}", rounds, lost)
