"""A started log, and a follower that writes down what it is told."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import TYPE_CHECKING, Final, Protocol

from redline.envelope import Envelope, EventId, OrgId, parse_org
from redline.eventlog.contract import Appended, Draft
from redline.eventlog.retention import Retention

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Sequence

    from redline.clock import Clock
    from redline.errors import RedlineError
    from redline.eventlog.contract import EventLog, Record
    from redline.testing.clock import ManualClock

ACME: Final = parse_org("acme")
GLOBEX: Final = parse_org("globex")
MUCH: Final = 1 << 30
PATIENCE: Final = 30.0
"""How long (seconds of the machine) a log may take to tell its follower of what it has acknowledged, before that counts as never."""


class Factory(Protocol):
    """Makes a log that is not started."""

    def __call__(self, retention: Retention, clock: Clock) -> EventLog:
        """Return a log that keeps so much, by that clock."""


def draft(data: bytes = b"{}", *, org: OrgId = ACME, key: str | None = None, kind: str = "run.stage") -> Draft:
    """Return a draft, whose payload is also its fingerprint."""
    return Draft(Envelope(org, kind, "2026-11-22T10:00:00.000Z", data), key, data)


def parsed(event_id: str) -> EventId:
    """Return an id as a client would send it back."""
    made = EventId.parse(event_id)
    assert made is not None, f"{event_id!r} is not what contract §1 calls an event id"
    return made


class Following:
    """A log and its only follower."""

    def __init__(self, log: EventLog, clock: ManualClock) -> None:
        """Take the log, and the clock that it goes by."""
        self.log = log
        self.clock = clock
        self.told: dict[OrgId, list[Record]] = defaultdict(list)
        self.floors: dict[OrgId, list[int]] = defaultdict(list)
        self.losses: list[tuple[OrgId, ...] | None] = []
        self._news = asyncio.Event()

    @classmethod
    @asynccontextmanager
    async def of(cls, factory: Factory, clock: ManualClock, retention: Retention | None = None) -> AsyncIterator[Following]:
        """Start a log for the length of the block; its bounds are wide unless said."""
        following = cls(factory(retention or Retention(), clock), clock)
        await following.log.start(following)
        try:
            yield following
        finally:
            await following.log.close()

    def appended(self, records: Sequence[Record]) -> None:
        """Write new records down."""
        for record in records:
            self.told[record.envelope.org].append(record)
        self._news.set()

    def trimmed(self, org: OrgId, floor: int) -> None:
        """Write a floor down."""
        self.floors[org].append(floor)

    def lost(self, orgs: Collection[OrgId] | None) -> None:
        """Write down that what was told of these orgs (None: of all) does not count any more."""
        self.losses.append(None if orgs is None else tuple(orgs))
        for org in tuple(self.told) if orgs is None else orgs:
            self.told.pop(org, None)
        self._news.set()

    async def caught_up(self, ids: Sequence[str], org: OrgId = ACME) -> None:
        """Wait until as much was told of an org, and see that it is these ids: each once, in this order."""
        async with asyncio.timeout(PATIENCE):
            while len(self.told[org]) < len(ids):
                self._news.clear()
                await self._news.wait()
        assert [record.id for record in self.told[org]] == list(ids)

    async def append(self, *drafts: Draft) -> list[str]:
        """Append, and return the ids; an error fails the test."""
        answers = await self.log.append(drafts)
        refused = [answer for answer in answers if not isinstance(answer, Appended)]
        assert not refused, refused
        return [answer.id for answer in answers if isinstance(answer, Appended)]

    async def answer(self, one: Draft) -> Appended | RedlineError:
        """Append one draft, and return what became of it."""
        return (await self.log.append([one]))[0]

    async def ids(self, org: OrgId = ACME, *, after: int | None = None, page: int = MUCH) -> list[str]:
        """Page through what is retained after a position (from the floor, unless said)."""
        return [record.id for record in await self.records(org, after=after, page=page)]

    async def records(self, org: OrgId = ACME, *, after: int | None = None, page: int = MUCH) -> list[Record]:
        """Page through what is retained after a position (from the floor, unless said)."""
        bounds = await self.log.bounds(org)
        position = bounds.floor.position if after is None else after
        found: list[Record] = []
        while records := await self.log.read(org, position, page):
            assert all(a.position < b.position for a, b in pairwise(records))
            found += records
            position = records[-1].position
        return found


async def turns(count: int) -> None:
    """Let the loop turn."""
    for _ in range(count):
        await asyncio.sleep(0)
