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

MARK_BYTES: Final = 100
"""How much of the lock's file is read."""
_MARK: Final = b"redline event log, process "
_NEW: Final = b"process "
"""What the lock's file says until there is an event log: an empty file is then what a start that came to nothing has left."""


class LockedFile:
    """A database file that this process alone may open, until :meth:`release`."""

    def __init__(self, path: Path) -> None:
        """Lock the file of that path, which need not be there yet. Raises :class:`StartupError`."""
        self.path = looked_up(path)
        self._place: tuple[int, int] | None = None
        self._itself = -1
        try:
            self._lock = os.open(beside(self.path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise not_beside(self.path, error.strerror) from None
        try:
            self._own()
            self._own_itself()
        except BaseException:
            self.release()
            raise

    def _own(self) -> None:
        known = os.pread(self._lock, MARK_BYTES, 0)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = known.rpartition(_NEW)[2].decode("ascii", "replace").strip() or "another one"
            msg = f"{SETTING}: {self.path} is in use by process {holder}. A file has one process; stop that one, or name another file"
            raise NotYetError(msg) from None
        except OSError as error:
            msg = f"{SETTING}: {self.path} cannot be locked ({error.strerror}); its file system does not do that. Keep it on a local disk"
            raise StartupError(msg) from None
        self._say(_MARK if was_log(self.path, known) else _NEW)

    def _own_itself(self) -> None:
        try:
            # All orgs' payloads are in it: nobody else's to read, unless its owner says so. SQLite gives what lies beside it the same mode.
            self._itself = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
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


def looked_up(path: Path) -> Path:
    """Return where a path leads in the end: to a file, or to nothing yet. Raises :class:`StartupError`."""
    try:
        found = path.resolve()
        try:
            mode = found.stat().st_mode
        except (FileNotFoundError, NotADirectoryError):
            return found
    except (OSError, RuntimeError) as error:  # a loop of links is either, by Python's version
        why = getattr(error, "strerror", None) or error
        raise StartupError(f"{SETTING}: {path} cannot be looked up ({why}); name a file on a local disk") from None  # noqa: EM102, TRY003 - one line
    if stat.S_ISDIR(mode):
        raise StartupError(f"{SETTING}: {found} is a folder; name a file in it")  # noqa: EM102, TRY003 - as above
    if not stat.S_ISREG(mode):
        raise StartupError(f"{SETTING}: {found} is no file but a device, a pipe or a socket; name a file")  # noqa: EM102, TRY003 - as above
    return found


def beside(path: Path) -> Path:
    """Return where the lock of a file is."""
    return path.with_name(f"{path.name}-lock")


def not_beside(path: Path, why: str | None) -> StartupError:
    """Return what is said where nothing can be written beside a file."""
    msg = f"{SETTING}: cannot write beside {path} ({why}): SQLite keeps files there. Make the folder, and let this process write to it"
    return StartupError(msg)


def allowed(path: Path, what: int = os.R_OK | os.W_OK) -> bool:
    """Tell whether this process may read and write a file, as it is now."""
    return os.access(path, what, effective_ids=os.access in os.supports_effective_ids)


def was_log(path: Path, known: bytes) -> bool:
    """Tell whether there is a file that was an event log, by what its lock says. Raises :class:`StartupError` for one that cannot go on."""
    if not path.exists():
        return False
    was = known.startswith(_MARK)
    if was and not path.stat().st_size:
        msg = (
            f"{SETTING}: {path} is empty, and was an event log before. Bring it back from a backup; "
            f"or, to begin anew, remove it together with {beside(path).name}"
        )
        raise StartupError(msg)
    # Asked before SQLite is: that would open it for reading, and leave a write-ahead log beside it that nobody can write either.
    if not allowed(path):
        msg = f"{SETTING}: {path} is readonly to this process; let it write to the file"
        raise StartupError(msg)
    return was
