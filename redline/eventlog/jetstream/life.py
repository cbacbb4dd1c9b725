"""One stream, for as long as it is there: what of it can be seen from this node.

The law of this module: what is answered here was so at a moment after the question, and holds all that this node had answered for by then.
A place beyond what this node has come to is asked of the leader; nothing else that is asked of a known org is asked of anybody.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from redline.clock import within
from redline.errors import LogUnavailable
from redline.eventlog.contract import Bounds, EvictedError, Mark, Record, Tail
from redline.eventlog.jetstream.intake import Intake
from redline.eventlog.jetstream.reading import Reader
from redline.eventlog.jetstream.seal import ORIGIN, Sealed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redline.clock import Clock
    from redline.envelope import EventId, OrgId
    from redline.eventlog.contract import Follower
    from redline.eventlog.jetstream.following import Following
    from redline.eventlog.jetstream.history import History
    from redline.eventlog.jetstream.ledger import Ledger
    from redline.eventlog.jetstream.ledgers import Ledgers
    from redline.eventlog.jetstream.stream import Incarnation
    from redline.metrics import Metrics

_ATTEMPTS: Final = 5
_STANDING: Final = 1000
_MARGIN: Final = (0.1, 2.0)
"""How much earlier than the stream, as a part of the age and in seconds at most, an event counts as gone: clocks differ by as much."""


class Life:
    """A stream, from when this node has found it until it is gone. ``over`` is then true."""

    def __init__(  # noqa: PLR0913, PLR0917 - made in one place
        self,
        incarnation: Incarnation,
        history: History,
        following: Following,
        ledgers: Ledgers,
        follower: Follower,
        clock: Clock,
        metrics: Metrics,
        timeout: float,
    ) -> None:
        """Take which stream, how to ask and follow it, who is told, where time comes from and where to count.

        ``timeout`` is how long to wait for this node to catch up (seconds).
        """
        self.key = incarnation.key
        self.stream = incarnation.name
        self.history = history
        self.over = False
        self._following = following
        self._ledgers = ledgers
        self._clock = clock
        self._timeout = timeout
        self._age = incarnation.age
        self._reader = Reader(incarnation, history)
        self.sealer = self._reader.sealer
        self.intake = Intake(self._reader, ledgers, follower, clock, metrics)
        self._acknowledged = incarnation.last
        self._first = 0
        self._making: dict[OrgId, asyncio.Task[list[Record]]] = {}
        self._standing: OrderedDict[int, int] = OrderedDict()

    async def begin(self, last: int) -> None:
        """Learn what the stream is followed after. Raises ``LogUnavailable``."""
        self.intake.begin(Sealed(ORIGIN, last, await self._reader.stands(last)))

    def end(self) -> None:
        """Learn that the stream is gone, or the log closed."""
        self.over = True
        self.intake.close()
        for task in tuple(self._making.values()):
            task.cancel()
        self._ledgers.clear()

    @property
    def followed(self) -> int:
        """Return the sequence up to which the stream has come to this node."""
        return self._following.followed

    def acknowledged(self, seq: int) -> None:
        """Learn that this node has answered for an event."""
        self._acknowledged = max(self._acknowledged, seq)

    def begins_at(self, first: int) -> None:
        """Learn that the stream has nothing before a sequence, and let go of what has outlived its age."""
        self._first = max(first, self._first)
        self.intake.trimmed({org: ledger for org, ledger in self._ledgers if ledger.trim(below=self._first, before=self._oldest())})

    def _oldest(self) -> float:
        """Return the moment (Unix seconds) up to which everything counts as gone."""
        share, most = _MARGIN
        return self._clock.time() - self._age + min(most, self._age * share) if self._age else 0.0

    # Waiting.

    async def caught_up(self) -> None:
        """Wait until this node was told of all that it has answered for. Raises ``LogUnavailable``."""
        await self._reached(self._acknowledged)

    async def _reached(self, seq: int) -> None:
        if seq > self._following.followed and seq >= self._first:
            await self._following.reached(seq)
        if not self.intake.is_settled:
            try:
                async with within(self._clock, self._timeout):
                    await self.intake.settled()
            except TimeoutError:
                raise _late() from None
        self._check()

    def _check(self) -> None:
        if self.over:
            msg = "The event log is closed, or was made anew. Try again in a moment."
            raise LogUnavailable(msg, retry_after=1)

    # Ledgers.

    async def _ledger(self, org: OrgId) -> tuple[Ledger, Sequence[Record]]:
        """Return an org's ledger, all caught up, and the newest of its records where it had to be read for that."""
        await self._reached(self._acknowledged)
        records: Sequence[Record] = ()
        while (ledger := self._ledgers.get(org)) is None:
            records = await self._make(org)
            await self._reached(self._acknowledged)
        if ledger.trim(before=self._oldest()):
            self.intake.trimmed({org: ledger})
        return ledger, records

    async def _make(self, org: OrgId) -> list[Record]:
        """Have an org's ledger read, once for however many ask."""
        task = self._making.get(org)
        if task is None:
            task = self._making[org] = asyncio.get_running_loop().create_task(self._read_ledger(org))
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
        try:
            async with within(self._clock, self._timeout):
                return await asyncio.shield(task)
        except TimeoutError:
            raise _late() from None
        except asyncio.CancelledError:
            if task.cancelled() and self.over:
                self._check()
            raise
        finally:
            del task  # it holds its error, and that its frames: this one, and whoever asks

    async def _read_ledger(self, org: OrgId) -> list[Record]:
        try:
            while True:
                holes = self.intake.holes
                told = self._ledgers.collect(org, self._reader.per_org)
                ledger, records = await self._reader.ledger(org, self.intake.origin, self._reached)
                if holes == self.intake.holes:
                    break
            ledger.extend(told)
            self._ledgers.put(org, ledger)
        except BaseException:
            self._ledgers.drop(org)
            raise
        else:
            return records
        finally:
            del self._making[org]

    def _bounds(self, org: OrgId, ledger: Ledger) -> Bounds:
        floor, top, oldest = ledger.floor(), ledger.top(), ledger.oldest()
        ids = self.sealer.ids_of((org, *place) for place in ((floor, top) if oldest is None else (floor, top, oldest)))
        return Bounds(Mark(ledger.low, ids[0]), ids[2] if oldest is not None else None, Mark(ledger.head, ids[1]))

    # What is asked.

    async def bounds(self, org: OrgId) -> Bounds:
        """Return what is retained of an org."""
        ledger, _ = await self._ledger(org)
        return self._bounds(org, ledger)

    async def locate(self, org: OrgId, event_id: EventId) -> Mark | None:
        """Return the place that an id of this stream names."""
        sealed = self.sealer.open(org, event_id)
        if sealed is None:
            return None
        if sealed.seq > self.intake.origin().seq:
            if sealed.seq > (await self.history.state()).last:
                return None
            await self._reached(sealed.seq)
        if sealed.kind == ORIGIN and not await self._stands(sealed):
            return None
        ledger, _ = await self._ledger(org)
        position = ledger.place(sealed)
        return None if position is None else Mark(position, str(event_id))

    async def _stands(self, sealed: Sealed) -> bool:
        """Tell whether a place where an org had nothing is one of this stream: whatever stood there, if it is still there, is the same."""
        if not sealed.check or sealed == self.intake.origin():
            return True
        check = self._standing.get(sealed.seq)
        if check is None:
            check = self._standing[sealed.seq] = await self._reader.stands(sealed.seq)
            if len(self._standing) > _STANDING:
                self._standing.popitem(last=False)
        return check in {0, sealed.check}

    async def read(self, org: OrgId, after: int, max_bytes: int) -> Sequence[Record]:
        """Return a page."""
        ledger, _ = await self._ledger(org)
        if after < ledger.low:
            raise EvictedError
        return await self._fetch(org, ledger.page(after, max_bytes), ledger)

    async def tail(self, org: OrgId, max_records: int, max_bytes: int) -> Tail:
        """Return the newest records within both bounds."""
        for _ in range(_ATTEMPTS):
            ledger, records = await self._ledger(org)
            holes, bounds, places = self.intake.holes, self._bounds(org, ledger), ledger.newest(max_records, max_bytes)
            known = {record.position: record for record in records}
            missing = [place for place in places if place not in known]
            try:
                known.update((record.position, record) for record in await self._fetch(org, missing, ledger))
            except EvictedError:
                continue
            if holes == self.intake.holes:
                return Tail(bounds, [known[place] for place in places])
        msg = "The org's history goes faster than it can be read. Try again in a moment."
        raise LogUnavailable(msg, retry_after=1)

    async def _fetch(self, org: OrgId, places: Sequence[int], ledger: Ledger) -> list[Record]:
        if not places:
            return []
        try:
            records = await self._reader.fetch(org, places, ledger)
        except EvictedError:
            self.intake.trimmed({org: ledger})
            raise
        self._check()
        return records


def _late() -> LogUnavailable:
    return LogUnavailable("This server has not seen all of the event log yet. Try again in a moment.", retry_after=1)
