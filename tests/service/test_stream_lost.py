"""A log that has lost its place, seen from outside: streams end for now, their readers come back, and are told the gap."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from redline.testing import RunningService


async def test_whoever_reads_the_org_is_sent_away_and_told_the_gap(redline: RunningService) -> None:
    globex = redline.token("globex")
    streams = [await redline.stream() for _ in range(5)]
    other = await redline.stream(globex)
    for stream in (*streams, other):
        await stream.event("stream.open")
    old = await redline.publish("run.stage")
    for stream in streams:
        await stream.collect(1)
    await redline.faults.lose_place("acme")
    backs = []
    for stream in streams:
        *_, event, closing = await stream.read_to_end()
        assert stream.ended, "at a frame's boundary, as HTTP has it"
        assert (event.last_event_id, closing.event) == (old, "stream.closing")
        assert closing.json() == {"reason": "log_unavailable", "retryable": True}
        assert stream.parser.retry is not None
        backs.append(await redline.stream(last_event_id=stream.parser.last_event_id))
    new = await redline.publish("run.stage")
    for back in backs:
        assert (await back.event("stream.open")).json()["resumed"] is False
        assert (await back.event("stream.gap")).json()["reason"] == "unknown"
        # The log kept its history here: after a gap comes all that is retained.
        assert [event.last_event_id for event in await back.collect(2)] == [old, new]
    await redline.publish("run.stage", token=globex)
    assert len(await other.collect(1)) == 1, "another org's stream goes on"


async def test_readers_who_come_back_each_time_miss_nothing(redline: RunningService) -> None:
    """The log is wrong about itself, again and again: whoever reads what is retained after each gap has everything, in order."""
    published: list[str] = []

    async def publish() -> None:
        for number in range(1, 151):
            published.append(await redline.publish("run.stage"))
            if not number % 25:
                await redline.faults.lose_place("acme")
        published.append(await redline.publish("scheduler.tick"))

    async def read() -> tuple[list[str], int]:
        seen: dict[str, None] = {}
        comings, cursor = 0, "earliest"
        while True:
            stream = await redline.stream(last_event_id=cursor)
            comings += 1
            await stream.read_until(lambda stream: stream.ended or any(event.event == "scheduler.tick" for event in stream.events))
            ids = [event.last_event_id for event in stream.events if not event.event.startswith("stream.")]
            assert len(set(ids)) == len(ids), "one came twice within a connection"
            seen |= dict.fromkeys(ids)
            cursor = stream.parser.last_event_id
            if not stream.ended:
                return list(seen), comings

    publishing = asyncio.ensure_future(publish())
    readings = await asyncio.gather(*(read() for _ in range(10)))
    await publishing
    for seen, comings in readings:
        assert seen == published
        assert comings > 1
    await redline.hang_up()
    async with asyncio.timeout(10):
        while len(redline.service.broker):  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.01)
