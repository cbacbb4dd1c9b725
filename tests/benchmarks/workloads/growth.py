"""Workload e: what does not grow, when orgs, history and streams do.

The law of this module: heartbeats are put far apart, so that what is measured is the publish and the delivery, and nothing else.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from tests.benchmarks.cases import Case, Measure, Subject
from tests.benchmarks.servers import Redline
from tests.benchmarks.stage import Measures, Scale, filler, serving

ORGS: Final = (1, 100, 10_000)
HISTORY: Final = (0, 10_000, 100_000)
STREAMS: Final = (10, 1000, 10_000)
_SMALL: Final = 160
_QUIET: Final = {"REDLINE_HEARTBEAT_SECONDS": "300"}
_RETAINING: Final = {
    **_QUIET,
    "REDLINE_HISTORY__EVENTS": "200000",
    "REDLINE_HISTORY__BYTES": "268435456",
    "REDLINE_HISTORY__TOTAL_BYTES": "536870912",
}
_PUBLISH: Final = Measure("cpu", "server CPU per publish", "µs", 1e6)
_DELIVERY: Final = Measure("cpu", "server CPU per further delivery", "µs", 1e6)
_DELIVERIES: Final = 100_000
_BATCH: Final = 1000


def orgs(count: int, scale: Scale) -> Measures:
    """One stream in each of ``count`` orgs, and publishes to one org after the other, one at a time."""
    server = Redline(_QUIET)
    count = scale.count(count, max(1, count // 20))
    with serving(server, lambda port: server.channels(port, count)) as site:
        site.open_plan(
            [{"request": server.stream(site.port, f"org{number}"), "channel": f"org{number}", "count": 1} for number in range(count)]
        )
        site.load.call("singly", patience=60, events=scale.count(1000, 300), filler=filler(_SMALL))
        cost = site.load.call("singly", patience=120, events=scale.count(4000, 300), filler=filler(_SMALL))
    return {"cpu": cost["server_cpu"] / cost["events"]}


def history(count: int, scale: Scale) -> Measures:
    """One org that retains ``count`` events, read by one stream."""
    server = Redline(_RETAINING)
    count = scale.count(count, count // 20)
    with serving(server, lambda port: [server.channel(port, batch=True)]) as site:
        if count:
            batch = min(count, _BATCH)
            site.load.call("in_flight", patience=120, width=2, batch=batch, events=count, filler=filler(_SMALL))
            site.load.call("skip", events=0, before=count)
        site.open(1)
        site.load.call("warm", events=scale.count(1000, 300))
        cost = site.load.call("singly", patience=120, events=scale.count(4000, 300), filler=filler(_SMALL))
    return {"cpu": cost["server_cpu"] / cost["events"]}


def streams(count: int, scale: Scale) -> Measures:
    """One org with ``count`` streams: what each of them costs beyond the first."""
    server = Redline(_QUIET)
    count = scale.count(count, max(10, count // 10))
    events = max(20, min(scale.count(4000, 300), scale.count(_DELIVERIES, _DELIVERIES // 10) * 4 // count))
    with serving(server) as site:
        site.open(1)
        site.load.call("warm", events=300)
        alone = site.load.call("singly", patience=120, events=scale.count(2000, 300), filler=filler(_SMALL))
        site.open(count - 1)
        site.load.call("warm")
        together = site.load.call("singly", patience=120, events=events, filler=filler(_SMALL))
    per_publish = together["server_cpu"] / together["events"] - alone["server_cpu"] / alone["events"]
    return {"cpu": per_publish / (count - 1)}


def cases() -> list[Case]:
    """Return the cases of e."""
    return [
        Case("e", "publish, by orgs", [Subject(f"{count:,}", partial(orgs, count)) for count in ORGS], [_PUBLISH]),
        Case("e", "publish, by retained events", [Subject(f"{count:,}", partial(history, count)) for count in HISTORY], [_PUBLISH]),
        Case("e", "delivery, by streams", [Subject(f"{count:,}", partial(streams, count)) for count in STREAMS], [_DELIVERY]),
    ]
