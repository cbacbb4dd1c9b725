"""The machine: which cores carry what, and what it is, for the table's head.

The law of this module: one core for the server and one for the load, where there are two; nothing is pinned where there are not.
"""

from __future__ import annotations

import os
import platform
import resource
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.ports import free_ports

if TYPE_CHECKING:
    from collections.abc import Iterator

_ALLOWED = sorted(os.sched_getaffinity(0))
SERVER_CORE = _ALLOWED[0] if len(_ALLOWED) > 1 else None
LOAD_CORE = _ALLOWED[1] if len(_ALLOWED) > 1 else None


@contextmanager
def pinned(core: int | None) -> Iterator[None]:
    """Have what is started within the block run on one core: children inherit it, from their first instruction on."""
    before = os.sched_getaffinity(0)
    if core is not None:
        os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def free_port() -> int:
    """Return a port of the loopback that is free now."""
    return free_ports(1)[0]


def raise_file_limit() -> int:
    """Raise the limit of open files as far as it may, for this process and its children; return it."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard if hard != resource.RLIM_INFINITY else 1_048_576


def shape() -> str:
    """Return the machine in one line."""
    model = platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    split = "one core for the server, one for the load" if SERVER_CORE is not None else "one core for server and load together"
    system = f"Linux {platform.release().split('-')[0]}, Python {platform.python_version()}"
    return f"{len(_ALLOWED)} x {model}, {memory:.0f} GiB, {system}; {split}"
