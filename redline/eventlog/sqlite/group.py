"""What shares one commit.

The law of this module: where an event stands, and whether its key was used before, is decided when its group is made, and there is one
group at a time; so what is decided is what is written, and if that fails it is as if nobody had asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from redline.errors import RedlineError
from redline.eventlog.contract import RECORD_OVERHEAD, Appended, Record
from redline.eventlog.sqlite.batch import Batch, EventRow, KeyRow

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence

    from redline.envelope import OrgId
    from redline.eventlog.contract import Draft
    from redline.eventlog.sqlite.index import Index
    from redline.eventlog.sqlite.ledger import Ledger

Answers = list[Appended | RedlineError]


@dataclass(slots=True)
class Job:
    """What somebody waits for: drafts to append, or (with none) an org to be in the file."""

    drafts: Sequence[Draft]
    org: OrgId | None
    done: asyncio.Future[Answers]
    weight: int = 0


def weight_of(drafts: Sequence[Draft]) -> int:
    """Return what drafts take while they wait, in bytes."""
    return sum(len(draft.envelope.data) + RECORD_OVERHEAD for draft in drafts)


class Group:
    """One transaction in the making; ``batch`` is what to write."""

    def __init__(self, index: Index, now: float) -> None:
        """Take what is known of orgs and keys, and the Unix time of appending."""
        self.batch = Batch()
        self._index = index
        self._now = now
        self._jobs: list[tuple[Job, Answers]] = []
        self._records: list[tuple[Ledger, Record]] = []
        self._used: list[tuple[OrgId, str]] = []
        self._new_orgs: dict[int, Ledger] = {}
        self._new_epochs: dict[int, Ledger] = {}

    def take(self, job: Job) -> None:
        """Decide what becomes of a job, unless nobody waits for it any more."""
        if job.done.done():
            return
        answers: Answers = []
        for draft in job.drafts:
            try:
                answers.append(self._append(draft))
            except RedlineError as error:
                answers.append(error)
        if job.org is not None and (ledger := self._index.orgs.get(job.org)) is not None:
            self._store(ledger)
        self._jobs.append((job, answers))

    def _append(self, draft: Draft) -> Appended:
        envelope, key = draft.envelope, draft.key
        if key is not None and (known := self._index.keys.answer(envelope.org, key, draft.fingerprint)) is not None:
            return known
        ledger = self._index.get(envelope.org)
        event_id = ledger.claim()
        self._store(ledger)
        record = Record(ledger.claimed, event_id, envelope, self._now)
        self.batch.events.append(EventRow(ledger.id, record.position, envelope.kind, envelope.at, envelope.scope, self._now, envelope.data))
        self._records.append((ledger, record))
        if key is not None:
            self._index.keys.remember(envelope.org, key, draft.fingerprint, event_id)
            self._used.append((envelope.org, key))
            self.batch.keys.append(KeyRow(envelope.org, key, draft.fingerprint, event_id, self._now + self._index.key_seconds))
        return Appended(event_id, duplicate=False)

    def _store(self, ledger: Ledger) -> None:
        """Have the org and its newest epoch written, where they are not yet."""
        if not ledger.stored and ledger.id not in self._new_orgs:
            self._new_orgs[ledger.id] = ledger
            self.batch.orgs.append(ledger.row())
        if not ledger.epoch_stored and ledger.id not in self._new_epochs:
            self._new_epochs[ledger.id] = ledger
            self.batch.epochs.append(ledger.epoch())

    def written(self) -> list[Record]:
        """Learn that it is in the file: count it, and return the new records in order. Nobody has been answered yet."""
        for ledger in self._new_orgs.values():
            ledger.stored = True
        for ledger in self._new_epochs.values():
            ledger.epoch_stored = True
        for ledger, record in self._records:
            self._index.append(ledger, record.appended, len(record.envelope.data))
        return [record for _, record in self._records]

    def trim(self) -> None:
        """Hold the orgs of the group, and all together, to their bounds."""
        for ledger in {ledger.id: ledger for ledger, _ in self._records}.values():
            self._index.trim(ledger.org)
        self._index.trim_total()

    def answer(self) -> None:
        """Answer everybody who waits."""
        for job, answers in self._jobs:
            if not job.done.done():
                job.done.set_result(answers)

    def failed(self, error: RedlineError) -> None:
        """Take every decision back, and tell everybody who waits."""
        for ledger, _ in self._records:
            ledger.disclaim()
        for org, key in reversed(self._used):
            self._index.keys.forget(org, key)
        for job, _ in self._jobs:
            if not job.done.done():
                job.done.set_exception(error)
