"""More than a connection can hold.

The law of this module: a reader that takes nothing is stuck for certain once more has been sent to it than the kernel may buffer.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from redline.testing import RunningService, StreamConnection

LARGE = "x" * 10_000
LINES = 45
"""Events of one batch: together a little less than a body may have."""
_MORE = 2 * 1024 * 1024
_USUAL = 4 * 1024 * 1024


def kernel_bytes() -> int:
    """Return how much the kernel may buffer on the way out of a socket."""
    setting = Path("/proc/sys/net/ipv4/tcp_wmem")
    return int(setting.read_text().split()[2]) if setting.exists() else _USUAL


async def flood(service: RunningService, token: str | None = None) -> list[str]:
    """Publish so much that whoever reads nothing is stuck; return the ids."""
    data = service.example("change.detected") | {"excerpt": {"before": LARGE, "after": LARGE}}
    ids: list[str] = []
    while len(ids) * 2 * len(LARGE) < kernel_bytes() + _MORE:
        ids += await service.publish_many(LINES, "change.detected", data, token=token)
    return ids


async def stuck_reader(service: RunningService, token: str) -> StreamConnection:
    """Open a stream, read its opening, and nothing more until its connection is full."""
    stream = await service.stream(token, receive_buffer=4096)
    await stream.event("stream.open")
    stall(stream)
    await flood(service)
    return stream


def stall(stream: StreamConnection) -> None:
    """Read nothing more."""
    stream.writer.transport.pause_reading()  # type: ignore[attr-defined]  # a transport of both directions


def go_on(stream: StreamConnection) -> None:
    """Read again."""
    stream.writer.transport.resume_reading()  # type: ignore[attr-defined]  # as above
