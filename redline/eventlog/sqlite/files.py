"""The file on the disk: where it is, that it is ours alone, and that it is still there.

The law of this module: two processes never have one file open. SQLite would let them, and each would hand out the other's ids. The lock is
on a file of its own beside it, for closing any handle on the database itself would let go of SQLite's own locks (POSIX has it so).
"""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING, Final

from redline.errors import StartupError
from redline.eventlog.sqlite.batch import DamagedError
from redline.eventlog.urls import SETTING

if TYPE_CHECKING:
    from pathlib import Path

_MARK: Final = b"redline event log, process "


class LockedFile:
    """A database file that this process alone may open, until :meth:`release`."""

    def __init__(self, path: Path) -> None:
        """Lock the file of that path, which need not be there yet. Raises :class:`StartupError`."""
        self.path = path.resolve()
        self._place: tuple[int, int] | None = None
        if self.path.is_dir():
            raise StartupError(f"{SETTING}: {self.path} is a folder; name a file in it")  # noqa: EM102, TRY003 - one line, as everywhere below
        beside = self.path.with_name(f"{self.path.name}-lock")
        try:
            self._lock = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            msg = (
                f"{SETTING}: cannot write beside {self.path} ({error.strerror}): SQLite keeps files there. "
                "Make the folder, and let this process write to it"
            )
            raise StartupError(msg) from None
        try:
            self._own(beside)
        except BaseException:
            os.close(self._lock)
            raise

    def _own(self, beside: Path) -> None:
        known = os.pread(self._lock, 100, 0)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = known.removeprefix(_MARK).decode("ascii", "replace").strip() or "another one"
            msg = f"{SETTING}: {self.path} is in use by process {holder}. A file has one process; stop that one, or name another file"
            raise StartupError(msg) from None
        except OSError as error:
            msg = f"{SETTING}: {self.path} cannot be locked ({error.strerror}); its file system does not do that. Keep it on a local disk"
            raise StartupError(msg) from None
        if known and self.path.exists() and not self.path.stat().st_size:
            msg = (
                f"{SETTING}: {self.path} is empty, and was an event log before. Bring it back from a backup; "
                f"or, to begin anew, remove it together with {beside.name}"
            )
            raise StartupError(msg)
        # Asked before SQLite is: that would open it for reading, and leave a write-ahead log beside it that nobody can write either.
        if self.path.exists() and not os.access(self.path, os.R_OK | os.W_OK, effective_ids=os.access in os.supports_effective_ids):
            msg = f"{SETTING}: {self.path} is readonly to this process; let it write to the file"
            raise StartupError(msg)
        try:
            os.ftruncate(self._lock, 0)
            os.pwrite(self._lock, b"%b%d\n" % (_MARK, os.getpid()), 0)
        except OSError as error:
            msg = f"{SETTING}: cannot write beside {self.path} ({error.strerror}); make room there, and let this process write"
            raise StartupError(msg) from None

    def opened(self) -> None:
        """Note which file it is, now that there is one."""
        self._place = self._find()

    def check(self) -> None:
        """Raise :class:`DamagedError` where the file has been removed or replaced: what is written now would be gone at the next start."""
        if self._find() != self._place:
            msg = "it has been removed or replaced while it was in use"
            raise DamagedError(msg)

    def release(self) -> None:
        """Let others have it. The lock's own file stays: to remove it would let two lock different files of one name."""
        os.close(self._lock)

    def _find(self) -> tuple[int, int] | None:
        try:
            found = os.stat(self.path)  # noqa: PTH116 - asked with every commit; a Path costs three times as much
        except OSError:
            return None
        return found.st_dev, found.st_ino
