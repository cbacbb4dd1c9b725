"""``python -m redline.testing.load``: commands on stdin, answers on stdout.

The law of this module: it ends when its stdin does, and a command that fails is answered with why. Commands are carried out one after the
other, except ``stop``, which ends the timetable that is being driven.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
from time import monotonic_ns
from typing import TYPE_CHECKING, Any, Final

import uvloop

from redline.testing.load.drives import Drive, Result
from redline.testing.load.processes import Meter
from redline.testing.load.publishers import Pool
from redline.testing.load.readers import Hall, LoadError
from redline.testing.load.wire import Channel, Tally, quantile

if TYPE_CHECKING:
    from collections.abc import Mapping

_LONGEST_LINE: Final = 256 * 1024 * 1024
_WARM_TRIES: Final = 20
_WARM_PATIENCE: Final = 60.0


class Worker:
    """One load, and the commands on it."""

    def __init__(self, host: str, port: int, pid: int, channels: list[Mapping[str, str]]) -> None:
        """Take the server's address and process id, and the channels: ``name``, ``head``, ``before``, ``after``."""
        self._tally = Tally()
        self._channels = [Channel(one["name"], one["head"].encode(), one["before"].encode(), one["after"].encode()) for one in channels]
        self._named = {channel.name: channel for channel in self._channels}
        self._hall = Hall(host, port, self._tally)
        self._pool = Pool(host, port, self._tally)
        self._meter = Meter(pid)
        self._drive = Drive(self._channels, self._hall, self._pool, self._tally, self._meter)
        self.stopping = False

    async def open(self, streams: list[Mapping[str, Any]], opened: str, width: int, expected: int | None = None) -> dict[str, object]:
        """Open ``count`` streams with each ``request``, read as ``channel``; returns the server's memory before and after."""
        plan = [(one["request"].encode(), self._named[one["channel"]]) for one in streams for _ in range(one["count"])]
        began, before = monotonic_ns(), self._meter.rss()
        await self._hall.open(plan, opened=opened.encode(), width=width, expected=expected)
        gc.collect()
        gc.freeze()
        return {"streams": len(plan), "rss_before": before, "rss": self._meter.rss(), "began": began}

    async def stall(self, request: str, count: int, opened: str) -> dict[str, object]:
        """Open streams that nobody reads."""
        await self._hall.stall(request.encode(), count, opened.encode())
        return {"streams": count}

    async def warm(self, events: int = 20) -> dict[str, object]:
        """Publish until every reader has seen an event, and then some more, for whatever a server makes when it is first needed.

        Some servers send a stream's head before they would send it an event.
        """
        await self._pool.widen(1)
        for _ in range(_WARM_TRIES):
            for channel in self._channels:
                self._pool.send(channel.request(0, b"", 1))
            for _ in range(100):
                await asyncio.sleep(0.02)
                if not self._pool.in_flight and not self._hall.behind():
                    await self.singly(events, 0, _WARM_PATIENCE)
                    return {}
            # Readers that missed it begin at the next one.
            for channel in self._channels:
                channel.settle(channel.sent)
            for reader in self._hall.readers:
                reader.expected = reader.channel.sent
        raise LoadError(self._tally.first_fault or f"the readers never all saw an event: {self._hall.behind()}")

    async def singly(self, events: int, filler: int, patience: float) -> Result:
        """See :meth:`Drive.singly`."""
        await self._pool.widen(1)
        return await self._drive.singly(events, filler=b"x" * filler, patience=patience)

    async def in_flight(  # noqa: PLR0913 - by name, out of a command
        self, *, width: int, batch: int, filler: int, patience: float, events: int = sys.maxsize, seconds: float = 3600.0
    ) -> Result:
        """See :meth:`Drive.in_flight`."""
        return await self._drive.in_flight(
            width=width, batch=batch, events=events, seconds=seconds, filler=b"x" * filler, patience=patience
        )

    async def timetable(self, rate: float, seconds: float, width: int, filler: int, patience: float) -> dict[str, object]:
        """See :meth:`Drive.by_timetable`; returns the latencies in nanoseconds and when each was measured, as well."""
        tally = self._tally
        tally.timing, self.stopping = True, False
        del tally.latencies[:], tally.arrivals[:]
        try:
            result = await self._drive.by_timetable(
                rate, seconds, width=width, filler=b"x" * filler, patience=patience, stop=lambda: self.stopping
            )
        finally:
            tally.timing = False
        order = sorted(tally.latencies)
        return {**result, "latency": {"p50": quantile(order, 0.5), "p99": quantile(order, 0.99), "max": quantile(order, 1.0)}}

    async def window(self, began: int, ended: int) -> dict[str, object]:
        """Return the latencies of the last timetable's deliveries that came between two moments of the monotonic clock."""
        pairs = zip(self._tally.arrivals, self._tally.latencies, strict=True)
        order = sorted(latency for arrival, latency in pairs if began <= arrival <= ended)
        return {"count": len(order), "p50": quantile(order, 0.5), "p99": quantile(order, 0.99), "max": quantile(order, 1.0)}

    async def idle(self, seconds: float) -> Result:
        """See :meth:`Drive.idle`."""
        return await self._drive.idle(seconds)

    async def caught_up(self, deliveries: int, patience: float) -> Result:
        """See :meth:`Drive.caught_up`."""
        return await self._drive.caught_up(deliveries, patience=patience)

    async def skip(self, events: int, before: int) -> dict[str, object]:
        """Learn of events that another load has published to every channel, one by one; the first ``before`` nobody is to get."""
        for channel in self._channels:
            channel.sent += events
            channel.settle(before)
        return {}

    async def rss(self) -> dict[str, object]:
        """Return the server's memory in bytes."""
        return {"rss": self._meter.rss()}

    async def shut(self) -> dict[str, object]:
        """Reset every connection and open no more."""
        self._hall.close()
        self._pool.close()
        return {}


def _failure(error: Exception) -> str:
    return str(error) if isinstance(error, LoadError) else f"{type(error).__name__}: {error}"


async def main() -> None:
    """Take commands until stdin ends."""
    lines = asyncio.StreamReader(limit=_LONGEST_LINE)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    commands: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
    worker: Worker | None = None

    async def listen() -> None:
        while line := await lines.readline():
            command = json.loads(line)
            if command["do"] != "stop":
                commands.put_nowait(command)
            elif worker is not None:
                worker.stopping = True
        commands.put_nowait(None)

    listening = asyncio.create_task(listen())
    while (command := await commands.get()) is not None:
        name = command.pop("do")
        answer: Mapping[str, object]
        try:
            if worker is None:
                worker = Worker(**command)
                answer = {}
            else:
                answer = await getattr(worker, name)(**command)
        except Exception as error:  # noqa: BLE001 - whatever it was, whoever gave the command is told
            answer = {"error": _failure(error)}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
    await listening


if __name__ == "__main__":
    gc.disable()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
