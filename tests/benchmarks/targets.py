"""The targets, as the issue that asks for them has them.

The law of this module: it is the only list of them; the report judges by it and by nothing else.
"""

from __future__ import annotations

from typing import Final

from tests.benchmarks.cases import Target
from tests.benchmarks.workloads import cluster
from tests.benchmarks.workloads.beside import SINGLY, STEADY
from tests.benchmarks.workloads.durable import BESIDE, CEILING, FAN_OUT, PUBLISH
from tests.benchmarks.workloads.growth import HISTORY, ORGS, STREAMS
from tests.benchmarks.workloads.trouble import BUFFER_BYTES, CHUNK_BYTES

_KIB: Final = 1 / 1024
_TIMES: Final = " \N{MULTIPLICATION SIGN}"
_SINGLY: Final = "one publish at a time"
_FLIGHT: Final = "1,000 streams, 64 publishes in flight"
_BATCHES: Final = "1,000 streams, batches of 100"
_STEADY: Final = "20 events/s"
_IDLE: Final = "10,000 idle streams"
_STORM: Final = "1,000 reconnects, each 1,000 events behind"
_STALLED: Final = "1,000 streams that read"
_MIX: Final = "1,000 orgs, 5 streams each, 2,000 events/s"
_FILTERS: Final = "1,000 streams"


def _growth(case: str, text: str, sizes: tuple[int, ...], limit: float) -> list[Target]:
    return [Target("e", case, f"{text}: {size:,} against {sizes[0]:,}", "cpu", f"{size:,}", f"{sizes[0]:,}", limit) for size in sizes[1:]]


TARGETS: Final[tuple[Target, ...]] = (
    *(
        Target("a", _SINGLY, f"{streams:,} streams: CPU per delivery against {name}", f"cpu_{streams}", "redline", peer, limit)
        for peer, name, limit in (("floor", "the floor", 1.3), ("nchan", "nchan", 1.0))
        for streams in SINGLY
    ),
    Target("b", _FLIGHT, "deliveries/s against nchan", "rate", "redline", "nchan", 10.0, at_most=False),
    Target("b", _FLIGHT, "deliveries/s against the floor", "rate", "redline", "floor", 0.6, at_most=False),
    Target("b", _BATCHES, "deliveries/s against the floor", "rate", "redline", "floor", 0.6, at_most=False),
    *(
        Target("c", _STEADY, f"{streams:,} streams: p99 against {name}", f"p99_{streams}", "redline", peer, limit)
        for peer, name, limit in (("nchan", "nchan", 1.0), ("floor", "the floor", 1.4))
        for streams in STEADY
    ),
    Target("d", _IDLE, "RSS per idle stream", "rss", "redline", "", 3.0, scale=_KIB, unit=" KiB"),
    Target("d", _IDLE, "CPU for heartbeats, of a core", "cpu_share", "redline", "", 3.0, scale=100, unit=" %"),
    *_growth("publish, by orgs", "CPU per publish", ORGS, 1.2),
    *_growth("publish, by retained events", "CPU per publish", HISTORY, 1.2),
    *_growth("delivery, by streams", "CPU per delivery", STREAMS, 1.3),
    Target("f", _STORM, "replayed events/s", "replayed", "redline", "", 500_000, at_most=False, unit="/s"),
    Target("f", _STORM, "live p99 meanwhile", "p99", "redline", "", 100.0, scale=1e3, unit=" ms"),
    Target("g", _STALLED, "live p99 with 100 stalled readers, against none", "p99", "100 stalled", "none stalled", 1.3),
    Target("g", _STALLED, "RSS per stalled reader", "rss", "100 stalled", "", (BUFFER_BYTES + CHUNK_BYTES) / 1024, scale=_KIB, unit=" KiB"),
    Target(
        "h",
        "publish alone, single events",
        "requests/s against a bare handler",
        "rate",
        "redline",
        "bare Sanic handler",
        0.7,
        at_most=False,
    ),
    Target(
        "h",
        "publish alone, batches of 100",
        "events against a bare loop",
        "per_core",
        "redline",
        "validate and serialise in a loop",
        0.5,
        at_most=False,
    ),
    Target("i", _MIX, "p99", "p99", "redline", "", 20.0, scale=1e3, unit=" ms"),
    Target("j", _FILTERS, "CPU per delivery, one at a time, against one filter", "cpu", "10 filters", "one filter", 1.5),
    Target("j", _FILTERS, "CPU per delivery, 64 in flight, against one filter", "cpu_in_flight", "10 filters", "one filter", 1.5),
    Target("k", PUBLISH, f"single events/s against the {CEILING}", "rate", "sqlite", CEILING, 0.7, at_most=False),
    Target("k", FAN_OUT, "CPU per further delivery against memory", "further", BESIDE, "", 1.1, unit=_TIMES),
    *(
        Target("l", cluster.PUBLISH, f"{how}: events/s against {cluster.ALONE}", "rate", how, cluster.ALONE, 0.7, at_most=False)
        for how in (cluster.SINGLE, cluster.BATCHES)
    ),
    Target("l", cluster.FAN_OUT, "CPU per further delivery against memory", "further", cluster.BESIDE, "", 1.1, unit=_TIMES),
    Target("l", cluster.NODES, "streams for the same CPU, against one node's", "streams", cluster.TWO, "", 1.8, at_most=False, unit=_TIMES),
)
