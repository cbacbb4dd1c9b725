"""What comes from the stream, on its way to who reads here.

The law of this module: an org's events are told in order, and after a hole nothing is told of an org before it is known that the hole was
not in its events. (A node that lags is overtaken by eviction: the stream goes on at a later sequence, and what is missing may have been
anybody's.) What has to wait for that has a bound; beyond it this node says that it has lost its place in all orgs, and goes on.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple

from redline.errors import LogUnavailable
from redline.eventlog.contract import Record
from redline.eventlog.jetstream.message import OVERHEAD, decode
from redline.eventlog.jetstream.reading import check_of_any
from redline.eventlog.jetstream.seal import EVENT, ORIGIN, Sealed, check_of
from redline.eventlog.jetstream.subjects import org_of, subject_of
from redline.eventlog.jetstream.waiting import Backoff, pause

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from redline.clock import Clock
    from redline.envelope import Envelope, OrgId
    from redline.eventlog.contract import Follower
    from redline.eventlog.jetstream.history import State
    from redline.eventlog.jetstream.ledger import Ledger
    from redline.eventlog.jetstream.ledgers import Ledgers
    from redline.eventlog.jetstream.reading import Reader
    from redline.eventlog.jetstream.wire import Message
    from redline.metrics import Metrics

_logger = logging.getLogger(__name__)

_WAITING_MESSAGES: Final = 65_536
_WAITING_BYTES: Final = 64 * 1024 * 1024
_ORGS: Final = 65_536
_AT_ONCE: Final = 32


class Jump(NamedTuple):
    """A hole: the sequences from ``first`` to before ``following``."""

    first: int
    following: int


class Intake:
    """Takes the messages of one stream, writes them into the ledgers, and tells a follower."""

    def __init__(self, reader: Reader, ledgers: Ledgers, follower: Follower, clock: Clock, metrics: Metrics) -> None:
        """Take which stream it is, where places are written down, who is told, where time comes from, and where to count."""
        self.holes = 0
        """How many holes there were: what was being read meanwhile may lack something."""
        self._reader = reader
        self._ledgers = ledgers
        self._follower = follower
        self._clock = clock
        self._metrics = metrics
        self._orgs: dict[str, OrgId | None] = {}
        self._newest = Sealed(ORIGIN, 0, 0)
        self._waiting: deque[Sequence[Message] | Jump] = deque()
        self._messages = self._bytes = 0
        self._looking: asyncio.Task[None] | None = None

    def begin(self, origin: Sealed) -> None:
        """Say where the stream is followed from."""
        self._newest = origin

    def origin(self) -> Sealed:
        """Return the place up to which everything was told."""
        return self._newest

    @property
    def is_settled(self) -> bool:
        """Tell whether nothing waits behind a hole."""
        return self._looking is None

    async def settled(self) -> None:
        """Wait until nothing waits behind a hole."""
        while self._looking is not None:
            await asyncio.wait((self._looking,))

    def close(self) -> None:
        """Tell nothing more."""
        self._stop_looking()
        self._waiting.clear()

    def _stop_looking(self) -> None:
        looking, self._looking = self._looking, None
        if looking is not None:
            looking.cancel()

    # What comes.

    def on_messages(self, messages: Sequence[Message]) -> None:
        """Tell of messages, or have them wait behind a hole."""
        if not self._waiting:
            self._take(messages)
            return
        self._waiting.append(messages)
        self._messages += len(messages)
        self._bytes += sum(len(message.data) + OVERHEAD for message in messages)
        if self._messages > _WAITING_MESSAGES or self._bytes > _WAITING_BYTES:
            _logger.warning("This node lags so far behind the event log that it has lost its place: its streams are closed, and resume.")
            self._stop_looking()
            self._lose(None)
            self._go_on(len(self._waiting))

    def on_jump(self, first_missing: int, following: int) -> None:
        """Let what comes wait until it is known whose events are missing between these sequences."""
        self.holes += 1
        self._ledgers.drop_idle()
        self._waiting.append(Jump(first_missing, following))
        if self._looking is None:
            self._looking = asyncio.get_running_loop().create_task(self._look())

    def _take(self, messages: Sequence[Message]) -> None:
        """Tell of messages. This is the hot path of the following side: some microseconds an event, whoever's it is."""
        orgs, open_ledgers = self._orgs, self._ledgers.open
        heard: list[tuple[Message, Envelope]] = []
        places: list[tuple[OrgId, int, int, int]] = []
        trimmed: dict[OrgId, Ledger] = {}
        for message in messages:
            seq, subject, data, time, _ = message
            try:
                org = orgs[subject]
            except KeyError:
                org = self._org(subject)
            if org is None:
                continue
            ledger = open_ledgers.get(org)
            try:
                nonce, envelope = decode(org, data)
                check = check_of(nonce)
            except ValueError as error:
                self._reader.complain(seq, error)
                if ledger is not None and ledger.void(seq):
                    trimmed[org] = ledger
                continue
            heard.append((message, envelope))
            places.append((org, EVENT, seq, check))
            if ledger is not None and ledger.append(seq, check, len(envelope.data), time):
                trimmed[org] = ledger
        ids = self._reader.sealer.ids_of(places)
        records = [Record(message[0], event_id, envelope, message[3]) for event_id, (message, envelope) in zip(ids, heard, strict=True)]
        newest = messages[-1]
        self._newest = Sealed(ORIGIN, newest.seq, check_of_any(newest.data))
        self._metrics.log_follow_lag_seconds.observe(max(0.0, self._clock.time() - newest.time))
        try:
            if records:
                self._follower.appended(records)
        except Exception:  # they are in the log, whatever it makes of them; and the next ones are told all the same
            _logger.exception("The event log's follower failed on %d events, which are in the log.", len(records))
        self.trimmed(trimmed)

    def trimmed(self, ledgers: Mapping[OrgId, Ledger]) -> None:
        """Tell of the floors of orgs that let something go."""
        for org, ledger in ledgers.items():
            try:
                self._follower.trimmed(org, ledger.low)
            except Exception:
                _logger.exception("The event log's follower failed on an org's floor of %d.", ledger.low)

    def _org(self, subject: str) -> OrgId | None:
        if len(self._orgs) >= _ORGS:
            self._orgs.clear()
        org = self._orgs[subject] = org_of(subject)
        if org is None:
            _logger.error("The subject %.100r of the stream %s is no org's; its messages are passed over.", subject, self._reader.stream)
        return org

    # Holes.

    async def _look(self) -> None:
        """Find out whose events are in the holes, as long as there are any, and go on behind them."""
        backoff = Backoff()
        while self._waiting:
            first, count = min(each.first for each in self._waiting if isinstance(each, Jump)), len(self._waiting)
            try:
                lost = await self._ask(first)
            except LogUnavailable:
                await pause(self._clock, backoff.delay())
                continue
            if lost:
                self._lose(lost)
            self._go_on(count)
        self._looking = None

    def _go_on(self, count: int) -> None:
        """Tell of so much of what waits, and of all behind that up to the next hole."""
        while self._waiting and (count > 0 or not isinstance(self._waiting[0], Jump)):
            one = self._waiting.popleft()
            count -= 1
            if isinstance(one, Jump):
                self._newest = Sealed(ORIGIN, one.following - 1, 0)
            else:
                self._messages -= len(one)
                self._bytes -= sum(len(message.data) + OVERHEAD for message in one)
                self._take(one)

    def _lose(self, orgs: Collection[OrgId] | None) -> None:
        for org in self._ledgers.open.copy() if orgs is None else orgs:
            self._ledgers.drop(org)
        if orgs is None:
            self.holes += 1
        try:
            self._follower.lost(orgs)
        except Exception:
            _logger.exception("The event log's follower failed when it was told of events that this node has missed.")

    async def _ask(self, first: int) -> list[OrgId]:
        """Return the orgs, of those that are held, which may have events among what is missing from a sequence on."""
        state, held = await self._reader.history.state(), deque(self._ledgers)
        lost: list[OrgId] = []

        async def work() -> None:
            while held:
                org, ledger = held.popleft()
                if not await self._whole(org, ledger, first, state):
                    lost.append(org)

        ended = await asyncio.gather(*(work() for _ in range(min(_AT_ONCE, len(held)))), return_exceptions=True)
        for error in ended:
            if error is not None:
                raise error
        return lost

    async def _whole(self, org: OrgId, ledger: Ledger, first: int, state: State) -> bool:
        """Tell whether it is certain that nothing is missing of an org, though from ``first`` on something of the stream is.

        What goes of an org goes from its oldest on: where something is there that was told before the hole, all after it is. And where the
        stream's beginning is before the hole, an org has only lost what did not fit.
        """
        reader, fits = self._reader, self._reader.fits(state)
        subject = subject_of(reader.stream, org)
        oldest = await reader.history.page(subject, 1, 1, 1)
        if oldest and oldest[0].seq <= ledger.head:
            return True
        if state.first > first:
            return False
        found, after = 0, first - 1
        while found < fits and (page := await reader.history.page(subject, after + 1, fits, 1 << 20)):
            found += len(page)
            after = page[-1].seq
        return found < fits
