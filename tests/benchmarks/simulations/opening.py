"""What it costs one node to open a stream, and what an org that is live meanwhile sees: against a real ``redline serve``.

The law of this module: CPU time is the server's own; a latency is what a reader saw on this machine, where readers, publishers and those
who come share the other core, so it is no better than it would be apart from them.
"""

from __future__ import annotations

import select
import socket
import time
from typing import TYPE_CHECKING, Final, Self

from redline.testing.load.processes import Meter
from tests.benchmarks.machine import LOAD_CORE, pinned
from tests.benchmarks.processes import HOST, BenchmarkError
from tests.benchmarks.servers import Redline
from tests.benchmarks.stage import Measures, filler, serving

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.benchmarks.processes import StreamPlan
    from tests.benchmarks.stage import Site

_STREAMS: Final = 4000
_ORGS: Final = 1000
_REFUSALS: Final = 1000
_QUIET: Final = {"REDLINE_HEARTBEAT_SECONDS": "300"}
_NANO: Final = 1e9


def _opened(site: Site, server: Redline, plan: Sequence[StreamPlan], width: int) -> tuple[float, float]:
    """Open streams; return the server's CPU seconds and the seconds for each."""
    meter, count = Meter(site.pid), sum(each["count"] for each in plan)
    cpu, began = meter.cpu(), time.monotonic()
    site.load.call("open", patience=120, streams=list(plan), opened=server.opened, width=width)
    return (meter.cpu() - cpu) / _NANO / count, (time.monotonic() - began) / count


def one_org() -> Measures:
    """Streams of one org, a hundred of them being opened at any moment."""
    server = Redline(_QUIET)
    with serving(server) as site:
        site.open(200)
        cpu, each = _opened(site, server, [{"request": server.stream(site.port), "channel": "acme", "count": _STREAMS}], 100)
    return {"open_cpu": cpu, "opens_per_second": 1 / each}


def many_orgs() -> Measures:
    """Streams of a thousand orgs that nobody reads yet."""
    server = Redline(_QUIET)
    with serving(server, lambda port: server.channels(port, _ORGS)) as site:
        names = [f"org{number}" for number in range(_ORGS)]
        plan: list[StreamPlan] = [{"request": server.stream(site.port, name), "channel": name, "count": 1} for name in names]
        cpu, _ = _opened(site, server, plan, 100)
    return {"open_cpu_new_org": cpu}


def refused() -> Measures:
    """Streams that a full node refuses, as it tells an EventSource: by a stream of one ``stream.closing``."""
    server = Redline({**_QUIET, "REDLINE_LIMITS__STREAMS": "1"})
    with serving(server) as site:
        site.open(1)
        request, meter = server.stream(site.port).encode(), Meter(site.pid)
        _refusals(site.port, request, 100)
        before = meter.cpu()
        _refusals(site.port, request, _REFUSALS)
        return {"refusal_cpu": (meter.cpu() - before) / _NANO / _REFUSALS}


def _refusals(port: int, request: bytes, count: int) -> None:
    with pinned(LOAD_CORE):
        for _ in range(count):
            with socket.create_connection((HOST, port), timeout=10) as connection:
                connection.sendall(request)
                said = b""
                while b"over_capacity" not in said:
                    data = connection.recv(4096)
                    if not data:
                        msg = f"a full node said: {said[-300:]!r}"
                        raise BenchmarkError(msg)
                    said += data


def crowd(size: int) -> Measures:
    """Have a crowd come in one moment, while another org has 20 streams and 100 events a second.

    Nobody reads the answers before all have asked, so that the node has all of them before it.
    """
    server = Redline(_QUIET)
    with serving(server, lambda port: [server.channel(port, "live")]) as site:
        site.open_plan([{"request": server.stream(site.port, "live"), "channel": "live", "count": 20}])
        site.load.call("warm")
        site.load.start("timetable", rate=100, seconds=60, width=8, filler=filler(200), patience=30)
        meter = Meter(site.pid)
        with pinned(LOAD_CORE), _Crowd(site.port, server.stream(site.port).encode()) as coming:
            cpu = meter.cpu()
            began = time.monotonic_ns()
            coming.come(size)
            coming.await_open(server.opened.encode())
            ended = time.monotonic_ns()
            cpu = meter.cpu() - cpu
            time.sleep(0.3)  # what was published in the last moment of it is delivered after it
            live = _stopped(site, began, ended + 300_000_000)
    return {"seconds": (ended - began) / _NANO, "live_max": live, "cpu_seconds": cpu / _NANO}


class _Crowd:
    """Connections that are opened as fast as it goes, and read afterwards."""

    def __init__(self, port: int, request: bytes) -> None:
        self._address = (HOST, port)
        self._request = request
        self._connections: dict[int, socket.socket] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for connection in self._connections.values():
            connection.close()

    def come(self, size: int) -> None:
        """Connect, and ask for a stream, ``size`` times."""
        for _ in range(size):
            connection = socket.create_connection(self._address, timeout=30)
            self._connections[connection.fileno()] = connection
            connection.sendall(self._request)

    def await_open(self, opened: bytes) -> None:
        """Wait until each has its stream."""
        poll = select.epoll()
        said = dict.fromkeys(self._connections, b"")
        for number in said:
            poll.register(number, select.EPOLLIN)
        deadline = time.monotonic() + 60
        while said and time.monotonic() < deadline:
            for number, _ in poll.poll(1.0):
                data = self._connections[number].recv(65_536)
                said[number] += data
                if opened in said[number]:
                    poll.unregister(number)
                    del said[number]
                elif not data:
                    msg = f"a stream ended before it was open; it said {said[number][-300:]!r}"
                    raise BenchmarkError(msg)
        poll.close()
        if said:
            msg = f"{len(said)} streams were not open after a minute"
            raise BenchmarkError(msg)


def _stopped(site: Site, began: int, ended: int) -> float:
    site.load.start("stop")
    site.load.finish(60)
    return float(site.load.call("window", began=began, ended=ended)["max"])
