"""A started log, and a follower that writes down what it is told."""

from __future__ import annotations

from collections import defaultdict
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import TYPE_CHECKING, Protocol

from redline.envelope import Envelope, EventId, OrgId, parse_org
from redline.eventlog.contract import Appended, Draft
from redline.eventlog.memory import Retention

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from redline.clock import Clock
    from redline.errors import RedlineError
    from redline.eventlog.contract import EventLog, Record
    from redline.testing import ManualClock

ACME = parse_org("acme")
GLOBEX = parse_org("globex")
MUCH = 1 << 30


class Factory(Protocol):
    """Makes a log that is not started."""

    def __call__(self, retention: Retention, clock: Clock) -> EventLog: ...


def draft(data: bytes = b"{}", *, org: OrgId = ACME, key: str | None = None, kind: str = "run.stage") -> Draft:
    return Draft(Envelope(org, kind, "2026-11-22T10:00:00.000Z", data), key, data)


def parsed(event_id: str) -> EventId:
    """Return an id as a client would send it back."""
    made = EventId.parse(event_id)
    assert made is not None, f"{event_id!r} is not what contract §1 calls an event id"
    return made


class Following:
    """A log and its only follower."""

    def __init__(self, log: EventLog, clock: ManualClock) -> None:
        self.log = log
        self.clock = clock
        self.told: dict[OrgId, list[Record]] = defaultdict(list)
        self.floors: dict[OrgId, list[int]] = defaultdict(list)

    @classmethod
    @asynccontextmanager
    async def of(cls, factory: Factory, clock: ManualClock, retention: Retention | None = None) -> AsyncIterator[Following]:
        following = cls(factory(retention or Retention(), clock), clock)
        await following.log.start(following)
        try:
            yield following
        finally:
            await following.log.close()

    def appended(self, records: Sequence[Record]) -> None:
        for record in records:
            self.told[record.envelope.org].append(record)

    def trimmed(self, org: OrgId, floor: int) -> None:
        self.floors[org].append(floor)

    async def append(self, *drafts: Draft) -> list[str]:
        """Append, and return the ids; an error fails the test."""
        answers = await self.log.append(drafts)
        refused = [answer for answer in answers if not isinstance(answer, Appended)]
        assert not refused, refused
        return [answer.id for answer in answers if isinstance(answer, Appended)]

    async def answer(self, one: Draft) -> Appended | RedlineError:
        return (await self.log.append([one]))[0]

    async def ids(self, org: OrgId = ACME, *, after: int | None = None, page: int = MUCH) -> list[str]:
        """Page through what is retained after a position (from the floor, unless said)."""
        bounds = await self.log.bounds(org)
        position = bounds.floor.position if after is None else after
        found: list[str] = []
        while records := await self.log.read(org, position, page):
            assert all(a.position < b.position for a, b in pairwise(records))
            found += [record.id for record in records]
            position = records[-1].position
        return found
