"""The file: two connections, one that writes and one that reads, each used by one thread at a time.

The law of this module: it decides nothing. A batch goes in whole or not at all, and what comes out was checked. Errors of SQLite end here:
what may pass is :class:`UnusableError`, what cannot be trusted any more is :class:`DamagedError`.
"""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from redline.eventlog.sqlite.batch import DamagedError, EventRow, UnusableError
from redline.eventlog.sqlite.files import LockedFile
from redline.eventlog.sqlite.opening import as_startup_error, load, look_over, settle
from redline.eventlog.sqlite.rows import checked, epoch_sum, event_sum, key_sum, org_sum
from redline.eventlog.sqlite.schema import bring_up_to_date

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from redline.eventlog.sqlite.batch import Batch, Contents
    from redline.eventlog.sqlite.options import SqliteOptions

_TOGETHER: Final = (64, 8, 1)
"""How many rows one statement inserts: each call of SQLite hands the interpreter's lock back and forth, and few texts stay prepared."""
_PASSING: Final = frozenset(
    {
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_AUTH,
    }
)
_EVENT: Final = "SELECT org, position, kind, at, scope, appended, data, checksum FROM event"


class Store:
    """One open file."""

    def __init__(self, options: SqliteOptions, before_commit: Callable[[], None]) -> None:
        """Open the file, make or migrate its tables, and look all of it over. Raises :class:`StartupError`.

        ``before_commit`` is called on the writing thread right before each commit of events; tests make a disk slow with it.
        """
        self._before_commit = before_commit
        self._file = LockedFile(options.path)
        self._connections: list[sqlite3.Connection] = []
        try:
            with as_startup_error(self._file.path):
                self._writer = self._connect()
                look_over(self._writer)
                bring_up_to_date(self._writer)
                settle(self._writer, options.synchronous)
                self._file.opened()
                self._writer.execute("UPDATE state SET openings = openings + 1")
                self._reader = self._connect()
                self._reader.execute("PRAGMA query_only = ON")
        except BaseException:
            self.close()
            raise

    def _connect(self) -> sqlite3.Connection:
        uri = f"{self._file.path.as_uri()}?mode=rwc"
        # Each is used by one thread at a time, though not by the one that made it.
        connection = sqlite3.connect(uri, uri=True, timeout=1.0, isolation_level=None, check_same_thread=False, cached_statements=64)
        self._connections.append(connection)
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA cell_size_check = ON")
        return connection

    def load(self) -> Contents:
        """Read all of the file once, checking every row, and return what is to be known in memory. Raises :class:`StartupError`."""
        with as_startup_error(self._file.path):
            return load(self._writer)

    def write(self, batch: Batch) -> int:
        """Write a batch in one transaction, and return how many keys it deleted.

        It is in the file, as safely as ``synchronous`` says, when this returns, and not at all when it raises.
        """
        with _as_ours():
            self._file.check()
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                keys_deleted = self._apply(batch)
                if batch.events:
                    self._before_commit()
                self._writer.execute("COMMIT")
            except BaseException:
                # SQLite has rolled back by itself after some errors, and then there is nothing to roll back.
                with suppress(sqlite3.Error):
                    self._writer.execute("ROLLBACK")
                raise
        return keys_deleted

    def _apply(self, batch: Batch) -> int:
        write = self._writer.execute
        self._insert("org (id, name, floor, touched, checksum)", [(*row, org_sum(row)) for row in batch.orgs])
        self._insert("epoch (org, start, name, checksum)", [(*row, epoch_sum(row)) for row in batch.epochs])
        self._insert("event (org, position, kind, at, scope, appended, data, checksum)", [(*row, event_sum(row)) for row in batch.events])
        self._insert("key (org, key, fingerprint, event, until, checksum)", [(*row, key_sum(row)) for row in batch.keys])
        for row, first_epoch in batch.trims:
            write("DELETE FROM event WHERE org = ? AND position <= ?", (row.id, row.floor))
            # With its last events goes what they said of when it was in use.
            write("UPDATE org SET floor = ?, touched = ?, checksum = ? WHERE id = ?", (row.floor, row.touched, org_sum(row), row.id))
            write("DELETE FROM epoch WHERE org = ? AND start < ?", (row.id, first_epoch))
        for org, touched in batch.touches.items():
            write("UPDATE org SET touched = ? WHERE id = ?", (touched, org))
        for org in batch.forgotten:
            write("DELETE FROM epoch WHERE org = ?", (org,))
            write("DELETE FROM org WHERE id = ?", (org,))
        if batch.probe:
            write("UPDATE state SET openings = openings + 1")  # what changes nothing is not written, and would say nothing of the disk
        if batch.keys_before is None:
            return 0
        return write("DELETE FROM key WHERE number IN (SELECT number FROM key WHERE until <= ? LIMIT 1000)", (batch.keys_before,)).rowcount

    def _insert(self, into: str, rows: Sequence[tuple[object, ...]]) -> None:
        start, left = 0, len(rows)
        for together in _TOGETHER:
            while left >= together:
                some = rows[start : start + together]
                one = f"({', '.join('?' * len(some[0]))})"
                statement = f"INSERT INTO {into} VALUES {', '.join([one] * together)}"  # noqa: S608 - our own words, no value
                self._writer.execute(statement, [value for row in some for value in row])
                start, left = start + together, left - together

    def read(self, org: int, after: int, until: int) -> list[EventRow]:
        """Return an org's events after a position, up to and including another, each checked, oldest first."""
        with _as_ours():
            found = self._reader.execute(
                f"{_EVENT} WHERE org = ? AND position > ? AND position <= ? ORDER BY position", (org, after, until)
            )
            return [checked(row, EventRow, event_sum, f"event {row[1]} of org number {org}") for row in found.fetchall()]

    def close(self) -> None:
        """Close the file and let others have it."""
        for connection in reversed(self._connections):  # the writer last: it brings the WAL home
            with suppress(sqlite3.Error):
                connection.close()
        self._connections.clear()
        self._file.release()


class _as_ours:  # noqa: N801 - used as a function is: ``with _as_ours():``
    """Sort SQLite's errors into those that may pass and those after which nothing can be trusted.

    A class, because the frames of a generator would hold the error that they turn into another, and with it the batch.
    """

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        """Raise :class:`UnusableError` or :class:`DamagedError` in place of an error of SQLite's."""
        if isinstance(error, sqlite3.Error):
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the rest says more, and changes nothing
            raise (UnusableError if code in _PASSING else DamagedError)(str(error)) from error
