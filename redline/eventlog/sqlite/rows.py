"""Rows as they stand in the file: each with a checksum over all of it.

The law of this module: what comes out of here is what once went in, or an error. SQLite checks its own structure, not what stands in a row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar
from zlib import crc32

from redline.eventlog.sqlite.batch import DamagedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from redline.eventlog.sqlite.batch import EpochRow, EventRow, KeyRow, OrgRow

_R = TypeVar("_R")


def _sum(fields: Iterable[object], data: bytes) -> int:
    return crc32(data, crc32("\0".join(map(str, fields)).encode()))


def org_sum(row: OrgRow) -> int:
    """Return the checksum of an org; of all but when it was in use, which is no more than a hint."""
    return _sum(row[:3], b"org")


def epoch_sum(row: EpochRow) -> int:
    """Return the checksum of an epoch."""
    return _sum(row, b"epoch")


def event_sum(row: EventRow) -> int:
    """Return the checksum of an event."""
    return crc32(row.data, crc32(f"{row.org}\0{row.position}\0{row.kind}\0{row.at}\0{row.scope}\0{row.appended}".encode()))


def key_sum(row: KeyRow) -> int:
    """Return the checksum of a key."""
    return _sum((row.org, row.key, row.event, row.until), row.fingerprint)


def checked(columns: tuple[object, ...], make: Callable[..., _R], checksum: Callable[[_R], int], what: str) -> _R:
    """Return a row of the file, whose last column is its checksum; raise :class:`DamagedError` where it is not what was written."""
    try:
        row = make(*columns[:-1])
        sound = checksum(row) == columns[-1]
    except (TypeError, ValueError, AttributeError):  # a column of another type than it had
        sound = False
    if not sound:
        msg = f"{what} is not what was written (its checksum differs)"
        raise DamagedError(msg)
    return row
