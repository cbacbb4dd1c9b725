"""One run of one server: started, driven, stopped.

The law of this module: a run begins with a fresh server and a fresh load, and leaves nothing behind, so that no run pays for another.
"""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from redline.testing.load.wire import MARK_BYTES
from tests.benchmarks import processes
from tests.benchmarks.machine import free_port
from tests.benchmarks.servers import DATA_BYTES, ORG

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tests.benchmarks.processes import ChannelPlan, StreamPlan
    from tests.benchmarks.servers import Server

Measures = dict[str, float]
WIDTH = 100
"""Streams that are opened at a time."""


@dataclass(frozen=True)
class Scale:
    """How big the workloads are: as the issue says, or just big enough to see that everything works."""

    quick: bool = False

    def pick(self, full: float, quick: float) -> float:
        """Return the one that counts."""
        return quick if self.quick else full

    def count(self, full: int, quick: int) -> int:
        """Return the one that counts, of two whole numbers."""
        return quick if self.quick else full


def filler(data_bytes: int) -> int:
    """Return how much filler makes a payload of that size."""
    return data_bytes - DATA_BYTES - MARK_BYTES


class Site:
    """A server that runs, and a load for it."""

    def __init__(self, server: Server, process: processes.Server, load: processes.Load) -> None:
        """Take the parts."""
        self.server = server
        self.port = process.port
        self.pid = process.pid
        self.load = load

    def open(self, count: int) -> dict[str, Any]:
        """Open ``count`` streams of the one org."""
        return self.open_plan([{"request": self.server.stream(self.port), "channel": ORG, "count": count}])

    def open_plan(self, streams: Sequence[StreamPlan], width: int = WIDTH) -> dict[str, Any]:
        """Open streams."""
        return self.load.call("open", patience=120, streams=list(streams), opened=self.server.opened, width=width)


@contextmanager
def serving(server: Server, channels: Callable[[int], Sequence[ChannelPlan]] | None = None) -> Iterator[Site]:
    """Run a server and a load for the length of the block. Raises ``BenchmarkError``.

    ``channels`` is told the server's port and returns what is published to; by default that is the one org.
    """
    port = free_port()
    with (
        tempfile.TemporaryDirectory(prefix="redline-bench-") as folder,
        processes.Server(server.command(Path(folder), port), Path(folder), port, server.env()) as process,
        processes.Load(port, process.pid, [server.channel(port)] if channels is None else channels(port)) as load,
    ):
        yield Site(server, process, load)
