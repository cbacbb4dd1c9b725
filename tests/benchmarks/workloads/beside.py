"""Workloads a to d: Redline beside its peers.

The law of this module: every server gets the same requests for the same payload, from the same load.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from tests.benchmarks.cases import Case, Measure, Subject
from tests.benchmarks.nchan import Nchan
from tests.benchmarks.servers import BetterSse, Floor, PlainSanic, PythonPeer, Redline
from tests.benchmarks.stage import Measures, Scale, filler, serving

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.benchmarks.servers import Server

PEERS: Final[tuple[Server, ...]] = (
    Floor(),
    Redline(),
    Nchan(),
    PlainSanic(),
    PythonPeer("sse-starlette", script="sse_starlette_app.py"),
    PythonPeer("aiohttp-sse", opened=": open", script="aiohttp_sse_app.py"),
    BetterSse(),
)
MEASURED_FULLY: Final = frozenset({"floor", "redline", "nchan"})
"""The servers that a target names. What the others need minutes for, and no target asks, they are spared."""
SINGLY: Final = (200, 1000)
STEADY: Final = (2000, 5000)
_EVENTS: Final = {200: 300, 1000: 100}
_SMALL: Final = 160
_LARGE: Final = 200
_MICRO: Final = 1e6
_CPU: Final = Measure("cpu", "server CPU per delivery", "µs", _MICRO)
_RATE: Final = Measure("rate", "deliveries/s", "/s")
_BY_STREAMS: Final = tuple(Measure(f"cpu_{streams}", f"{streams:,} streams: server CPU per delivery", "µs", _MICRO) for streams in SINGLY)
_LATENCIES: Final = tuple(
    Measure(f"{key}_{streams}", f"{streams:,} streams: latency {key}", "ms", 1e3) for streams in STEADY for key in ("p50", "p99", "max")
)
_IDLE: Final = (
    Measure("rss", "RSS per idle stream", "KiB", 1 / 1024, plain=True),
    Measure("cpu_share", "CPU for heartbeats", "%", 100, plain=True),
)
_HEARTBEAT: Final = 15.0


def singly(server: Server, scale: Scale) -> Measures:
    """Publish one event at a time (a): the cost of one write a stream."""
    found: Measures = {}
    opened = 0
    with serving(server) as site:
        for streams in SINGLY:
            site.open(scale.count(streams, streams // 10) - opened)
            opened = scale.count(streams, streams // 10)
            site.load.call("warm")
            events = scale.count(_EVENTS[streams], _EVENTS[streams] // 10)
            cost = site.load.call("singly", patience=120, events=events, filler=filler(_SMALL))
            found |= {f"cpu_{streams}": cost["server_cpu"] / cost["deliveries"], "load_busy": cost["load_busy"]}
    return found


def in_flight(server: Server, batch: int, width: int, scale: Scale) -> Measures:
    """(b) Many publishes in flight: how much one flush carries."""
    with serving(server, lambda port: [server.channel(port, batch=batch > 1)]) as site:
        site.open(scale.count(1000, 100))
        site.load.call("warm")
        cost = site.load.call("in_flight", patience=120, width=width, batch=batch, seconds=scale.pick(2.0, 0.5), filler=filler(_SMALL))
    return {
        "rate": cost["deliveries"] / cost["seconds"],
        "cpu": cost["server_cpu"] / cost["deliveries"],
        "load_busy": cost["load_busy"],
    }


def latency(server: Server, scale: Scale) -> Measures:
    """(c) A steady 20 events a second: when they arrive."""
    found: Measures = {}
    opened = 0
    with serving(server) as site:
        for streams in STEADY if server.name in MEASURED_FULLY else STEADY[:1]:
            site.open(scale.count(streams, streams // 20) - opened)
            opened = scale.count(streams, streams // 20)
            site.load.call("warm")
            cost = site.load.call("timetable", patience=120, rate=20, seconds=scale.pick(5.0, 1.0), width=8, filler=filler(_LARGE))
            found |= {f"{key}_{streams}": value for key, value in cost["latency"].items()}
            found |= {"load_busy": cost["load_busy"], f"latest_send_{streams}": cost["latest_send"]}
    return found


def idle(server: Server, scale: Scale) -> Measures:
    """(d) Streams that are told nothing. The first tenth is left out of the memory: it pays for what every server makes once."""
    first, rest = scale.count(1000, 50), scale.count(9000, 450)
    with serving(server) as site:
        site.open(first)
        opened = site.open(rest)
        found = {"rss": (opened["rss"] - opened["rss_before"]) / rest}
        if server.name not in MEASURED_FULLY:
            return found
        # Long enough for one round of heartbeats; how many came within it tells what one costs.
        quiet = site.load.call("idle", patience=60, seconds=16.5)
    beats = quiet["beats"]
    share = quiet["server_cpu"] / beats * (first + rest) / _HEARTBEAT if beats else float("nan")
    return {**found, "cpu_share": share, "beats": beats, "load_busy": quiet["load_busy"]}


def _beside(run: Callable[[Server, Scale], Measures], servers: tuple[Server, ...] = PEERS) -> list[Subject]:
    return [Subject(server.name, partial(run, server), server.missing) for server in servers]


def cases() -> list[Case]:
    """Return the cases of a to d."""
    able = tuple(server for server in PEERS if server.name in {"floor", "redline"})
    return [
        Case("a", "one publish at a time", _beside(singly), _BY_STREAMS),
        Case("b", "1,000 streams, 64 publishes in flight", _beside(lambda server, scale: in_flight(server, 1, 64, scale)), [_RATE, _CPU]),
        Case("b", "1,000 streams, batches of 100", _beside(lambda server, scale: in_flight(server, 100, 4, scale), able), [_RATE, _CPU]),
        Case("c", "20 events/s", _beside(latency), _LATENCIES),
        Case("d", "10,000 idle streams", _beside(idle), _IDLE),
    ]
