"""What every event log promises.

The law of this module: above it nobody asks which log is beneath. The promises:

* **Order.** An org's records have one order, that of their positions, and every follower and every reader sees that order. Positions of
  one org grow; they need not be contiguous, and they never mean anything for another org.
* **Acceptance.** When ``append`` answers, the record is in the log to the log's own degree of durability, and has been or will be handed
  to this node's follower. An append that was cancelled may or may not have happened.
* **Ids.** An id is given once, for ever. ``locate`` finds the position of an id that this log gave and can still place, and of no other.
* **Loss.** What was evicted is below the floor, and reading from there fails. Nothing between the floor and the head is ever missing.
* **Memory.** An org's epoch and head are remembered for the history's age after its last record or its last hold.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from redline.envelope import Envelope, EventId, OrgId
    from redline.errors import RedlineError


RECORD_OVERHEAD: Final = 600
"""Bytes that a record takes besides its payload (the objects around it, measured on CPython 3.11). Whoever bounds records by bytes counts
these too: so a flood of small events cannot outgrow the bound, and a log and the nodes that read it mean the same by a share of it."""


class Mark(NamedTuple):
    """A place in an org's order: after the record of that position, before the next. ``id`` is what a client holds for it."""

    position: int
    id: str


class Record(NamedTuple):
    """An envelope as the log holds it. ``appended`` is in seconds since the Unix epoch."""

    position: int
    id: str
    envelope: Envelope
    appended: float

    @property
    def mark(self) -> Mark:
        """Return the place right after this record."""
        return Mark(self.position, self.id)


class Bounds(NamedTuple):
    """What of an org's history is retained: everything after ``floor``, up to ``head``. ``oldest`` is the first such record's id."""

    floor: Mark
    oldest: str | None
    head: Mark


class Tail(NamedTuple):
    """The newest records of an org, oldest first, without a hole up to ``bounds.head``."""

    bounds: Bounds
    records: Sequence[Record]


class Draft(NamedTuple):
    """An envelope to append. ``key`` is an idempotency key; ``fingerprint`` tells whether two drafts under one key are the same event."""

    envelope: Envelope
    key: str | None = None
    fingerprint: bytes = b""


class Appended(NamedTuple):
    """What became of a draft. ``duplicate``: the key was used before for the same event, and this is that event's id."""

    id: str
    duplicate: bool


class EvictedError(Exception):
    """The history after the position asked for is no longer whole."""


class Follower(Protocol):
    """Who is told, on this node's loop, of everything that enters the log, whichever node put it there."""

    def appended(self, records: Sequence[Record]) -> None:
        """Take new records, in the order of each org. Must not raise and must not wait."""

    def trimmed(self, org: OrgId, floor: int) -> None:
        """Learn that the org's records up to and including ``floor`` are gone. A log that cannot tell does not call this.

        Must not raise, and must not wait.
        """

    def lost(self, orgs: Collection[OrgId] | None) -> None:
        """Learn that what was told of these orgs (None: of all) may have a hole, or is not the log's any more.

        Nothing told before counts from here on: it is forgotten, holds are released before this returns, and who reads such an org is sent
        away, to come back and learn of the gap. What is told after this is whole again. A log that never loses its place does not call it.

        Must not raise, and must not wait.
        """


class EventLog(Protocol):
    """A log. All methods are called on one event loop; the awaited ones may raise :class:`redline.errors.LogUnavailable`."""

    async def start(self, follower: Follower) -> None:
        """Open the log and follow it from its present head. Raises :class:`redline.errors.StartupError`."""

    async def append(self, drafts: Sequence[Draft]) -> list[Appended | RedlineError]:
        """Append each draft, in order; return one answer each.

        An error in an answer (``IdempotencyConflict``, ``RateLimited``, ``OverCapacity``, ``LogUnavailable``) concerns that draft alone.
        """

    async def bounds(self, org: OrgId) -> Bounds:
        """Return what is retained; an org never heard of gets its epoch here. Raises ``OverCapacity`` where no more orgs fit."""

    async def locate(self, org: OrgId, event_id: EventId) -> Mark | None:
        """Return the place that ``event_id`` names in this org, even below the floor; None for any id that is not this org's own."""

    async def read(self, org: OrgId, after: int, max_bytes: int) -> Sequence[Record]:
        """Return records after a position, oldest first: at least one, up to about ``max_bytes`` of payload; none at the head.

        Raises :class:`EvictedError` where ``after`` lies below the floor.
        """

    async def tail(self, org: OrgId, max_records: int, max_bytes: int) -> Tail:
        """Return the newest records within both bounds, with the bounds of the whole at that moment."""

    def hold(self, org: OrgId) -> None:
        """Remember the org's epoch and head until :meth:`release`. Holds are counted."""

    def release(self, org: OrgId) -> None:
        """Let go of one hold; from here the history's age counts."""

    @property
    def fault(self) -> str | None:
        """Say why the log cannot be used now, or None when it can. Without a credential in it."""

    async def close(self) -> None:
        """Let nothing more in, and free what the log holds. Safe to call twice."""
