"""What time does to a stream: heartbeats, and the ends that come by the clock (contract §1).

The law held here: a stream lives as long as its credential and no longer, and says that it lives every 15 seconds. One test waits for real.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from redline.testing import PATIENCE, ManualClock, serving
from redline.testing.flooding import stuck_reader

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from redline.testing import RunningService, StreamConnection


def has_comments(number: int) -> Callable[[StreamConnection], bool]:
    """Return a condition: so many comments have been read."""
    return lambda stream: len(stream.parser.comments) == number


async def test_the_first_heartbeat_comes_after_15_seconds(timed: RunningService, clock: ManualClock) -> None:
    stream = await timed.stream()
    await stream.event("stream.open")
    clock.advance(13.4)
    await timed.publish()
    await stream.collect(1)
    assert stream.parser.comments == []
    clock.advance(1.7)
    await stream.read_until(lambda self: self.parser.comments == ["heartbeat"])
    assert stream.raw.endswith(b"\n\n:heartbeat\n")
    for number in range(2, 6):
        clock.advance(15)
        await stream.read_until(has_comments(number))


async def test_heartbeats_come_whether_or_not_events_flow(timed: RunningService, clock: ManualClock) -> None:
    busy, idle = await timed.stream(), await timed.stream(kinds="change.detected")
    for stream in (busy, idle):
        await stream.event("stream.open")
    for _ in range(60):
        await timed.publish()
        clock.advance(1)
    for stream in (busy, idle):
        await stream.read_until(lambda self: len(self.parser.comments) >= 3)
        assert set(stream.parser.comments) == {"heartbeat"}
        assert "message" not in {event.event for event in stream.events}


async def test_a_real_heartbeat_comes_after_15_real_seconds(redline: RunningService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("redline.testing.connection.PATIENCE", 60.0)
    stood_still = 0.0

    async def watch() -> None:
        nonlocal stood_still
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.1)
            stood_still += max(0.0, time.monotonic() - before - 0.35)  # what a busy machine takes besides is none of ours

    watching = asyncio.create_task(watch())
    asked = time.monotonic()
    stream = await redline.stream()
    await stream.event("stream.open")
    opened = time.monotonic()
    await stream.read_until(lambda self: self.parser.comments == ["heartbeat"])
    came = time.monotonic()
    watching.cancel()
    assert came - asked >= 13.5
    assert came - opened <= 16.5 + stood_still


async def test_a_credential_is_warned_of_30_seconds_before_its_end(timed: RunningService, clock: ManualClock) -> None:
    stream = await timed.stream(timed.token(ttl=300))
    expires = (await stream.event("stream.open")).json()["expiresAt"]
    clock.advance(269.5)
    await timed.publish()
    await stream.collect(1)
    assert [event.event for event in stream.events] == ["stream.open", "scheduler.tick"]
    clock.advance(0.6)
    warning = await stream.event("stream.expiring")
    assert warning.json() == {"expiresAt": expires}
    clock.advance(29.5)
    await timed.publish()
    await stream.collect(1)
    clock.advance(0.5)
    await stream.read_to_end()
    assert stream.events[-1].json() == {"reason": "token_expired", "retryable": False}
    assert [event.event for event in stream.events].count("stream.expiring") == 1
    assert stream.ended


async def test_a_credential_with_less_than_30_seconds_is_warned_of_at_once(timed: RunningService) -> None:
    stream = await timed.stream(timed.token(ttl=20))
    await stream.event("stream.expiring")
    assert [event.event for event in stream.events] == ["stream.open", "stream.expiring"]


async def test_an_end_is_not_retryable_and_the_same_url_is_refused_after_it(timed: RunningService, clock: ManualClock) -> None:
    token = timed.token(ttl=40)
    stream = await timed.stream(token)
    clock.advance(40)
    await stream.read_to_end()
    assert stream.raw.rpartition(b"event: stream.closing")[2].count(b"retry:") == 0
    again = await timed.http.get(timed.stream_url(token))
    assert (again.status_code, again.json()["error"]["code"]) == (401, "unauthenticated")


async def test_a_set_back_wall_clock_does_not_prolong_a_stream(timed: RunningService, clock: ManualClock) -> None:
    stream = await timed.stream(timed.token(ttl=60))
    await stream.event("stream.open")
    clock.advance(59)
    assert not stream.ended
    clock.advance(1)
    await stream.read_to_end()
    assert stream.events[-1].json()["reason"] == "token_expired"


async def test_a_reader_that_stalls_is_aborted_within_a_second_of_its_credentials_end() -> None:
    clock = ManualClock()
    settings = {"limits": {"write_buffer_bytes": 4096, "stall_seconds": 3600}}
    async with serving(settings, clock=clock) as service:
        stream = await stuck_reader(service, service.token(ttl=100))
        clock.advance(100)
        for _ in range(100):
            await service.http.get(f"{service.url}/health/live")
        assert len(service.service.broker) == 1, "its last frame has been offered, and it does not take it"
        clock.advance(1)
        async with asyncio.timeout(PATIENCE):  # the second is the clock's: this is how long a slow machine may take over it
            while len(service.service.broker):  # noqa: ASYNC110 - the broker tells nobody else when a stream is gone
                await asyncio.sleep(0)
        stream.reset()


async def test_a_stream_of_a_bounded_age_ends_and_may_return() -> None:
    clock = ManualClock()
    async with serving({"max_age_seconds": 100}, clock=clock) as service:
        stream = await service.stream()
        clock.advance(100)
        await stream.read_to_end()
        assert stream.events[-1].json() == {"reason": "max_age", "retryable": True}
        assert stream.raw.rpartition(b"event: stream.closing")[2].startswith(b"\nretry: ")
        again = await service.replay(headers={"Last-Event-ID": stream.parser.last_event_id})
        assert again.events[0].json()["resumed"] is True
