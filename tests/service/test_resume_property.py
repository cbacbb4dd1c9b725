"""Any cut, at any byte, any number of times, while events are published (contract §1 "Resume", "Frames are whole").

The law held here: a client that reconnects with the last id that it dispatched gets every event once and in order, or is told of a gap; one
that takes data and commits ids line by line loses none either. Never is anything lost in silence.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from redline.testing import EventParser, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from redline.testing import RunningService, StreamConnection

TINY, AMPLE = 7, 1000
RARE, COMMON = "change.detected", "scheduler.tick"
ORGS = count()


class Cut(NamedTuple):
    """One connection: what is published before it and during it, and after how many bytes it is cut, in which way."""

    before: int
    during: int
    after_bytes: int
    reset: bool
    follow: bool


CUTS = st.lists(
    st.builds(
        Cut,
        before=st.integers(0, 6),
        during=st.integers(0, 6),
        after_bytes=st.integers(0, 600) | st.integers(0, 6000),
        reset=st.booleans(),
        follow=st.booleans(),
    ),
    min_size=1,
    max_size=6,
)


@dataclass
class Told:
    """What a client was told: ids of events, and the ``oldest`` of gaps."""

    kind: str
    id: str | None


@dataclass
class Client:
    """A client across its connections."""

    service: RunningService
    token: str
    kinds: str
    cursor: str
    line_by_line: bool
    told: list[Told] = field(default_factory=list)

    async def connect(self, *, follow: bool) -> StreamConnection:
        return await self.service.stream(
            self.token, headers={"Last-Event-ID": self.cursor}, follow="true" if follow else "false", kinds=self.kinds
        )

    def take(self, body: bytes) -> None:
        """Take what arrived of a body before it was cut."""
        if self.line_by_line:
            self._take_lines(body)
            return
        parser = EventParser(last_event_id=self.cursor)
        for event in parser.feed(body):
            self._note(event.event, event.data)
        self.cursor = parser.last_event_id

    def _take_lines(self, body: bytes) -> None:
        name = ""
        for line in body.decode().split("\n")[:-1]:
            key, _, value = line.partition(": ")
            if key == "event":
                name = value
            elif key == "data":
                self._note(name, value)
            elif key == "id":
                self.cursor = value

    def _note(self, event: str, data: str) -> None:
        if event == "stream.gap":
            self.told.append(Told("gap", json.loads(data)["oldest"]))
        elif not event.startswith("stream."):
            self.told.append(Told("event", json.loads(data)["id"]))


def hold_to_the_law(client: Client, order: list[str], passing: set[str]) -> None:
    """``order`` are all ids in the order of the log, ``passing`` those that the client's filter admits."""
    expected = [event_id for event_id in order if event_id in passing]
    position = 0
    for told in client.told:
        if told.kind == "gap":
            oldest = len(order) if told.id is None else order.index(told.id)
            # What the gap stands for is what passes before the oldest; it takes nothing back.
            position = max(position, sum(1 for event_id in order[:oldest] if event_id in passing))
            continue
        assert told.id is not None
        index = expected.index(told.id)
        if client.line_by_line and index < position:
            continue  # its data had arrived, its id had not: once more is right
        assert index == position, f"expected {expected[position : position + 1]}, was told {told.id}"
        position += 1
    assert position == len(expected), "lost in silence"


async def publish(service: RunningService, token: str, number: int, passing: set[str]) -> None:
    for index in range(number):
        kind = RARE if index % 3 == 2 else COMMON
        event_id = await service.publish(kind, token=token)
        if kind == RARE:
            passing.add(event_id)


@pytest.fixture(params=[AMPLE, TINY], ids=["ample history", "tiny history"])
async def bounded(request: pytest.FixtureRequest) -> AsyncIterator[RunningService]:
    async with serving({"history": {"events": request.param}}) as service:
        yield service


@pytest.mark.parametrize("line_by_line", [False, True], ids=["by dispatch", "by line"])
@given(cuts=CUTS, filtered=st.booleans())
@settings(
    max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
async def test_no_cut_loses_an_event_in_silence(bounded: RunningService, line_by_line: bool, cuts: list[Cut], filtered: bool) -> None:  # noqa: FBT001 - a table's column
    service = bounded
    token = service.token(f"org-{next(ORGS)}")
    witness = await service.stream(token)
    start = (await witness.event("stream.open")).last_event_id
    client = Client(service, token, RARE if filtered else "", start, line_by_line)
    rare: set[str] = set()
    total = 0
    for cut in cuts:
        await publish(service, token, cut.before, rare)
        stream, _ = await asyncio.gather(client.connect(follow=cut.follow), publish(service, token, cut.during, rare))
        total += cut.before + cut.during
        last = b""
        if cut.follow:
            # Whatever the filter, this one arrives: it ends the reading of a stream that has fewer bytes than the cut leaves.
            last = (await service.publish(RARE, token=token)).encode()
            rare.add(last.decode())
            total += 1
        await _read(stream, cut.after_bytes, last)
        client.take(stream.raw[: cut.after_bytes])
        if cut.reset:
            stream.reset()
        await stream.close()
    whole = await client.connect(follow=False)
    await whole.read_to_end()
    client.take(whole.raw)
    assert whole.events[-1].json()["reason"] == "end_of_history"
    order = [event.last_event_id for event in await witness.collect(total)]
    await witness.close()
    hold_to_the_law(client, order, rare if filtered else set(order))


async def _read(stream: StreamConnection, most: int, last: bytes) -> None:
    """Read ``most`` bytes, or to the stream's end, or to the event ``last``."""
    mark = b"\nid: " + last + b"\n\n"
    await stream.read_until(lambda self: len(self.raw) >= most or self.ended or self.closed or (bool(last) and mark in self.raw))
