"""What this node knows of idempotency keys, from wherever it comes.

The law of this module: a key is called new only by who has seen all that came before. JetStream's own memory of keys (``Nats-Msg-Id``) ends
where an event was evicted and a server restarted: so a node that was away, or was overtaken, first takes up what it missed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from redline.clock import within
from redline.errors import LogUnavailable, OverCapacity
from redline.eventlog.jetstream.connection import unreachable
from redline.eventlog.jetstream.journal import Journal
from redline.eventlog.jetstream.keys import Keys
from redline.eventlog.jetstream.message import nonce_of
from redline.eventlog.jetstream.seal import Sealer
from redline.eventlog.jetstream.subjects import org_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from redline.clock import Clock
    from redline.envelope import OrgId
    from redline.eventlog.jetstream.connection import Connection
    from redline.eventlog.jetstream.following import Following
    from redline.eventlog.jetstream.history import History
    from redline.eventlog.jetstream.keys import Row
    from redline.eventlog.jetstream.message import Encoded
    from redline.eventlog.jetstream.options import JetStreamOptions
    from redline.eventlog.jetstream.stream import Incarnation
    from redline.eventlog.jetstream.wire import Message
    from redline.eventlog.retention import Retention
    from redline.metrics import Metrics

_ORGS: Final = 65_536
_UNANSWERED: Final = 65_536
"""How many keys are waited for whose events were sent and not acknowledged."""
_SKEW: Final = 60.0
"""How much (seconds) this machine's clock may be ahead of the servers'."""


class Remembering:
    """Keys of the stream that is followed."""

    def __init__(  # noqa: PLR0913, PLR0917 - made in one place
        self,
        connection: Connection,
        options: JetStreamOptions,
        retention: Retention,
        following: Following,
        history: History,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        """Take how to reach the streams, how many keys an org may have, where time comes from, and where to count."""
        self._clock = clock
        self._connection = connection
        self._timeout = options.timeout
        self._most, self._most_bytes = options.pending, options.pending_bytes
        self._waiting = self._waiting_bytes = 0
        self._following = following
        self._keys = Keys(retention.keys, clock)
        self._journal = Journal(connection, options, self._keys, history, clock, metrics)
        self._orgs: dict[str, int] = {}
        self._number: Callable[[OrgId], int] = lambda _org: 0
        self._unanswered: dict[int, None] = {}
        self._times = 0  # how often the stream was taken up when the others' keys were last read for it

    # Its life.

    async def begin(self, incarnation: Incarnation) -> None:
        """Forget all, and read what is known of a stream's keys. Raises ``LogUnavailable`` or ``StartupError``."""
        self._number = Sealer(incarnation.key).tag
        self._orgs.clear()
        self._unanswered.clear()
        await self._journal.begin(incarnation)

    async def flush(self) -> None:
        """Write down what is not yet. Raises ``LogUnavailable``."""
        await self._journal.flush()

    async def close(self) -> None:
        """Forget all."""
        await self._journal.close()
        self._keys.clear()
        self._unanswered.clear()

    def tick(self) -> None:
        """Let go of what is over, and have what others wrote read: once a second."""
        self._keys.purge()
        self._journal.tick()

    # What comes.

    def on_messages(self, messages: Sequence[Message]) -> None:
        """Remember the keys of what the stream has. This is part of the hot path: about a microsecond an event that has one."""
        keyed = [message for message in messages if message.key]
        if not keyed:
            return
        held, orgs = self._keys.held, self._orgs
        oldest = self._clock.time() - self._keys.window - _SKEW
        uses: list[Row] = []
        for seq, subject, data, time, key in keyed:
            if key in held or time < oldest:
                continue
            nonce = nonce_of(data)
            org = orgs.get(subject)
            if org is None:
                org = self._org(subject)
            if nonce is not None and org >= 0:
                uses.append((key, nonce, org, seq))
        if uses:
            self._keys.remember(uses)
            if self._unanswered:
                for use in uses:
                    if use[0] in self._unanswered:
                        del self._unanswered[use[0]]
                        self._journal.add(use)

    def _org(self, subject: str) -> int:
        """Return the number of the org whose subject this is; -1 for a subject that is no org's."""
        if len(self._orgs) >= _ORGS:
            self._orgs.clear()
        org = org_of(subject)
        number = self._orgs[subject] = -1 if org is None else self._number(org)
        return number

    def on_jump(self) -> None:
        """Learn that something did not come."""
        self._journal.doubt()

    # What is appended.

    def whole(self) -> bool:
        """Tell whether a key that is not known was not used before, as far as JetStream may have forgotten it."""
        self._compare()
        return not (self._following.progress.behind or self._journal.doubtful)

    def _compare(self) -> None:
        """Doubt, where the stream was taken up since the others' keys were last read for that."""
        if (times := self._following.progress.times) != self._times:
            self._times = times
            self._journal.doubt()

    async def settle(self, events: int = 0, size: int = 0) -> None:
        """Wait until it was so of all that had come by now, with so many events of so many bytes together.

        Not until it is so: a node that is overtaken all the time would wait for ever. Raises ``LogUnavailable`` or ``OverCapacity``.
        """
        if not self._connection.connected:
            raise unreachable()
        if self._waiting and (self._waiting + events > self._most or self._waiting_bytes + size > self._most_bytes):
            raise OverCapacity("Too many events wait for the event log to be taken up again. Try again shortly.", retry_after=1)  # noqa: EM101, TRY003
        self._waiting += events
        self._waiting_bytes += size
        try:
            async with within(self._clock, self._timeout):
                while True:
                    await self._following.caught_up()
                    self._compare()
                    await self._journal.current()
                    progress = self._following.progress
                    if not progress.behind and progress.times == self._times:
                        break
        except TimeoutError:
            msg = f"This node did not learn within {self._timeout:g} s which idempotency keys were used. Try again shortly."
            raise LogUnavailable(msg, retry_after=1) from None
        finally:
            self._waiting -= events
            self._waiting_bytes -= size

    async def refresh(self) -> None:
        """Read what others have written by now. Raises ``LogUnavailable``."""
        self._journal.doubt()
        await self.settle()

    def answer(self, org: OrgId, one: Encoded) -> int | None:
        """Return the sequence of the event that was appended under an event's key; None where the key is new.

        Raises ``IdempotencyConflict`` where that was another event, and ``RateLimited`` where the org has too many keys in use.
        """
        return self._keys.answer(one.key, int(one.nonce, 16), self._number(org))

    def acknowledged(self, org: OrgId, one: Encoded, seq: int) -> None:
        """Remember the key of an event that was appended here, and write it down."""
        use = (one.key, int(one.nonce, 16), self._number(org), seq)
        self._keys.remember((use,))
        self._journal.add(use)

    def unanswered(self, one: Encoded) -> None:
        """Learn that an event was sent, and nobody knows what became of it. If it is in the stream its key is written down."""
        use = self._keys.use(one.key)
        if use is not None:
            self._journal.add(use)
            return
        if len(self._unanswered) >= _UNANSWERED:
            del self._unanswered[next(iter(self._unanswered))]
        self._unanswered[one.key] = None
