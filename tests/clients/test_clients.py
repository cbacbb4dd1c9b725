"""The stream as other people's clients see it: one suite, every client.

The law of these tests: whatever happens to the connection, each event is dispatched once, in order, and nothing else is dispatched.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from redline.testing import ManualClock, serving
from redline.testing.relay import Relay, relaying

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from redline.testing import RunningService, StreamEvent
    from tests.clients.readers import Client, Reader

SIX = ["scheduler.tick", "run.stage", "change.detected", "action.delivered", "change.stateChanged", "org.entitlements.changed"]
QUICK = {"retry_milliseconds": 20}
AWKWARD = "é 😀 \u2028\u2029\u0085\ufeff\u202e \r\n\r\ndata: x\nid: forged\n\n:\0"

PLACES: dict[str, Callable[[bytes], int]] = {
    "inside the event line": lambda frame: frame.index(b"\n") - 3,
    "after the event line": lambda frame: frame.index(b"\n") + 1,
    "inside the data line": lambda frame: frame.index(b"cut-"),
    "after the data line": lambda frame: frame.index(b"\nid: ") + 1,
    "inside the id line": lambda frame: frame.index(b"\n\n") - 1,
    "after the id line": lambda frame: frame.index(b"\n\n") + 1,
    "after the frame": lambda frame: frame.index(b"\n\n") + 2,
    "after the chunk": len,
}
"""Where a connection can end, as bytes of a frame.

A client that takes the id for done before the blank line loses an event at the sixth; one that hands on whole chunks only has not seen the
event at the seventh, and must get it again.
"""


def stage(message: str) -> dict[str, object]:
    """Return a payload of ``run.stage``."""
    return {"runId": "r1", "vendorId": "v1", "stage": "queued", "status": "started", "progress": 0.5, "attempt": 1, "message": message}


def ids(events: list[StreamEvent]) -> list[str]:
    return [event.last_event_id for event in events]


def names(reader: Reader) -> list[str]:
    return [event.event for event in reader.seen]


@asynccontextmanager
async def reading(client: Client, service: RunningService, relay: Relay, **query: str) -> AsyncIterator[Reader]:
    """Have a client read the service's stream through the relay for the length of the block."""
    async with client.reading(relay.url(service.stream_url(**query)), SIX) as reader:
        yield reader


async def test_the_six_kinds_arrive_live_and_in_order(client: Client) -> None:
    async with serving(QUICK) as service, relaying(service.url) as relay, reading(client, service, relay) as reader:
        first = await reader.event()
        assert first.event == "stream.open"
        assert first.json()["resumed"] is False
        published = [await service.publish(kind) for kind in SIX * 2]
        events = await reader.payloads(12)
        assert ids(events) == published
        assert [event.event for event in events] == SIX * 2
        for event in events:
            data = event.json()
            assert (data["id"], data["kind"], data["org"]) == (event.last_event_id, event.event, "acme")
            assert data["data"] == service.example(event.event)
        assert len(reader.seen) == 13


async def test_a_cut_anywhere_in_a_frame_loses_nothing_and_repeats_nothing(client: Client) -> None:
    """The URL asks for all history at every connection; the header of a client that resumes must win over it."""
    async with serving(QUICK) as service, relaying(service.url) as relay:
        published = [await service.publish("run.stage", stage("before")) for _ in range(2)]
        async with reading(client, service, relay, last_event_id="earliest") as reader:
            assert ids(await reader.payloads(2)) == published
            for number, place in enumerate(PLACES.values()):
                relay.reset = bool(number % 2)
                marker = f"cut-{number}."
                relay.cut(marker.encode(), place)
                published.append(await service.publish("run.stage", stage(marker)))
                await relay.was_cut()
                published.append(await service.publish("run.stage", stage("while it is away, or as it returns")))
                assert ids(await reader.payloads(2)) == published[-2:]
            published.append(await service.publish())
            await reader.payloads(1)
        payloads = [event for event in reader.seen if not event.event.startswith("stream.")]
        assert ids(payloads) == published
        opened = [event.json()["resumed"] for event in reader.seen if event.event == "stream.open"]
        assert opened == [False] + [True] * len(PLACES)
        assert len(reader.seen) == len(payloads) + len(opened)


async def test_a_stream_that_is_cut_before_its_first_event_resumes_where_it_was_opened(client: Client) -> None:
    async with serving(QUICK) as service, relaying(service.url) as relay:
        await service.publish("run.stage", stage("long ago"))
        relay.cut(b'"resumed"', len)
        async with reading(client, service, relay) as reader:
            await relay.was_cut()
            published = await service.publish("run.stage", stage("while it is away, or as it returns"))
            assert ids(await reader.payloads(1)) == [published]
            assert names(reader) == ["stream.open", "stream.open", "run.stage"]


