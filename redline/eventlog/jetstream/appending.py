"""Events on their way into the stream, and what became of those that were sent before.

The law of this module: a key is bound to its org, and a duplicate to what it is a duplicate of. JetStream knows a message's ``Nats-Msg-Id``
for a window, across all orgs and whatever the message holds: so the id is a digest of org and key, and what stands at the sequence that it
answers with is looked at. What this node itself has appended under a key it answers for without asking.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from redline.errors import IdempotencyConflict, LogUnavailable, RedlineError
from redline.eventlog.contract import Appended
from redline.eventlog.jetstream.message import Encoded, decode, encode
from redline.eventlog.jetstream.publishing import Ack, InProcessError, Outgoing
from redline.eventlog.jetstream.seal import EVENT, check_of
from redline.eventlog.jetstream.subjects import subject_of
from redline.eventlog.jetstream.waiting import Backoff, pause

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redline.clock import Clock
    from redline.eventlog.contract import Draft
    from redline.eventlog.jetstream.life import Life
    from redline.eventlog.jetstream.publishing import Publishing
    from redline.eventlog.jetstream.remembering import Remembering
    from redline.eventlog.jetstream.vouching import Vouching

_AT_ONCE: Final = 32
_REPEATS: Final = 5
"""How often an event is sent again whose key is on its way to the quorum already, over one to two seconds."""


class Appending:
    """Appends to whichever stream there is."""

    def __init__(self, publishing: Publishing, vouching: Vouching, keys: Remembering, clock: Clock) -> None:
        """Take what to publish with, what tells whose an acknowledgement is, the keys that this node knows, and where time comes from."""
        self._vouching = vouching
        self._clock = clock
        self._publishing = publishing
        self._keys = keys
        self._looks = asyncio.Semaphore(_AT_ONCE)
        self._pending = 0
        self._none: asyncio.Event = asyncio.Event()
        self._none.set()

    async def append(self, life: Life, drafts: Sequence[Draft]) -> list[Appended | RedlineError]:
        """Append each draft, in order; return one answer each, once the stream has it."""
        answers: list[Appended | RedlineError | None] = []
        sent: list[tuple[int, Draft, Encoded]] = []
        outgoing: list[Outgoing] = []
        trouble = None if self._keys.whole() else await self._settled(life, drafts)
        for index, draft in enumerate(drafts):
            one = encode(draft)
            known = trouble or self._known(life, draft, one) if one.msg_id is not None else None
            answers.append(known)
            if known is None:
                sent.append((index, draft, one))
                outgoing.append(Outgoing(subject_of(life.stream, draft.envelope.org), one.payload, one.msg_id))
        try:
            acks = await self._publish(life, outgoing) if outgoing else ()
        except BaseException:
            self._unanswered([one for _, _, one in sent])
            raise
        duplicates: list[tuple[int, Draft, Encoded, int]] = []
        for (index, draft, one), ack in zip(sent, acks, strict=True):
            if isinstance(ack, RedlineError):
                answers[index] = ack
                if isinstance(ack, LogUnavailable):
                    self._unanswered((one,))
            elif ack.duplicate:
                duplicates.append((index, draft, one, ack.seq))
            else:
                org, seq = draft.envelope.org, ack.seq
                event_id = life.sealer.id_of(org, EVENT, seq, check_of(one.nonce))
                life.acknowledged(seq)
                answers[index] = Appended(event_id, duplicate=False)
                if one.msg_id is not None:
                    self._keys.acknowledged(org, one, seq)
        for index, draft, one, seq in duplicates:
            answers[index] = await self._duplicate(life, draft, one, seq)
        return [answer for answer in answers if answer is not None]

    async def idle(self) -> None:
        """Wait until nothing awaits its acknowledgement, or the word on whose that is."""
        await self._none.wait()

    async def _publish(self, life: Life, outgoing: Sequence[Outgoing]) -> Sequence[Ack | RedlineError]:
        followed = life.followed
        self._pending += 1
        self._none.clear()
        try:
            acks = await self._publish_all(outgoing)
            refusal = await self._doubt(life, followed, [ack for ack in acks if isinstance(ack, Ack)])
        finally:  # what was acknowledged has been handed on before anybody else goes on
            self._pending -= 1
            if not self._pending:
                self._none.set()
        return acks if refusal is None else [ack if isinstance(ack, RedlineError) else refusal for ack in acks]

    async def _doubt(self, life: Life, followed: int, acks: Sequence[Ack]) -> LogUnavailable | None:
        """Say why these acknowledgements cannot be answered with: they are not of this stream, or that could not be found out."""
        try:
            if (not acks or await self._vouching.vouch(life.key, followed, acks)) and not life.over:
                return None
        except LogUnavailable as error:
            return LogUnavailable(f"{error} The event may have been appended or not: try again with its key.", retry_after=1)
        return _anew()

    async def _publish_all(self, outgoing: Sequence[Outgoing]) -> Sequence[Ack | RedlineError]:
        """Publish, and again what came while the first of its key, in this batch or elsewhere, was on its way."""
        acks, backoff = await self._publishing.publish_all(outgoing), Backoff()
        for _ in range(_REPEATS):
            again = [index for index, ack in enumerate(acks) if isinstance(ack, InProcessError)]
            if not again:
                break
            await pause(self._clock, backoff.delay())
            for index, ack in zip(again, await self._publishing.publish_all([outgoing[index] for index in again]), strict=True):
                acks[index] = ack
        return acks

    async def _settled(self, life: Life, drafts: Sequence[Draft]) -> RedlineError | None:
        """Wait, for drafts that have keys, until this node knows which were used; return why it does not."""
        if all(draft.key is None for draft in drafts):
            return None
        try:
            await self._keys.settle(len(drafts), sum(len(draft.envelope.data) for draft in drafts))
        except RedlineError as error:
            return error
        return _anew() if life.over else None

    def _known(self, life: Life, draft: Draft, one: Encoded) -> Appended | RedlineError | None:
        org = draft.envelope.org
        try:
            seq = self._keys.answer(org, one)
        except RedlineError as error:
            return error
        if seq is None:
            return None
        life.acknowledged(seq)
        return Appended(life.sealer.id_of(org, EVENT, seq, check_of(one.nonce)), duplicate=True)

    def _unanswered(self, sent: Sequence[Encoded]) -> None:
        for one in sent:
            if one.msg_id is not None:
                self._keys.unanswered(one)

    async def _duplicate(self, life: Life, draft: Draft, one: Encoded, seq: int) -> Appended | RedlineError:
        """Return what to answer for a draft whose key was used before, for what is at ``seq``, on whichever node."""
        org = draft.envelope.org
        async with self._looks:
            try:
                first = await life.history.get(seq)
            except RedlineError as error:
                return error
        if first is not None and first.subject == subject_of(life.stream, org):
            try:
                nonce, _ = decode(org, first.data)
            except ValueError:
                nonce = ""
            if nonce != one.nonce:
                return IdempotencyConflict(
                    "The key was used before for an event of another kind or payload. Use a new key for a new event."
                )
            life.acknowledged(seq)
        else:  # it was evicted within the window, before this node saw it
            try:
                await self._keys.refresh()
            except RedlineError as error:
                return error
            if life.over:  # the keys that are known now are another stream's
                return _anew()
            known = self._known(life, draft, one)
            if isinstance(known, (Appended, IdempotencyConflict)):
                return known
            # Nobody knows any more what it was: most likely what a retry says that it was.
            self._keys.acknowledged(org, one, seq)
        return Appended(life.sealer.id_of(org, EVENT, seq, check_of(one.nonce)), duplicate=True)


def _anew() -> LogUnavailable:
    return LogUnavailable("The event log was made anew while this was appended. Publish it again.", retry_after=1)
