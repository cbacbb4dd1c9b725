"""What a node pays for the events of its whole stream, and what NATS pays for a subject: a Redline node on a real ``nats-server``.

The law of this module: the node that is measured has a core to itself; ``nats-server`` and whoever publishes share the other one, and all
of NATS is that one server on this disk. That what is published here reaches readers is looked at, not assumed.
"""

from __future__ import annotations

import socket
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self
from urllib.request import Request, urlopen

from redline.testing.load.processes import Meter
from tests.benchmarks.installs import CACHE
from tests.benchmarks.machine import LOAD_CORE, free_port
from tests.benchmarks.processes import HOST, BenchmarkError, Load, Server
from tests.benchmarks.servers import Redline
from tests.benchmarks.simulations.costs import FLOOD, RATES, STREAMS
from tests.benchmarks.stage import Measures, filler

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SUBJECTS: Final = 100_000
_ORGS: Final = 100
_HISTORY: Final = 1000
_UNREAD: Final = 1000
_FIRST: Final = 100
_MANY: Final = 100_000
_SECONDS: Final = 4.0
_NANO: Final = 1e9
_STREAM: Final = "REDLINE"
_DATA: Final = (
    b'{"runId":"run_1","vendorId":"v_1","stage":"fetching","status":"progress","progress":0.5,"attempt":1,"message":"' + b"x" * 90 + b'"}'
)
_MOVED: Final = "import os, sys; core = int(sys.argv[1]); core < 0 or os.sched_setaffinity(0, {core}); os.execvp(sys.argv[2], sys.argv[2:])"


@contextmanager
def nats(sync: str = '"2m"') -> Iterator[Server]:
    """Run a ``nats-server`` with JetStream, on the load's core and on the disk that the build is on."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="nats-", dir=CACHE) as name:
        folder, port = Path(name), free_port()
        (folder / "nats.conf").write_text(
            f'listen: "{HOST}:{port}"\njetstream {{ store_dir: "{folder}/store", sync_interval: {sync}, max_file_store: 4GB }}\n'
        )
        program = str(Path(sys.executable).with_name("nats-server"))
        core = str(-1 if LOAD_CORE is None else LOAD_CORE)
        with Server([sys.executable, "-c", _MOVED, core, program, "-c", str(folder / "nats.conf")], folder, port, {}) as server:
            yield server


def _node(stack: ExitStack, server: Server) -> tuple[Redline, Server]:
    redline = Redline({"REDLINE_EVENTLOG": f"nats://{HOST}:{server.port}", "REDLINE_HEARTBEAT_SECONDS": "300"})
    folder, port = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="redline-bench-"))), free_port()
    return redline, stack.enter_context(Server(redline.command(folder, port), folder, port, redline.env()))


class _Wire:
    """A connection to NATS that only publishes, each event in a packet of its own."""

    def __init__(self, port: int) -> None:
        self._connection = socket.create_connection((HOST, port), timeout=60)
        self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connection.recv(4096)
        self._connection.sendall(b'CONNECT {"verbose":false}\r\n')
        self._count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def publish(self, subjects: Sequence[str], events: int, rate: float) -> None:
        """Publish events to one subject after the other, ``rate`` a second; 0 is as fast as it goes."""
        began = time.monotonic()
        for number in range(events):
            payload = self._event()
            due = began + number / rate if rate else 0.0
            while (left := due - time.monotonic()) > 0:
                time.sleep(left / 2 if left > 0.0005 else 0)
            subject = subjects[number % len(subjects)]
            self._connection.sendall(b"PUB %s %d\r\n%s\r\n" % (subject.encode(), len(payload), payload))
        self._connection.sendall(b"PING\r\n")
        said = b""
        while b"PONG" not in said:
            said = said[-8:] + self._connection.recv(65_536)

    def _event(self) -> bytes:
        """Return an event as a Redline node writes it into the stream."""
        self._count += 1
        return b'[1,"%016x","run.stage","2026-11-23T10:00:00.000Z",null]\n%s' % (self._count, _DATA)


def _settled(meter: Meter) -> int:
    """Return a node's CPU time, once it does nothing more."""
    before, deadline = meter.cpu(), time.monotonic() + 60
    while time.monotonic() < deadline:
        time.sleep(0.3)
        now = meter.cpu()
        if now - before < 5_000_000:
            return now
        before = now
    msg = "a node that nothing is published to any more does not come to rest"
    raise BenchmarkError(msg)


