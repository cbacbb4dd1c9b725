"""Ports that are known before anyone listens on them: a server is told one, killed, and started on it again.

The law of this module: a port that was given is nobody else's. It is held by a socket that is bound and does not listen. So the kernel
gives it neither to a test that runs at the same time nor to a connection's own end; whoever connects is refused; and whoever binds it with
SO_REUSEADDR, as servers do, may listen.
"""

from __future__ import annotations

import contextlib
import socket
from collections import deque

_MOST = 256
"""How many are held: more than one test ever wants, fewer than the files that a process may open."""
_held: deque[socket.socket] = deque()


def free_ports(count: int) -> list[int]:
    """Return ports of loopback that nobody listens on."""
    return [_hold(0) for _ in range(count)]


def free_ports_in_a_row(count: int) -> int:
    """Return the first of so many ports of loopback that nobody listens on."""
    while True:
        first = _hold(0)
        with contextlib.suppress(OSError):
            for port in range(first + 1, first + count):
                _hold(port)
            return first


def _hold(port: int) -> int:
    holding = socket.socket()
    try:
        holding.bind(("127.0.0.1", port))  # refused where anyone else has it, held or in use
        holding.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # and only now shared with whoever listens
    except OSError:
        holding.close()
        raise
    _held.append(holding)
    while len(_held) > _MOST:
        _held.popleft().close()
    return int(holding.getsockname()[1])
