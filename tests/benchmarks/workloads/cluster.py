"""Workload l: the event log on JetStream, beside its client alone, beside memory, and on two nodes.

The law of this module: the NATS server brings every event to the disk before it acknowledges it, as ``config/nats.conf`` has it; it runs on
the load's core, so that the server's core carries Redline, or what Redline is held against, and nothing else.
"""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import contextmanager
from statistics import median
from typing import TYPE_CHECKING, Final

from tests.benchmarks.cases import Case, Measure, Subject
from tests.benchmarks.installs import HERE
from tests.benchmarks.machine import LOAD_CORE, SERVER_CORE, pinned
from tests.benchmarks.processes import ROOT, Load
from tests.benchmarks.servers import Redline
from tests.benchmarks.stage import WIDTH, Measures, Scale, filler, serving
from tests.benchmarks.workloads.durable import QUIET, SMALL, TIMES, disk, fan_out_measures, in_turns, singles
from tests.nats import NatsServer

if TYPE_CHECKING:
    from collections.abc import Iterator

PUBLISH: Final = "JetStream: publish, 200 in flight"
ALONE: Final = "nats-py alone"
SINGLE: Final = "redline, single events"
BATCHES: Final = "redline, batches of 100"
FAN_OUT: Final = "JetStream: fan-out, 1,000 streams"
BESIDE: Final = "jetstream, in turns with memory"
NODES: Final = "JetStream: two nodes, 1,000 streams each"
TWO: Final = "two nodes, in turns with one"
_IN_FLIGHT: Final = 200
_BATCH: Final = 100
_TURNS: Final = 9
_RATE: Final = 20


@contextmanager
def _nats() -> Iterator[str]:
    """Run a NATS server on the disk that the build is on, for the length of the block; return its URL."""
    with disk() as folder:
        server = NatsServer(folder, sync="always")
        try:
            with pinned(LOAD_CORE):
                server.start()
            yield server.url
        finally:
            server.kill()


def _on(url: str) -> Redline:
    return Redline({**QUIET, "REDLINE_EVENTLOG": url})


def alone(scale: Scale) -> Measures:
    """Publish as nats-py does by itself."""
    size = SMALL + 100  # with what stands before an event's payload in the stream
    with _nats() as url, pinned(SERVER_CORE):
        command = [sys.executable, str(HERE / "nats_py_loop.py"), url, str(size), str(_IN_FLIGHT), str(scale.pick(3.0, 0.5))]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, timeout=60)
    cost = json.loads(done.stdout)
    return {"rate": cost["events"] / cost["seconds"]}


def publish(scale: Scale) -> Measures:
    """Publish single events over HTTP, each answered when the stream has it."""
    with _nats() as url:
        return singles(_on(url), scale, _IN_FLIGHT)


def batches(scale: Scale) -> Measures:
    """Publish batches of 100 over HTTP, so many that as many events are in flight."""
    with _nats() as url:
        server = _on(url)
        with serving(server, lambda port: [server.channel(port, batch=True)]) as site:
            site.load.call("warm", events=500)
            width, seconds = _IN_FLIGHT // _BATCH, scale.pick(3.0, 0.5)
            cost = site.load.call("in_flight", width=width, batch=_BATCH, seconds=seconds, filler=filler(SMALL))
    return {"rate": cost["events"] / cost["seconds"], "busy": cost["server_cpu"] / cost["seconds"], "load_busy": cost["load_busy"]}


def fan_out(scale: Scale) -> Measures:
    """Deliver from memory and from JetStream."""
    with _nats() as url:
        return in_turns({"memory": Redline(QUIET), "jetstream": _on(url)}, scale)


def two_nodes(scale: Scale) -> Measures:
    """Deliver the events of one org to streams on one node, and those of another to as many streams on each of two, in turns.

    With a core for each of them two nodes would carry as many streams more as they take less CPU for a delivery, together.
    """
    streams, events = scale.count(1000, 100), scale.count(60, 10)
    rows: list[Measures] = []
    with _nats() as url:
        server = _on(url)
        with (
            serving(server, lambda port: [server.channel(port, "one")]) as first,
            serving(server, lambda port: [server.channel(port, "both")]) as second,
            Load(first.port, first.pid, [server.channel(first.port, "both")]) as here,
        ):
            first.open_plan([{"request": server.stream(first.port, "one"), "channel": "one", "count": streams}])
            plan = {"request": server.stream(first.port, "both"), "channel": "both", "count": streams}
            here.call("open", patience=120, streams=[plan], opened=server.opened, width=WIDTH)
            second.open_plan([{"request": server.stream(second.port, "both"), "channel": "both", "count": streams}])
            there = second.load
            delivered = 0
            for turn in range(scale.count(_TURNS, 3) + 1):
                delivered += events * streams
                one = first.load.call("singly", patience=60, events=events, filler=filler(SMALL))
                there.call("skip", events=events, before=0)
                there.start("caught_up", deliveries=delivered, patience=60)
                near = here.call("singly", patience=60, events=events, filler=filler(SMALL))
                far = there.finish(60)
                row = {
                    "one": one["server_cpu"] / one["deliveries"],
                    "two": (near["server_cpu"] + far["server_cpu"]) / (near["deliveries"] + far["deliveries"]),
                }
                if turn:  # the first is for whatever a server makes when it is first needed
                    rows.append({**row, "streams": 2 * row["one"] / row["two"]})
            latency = {}
            for name, load in (("one", first.load), ("two", here)):
                if name == "two":
                    there.call("skip", events=events, before=0)
                    there.start("caught_up", deliveries=delivered + events * streams, patience=60)
                steady = load.call("timetable", patience=60, rate=_RATE, seconds=events / _RATE, width=8, filler=filler(SMALL))
                if name == "two":
                    there.finish(60)
                latency[f"{name}_p99"] = steady["latency"]["p99"]
    return {**{key: median(row[key] for row in rows) for key in rows[0]}, **latency}


def cases() -> list[Case]:
    """Return the cases of l."""
    return [
        Case(
            "l",
            PUBLISH,
            [Subject(ALONE, alone), Subject(SINGLE, publish), Subject(BATCHES, batches)],
            [
                Measure("rate", "events/s", "/s"),
                Measure("busy", "server's share of its core", "%", 100, plain=True),
                Measure("load_busy", "the load's share of its core, which the NATS server is on as well", "%", 100, plain=True),
            ],
        ),
        Case("l", FAN_OUT, [Subject(BESIDE, fan_out)], fan_out_measures("jetstream")),
        Case(
            "l",
            NODES,
            [Subject(TWO, two_nodes)],
            [
                Measure("streams", "streams for the same CPU, against one node's", TIMES, plain=True),
                Measure("one", "one node: server CPU per delivery", "µs", 1e6, plain=True),
                Measure("two", "two nodes: server CPU per delivery", "µs", 1e6, plain=True),
                Measure("one_p99", "one node: p99 at 20 events/s", "ms", 1e3, plain=True),
                Measure("two_p99", "two nodes: p99 at 20 events/s, on the node that is published to", "ms", 1e3, plain=True),
            ],
        ),
    ]
