"""Workload k: the same on each event log, in memory and on a disk.

The law of this module: what a disk can do at best is measured beside what the log makes of it, on the same disk and in the same minute;
so the files are made where the build is, and not in a folder for temporary files, which may be memory.
"""

from __future__ import annotations

import os
import tempfile
import time
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from redline.eventlog.contract import RECORD_OVERHEAD
from tests.benchmarks.cases import Case, Measure, Subject
from tests.benchmarks.installs import CACHE
from tests.benchmarks.machine import SERVER_CORE, pinned
from tests.benchmarks.servers import Redline
from tests.benchmarks.stage import Measures, Scale, filler, serving
from tests.benchmarks.workloads.trouble import crowd, seed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.benchmarks.stage import Site

PUBLISH: Final = "publish, 64 in flight"
FAN_OUT: Final = "fan-out, 1,000 streams"
RESUME: Final = "1,000 resume after a restart, each 1,000 events behind"
CEILING: Final = "lesser of 64 x bare fsyncs and memory"
BESIDE: Final = "sqlite, in turns with memory"
TIMES: Final = "\N{MULTIPLICATION SIGN}"
WIDTH: Final = 64
_TURNS: Final = 9
SMALL: Final = 160
_LARGE: Final = 200
_PAGE_BYTES: Final = 4096
_PAGES: Final = 1000
"""As many as SQLite's write-ahead log has before it begins at its first again."""
_BEHIND: Final = 1000
QUIET: Final = {"REDLINE_HEARTBEAT_SECONDS": "300"}
_ROOMY: Final = {"REDLINE_HISTORY__EVENTS": "2000"}
# In memory an event is kept as it is sent, which is longer than its payload alone; so of a history that just fills its bytes, the oldest
# part is in the file only.
_TIGHT: Final = {"REDLINE_HISTORY__EVENTS": "2000", "REDLINE_HISTORY__BYTES": str((_BEHIND + 20) * (_LARGE + RECORD_OVERHEAD))}


