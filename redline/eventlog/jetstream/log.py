"""The event log on JetStream, as the rest of Redline sees it.

The law of this module: an event is answered for when the stream's quorum has it, and seen when it comes back from the stream, as every
node sees it. While the stream is not what this node knows (gone, or another of its name), nothing is answered at all; when it is found
again, who reads here is told that this node has lost its place.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from redline.clock import within
from redline.errors import LogUnavailable, NotYetError, StartupError
from redline.eventlog.jetstream.appending import Appending
from redline.eventlog.jetstream.connection import Connection
from redline.eventlog.jetstream.following import Following
from redline.eventlog.jetstream.history import History
from redline.eventlog.jetstream.ledgers import Ledgers
from redline.eventlog.jetstream.life import Life
from redline.eventlog.jetstream.lookout import Lookout
from redline.eventlog.jetstream.making import TooManyConsumersError
from redline.eventlog.jetstream.publishing import Publishing
from redline.eventlog.jetstream.refusal import NotAllowedError
from redline.eventlog.jetstream.remembering import Remembering
from redline.eventlog.jetstream.rights import Rights
from redline.eventlog.jetstream.stream import ensure
from redline.eventlog.jetstream.subjects import keys_of
from redline.eventlog.jetstream.vouching import Vouching
from redline.eventlog.jetstream.waiting import Backoff, pause
from redline.eventlog.urls import SETTING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redline.clock import Clock
    from redline.envelope import EventId, OrgId
    from redline.errors import RedlineError
    from redline.eventlog.contract import Appended, Bounds, Draft, Follower, Mark, Record, Tail
    from redline.eventlog.jetstream.options import JetStreamOptions
    from redline.eventlog.jetstream.wire import Message
    from redline.eventlog.retention import Retention
    from redline.metrics import Metrics

_logger = logging.getLogger(__name__)

_LOOKED_FOR: Final = "the event log's stream is gone, or is another one; it is looked for"
_PATIENCE: Final = 3
"""How many times ``timeout`` the start asks for the stream of servers that are there and do not answer for it."""
_FAREWELL_SECONDS: Final = 2.0
"""How long a close waits for what was published to be acknowledged and to come back."""


class JetStreamLog:
    """The :class:`~redline.eventlog.contract.EventLog` that many nodes share."""

    def __init__(self, options: JetStreamOptions, retention: Retention, clock: Clock, metrics: Metrics) -> None:
        """Take where the stream is, how much it keeps when it is made here, where time comes from, and where to count."""
        self._options = options
        self._retention = retention
        self._clock = clock
        self.metrics = metrics
        self._ledgers = Ledgers()
        self._follower: Follower | None = None
        self._connection = Connection(options, clock)
        self.rights = Rights(self._connection)
        self.following = Following(self._connection, options, clock, self)
        self.history = History(self._connection, options)
        self._keys = Remembering(self._connection, options, retention, self.following, self.history, clock, metrics)
        publishing = Publishing(self._connection, options, clock)
        vouching = Vouching(self._connection, options.stream, self.following, clock)
        self._appending = Appending(publishing, vouching, self._keys, clock)
        self._life: Life | None = None
        self._trouble: str | None = "the event log is not open"
        self.lookout = Lookout(self.history, self._usable, self._keys, self.rights, clock, metrics)
        self._renewing: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None
        self._reconnects = 0
        self._connection.watch(self._count_reconnects)
        metrics.orgs.set_function(lambda: len(self._ledgers))
        metrics.log_pending.set_function(lambda: publishing.pending)

    # Its life.

    async def start(self, follower: Follower) -> None:
        """Connect, find the stream or make it, and follow it. Raises :class:`redline.errors.StartupError`."""
        self._follower, self._closing = follower, None
        try:
            await self._connection.start()
            await self._find_at_start(follower)
        except LogUnavailable as error:
            await self.close()
            hint = "" if isinstance(error, NotAllowedError | TooManyConsumersError) else " (Has JetStream a leader?)"
            msg = f"{SETTING}: NATS is there, and does not serve the stream {self._options.stream}: {error}{hint}"
            raise NotYetError(msg) from None
        except BaseException:
            await self.close()
            raise
        _logger.info(
            "history.bytes does not count here: JetStream bounds an org's events and their age, and the bytes of all orgs together."
        )
        self.lookout.start()

    async def _find_at_start(self, follower: Follower) -> None:
        """Find the stream, and have some patience: servers that were just started take clients before they have elected who answers."""
        until, backoff = self._clock.monotonic() + _PATIENCE * self._options.timeout, Backoff()
        while True:
            try:
                return await self._find(follower)
            except LogUnavailable as error:
                if isinstance(error, NotAllowedError) or self._clock.monotonic() >= until:
                    raise
                _logger.warning("The event log on NATS cannot be opened yet, and that is tried again: %s", error)
            await pause(self._clock, backoff.delay())

    async def _find(self, follower: Follower) -> None:
        """Find the stream, or make it, and follow it from its head. Raises ``LogUnavailable`` or ``StartupError``."""
        incarnation = await ensure(self._connection, self._options, self._retention)
        await self.rights.prove(incarnation.name)
        life = Life(incarnation, self.history, self.following, self._ledgers, follower, self._clock, self.metrics, self._options.timeout)
        await life.begin(incarnation.last)
        await self._keys.begin(incarnation)
        await self.rights.prove_keys(keys_of(incarnation.name))
        before, self._life = self._life, life
        if before is not None:
            before.end()
            follower.lost(None)
        await self.following.start(incarnation.key, incarnation.last)
        await self._keys.settle()  # what was written down before this node followed, and after it had read it
        if life.over:
            msg = "The event log's stream went while it was looked for. Try again in a moment."
            raise LogUnavailable(msg, retry_after=1)
        self._trouble = None

    async def close(self) -> None:
        """Let nothing more in, see what is on its way arrive, and leave the stream. What has not arrived by then is refused."""
        if self._closing is None:
            self._closing = asyncio.get_running_loop().create_task(self._close())
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        usable, self._trouble = self._trouble is None, "the event log is not open"
        await self.lookout.close()
        if self._renewing is not None:
            self._renewing.cancel()
            await asyncio.wait((self._renewing,))
        life = self._life
        if life is not None and usable and self._connection.fault is None:
            await self._say_farewell(life)
        await self.following.close()
        await self._keys.close()
        if life is not None:
            life.end()
        self._life = None
        await self._connection.close()
        self._follower = None

    async def _say_farewell(self, life: Life) -> None:
        try:
            async with within(self._clock, _FAREWELL_SECONDS):
                await self._appending.idle()
                await self._keys.flush()
                await life.caught_up()
        except (TimeoutError, LogUnavailable):
            _logger.warning(
                "The event log was closed before all that was published here had come back from the stream, and its keys were written down."
            )

    @property
    def fault(self) -> str | None:
        """Say why the log cannot be used now."""
        return self.rights.fault or self._trouble or self._connection.fault or self.following.fault or self.lookout.fault

    def _count_reconnects(self) -> None:
        before, self._reconnects = self._reconnects, self._connection.reconnects
        self.metrics.log_reconnects.inc(self._reconnects - before)

    def _usable(self) -> Life | None:
        life = self._life
        return life if life is not None and not life.over and self._trouble is None else None

    def _opened(self) -> Life:
        life = self._usable()
        if life is None:
            what = "is closed" if self._closing is not None or self._life is None else "cannot be used now"
            raise LogUnavailable(f"The event log {what}. Try again in a moment.", retry_after=1)  # noqa: EM102, TRY003 - one line
        return life

    # What the following tells (see jetstream.following.Listener).

    def on_messages(self, messages: Sequence[Message]) -> None:
        """Take messages of the stream."""
        self._keys.on_messages(messages)
        if self._life is not None:
            self._life.intake.on_messages(messages)

    def on_jump(self, first_missing: int, following: int) -> None:
        """Learn of a hole in what came."""
        self._keys.on_jump()
        _logger.info("This node was overtaken by eviction: %d positions of the event log were skipped.", following - first_missing)
        if self._life is not None:
            self._life.intake.on_jump(first_missing, following)

    def on_lost(self) -> None:
        """Learn that the stream is not the one that was followed."""
        if self._life is None or self._closing is not None:
            return
        self._life.end()
        self._trouble = _LOOKED_FOR
        _logger.error(
            "The stream %s is not the one that was followed. It is looked for, and made anew where it is gone.", self._life.stream
        )
        if self._renewing is None:
            self._renewing = asyncio.get_running_loop().create_task(self._renew())

    async def _renew(self) -> None:
        backoff, said = Backoff(), ""
        while self._follower is not None:
            try:
                await self._find(self._follower)
            except (LogUnavailable, StartupError) as error:
                if str(error) != said:
                    said = str(error)
                    self._trouble = f"{_LOOKED_FOR}: {said}"
                    _logger.error("The event log cannot be used, and that is tried again: %s", said)  # noqa: TRY400 - no fault of ours
                await pause(self._clock, backoff.delay())
            else:
                _logger.warning("The event log's stream is followed again. Readers are told of the gap.")
                break
        self._renewing = None

    # What is asked (see eventlog.contract).

    async def append(self, drafts: Sequence[Draft]) -> list[Appended | RedlineError]:
        """Append each draft, in order, and answer once the stream has them."""
        return await self._appending.append(self._opened(), drafts)

    async def bounds(self, org: OrgId) -> Bounds:
        """Return what is retained."""
        return await self._opened().bounds(org)

    async def locate(self, org: OrgId, event_id: EventId) -> Mark | None:
        """Return the place of an id, which any node may have given."""
        return await self._opened().locate(org, event_id)

    async def read(self, org: OrgId, after: int, max_bytes: int) -> Sequence[Record]:
        """Return a page."""
        return await self._opened().read(org, after, max_bytes)

    async def tail(self, org: OrgId, max_records: int, max_bytes: int) -> Tail:
        """Return the newest records within both bounds."""
        return await self._opened().tail(org, max_records, max_bytes)

    def hold(self, org: OrgId) -> None:
        """Keep what is known of an org."""
        self._ledgers.hold(org)

    def release(self, org: OrgId) -> None:
        """Let go of one hold."""
        self._ledgers.release(org)
