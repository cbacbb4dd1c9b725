"""What a server costs: the CPU time and the memory of a process and its children, from /proc.

The law of this module: it only reads. CPU time is the scheduler's own sum in nanoseconds where the kernel has it, and otherwise that of
``/proc/PID/stat``, in ticks.
"""

from __future__ import annotations

import os
from pathlib import Path

_PROC = Path("/proc")


class Meter:
    """A server's process and its children, as they are when this is made."""

    def __init__(self, pid: int | None) -> None:
        """Take the first process's id; None where it is not of this machine, and then nothing is ever counted."""
        parents: dict[int, list[int]] = {}
        for entry in _PROC.iterdir():
            if entry.name.isdigit() and (fields := _fields(entry)):
                parents.setdefault(int(fields[1]), []).append(int(entry.name))
        self.pids = [] if pid is None else [pid]
        for known in self.pids:
            self.pids.extend(parents.get(known, ()))

    def cpu(self) -> int:
        """Return the CPU time so far, in nanoseconds."""
        return sum(map(_cpu, self.pids))

    def rss(self) -> int:
        """Return the resident memory, in bytes."""
        return sum(map(_rss, self.pids))


def _fields(folder: Path) -> list[str]:
    """Return the fields of a process's ``stat`` from its state on; the name before it may hold anything. Empty when it has gone."""
    try:
        return (folder / "stat").read_text("latin-1").rpartition(")")[2].split()
    except OSError:
        return []


def _cpu(pid: int) -> int:
    total = 0
    try:
        for task in (_PROC / str(pid) / "task").iterdir():
            total += int((task / "schedstat").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        total = 0
    if total:
        return total
    fields = _fields(_PROC / str(pid))
    return (int(fields[11]) + int(fields[12])) * 1_000_000_000 // os.sysconf("SC_CLK_TCK") if fields else 0


def _rss(pid: int) -> int:
    try:
        lines = (_PROC / str(pid) / "status").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS:"))
