"""A load on a running Redline: streams, publishes, and whether every delivery came.

The law of this module: it ends by itself, and a figure is returned only where every event came to every stream, once, and in one order.
Streams and publishers share one process and one core; where that was the limit, its own share of the core says so.
"""

from __future__ import annotations

import asyncio
import gc
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from redline.testing.load.drives import Drive
from redline.testing.load.processes import Meter
from redline.testing.load.publishers import Pool
from redline.testing.load.readers import Hall, LoadError
from redline.testing.load.stamped import StampedChannel
from redline.testing.load.wire import Tally, quantile

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from urllib.parse import SplitResult

    from redline.testing.load.drives import Result

_OPENED: Final = b"event: stream.open"
_OPEN_SECONDS: Final = 120.0
_WIDTH: Final = 100
_WARM: Final = 10
_MARGIN: Final = 30.0
_METRIC: Final = re.compile(r"^(process_cpu_seconds_total|process_resident_memory_bytes) (\S+)$", re.MULTILINE)
_CPU: Final = "process_cpu_seconds_total"
_RSS: Final = "process_resident_memory_bytes"
_TICKS: Final = 10
"""A server tells its CPU time in hundredths of a second: fewer of them than this say nothing."""


@dataclass(frozen=True)
class Trial:
    """What is asked for: ``url`` is ``http://HOST:PORT[/PATH]``, ``data`` what JSON takes, ``seconds`` the longest that a drive goes on."""

    url: SplitResult
    address: str
    token: str
    kind: str
    data: object
    streams: int
    events: int
    in_flight: int
    seconds: float


@dataclass(frozen=True)
class Figures:
    """What one drive came to. Times in seconds; None where the server did not tell its CPU time, or too little of it."""

    name: str
    events: int
    deliveries: int
    seconds: float
    p50: float
    p99: float
    longest: float
    server_cpu: float | None
    load_busy: float


@dataclass(frozen=True)
class Report:
    """What a trial came to: seconds to open all streams, bytes of memory for each, and the drives."""

    streams: int
    connect_seconds: float
    stream_bytes: float | None
    drives: tuple[Figures, ...]


async def run_trial(trial: Trial, metrics: Callable[[], Awaitable[str]]) -> Report:
    """Open the streams, publish one event at a time, then many in flight. ``metrics`` returns the server's, or nothing where it shows none.

    Raises ``LoadError`` where a stream or a publish was refused, or an event was lost, repeated or out of order.
    """
    tally = Tally()
    port = trial.url.port or 80
    channel = _channel(trial)
    hall, pool = Hall(trial.address, port, tally), Pool(trial.address, port, tally)
    drive = Drive([channel], hall, pool, tally, Meter(None))
    loop = asyncio.get_running_loop()
    try:
        before, began = _figures(await metrics()), loop.time()
        async with asyncio.timeout(_OPEN_SECONDS):
            await hall.open([(_stream(trial), channel)] * trial.streams, opened=_OPENED, width=_WIDTH)
        connected, after = loop.time() - began, _figures(await metrics())
        gc.collect()
        gc.freeze()  # what was made for the streams stays: collecting it again and again would be the load's cost, not the server's
        patience = trial.seconds + _MARGIN
        await pool.widen(1)
        await drive.singly(_WARM, filler=b"", patience=patience)
        alone, many = _shares(trial.events)
        drives = (
            await _driven(
                "one at a time", tally, metrics, lambda: drive.singly(alone, filler=b"", patience=patience, seconds=trial.seconds)
            ),
            await _driven(
                f"{trial.in_flight} in flight",
                tally,
                metrics,
                lambda: drive.in_flight(width=trial.in_flight, batch=1, events=many, seconds=trial.seconds, filler=b"", patience=patience),
            ),
        )
    except TimeoutError:
        msg = f"after {_OPEN_SECONDS:.0f} s {len(hall.readers)} of {trial.streams} streams were open"
        raise LoadError(msg) from None
    except OSError as error:
        msg = f"{trial.url.netloc} could not be connected to: {error.strerror or error}"
        raise LoadError(msg) from None
    finally:
        hall.close()
        pool.close()
    grown = (after[_RSS] - before[_RSS]) / trial.streams if _RSS in before and _RSS in after else None
    return Report(trial.streams, connected, grown, drives)


def _shares(events: int) -> tuple[int, int]:
    """Return how many events are published one at a time, and how many in flight."""
    alone = max(1, events // 5)
    return alone, max(1, events - alone)


async def _driven(name: str, tally: Tally, metrics: Callable[[], Awaitable[str]], drive: Callable[[], Awaitable[Result]]) -> Figures:
    before = _figures(await metrics())
    del tally.latencies[:], tally.arrivals[:]
    tally.timing = True
    try:
        result = await drive()
    finally:
        tally.timing = False
    after = _figures(await metrics())
    cpu = after[_CPU] - before[_CPU] if _CPU in before and _CPU in after else 0.0
    order = sorted(tally.latencies)
    return Figures(
        name,
        result["events"],
        result["deliveries"],
        result["seconds"],
        quantile(order, 0.5),
        quantile(order, 0.99),
        quantile(order, 1.0),
        cpu if cpu * 100 >= _TICKS else None,
        result["load_busy"],
    )


def _channel(trial: Trial) -> StampedChannel:
    event = json.dumps({"kind": trial.kind, "data": trial.data}, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    head = _head(trial, "POST", "/v1/events", "Content-Type: application/json").removesuffix("\r\n")
    return StampedChannel(trial.kind, head.encode(), event.encode(), datetime.now(UTC), trial.events + _WARM + 1)


def _stream(trial: Trial) -> bytes:
    """Return the request for a stream of that kind alone: what else the org's publishers say is not ours to count."""
    return _head(trial, "GET", f"/v1/stream?kinds={trial.kind}", "Accept: text/event-stream").encode()


def _head(trial: Trial, method: str, path: str, header: str) -> str:
    url = trial.url
    lines = [f"{method} {url.path.rstrip('/')}{path} HTTP/1.1", f"Host: {url.netloc}", f"Authorization: Bearer {trial.token}", header]
    return "\r\n".join([*lines, "", ""])


def _figures(metrics: str) -> Mapping[str, float]:
    return {name: float(value) for name, value in _METRIC.findall(metrics)}