@contextmanager
def disk() -> Iterator[Path]:
    """Make a folder on the disk that the build is on, for the length of the block."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="eventlog-", dir=CACHE) as folder:
        yield Path(folder)


def _on_sqlite(folder: Path, settings: Mapping[str, str] = QUIET) -> Redline:
    path = quote(str(folder / "events.db"))
    return Redline({**settings, "REDLINE_EVENTLOG": f"sqlite:///{path}?synchronous=FULL"})


def bare_fsyncs(folder: Path, seconds: float) -> float:
    """Return how many times a second a page can be written and brought to the disk of ``folder``, in a file that does not grow."""
    with pinned(SERVER_CORE), (folder / "bare").open("w+b", buffering=0) as file:
        file.write(bytes(_PAGE_BYTES * _PAGES))
        os.fsync(file.fileno())
        page, count, began = os.urandom(_PAGE_BYTES), 0, time.monotonic()
        while (passed := time.monotonic() - began) < seconds:
            os.pwrite(file.fileno(), page, count % _PAGES * _PAGE_BYTES)
            os.fsync(file.fileno())
            count += 1
    return count / passed


def singles(server: Redline, scale: Scale, width: int = WIDTH) -> Measures:
    """Publish single events, many in flight."""
    with serving(server) as site:
        site.load.call("warm", events=500)
        cost = site.load.call("in_flight", width=width, batch=1, seconds=scale.pick(3.0, 0.5), filler=filler(SMALL))
    return {
        "rate": cost["answers"] / cost["seconds"],
        "cpu": cost["server_cpu"] / cost["answers"],
        "busy": cost["server_cpu"] / cost["seconds"],
        "load_busy": cost["load_busy"],
    }


def ceiling(scale: Scale) -> Measures:
    """Measure what bounds a log that shares each fsync among all that are in flight: the disk, or the rest of the server."""
    with disk() as folder:
        fsyncs = bare_fsyncs(folder, scale.pick(1.0, 0.2))
    memory = singles(Redline(QUIET), scale)
    return {**memory, "rate": min(WIDTH * fsyncs, memory["rate"]), "fsyncs": fsyncs, "memory": memory["rate"]}


def publish(scale: Scale) -> Measures:
    """Publish single events, many in flight, each answered after its commit."""
    with disk() as folder:
        return singles(_on_sqlite(folder), scale)


def _singly(site: Site, events: int) -> Measures:
    return site.load.call("singly", patience=60, events=events, filler=filler(SMALL))


def fan_out(scale: Scale) -> Measures:
    """Deliver from memory and from a file."""
    with disk() as folder:
        return in_turns({"memory": Redline(QUIET), "sqlite": _on_sqlite(folder)}, scale)


def in_turns(servers: Mapping[str, Redline], scale: Scale) -> Measures:
    """Deliver from two logs in turns: of two equal servers, one after the other, the second may well seem a third dearer.

    What counts is a delivery beyond the first of each event: the publish itself is dearer on a disk, and is not fan-out.
    """
    further = scale.count(999, 99)
    with ExitStack() as stack:
        sites = {name: stack.enter_context(serving(server)) for name, server in servers.items()}
        memory, other = sites
        alone: dict[str, float] = {}
        rows: list[Measures] = []
        for name, site in sites.items():
            site.open(1)
            site.load.call("warm", events=scale.count(1000, 100))
            cost = _singly(site, scale.count(1000, 100))
            alone[name] = cost["server_cpu"] / cost["events"]
            site.open(further)
            site.load.call("warm")
        for turn in range(scale.count(_TURNS, 3)):
            row: Measures = {}
            for name in (memory, other) if turn % 2 else (other, memory):
                cost = _singly(sites[name], scale.count(60, 10))
                row[f"{name}_further"] = (cost["server_cpu"] / cost["events"] - alone[name]) / further
                many = sites[name].load.call("in_flight", patience=60, width=WIDTH, batch=1, seconds=0.4, filler=filler(SMALL))
                row[f"{name}_rate"] = many["deliveries"] / many["seconds"]
                row[f"{name}_cpu"] = many["server_cpu"] / many["deliveries"]
                row[f"{name}_busy"] = many["server_cpu"] / many["seconds"]
            rows.append(row | {key: row[f"{other}_{key}"] / row[f"{memory}_{key}"] for key in ("further", "rate", "cpu")})
    return {key: median(row[key] for row in rows) for key in rows[0]}


def fan_out_measures(other: str) -> list[Measure]:
    """Return what :func:`in_turns` of memory and another log measures."""
    return [
        Measure("further", "server CPU per further delivery, one publish at a time, against memory", TIMES, plain=True),
        Measure("rate", "deliveries/s, 64 publishes in flight, against memory", TIMES, plain=True),
        Measure("cpu", "server CPU per delivery, 64 publishes in flight, against memory", TIMES, plain=True),
        *(
            Measure(f"{log}_{key}", f"{log}: {title}", unit, factor, plain=True)
            for log in ("memory", other)
            for key, title, unit, factor in (
                ("further", "server CPU per further delivery, one publish at a time", "µs", 1e6),
                ("rate", "deliveries/s, 64 publishes in flight", "/s", 1.0),
                ("busy", "server's share of its core, 64 publishes in flight", "%", 100.0),
            )
        ),
    ]


def resume(settings: Mapping[str, str], scale: Scale) -> Measures:
    """Write history, restart the server on its file, and have readers of it come back all at once while another org goes on."""
    with disk() as folder:
        server = _on_sqlite(folder, settings)
        with serving(server, lambda port: [server.channel(port, "live")]) as site:
            cursor = seed(site, server, _BEHIND)
        with serving(server, lambda port: [server.channel(port, "live")]) as site:
            return crowd(site, server, cursor, scale.count(1000, 100), _BEHIND)


def cases() -> list[Case]:
    """Return the cases of k."""
    return [
        Case(
            "k",
            PUBLISH,
            [Subject(CEILING, ceiling), Subject("sqlite", publish)],
            [
                Measure("rate", "single events/s", "/s"),
                Measure("cpu", "server CPU per publish, against memory's", "µs", 1e6),
                Measure("busy", "server's share of its core", "%", 100, plain=True),
                Measure("memory", "memory log's single events/s", "/s", plain=True),
                Measure("fsyncs", "bare fsyncs/s of this disk", "/s", plain=True),
            ],
        ),
        Case(
            "k",
            FAN_OUT,
            [Subject(BESIDE, fan_out)],
            fan_out_measures("sqlite"),
        ),
        Case(
            "k",
            RESUME,
            [
                Subject("read once into memory", partial(resume, _ROOMY)),
                Subject("oldest fifth in the file only", partial(resume, _TIGHT)),
            ],
            [
                Measure("replayed", "replayed events/s", "/s", plain=True),
                *(Measure(key, f"live {key} meanwhile", "ms", 1e3, plain=True) for key in ("p50", "p99", "max")),
            ],
        ),
    ]
