"""What the file looks like, how an older one becomes that, and how a foreign one is told.

The law of this module: a file is known by its application id, its schema's version and the very text of its tables, before anything is
written to it; and every step from one version to the next is a transaction. A version is never changed once it was released.
"""

from __future__ import annotations

import sqlite3
from typing import Final

from redline.eventlog.sqlite.batch import DamagedError

APPLICATION_ID: Final = 0x52_64_4C_6E
"""``RdLn``: the four bytes at offset 68 of the file, by which ``file(1)`` and we know it."""

MIGRATIONS: Final[tuple[tuple[str, ...], ...]] = (
    (
        # One row. `openings` grows with each opening, and with each attempt after a failure: so it shows whether the file can be written.
        "CREATE TABLE state (one INTEGER PRIMARY KEY CHECK (one = 1), openings INTEGER NOT NULL) STRICT",
        "INSERT INTO state VALUES (1, 0)",
        # No UNIQUE name: an org that was forgotten may come back before what it left is deleted. The higher id counts.
        """CREATE TABLE org (
            id INTEGER PRIMARY KEY, name TEXT NOT NULL, floor INTEGER NOT NULL, touched REAL NOT NULL, checksum INTEGER NOT NULL
        ) STRICT""",
        """CREATE TABLE epoch (
            number INTEGER PRIMARY KEY, org INTEGER NOT NULL, start INTEGER NOT NULL, name TEXT NOT NULL, checksum INTEGER NOT NULL
        ) STRICT""",
        "CREATE INDEX epoch_of_org ON epoch (org, start)",
        # Clustered by org and position: a page of an org's history is one run of rows, and so is what retention deletes.
        """CREATE TABLE event (
            org INTEGER NOT NULL, position INTEGER NOT NULL, kind TEXT NOT NULL, at TEXT NOT NULL, scope TEXT, appended REAL NOT NULL,
            data BLOB NOT NULL, checksum INTEGER NOT NULL, PRIMARY KEY (org, position)
        ) STRICT, WITHOUT ROWID""",
        """CREATE TABLE key (
            number INTEGER PRIMARY KEY, org TEXT NOT NULL, key TEXT NOT NULL, fingerprint BLOB NOT NULL, event TEXT NOT NULL,
            until REAL NOT NULL, checksum INTEGER NOT NULL
        ) STRICT""",
        "CREATE INDEX key_until ON key (until)",
    ),
)
"""What leads from each version to the next; the first from nothing."""

VERSION: Final = len(MIGRATIONS)


class ForeignError(Exception):
    """The file is not an event log of this program, or one of a later version; the message says which."""


def bring_up_to_date(connection: sqlite3.Connection, migrations: tuple[tuple[str, ...], ...] = MIGRATIONS) -> None:
    """Make the tables in an empty file, or bring those of an older version up to date; raise :class:`ForeignError` for anything else."""
    version = _version(connection)
    if version > len(migrations):
        msg = f"its schema has version {version} and this program knows {len(migrations)}; run the newer program that wrote it"
        raise ForeignError(msg)
    for number in range(version, len(migrations)):
        connection.execute("BEGIN IMMEDIATE")
        try:
            for statement in migrations[number]:
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {number + 1}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
    _compare(connection, migrations)


def _version(connection: sqlite3.Connection) -> int:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if (application, version, tables) == (0, 0, 0):
        return 0
    if application != APPLICATION_ID or version < 1:
        msg = "it is an SQLite database of something else; name another file"
        raise ForeignError(msg)
    return int(version)


def _compare(connection: sqlite3.Connection, migrations: tuple[tuple[str, ...], ...]) -> None:
    """Hold the tables to what these migrations make: a flipped bit in their text could change what is read."""
    asked = "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY name, sql"
    pattern = sqlite3.connect(":memory:")
    try:
        for statements in migrations:
            for statement in statements:
                pattern.execute(statement)
        expected = pattern.execute(asked).fetchall()
    finally:
        pattern.close()
    if connection.execute(asked).fetchall() != expected:
        msg = "its tables are not those that this program made"
        raise DamagedError(msg)
