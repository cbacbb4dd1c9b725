"""A broker over a log in memory, with fake connections and a clock that stands still: what the tests of this folder share.

Loop turns are taken one by one (``turns``): nothing here waits for time to pass.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypedDict, Unpack

from redline.broker.broker import Broker, Limits, Request
from redline.broker.filter import Filter, KindFilter
from redline.broker.sink import unwrapped
from redline.envelope import Envelope, OrgId, parse_org
from redline.eventlog.contract import Appended, Draft
from redline.eventlog.memory import MemoryLog, Retention
from redline.metrics import Metrics
from redline.testing import EventParser, ManualClock, StreamEvent

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

    from redline.broker.admission import Opening
    from redline.broker.subscription import Subscription
    from redline.eventlog.contract import EventLog

ACME = parse_org("acme")
AT = "2026-11-22T10:00:00.000Z"
ENOUGH = 40
"""Turns of the loop after which everything that was begun here has ended."""


def envelope(kind: str = "run.stage", data: bytes = b"{}", org: OrgId = ACME, scope: str | None = None) -> Envelope:
    return Envelope(org, kind, AT, data, scope)


def kinds(*patterns: str, scopes: Iterable[str] = ()) -> Filter:
    return Filter(KindFilter.parse(patterns), frozenset(scopes))


async def turns(count: int = ENOUGH) -> None:
    """Let the loop turn."""
    for _ in range(count):
        await asyncio.sleep(0)


class Asked(TypedDict, total=False):
    """What a stream may be asked for besides its cursor and its filter."""

    org: OrgId
    expires: float
    earliest: bool
    follow: bool
    heartbeat_events: bool


class FakeSink:
    """A connection under the test's control. It tells its subscription that it is full when a write takes it over ``room`` bytes."""

    def __init__(self) -> None:
        self.subscription: Subscription | None = None
        self.taken: list[bytes] = []
        self.last: bytes | None = None
        self.aborted = 0
        self.waiting = 0
        self.room: int | None = None
        self.broken: Exception | None = None
        self.on_write: Callable[[], None] | None = None

    def write(self, data: bytes) -> None:
        assert self.last is None, "written to after its end"
        if self.broken is not None:
            raise self.broken
        self.taken.append(data)
        if self.on_write is not None:
            self.on_write()
        if self.room is not None:
            self.room -= len(data)
            if self.room < 0 and self.subscription is not None:
                self.subscription.pause()

    def finish(self, frames: bytes) -> None:
        assert self.last is None, "finished twice"
        self.last = frames

    def abort(self) -> None:
        self.aborted += 1

    def unsent(self) -> int:
        return self.waiting


class Reader:
    """A connected reader, and what it has read so far, strictly by the standard."""

    def __init__(self, opening: Opening, sink: FakeSink, subscription: Subscription) -> None:
        self.opening = opening
        self.sink = sink
        self.subscription = subscription

    @property
    def raw(self) -> bytes:
        return self.opening.frames + b"".join(self.sink.taken) + (self.sink.last or b"")

    @property
    def parsed(self) -> tuple[EventParser, list[StreamEvent]]:
        parser = EventParser()
        return parser, parser.feed(self.raw)

    @property
    def all(self) -> list[StreamEvent]:
        return self.parsed[1]

    @property
    def ids(self) -> list[str]:
        """The ids of the events (not the control events), in the order in which they came."""
        return [event.json()["id"] for event in self.all if not event.event.startswith("stream.")]

    def named(self, name: str) -> list[StreamEvent]:
        return [event for event in self.all if event.event == f"stream.{name}"]

    @property
    def last_event_id(self) -> str:
        return self.parsed[0].last_event_id

    @property
    def comments(self) -> list[str]:
        return self.parsed[0].comments

    @property
    def reason(self) -> str | None:
        """Why the stream was closed, None while it is open."""
        closing = self.named("closing")
        return str(closing[0].json()["reason"]) if closing else None


class Bench:
    """A started broker and what belongs to it."""

    def __init__(
        self,
        limits: Limits | None = None,
        retention: Retention | None = None,
        log: Callable[[MemoryLog], EventLog] | None = None,
    ) -> None:
        self.clock = ManualClock()
        self.metrics = Metrics()
        self.memory = MemoryLog(retention or Retention(), self.clock, self.metrics)
        self.log: EventLog = self.memory if log is None else log(self.memory)
        self.broker = Broker(self.log, limits or Limits(), self.clock, self.metrics)

    async def publish(self, *events: str, data: bytes = b"{}", org: OrgId = ACME, scope: str | None = None) -> list[str]:
        """Append events of these kinds in one batch; return their ids."""
        answers = await self.broker.publish([Draft(envelope(kind, data, org, scope)) for kind in events])
        assert all(isinstance(answer, Appended) for answer in answers)
        return [answer.id for answer in answers if isinstance(answer, Appended)]

    def request(self, after: str | None = None, wanted: Filter | None = None, **more: Unpack[Asked]) -> Request:
        given: Asked = {"org": ACME, "expires": self.clock.time() + 3600, **more}
        return Request(wanted=wanted or Filter(), after=after, **given)

    async def open(
        self,
        after: str | None = None,
        wanted: Filter | None = None,
        *,
        sink: FakeSink | None = None,
        wrap: Callable[[bytes], bytes] = unwrapped,
        **more: Unpack[Asked],
    ) -> Reader:
        """Open a stream and attach a fake connection; nothing has been written to that yet when this returns."""
        sink = sink or FakeSink()
        async with self.broker.admit(self.request(after, wanted, **more)) as opening:
            subscription = self.broker.attach(opening, sink, wrap)
        sink.subscription = subscription
        return Reader(opening, sink, subscription)

    async def opened(
        self, after: str | None = None, wanted: Filter | None = None, *, sink: FakeSink | None = None, **more: Unpack[Asked]
    ) -> Reader:
        """Open a stream and let it come to rest."""
        reader = await self.open(after, wanted, sink=sink, **more)
        await turns()
        return reader

    def metric(self, name: str, **labels: str) -> float:
        value = self.metrics._registry.get_sample_value(name, labels)  # noqa: SLF001 - what /metrics would say
        assert value is not None, name
        return value


@asynccontextmanager
async def bench(
    limits: Limits | None = None, retention: Retention | None = None, log: Callable[[MemoryLog], EventLog] | None = None
) -> AsyncIterator[Bench]:
    """Run a broker for the length of the block."""
    made = Bench(limits, retention, log)
    await made.broker.start()
    try:
        yield made
    finally:
        await made.broker.close()
        await turns(3)
