"""What the stream retains, as records and as ledgers.

The law of this module: nothing that should be there is ever passed over. A replica may lag, and not have yet what it is asked for: what it
does not have is asked of the leader, and is evicted only where the leader has it not. Whatever is no event is passed over, and said once.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING, Final
from zlib import crc32

from redline.eventlog.contract import EvictedError, Record
from redline.eventlog.jetstream.ledger import Ledger
from redline.eventlog.jetstream.message import OVERHEAD, LaterVersionError, decode
from redline.eventlog.jetstream.seal import EVENT, ORIGIN, Sealed, Sealer, check_of
from redline.eventlog.jetstream.subjects import subject_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from redline.envelope import Envelope, OrgId
    from redline.eventlog.jetstream.history import History, State
    from redline.eventlog.jetstream.stream import Incarnation
    from redline.eventlog.jetstream.wire import Message

_logger = logging.getLogger(__name__)

MOST_PER_ORG: Final = 1_000_000
"""How many events of one org are counted, where the stream keeps any number: what is older is as good as evicted."""
_AT_ONCE: Final = 32
"""How many orgs are read at once: each takes up to two pages of memory meanwhile."""
_PAGES_AT_ONCE: Final = 256
_PAGE: Final = 1000
_PAGE_BYTES: Final = 4 * 1024 * 1024
_KEPT_BYTES: Final = 8 * 1024 * 1024
"""How many bytes of the newest events are kept from the reading of a ledger, for who wants them as well."""


class Reader:
    """Reads one stream."""

    def __init__(self, incarnation: Incarnation, history: History) -> None:
        """Take which stream it is, and how to ask it."""
        self.stream = incarnation.name
        self.sealer = Sealer(incarnation.key)
        self.per_org = min(incarnation.per_org, MOST_PER_ORG) if incarnation.per_org > 0 else MOST_PER_ORG
        self.history = history
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._pages = asyncio.Semaphore(_PAGES_AT_ONCE)
        self._strange: set[type[Exception]] = set()

    def fits(self, state: State) -> int:
        """Return how many events of an org have been kept at least, since this stream was found."""
        return min(self.per_org, state.per_org or self.per_org)

    # What a message is.

    def understand(self, org: OrgId, message: Message) -> tuple[int, Envelope] | None:
        """Return what stands of an event in its id, and the event; None where a message is no event, which is logged once."""
        try:
            nonce, envelope = decode(org, message.data)
            return check_of(nonce), envelope
        except ValueError as error:
            self.complain(message.seq, error)
            return None

    def complain(self, seq: int, error: ValueError) -> None:
        """Say once of each sort that a message is no event."""
        if type(error) not in self._strange:
            self._strange.add(type(error))
            hint = "Bring this node up to date" if isinstance(error, LaterVersionError) else "Let nothing but Redline publish there"
            _logger.error("Message %d of the stream %s is no event, and is passed over: %s. %s.", seq, self.stream, error, hint)

    async def stands(self, seq: int) -> int:
        """Return the check of whichever message stands at a sequence of the stream, whoever's it is; 0 where none does."""
        message = await self.history.get(seq) if seq else None
        return check_of_any(message.data) if message is not None else 0

    # Reading.

    async def fetch(self, org: OrgId, places: Sequence[int], ledger: Ledger) -> list[Record]:
        """Return the events at these places of an org. Where one is gone, so is all before it, and this raises :class:`EvictedError`."""
        async with self._pages:
            return await self._fetch(org, places, ledger)

    async def _fetch(self, org: OrgId, places: Sequence[int], ledger: Ledger) -> list[Record]:
        subject = subject_of(self.stream, org)
        found: list[Message] = []
        while len(found) < len(places):
            missing = places[len(found)]
            for message in await self.history.page(subject, missing, len(places) - len(found), _PAGE_BYTES):
                if len(found) < len(places) and message.seq == places[len(found)]:
                    found.append(message)
            if len(found) == len(places) or places[len(found)] != missing:
                continue
            head = ledger.head
            one = await self.history.following(subject, missing)
            if one is None or one.seq != missing:
                # All up to what the leader has: where somebody took a thousand of them, one at a time would be a thousand refusals.
                ledger.trim(below=one.seq if one is not None else head + 1)
                raise EvictedError
            found.append(one)
        understood = [(message, self.understand(org, message)) for message in found]
        return self._records(org, [(message, one) for message, one in understood if one is not None])

    def _records(self, org: OrgId, understood: Sequence[tuple[Message, tuple[int, Envelope]]]) -> list[Record]:
        ids = self.sealer.ids_of((org, EVENT, message.seq, check) for message, (check, _) in understood)
        return [
            Record(message.seq, event_id, envelope, message.time)
            for event_id, (message, (_, envelope)) in zip(ids, understood, strict=True)
        ]

    async def ledger(
        self, org: OrgId, origin: Callable[[], Sealed], reached: Callable[[int], Awaitable[None]]
    ) -> tuple[Ledger, list[Record]]:
        """Read an org's ledger, and return it with the newest of its events.

        ``origin`` says where the stream was followed to, ``reached`` waits until it was followed to a sequence. What is told meanwhile is
        the caller's to add.
        """
        async with self._turns:
            return await self._ledger(org, origin, reached)

    async def _ledger(
        self, org: OrgId, origin: Callable[[], Sealed], reached: Callable[[int], Awaitable[None]]
    ) -> tuple[Ledger, list[Record]]:
        subject = subject_of(self.stream, org)
        ledger, kept = Ledger(self.per_org, Sealed(ORIGIN, 0, 0)), deque[tuple["Message", tuple[int, "Envelope"]]]()
        newest = await self.history.last(subject)
        last, after, kept_bytes, oldest, count = newest.seq if newest is not None else 0, 0, 0, 0, 0
        while after < last and (page := await self.history.page(subject, after + 1, _PAGE, _PAGE_BYTES)):
            after = page[-1].seq
            oldest = oldest or page[0].seq
            count += len(page)
            for message in page:
                understood = self.understand(org, message)
                if understood is None:
                    ledger.void(message.seq)
                    continue
                ledger.append(message.seq, understood[0], len(understood[1].data), message.time)
                kept.append((message, understood))
                kept_bytes += len(message.data) + OVERHEAD
                while kept_bytes > _KEPT_BYTES or len(kept) > self.per_org:
                    kept_bytes -= len(kept.popleft()[0].data) + OVERHEAD
        await reached(after)
        # After the reading: what goes by age or by the stream's bytes goes from its beginning, so nothing after that has gone this way; and
        # by number nothing has gone of an org that has fewer than fit.
        state = await self.history.state()
        first = state.first
        ledger.begin(min(first, oldest or first) - 1 if count < self.fits(state) else oldest - 1, origin())
        ledger.trim(below=first)
        return ledger, self._records(org, list(kept))


def check_of_any(data: bytes) -> int:
    """Return what of a message's nonce an id would hold, event or not: all nodes must find the same."""
    return crc32(data[:64]) & 0x3FFF_FFFF or 1
