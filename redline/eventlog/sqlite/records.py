"""From a row of the file to what the rest of Redline knows.

The law of this module: the file is outside. What comes from there is an envelope only after the checks that any envelope from outside gets.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

from redline.envelope import Envelope
from redline.eventlog.contract import Record
from redline.eventlog.sqlite.batch import DamagedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redline.envelope import OrgId
    from redline.eventlog.sqlite.batch import EventRow


def records_of(org: OrgId, epochs: Sequence[tuple[int, str]], rows: Sequence[EventRow]) -> list[Record]:
    """Return an org's rows as records; ``epochs`` are its epochs by where they start. Raises :class:`DamagedError`."""
    starts = [start for start, _ in epochs]
    records: list[Record] = []
    for row in rows:
        epoch = epochs[bisect_left(starts, row.position) - 1][1]
        try:
            envelope = Envelope.checked(org, row.kind, row.at, row.data, row.scope)
        except ValueError as error:
            raise DamagedError(str(error)) from None
        records.append(Record(row.position, f"{epoch}-{row.position}", envelope, row.appended))
    return records
