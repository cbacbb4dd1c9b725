"""More than a connection can hold.

The law of this module: a reader that takes nothing is stuck for certain once more has been sent to it than the kernel may buffer.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from redline.testing.connection import StreamConnection
    from redline.testing.service import RunningService

_LARGE = "x" * 10_000
_LINES = 45
"""Events of one batch: together a little less than a body may have."""
_MORE = 2 * 1024 * 1024
_USUAL = 4 * 1024 * 1024


def kernel_bytes() -> int:
    """Return how much the kernel may buffer on the way out of a socket."""
    setting = Path("/proc/sys/net/ipv4/tcp_wmem")
    return int(setting.read_text().split()[2]) if setting.exists() else _USUAL


async def flood(service: RunningService, token: str | None = None) -> list[str]:
    """Publish so much that whoever reads nothing is stuck; return the ids."""
    data = service.example("change.detected") | {"excerpt": {"before": _LARGE, "after": _LARGE}}
    ids: list[str] = []
    while len(ids) * 2 * len(_LARGE) < kernel_bytes() + _MORE:
        ids += await service.publish_many(_LINES, "change.detected", data, token=token)
    return ids


async def stuck_reader(service: RunningService, token: str) -> StreamConnection:
    """Open a stream, read its opening, and nothing more until its connection is full."""
    stream = await service.stream(token, receive_buffer=4096)
    await stream.event("stream.open")
    stream.stall()
    await flood(service)
    return stream
