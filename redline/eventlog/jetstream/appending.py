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
from redline.eventlog.jetstream.publishing import Ack, Outgoing
from redline.eventlog.jetstream.seal import EVENT, check_of
from redline.eventlog.jetstream.subjects import subject_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redline.eventlog.contract import Draft
    from redline.eventlog.jetstream.life import Life
    from redline.eventlog.jetstream.publishing import Publishing
    from redline.eventlog.keys import IdempotencyKeys

_AT_ONCE: Final = 32


class Appending:
    """Appends to whichever stream there is."""

    def __init__(self, publishing: Publishing, keys: IdempotencyKeys) -> None:
        """Take what to publish with, and the keys that this node knows."""
        self._publishing = publishing
        self._keys = keys
        self._looks = asyncio.Semaphore(_AT_ONCE)
        self._pending = 0
        self._none: asyncio.Event = asyncio.Event()
        self._none.set()

    async def append(self, life: Life, drafts: Sequence[Draft]) -> list[Appended | RedlineError]:
        """Append each draft, in order; return one answer each, once the stream has it."""
        answers: list[Appended | RedlineError | None] = [self._known(draft) for draft in drafts]
        sent = [index for index, answer in enumerate(answers) if answer is None]
        encoded = [encode(drafts[index]) for index in sent]
        outgoing = [
            Outgoing(subject_of(life.stream, drafts[index].envelope.org), one.payload, one.msg_id)
            for index, one in zip(sent, encoded, strict=True)
        ]
        acks = await self._publish(outgoing) if outgoing else []
        if life.over:
            gone = LogUnavailable("The event log was made anew while this was appended. Publish it again.", retry_after=1)
            acks = [ack if isinstance(ack, RedlineError) else gone for ack in acks]
        fresh = [
            (index, one, ack.seq) for index, one, ack in zip(sent, encoded, acks, strict=True) if isinstance(ack, Ack) and not ack.duplicate
        ]
        ids = life.sealer.ids_of((drafts[index].envelope.org, EVENT, seq, check_of(one.nonce)) for index, one, seq in fresh)
        for (index, _, seq), event_id in zip(fresh, ids, strict=True):
            life.acknowledged(seq)
            answers[index] = Appended(event_id, duplicate=False)
            self._remember(drafts[index], event_id)
        for index, one, ack in zip(sent, encoded, acks, strict=True):
            if isinstance(ack, RedlineError):
                answers[index] = ack
            elif ack.duplicate:
                answers[index] = await self._duplicate(life, drafts[index], one, ack.seq)
        return [answer for answer in answers if answer is not None]

    async def idle(self) -> None:
        """Wait until nothing awaits its acknowledgement."""
        await self._none.wait()

    async def _publish(self, outgoing: Sequence[Outgoing]) -> list[Ack | RedlineError]:
        self._pending += 1
        self._none.clear()
        try:
            return await self._publishing.publish_all(outgoing)
        finally:
            self._pending -= 1
            if not self._pending:
                self._none.set()

    def _known(self, draft: Draft) -> Appended | RedlineError | None:
        if draft.key is None:
            return None
        try:
            return self._keys.answer(draft.envelope.org, draft.key, draft.fingerprint)
        except RedlineError as error:
            return error

    def _remember(self, draft: Draft, event_id: str) -> None:
        if draft.key is not None:
            self._keys.remember(draft.envelope.org, draft.key, draft.fingerprint, event_id)

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
        # Where it was evicted within the window, nothing can be compared any more; what a retry names is most likely what it was.
        return Appended(life.sealer.id_of(org, EVENT, seq, check_of(one.nonce)), duplicate=True)
