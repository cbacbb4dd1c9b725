"""What happens to a file before anything is served from it.

The law of this module: a file is read once from its first byte to its last, its structure by SQLite and its rows by their checksums, and
one that is not whole is refused, with what to do. (What a write-ahead log lost at its end cannot be seen: the new epochs see to that.)
"""

from __future__ import annotations

import sqlite3
from array import array
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from redline.envelope import parse_org
from redline.errors import StartupError
from redline.eventlog.sqlite.batch import Contents, DamagedError, EpochRow, EventRow, KeyRow, Loaded, OrgRow
from redline.eventlog.sqlite.rows import checked, epoch_sum, event_sum, key_sum, org_sum
from redline.eventlog.sqlite.schema import ForeignError
from redline.eventlog.urls import SETTING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from redline.eventlog.sqlite.options import Synchronous

_WAL_LEFT: Final = 16 * 1024 * 1024
"""To how many bytes the write-ahead log is cut after a burst that made it longer."""


@contextmanager
def as_startup_error(path: Path) -> Iterator[None]:
    """Say of whatever goes wrong within the block why the service does not start with the file."""
    try:
        yield
    except ForeignError as error:
        raise StartupError(f"{SETTING}: {path} cannot be used: {error}") from None  # noqa: EM102, TRY003 - one line
    except DamagedError as error:
        raise StartupError(damaged(path, str(error))) from None
    except sqlite3.OperationalError as error:
        way_out = "let this process write to the file and its folder, and make room there"
        msg = f"{SETTING}: {path} cannot be opened and written ({error}); {way_out}"
        raise StartupError(msg) from None
    except sqlite3.DatabaseError as error:
        raise StartupError(damaged(path, str(error))) from None
    except UnicodeDecodeError:
        raise StartupError(damaged(path, "a text in it is not UTF-8")) from None


def damaged(path: Path, why: str) -> str:
    """Return what is said of a file that is not whole, or is none of ours."""
    way_out = "Bring it back from a backup; or, to begin anew, move it and its -wal away"
    return f"{SETTING}: {path} is damaged, or no event log: {why}. Nothing of it is served. {way_out}"


def look_over(connection: sqlite3.Connection) -> None:
    """Have SQLite look at every page of the file."""
    found = [str(row[0]) for row in connection.execute("PRAGMA quick_check(1)")]
    if found != ["ok"]:
        raise DamagedError(" ".join(" ".join(found).split()))


def settle(connection: sqlite3.Connection, synchronous: Synchronous) -> None:
    """Set how the file is written."""
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        msg = f"its journal stays in mode {mode}: its file system has no shared memory; keep it on a local disk"
        raise ForeignError(msg)
    connection.execute(f"PRAGMA synchronous = {synchronous}")
    connection.execute(f"PRAGMA journal_size_limit = {_WAL_LEFT}")


def load(connection: sqlite3.Connection) -> Contents:
    """Read every row; raise :class:`DamagedError` where one is not what was written, or is missing."""
    orgs: dict[int, Loaded] = {}
    for columns in connection.execute("SELECT id, name, floor, touched, checksum FROM org ORDER BY id"):
        org = checked(columns, OrgRow, org_sum, f"org number {columns[0]}")
        parse_org(org.name)
        orgs[org.id] = Loaded(org, [], array("d"), array("I"))
    for columns in connection.execute("SELECT org, start, name, checksum FROM epoch ORDER BY org, start, number"):
        epoch = checked(columns, EpochRow, epoch_sum, f"an epoch of org number {columns[0]}")
        _of(orgs, epoch.org).epochs.append(epoch)
    events = connection.execute("SELECT org, position, kind, at, scope, appended, data, checksum FROM event ORDER BY org, position")
    for columns in events:
        event = checked(columns, EventRow, event_sum, f"event {columns[1]} of org number {columns[0]}")
        loaded = _of(orgs, event.org)
        if event.position != loaded.row.floor + len(loaded.sizes) + 1:
            msg = f"event {loaded.row.floor + len(loaded.sizes) + 1} of org number {event.org} is missing"
            raise DamagedError(msg)
        loaded.appended.append(event.appended)
        loaded.sizes.append(len(event.data))
    for loaded in orgs.values():
        row = loaded.row
        if not loaded.epochs or loaded.epochs[0].start > row.floor or loaded.epochs[-1].start > row.floor + len(loaded.sizes):
            msg = f"the epochs of org number {row.id} do not cover its history"
            raise DamagedError(msg)
    asked = "SELECT org, key, fingerprint, event, until, checksum FROM key ORDER BY number"
    keys = [checked(columns, KeyRow, key_sum, "an idempotency key") for columns in connection.execute(asked)]
    return Contents(list(orgs.values()), keys)


def _of(orgs: dict[int, Loaded], number: int) -> Loaded:
    loaded = orgs.get(number)
    if loaded is None:
        msg = f"org number {number} is missing"
        raise DamagedError(msg)
    return loaded
