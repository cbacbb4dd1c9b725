"""Workloads h, i and j: publishing alone, a mix of many orgs, and filters.

The law of this module: what Redline does is held against the least that could have been done instead.
"""

from __future__ import annotations

import json
import subprocess
import sys
from functools import partial
from typing import Final

from tests.benchmarks.cases import Case, Measure, Subject
from tests.benchmarks.installs import HERE
from tests.benchmarks.machine import SERVER_CORE, pinned
from tests.benchmarks.processes import ROOT
from tests.benchmarks.servers import PlainSanic, Redline
from tests.benchmarks.stage import Measures, Scale, filler, serving

_SMALL: Final = 160
_LARGE: Final = 200
FILTERS: Final = (
    "run.stage", "run.*", "run.stage,change.detected", "run.stage,change.*", "run.stage,scheduler.tick", "run.stage,scheduler.*",
    "run.stage,action.delivered", "run.stage,action.*", "run.stage,org.*", "run.*,change.*",
)  # fmt: skip
_REQUESTS: Final = (Measure("rate", "requests/s", "/s"), Measure("per_core", "requests per second of server CPU", "/s"))


def _cost(cost: dict[str, float], count: str) -> Measures:
    return {"rate": cost[count] / cost["seconds"], "per_core": cost[count] / cost["server_cpu"], "load_busy": cost["load_busy"]}


def publish(scale: Scale) -> Measures:
    """(h) Single events over connections that are kept alive."""
    with serving(Redline()) as site:
        site.load.call("warm", events=500)
        return _cost(site.load.call("in_flight", width=32, batch=1, seconds=scale.pick(2.5, 0.5), filler=filler(_SMALL)), "answers")


def bare(scale: Scale) -> Measures:
    """(h) The same requests to a handler that takes JSON and gives JSON."""
    server = PlainSanic()
    with serving(server, lambda port: [server.bare(port)]) as site:
        site.load.call("warm", events=500)
        return _cost(site.load.call("in_flight", width=32, batch=1, seconds=scale.pick(2.5, 0.5), filler=filler(_SMALL)), "answers")


def batches(scale: Scale) -> Measures:
    """(h) Batches of 100."""
    server = Redline()
    with serving(server, lambda port: [server.channel(port, batch=True)]) as site:
        site.load.call("warm", events=500)
        return _cost(site.load.call("in_flight", width=4, batch=100, seconds=scale.pick(2.5, 0.5), filler=filler(_SMALL)), "events")


def loop(scale: Scale) -> Measures:
    """(h) The same events parsed, validated and serialised in a loop."""
    plan = Redline().channel(0, batch=True)
    mark = "~0000000042.0000000000000000042." + "x" * filler(_SMALL) + "!"
    lines = f"{plan['before']}{mark}{plan['after']}\n" * 1000
    with pinned(SERVER_CORE):
        done = subprocess.run(
            [sys.executable, str(HERE / "validate_loop.py"), str(scale.pick(2.0, 0.5))],
            cwd=ROOT, input=lines, capture_output=True, text=True, timeout=60, check=True,
        )  # fmt: skip
    found = json.loads(done.stdout)
    return {"per_core": found["events"] / found["seconds"]}


def mix(scale: Scale) -> Measures:
    """(i) Many orgs with a few streams each."""
    server, orgs = Redline(), scale.count(1000, 50)
    with serving(server, lambda port: server.channels(port, orgs)) as site:
        site.open_plan(
            [{"request": server.stream(site.port, f"org{number}"), "channel": f"org{number}", "count": 5} for number in range(orgs)]
        )
        seconds = scale.pick(6.0, 1.0)
        cost = site.load.call("timetable", patience=60, rate=scale.pick(2000, 500), seconds=seconds, width=64, filler=filler(_LARGE))
    return {**cost["latency"], "load_busy": cost["load_busy"]}


def filtered(filters: tuple[str, ...], scale: Scale) -> Measures:
    """(j) A thousand streams, divided among some filters that all pass what is published."""
    server, streams = Redline(), scale.count(1000, 100)
    with serving(server) as site:
        site.open_plan(
            [
                {"request": server.stream(site.port, query=f"&kinds={kinds}"), "channel": "acme", "count": streams // len(filters)}
                for kinds in filters
            ]
        )
        site.load.call("warm")
        single = site.load.call("singly", patience=60, events=scale.count(150, 20), filler=filler(_SMALL))
        many = site.load.call("in_flight", patience=60, width=64, batch=1, seconds=scale.pick(2.0, 0.5), filler=filler(_SMALL))
    return {
        "cpu": single["server_cpu"] / single["deliveries"],
        "cpu_in_flight": many["server_cpu"] / many["deliveries"],
        "rate": many["deliveries"] / many["seconds"],
    }


def cases() -> list[Case]:
    """Return the cases of h, i and j."""
    return [
        Case("h", "publish alone, single events", [Subject("bare Sanic handler", bare), Subject("redline", publish)], _REQUESTS),
        Case(
            "h",
            "publish alone, batches of 100",
            [Subject("validate and serialise in a loop", loop), Subject("redline", batches)],
            [Measure("per_core", "events per second of CPU", "/s")],
        ),
        Case(
            "i",
            "1,000 orgs, 5 streams each, 2,000 events/s",
            [Subject("redline", mix)],
            [Measure(key, f"latency {key}", "ms", 1e3, plain=True) for key in ("p50", "p99", "max")],
        ),
        Case(
            "j",
            "1,000 streams",
            [Subject("one filter", partial(filtered, FILTERS[:1])), Subject("10 filters", partial(filtered, FILTERS))],
            [
                Measure("cpu", "server CPU per delivery, one publish at a time", "µs", 1e6),
                Measure("cpu_in_flight", "server CPU per delivery, 64 publishes in flight", "µs", 1e6),
            ],
        ),
    ]
