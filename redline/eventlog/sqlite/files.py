"""The file on the disk: where it is, that it is ours alone, and that it is still there.

The law of this module: two processes never have one file open, by whatever name. SQLite would let them, and each would hand out the other's
ids. One lock is on a file of its own beside it, and says whose it is; the other is on the database itself, which may have a second name (a
hard link, a mount). That handle is closed last: closing any lets go of SQLite's own locks (POSIX has it so).
"""

from __future__ import annotations

import fcntl
import os
import stat
from typing import TYPE_CHECKING, Final

from redline.errors import NotYetError, StartupError
from redline.eventlog.sqlite.batch import DamagedError
from redline.eventlog.urls import SETTING

if TYPE_CHECKING:
    from pathlib import Path

_MARK: Final = b"redline event log, process "
_NEW: Final = b"process "
"""What the lock's file says until there is an event log: an empty file is then what a start that came to nothing has left."""


class LockedFile:
    """A database file that this process alone may open, until :meth:`release`."""

    def __init__(self, path: Path) -> None:
        """Lock the file of that path, which need not be there yet. Raises :class:`StartupError`."""
        self.path, mode = _looked_up(path)
        self._place: tuple[int, int] | None = None
        self._itself = -1
        if stat.S_ISDIR(mode):
            raise StartupError(f"{SETTING}: {self.path} is a folder; name a file in it")  # noqa: EM102, TRY003 - one line, as everywhere below
        if mode and not stat.S_ISREG(mode):
            raise StartupError(f"{SETTING}: {self.path} is no file but a device, a pipe or a socket; name a file")  # noqa: EM102, TRY003 - as above
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
            self._own_itself()
        except BaseException:
            self.release()
            raise

    def _own(self, beside: Path) -> None:
        known = os.pread(self._lock, 100, 0)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = known.rpartition(_NEW)[2].decode("ascii", "replace").strip() or "another one"
            msg = f"{SETTING}: {self.path} is in use by process {holder}. A file has one process; stop that one, or name another file"
            raise NotYetError(msg) from None
        except OSError as error:
            msg = f"{SETTING}: {self.path} cannot be locked ({error.strerror}); its file system does not do that. Keep it on a local disk"
            raise StartupError(msg) from None
        was = known.startswith(_MARK) and self.path.exists()
        if was and not self.path.stat().st_size:
            msg = (
                f"{SETTING}: {self.path} is empty, and was an event log before. Bring it back from a backup; "
                f"or, to begin anew, remove it together with {beside.name}"
            )
            raise StartupError(msg)
        # Asked before SQLite is: that would open it for reading, and leave a write-ahead log beside it that nobody can write either.
        if self.path.exists() and not os.access(self.path, os.R_OK | os.W_OK, effective_ids=os.access in os.supports_effective_ids):
            msg = f"{SETTING}: {self.path} is readonly to this process; let it write to the file"
            raise StartupError(msg)
        self._say(_MARK if was else _NEW)

    def _own_itself(self) -> None:
        try:
            self._itself = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            fcntl.flock(self._itself, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            msg = (
                f"{SETTING}: {self.path} is in use by another process under another name (a hard link, or a mount). "
                "A file has one process; stop that one, or name another file"
            )
            raise NotYetError(msg) from None
        except OSError as error:
            msg = (
                f"{SETTING}: {self.path} cannot be opened and written ({error.strerror}); let this process write to the file and its folder"
            )
            raise StartupError(msg) from None

    def _say(self, mark: bytes) -> None:
        try:
            os.ftruncate(self._lock, 0)
            os.pwrite(self._lock, b"%b%d\n" % (mark, os.getpid()), 0)
        except OSError as error:
            msg = f"{SETTING}: cannot write beside {self.path} ({error.strerror}); make room there, and let this process write"
            raise StartupError(msg) from None

    def opened(self) -> None:
        """Note which file it is, now that there is an event log in it. Raises :class:`StartupError`."""
        self._say(_MARK)
        self._place = self._find()

    def check(self) -> None:
        """Raise :class:`DamagedError` where the file has been removed or replaced: what is written now would be gone at the next start."""
        if self._find() != self._place:
            msg = "it has been removed or replaced while it was in use"
            raise DamagedError(msg)

    def release(self) -> None:
        """Let others have it. The lock's own file stays: to remove it would let two lock different files of one name."""
        for handle in (self._itself, self._lock):
            if handle >= 0:
                os.close(handle)
        self._itself = self._lock = -1

    def _find(self) -> tuple[int, int] | None:
        try:
            found = os.stat(self.path)  # noqa: PTH116 - asked with every commit; a Path costs three times as much
        except OSError:
            return None
        return found.st_dev, found.st_ino


def _looked_up(path: Path) -> tuple[Path, int]:
    """Return where a path leads in the end, and the mode of what is there, 0 for nothing."""
    try:
        found = path.resolve()
        try:
            return found, found.stat().st_mode
        except (FileNotFoundError, NotADirectoryError):
            return found, 0
    except (OSError, RuntimeError) as error:  # a loop of links is either, by Python's version
        why = getattr(error, "strerror", None) or error
        raise StartupError(f"{SETTING}: {path} cannot be looked up ({why}); name a file on a local disk") from None  # noqa: EM102, TRY003 - one line
