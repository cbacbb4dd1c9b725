"""Workloads f and g: readers that all come back at once, and readers that stop reading.

The law of this module: what counts is how the others fare meanwhile.
"""

from __future__ import annotations

import json
from functools import partial
from typing import Final
from urllib.request import urlopen

from tests.benchmarks.cases import Case, Measure, Subject
from tests.benchmarks.processes import HOST, BenchmarkError, Load
from tests.benchmarks.servers import Redline
from tests.benchmarks.stage import Measures, Scale, Site, filler, serving

_LARGE: Final = 200
_BULKY: Final = 4000
_HISTORY: Final = {"REDLINE_HISTORY__EVENTS": "2000"}
_PATIENT: Final = {"REDLINE_LIMITS__STALL_SECONDS": "3600"}
_BATCH: Final = 100
_LATENCIES: Final = tuple(Measure(key, f"live {key}", "ms", 1e3, plain=True) for key in ("p50", "p99", "max"))
BUFFER_BYTES: Final = 65_536
CHUNK_BYTES: Final = 262_144


def storm(scale: Scale) -> Measures:
    """(f) Readers reconnect all at once, each a thousand events behind, while another org goes on."""
    server, behind = Redline(_HISTORY), 1000
    with serving(server, lambda port: [server.channel(port, "live")]) as site:
        cursor = seed(site, server, behind)
        return crowd(site, server, cursor, scale.count(1000, 100), behind)


def crowd(site: Site, server: Redline, cursor: str, readers: int, behind: int) -> Measures:
    """Have readers come back all at once with ``cursor``, ``behind`` events ago, while the org ``live`` goes on."""
    site.open_plan([{"request": server.stream(site.port, "live"), "channel": "live", "count": 100}])
    site.load.call("warm")
    site.load.start("timetable", rate=20, seconds=90, width=8, filler=filler(_LARGE), patience=30)
    with Load(site.port, site.pid, [server.channel(site.port, "behind")]) as load:
        load.call("skip", events=behind + 1, before=1)
        plan = {
            "request": server.stream(site.port, "behind", headers=f"Last-Event-ID: {cursor}\r\n"),
            "channel": "behind",
            "count": readers,
        }
        opened = load.call("open", patience=60, streams=[plan], opened=server.opened, width=readers, expected=1)
        done = load.call("caught_up", patience=60, deliveries=readers * behind)
    site.load.start("stop")
    site.load.finish(60)
    live = site.load.call("window", began=opened["began"], ended=done["ended"])
    seconds = (done["ended"] - opened["began"]) / 1e9
    return {"replayed": readers * behind / seconds, "p50": live["p50"], "p99": live["p99"], "max": live["max"]}


def seed(site: Site, server: Redline, behind: int) -> str:
    """Publish ``behind`` events to the org ``behind``, and one before them; return that one's id."""
    with Load(site.port, site.pid, [server.channel(site.port, "behind")]) as first:
        answer = first.call("in_flight", width=1, batch=1, events=1, filler=filler(_LARGE))
        cursor = str(json.loads(answer["last_answer"])["id"])
    with Load(site.port, site.pid, [server.channel(site.port, "behind", batch=True)]) as rest:
        rest.call("skip", events=1, before=1)
        rest.call("in_flight", width=1, batch=_BATCH, events=behind, filler=filler(_LARGE))
    return cursor


def stalled(count: int, scale: Scale) -> Measures:
    """(g) A thousand that read, and ``count`` that have stopped, before whom megabytes went by."""
    server = Redline(_PATIENT)
    # On the loopback a connection's kernel buffers alone take some 3 MB before a server learns that nobody reads.
    flood = 2000
    with serving(server, lambda port: [server.channel(port, "acme")]) as site:
        _flood(site, server, flood)
        if count:
            site.load.call("stall", request=server.stream(site.port), count=count, opened=server.opened)
        before = site.load.call("rss")["rss"]
        _flood(site, server, flood)
        growth = site.load.call("rss")["rss"] - before
        if (paused := _paused(site)) != count:
            msg = f"{paused} readers were paused where {count} had stopped reading: the flood was too small to tell"
            raise BenchmarkError(msg)
        site.open(scale.count(1000, 100))
        site.load.call("warm")
        cost = site.load.call("timetable", patience=60, rate=20, seconds=scale.pick(6.0, 1.0), width=8, filler=filler(_LARGE))
    return {**cost["latency"], **({"rss": max(0.0, growth) / count} if count else {})}


def _flood(site: Site, server: Redline, events: int) -> None:
    with Load(site.port, site.pid, [server.channel(site.port, batch=True)]) as load:
        load.call("in_flight", width=1, batch=_BATCH, events=events, filler=filler(_BULKY))


def _paused(site: Site) -> int:
    """Return how many readers the server has paused so far, as its metrics say."""
    with urlopen(f"http://{HOST}:{site.port}/metrics", timeout=10) as answer:
        for line in answer.read().decode().splitlines():
            if line.startswith("redline_slow_subscribers_total"):
                return int(float(line.split()[1]))
    msg = "the metrics do not tell how many readers were paused"
    raise BenchmarkError(msg)


def cases() -> list[Case]:
    """Return the cases of f and g."""
    return [
        Case(
            "f",
            "1,000 reconnects, each 1,000 events behind",
            [Subject("redline", storm)],
            [Measure("replayed", "replayed events/s", "/s", plain=True), *_LATENCIES],
        ),
        Case(
            "g",
            "1,000 streams that read",
            [Subject("none stalled", partial(stalled, 0)), Subject("100 stalled", partial(stalled, 100))],
            [Measure("p99", "live p99", "ms", 1e3), Measure("rss", "RSS per stalled reader", "KiB", 1 / 1024, plain=True)],
        ),
    ]