def follow() -> Measures:
    """Measure the cost of an event that was published elsewhere, to a node where nobody reads its org, and to one where somebody does."""
    orgs = [f"org{number}" for number in range(_ORGS)]
    subjects = [f"{_STREAM}.{org}" for org in orgs]
    with ExitStack() as stack:
        server = stack.enter_context(nats())
        redline, node = _node(stack, server)
        wire, meter = stack.enter_context(_Wire(server.port)), Meter(node.pid)
        wire.publish(subjects, _MANY, 0)
        found = {f"unread_{rate}": _cost(meter, wire, subjects, rate) for rate in (*RATES, FLOOD)}
        if (there := _retained(redline, node, orgs[0])) != _HISTORY:
            msg = f"of what was published to the stream a reader gets {there} events, not the history's {_HISTORY}"
            raise BenchmarkError(msg)
        empty = meter.rss()
        # They hold their orgs, and are sent nothing of what is published: the cost of deliveries is not in it.
        plan = [{"request": redline.stream(node.port, org, query="&kinds=change.detected"), "channel": org, "count": 1} for org in orgs]
        readers = stack.enter_context(Load(node.port, node.pid, [redline.channel(node.port, org) for org in orgs]))
        readers.call("open", patience=60, streams=plan, opened=redline.opened, width=10)
        found |= {f"read_{rate}": _cost(meter, wire, subjects, rate) for rate in (*RATES, FLOOD)}
        return {**found, "history_bytes": (meter.rss() - empty) / (_ORGS * _HISTORY)}


def _cost(meter: Meter, wire: _Wire, subjects: Sequence[str], rate: int) -> float:
    """Return the CPU seconds that an event costs."""
    rest, since = _settled(meter), time.monotonic()
    time.sleep(1)
    idle = (meter.cpu() - rest) / (time.monotonic() - since)
    cpu, since, events = meter.cpu(), time.monotonic(), round(rate * _SECONDS) or _MANY
    wire.publish(subjects, events, rate)
    return (_settled(meter) - cpu - idle * (time.monotonic() - since)) / _NANO / events


def _retained(redline: Redline, node: Server, org: str) -> int:
    url = f"http://{HOST}:{node.port}/v1/stream?follow=false&last_event_id=earliest"
    asked = Request(url, headers={"Authorization": f"Bearer {redline.token(org, 'stream:read')}"})
    with urlopen(asked, timeout=30) as answer:  # noqa: S310 - our own loopback
        return int(answer.read().count(b"event: run.stage\n"))


def first_readers() -> Measures:
    """Measure what the first reader of an org costs: the node, and NATS, which looks for the org's events among all of the stream's."""
    orgs, events, found = [f"org{number}" for number in range(_UNREAD)], 0, Measures()
    with ExitStack() as stack:
        server = stack.enter_context(nats())
        redline, node = _node(stack, server)
        wire, ours, theirs = stack.enter_context(_Wire(server.port)), Meter(node.pid), Meter(server.pid)
        for nth, size in enumerate(STREAMS):
            wire.publish([f"{_STREAM}.{org}" for org in orgs], size - events, 0)
            events, unread = size, orgs[nth * _FIRST : (nth + 1) * _FIRST]
            _settled(theirs)
            before = _settled(ours), theirs.cpu()
            there = [_retained(redline, node, org) for org in unread]
            spent = ours.cpu() - before[0], theirs.cpu() - before[1]
            if set(there) != {size // _UNREAD}:
                msg = f"first readers got {sorted(set(there))} events of each org, not {size // _UNREAD}"
                raise BenchmarkError(msg)
            found |= {f"{name}_{size}": cpu / _NANO / _FIRST for name, cpu in zip(("node", "nats"), spent, strict=True)}
    return found


def publish(sync: str) -> Measures:
    """Publish to one node that nobody reads on: single events, 64 in flight, and batches of 100."""
    found: Measures = {}
    for name, width, batch in (("single", 64, 1), ("batch", 4, 100)):
        with ExitStack() as stack:
            redline, node = _node(stack, stack.enter_context(nats(sync)))
            load = stack.enter_context(Load(node.port, node.pid, [redline.channel(node.port, batch=batch > 1)]))
            load.call("in_flight", width=width, batch=batch, events=500, filler=filler(160))
            cost = load.call("in_flight", width=width, batch=batch, seconds=3.0, filler=filler(160))
            found |= {f"{name}_per_second": cost["events"] / cost["seconds"], f"{name}_cpu": cost["server_cpu"] / cost["events"]}
    return found


def subjects() -> Measures:
    """Measure what NATS takes of memory for a subject: one event of some 300 bytes on each of many."""
    with nats() as server, ExitStack() as stack:
        _node(stack, server)  # it makes the stream
        wire, meter = stack.enter_context(_Wire(server.port)), Meter(server.pid)
        wire.publish([f"{_STREAM}.org0"], 1000, 0)
        time.sleep(15)
        before = meter.rss()
        wire.publish([f"{_STREAM}.org-{number:08d}" for number in range(SUBJECTS)], SUBJECTS, 0)
        time.sleep(15)  # what was just written it keeps at hand for some seconds
        return {"subject_bytes": (meter.rss() - before) / SUBJECTS}