async def test_what_was_evicted_while_a_client_was_away_is_told_once(client: Client) -> None:
    async with serving({**QUICK, "history": {"events": 3}}) as service, relaying(service.url) as relay:
        async with reading(client, service, relay) as reader:
            await reader.event("stream.open")
            relay.cut(b"cut", len)
            relay.hold()
            await service.publish("run.stage", stage("cut"))
            await relay.was_cut()
            published = [await service.publish() for _ in range(5)]
            # Cut once more right behind the gap: it was told and is committed, so it must not be told again.
            relay.cut(b'"evicted"', len)
            relay.release()
            assert ids(await reader.payloads(4))[1:] == published[2:]
            await service.publish()
            await reader.payloads(1)
        assert names(reader) == ["stream.open", "run.stage", "stream.open", "stream.gap", "stream.open", *["scheduler.tick"] * 4]
        gap = reader.seen[3]
        assert gap.json()["oldest"] == published[2]


async def test_heartbeats_dispatch_nothing(client: Client) -> None:
    clock = ManualClock()
    async with serving(QUICK, clock=clock) as service, relaying(service.url) as relay, reading(client, service, relay) as reader:
        await reader.event("stream.open")
        published = []
        for _ in range(4):
            clock.advance(30)
            published.append(await service.publish())
        assert ids(await reader.payloads(4)) == published
        assert relay.received.count(b"\n:heartbeat\n") == 8
        assert names(reader) == ["stream.open", *["scheduler.tick"] * 4]


async def test_a_filtered_reader_is_kept_up_by_cursors_and_resumes_from_one(client: Client) -> None:
    clock = ManualClock()
    async with serving(QUICK, clock=clock) as service, relaying(service.url) as relay:
        async with reading(client, service, relay, kinds="run.stage", heartbeat="event") as reader:
            await reader.event("stream.open")
            head = await service.publish("scheduler.tick")
            relay.cut(b'{"head":"' + head.encode() + b'"}\nid: ', len)
            clock.advance(15)
            await relay.was_cut()
            assert (await reader.event()).json() == {"head": head}
            cursor = await reader.event()
            assert (cursor.json(), cursor.last_event_id) == ({"head": head}, head)
            opened = (await reader.event()).json()
            assert (opened["resumed"], opened["cursor"]) == (True, head)
            published = await service.publish("run.stage")
            assert ids(await reader.payloads(1)) == [published]
        assert names(reader) == ["stream.open", "stream.heartbeat", "stream.cursor", "stream.open", "run.stage"]


@pytest.mark.parametrize("query", [{}, {"last_event_id": "no-such.id"}], ids=["fresh", "after a gap"])
async def test_a_stream_that_the_service_ends_says_so_and_is_resumed(client: Client, query: dict[str, str]) -> None:
    clock = ManualClock()
    settings = {**QUICK, "max_age_seconds": 60}
    async with serving(settings, clock=clock) as service, relaying(service.url) as relay:
        first = await service.publish("run.stage", stage("long ago"))
        async with reading(client, service, relay, **query) as reader:
            await reader.event("stream.open")
            before = ids(await reader.payloads(1)) if query else []
            relay.hold()
            clock.advance(60)
            assert (await reader.event("stream.closing")).json() == {"reason": "max_age", "retryable": True}
            published = await service.publish("run.stage", stage("while it is away"))
            relay.release()
            assert (await reader.event("stream.open")).json()["resumed"] is True
            assert ids(await reader.payloads(1)) == [published]
        assert before == ([first] if query else [])


async def test_a_stop_is_told(client: Client) -> None:
    async with serving(QUICK) as service, relaying(service.url) as relay, reading(client, service, relay) as reader:
        await reader.event("stream.open")
        await service.service.broker.drain()
        assert (await reader.event("stream.closing")).json() == {"reason": "shutdown", "retryable": True}
        # From here on the service refuses, in a way that every client takes for "not now".
        assert (await reader.event("stream.closing")).json() == {"reason": "shutdown", "retryable": True}


async def test_a_refusal_for_now_is_survived(client: Client) -> None:
    settings = {**QUICK, "limits": {"streams": 1}}
    async with serving(settings) as service, relaying(service.url) as relay:
        other = await service.stream()
        async with reading(client, service, relay) as reader:
            for _ in range(3):
                assert (await reader.event()).json() == {"reason": "over_capacity", "retryable": True}
            await other.close()
            await reader.event("stream.open")
            published = await service.publish()
            assert ids(await reader.payloads(1)) == [published]


async def test_the_end_of_a_credential_is_announced_and_told(client: Client) -> None:
    clock = ManualClock()
    async with serving(QUICK, clock=clock) as service, relaying(service.url) as relay:
        url = service.stream_url(service.token(ttl=50))
        async with client.reading(relay.url(url), SIX) as reader:
            expires = (await reader.event("stream.open")).json()["expiresAt"]
            clock.advance(21)
            assert (await reader.event()).json() == {"expiresAt": expires}
            clock.advance(30)
            assert (await reader.event()).json() == {"reason": "token_expired", "retryable": False}
        assert names(reader) == ["stream.open", "stream.expiring", "stream.closing"]


async def test_awkward_text_arrives_whole_byte_by_byte(client: Client) -> None:
    async with serving(QUICK) as service, relaying(service.url) as relay:
        relay.dribble = True
        async with reading(client, service, relay) as reader:
            await reader.event("stream.open")
            published = [await service.publish("run.stage", stage(AWKWARD + str(number))) for number in range(3)]
            events = await reader.payloads(3)
        assert ids(events) == published
        assert [event.json()["data"]["message"] for event in events] == [AWKWARD + str(number) for number in range(3)]
        assert len(reader.seen) == 4
