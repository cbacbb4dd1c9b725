"""What can be told of a file without opening the event log in it, for ``redline check``.

The law of this module: it changes nothing, makes nothing and locks nothing, for a running service may have the file; and what it refuses,
the start would refuse in the same words. What it passes may still be refused there: whether a file is whole shows when all of it is read.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Final

from redline.errors import StartupError
from redline.eventlog.sqlite.files import MARK_BYTES, allowed, beside, looked_up, not_beside, was_log
from redline.eventlog.sqlite.opening import damaged

if TYPE_CHECKING:
    from pathlib import Path

_MAGIC: Final = b"SQLite format 3\0"
"""How every database begins that is not empty (sqlite.org/fileformat2.html §1.3)."""


def look(path: Path) -> None:
    """Raise :class:`~redline.errors.StartupError` where a start with this file would fail, as far as that shows from outside."""
    path = looked_up(path)
    folder, lock = path.parent, beside(path)
    if not folder.is_dir():
        raise not_beside(path, os.strerror(errno.ENOTDIR if folder.exists() else errno.ENOENT))
    if not allowed(folder, os.W_OK | os.X_OK) or (lock.exists() and not allowed(lock)):
        raise not_beside(path, os.strerror(errno.EACCES))
    try:
        was_log(path, _beginning(lock, MARK_BYTES))
        head = _beginning(path, len(_MAGIC))
    except OSError as error:
        raise not_beside(path, error.strerror) from None
    if len(head) > 1 and head != _MAGIC:  # SQLite takes a single byte for nothing
        raise StartupError(damaged(path, "file is not a database"))


def _beginning(path: Path, length: int) -> bytes:
    """Return a file's first bytes, none where it is not there."""
    try:
        with path.open("rb") as file:
            return file.read(length)
    except FileNotFoundError:
        return b""
