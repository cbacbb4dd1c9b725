"""How the load is driven: one publish at a time, many in flight, by a timetable, or none at all.

The law of this module: what is published is waited for, every delivery of it, and each drive returns what it cost between its first
publish and its last delivery. A drive that does not get there within its patience, or meets a fault, raises.
"""

from __future__ import annotations

import asyncio
import time
from time import monotonic_ns
from typing import TYPE_CHECKING, TypedDict

from redline.testing.load.readers import LoadError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from redline.testing.load.processes import Meter
    from redline.testing.load.publishers import Pool
    from redline.testing.load.readers import Hall
    from redline.testing.load.wire import Channel, Tally

_NANO = 1e9
_TICK = 0.001


class Result(TypedDict):
    """What a drive cost. Times in seconds, memory in bytes; ``load_busy`` is the load's own share of a core."""

    events: int
    deliveries: int
    answers: int
    beats: int
    seconds: float
    server_cpu: float
    load_busy: float
    rss: int
    latest_send: float
    last_answer: str
    began: int
    ended: int


class Drive:
    """One load: its channels, readers and publishers."""

    def __init__(self, channels: Sequence[Channel], hall: Hall, pool: Pool, tally: Tally, meter: Meter) -> None:
        """Take the parts."""
        self._channels = channels
        self._hall = hall
        self._pool = pool
        self._tally = tally
        self._meter = meter
        self._turn = 0
        self._owed = 0
        self._latest = 0.0

    def _publish(self, filler: bytes, batch: int) -> int:
        """Publish the next events, to one channel after the other; return how many deliveries they make."""
        channel = self._channels[self._turn % len(self._channels)]
        self._turn += 1
        self._pool.send(channel.request(monotonic_ns(), filler, batch))
        owed = batch * channel.readers
        self._owed += owed
        return owed

    async def _until(self, done: Callable[[], bool], patience: float, pump: Callable[[], None] | None = None) -> None:
        """Wait until ``done``, which is asked after each answer and whenever the tally's goal was reached."""
        over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def look() -> None:
            if pump is not None and not over.done():
                pump()
            if not over.done() and (self._tally.faults or done()):
                over.set_result(None)

        self._tally.reached = self._tally.failed = self._pool.answered_one = look
        try:
            look()
            async with asyncio.timeout(patience):
                await over
        except TimeoutError:
            missing = f"{self._owed - self._tally.received} deliveries and {self._pool.in_flight} answers"
            msg = f"after {patience:.0f} s {missing} were missing. {self._hall.behind()}"
            raise LoadError(msg) from None
        finally:
            self._tally.reached = self._tally.failed = _nothing
            self._pool.answered_one = None
        if self._tally.faults:
            msg = f"{self._tally.faults} faults; the first: {self._tally.first_fault}"
            raise LoadError(msg)

    def _begin(self) -> tuple[int, int, int, int, int, float, float]:
        self._owed = self._tally.received
        self._latest = 0.0
        channels = sum(channel.sent for channel in self._channels)
        now = monotonic_ns()
        return channels, self._tally.received, self._pool.answers, self._tally.beats, now, self._meter.cpu(), time.process_time()

    def _end(self, began: tuple[int, int, int, int, int, float, float]) -> Result:
        sent, received, answers, beats, then, cpu, own = began
        now = monotonic_ns()
        if behind := self._hall.behind():
            raise LoadError(behind)
        seconds = (now - then) / _NANO
        return Result(
            events=sum(channel.sent for channel in self._channels) - sent,
            deliveries=self._tally.received - received,
            answers=self._pool.answers - answers,
            beats=self._tally.beats - beats,
            seconds=seconds,
            server_cpu=(self._meter.cpu() - cpu) / _NANO,
            load_busy=(time.process_time() - own) / seconds,
            rss=self._meter.rss(),
            latest_send=self._latest,
            last_answer=self._pool.last_answer[-65_536:].decode("latin-1"),
            began=then,
            ended=now,
        )

    def _arrived(self) -> bool:
        return self._tally.received >= self._owed and not self._pool.in_flight

    async def singly(self, events: int, *, filler: bytes, patience: float, seconds: float = 3600.0) -> Result:
        """Publish one event, wait until it was answered and every reader has it, publish the next, until ``seconds`` are over."""
        began = self._begin()
        left, end = events, began[4] + int(seconds * _NANO)

        def pump() -> None:
            nonlocal left
            if monotonic_ns() > end:
                left = 0
            if left and self._arrived():
                left -= 1
                self._publish(filler, 1)
                self._tally.goal = self._owed

        await self._until(lambda: not left and self._arrived(), patience, pump)
        return self._end(began)

    async def in_flight(self, *, width: int, batch: int, events: int, seconds: float, filler: bytes, patience: float) -> Result:  # noqa: PLR0913 - as below
        """Keep ``width`` requests of ``batch`` events in flight, until ``events`` were sent or ``seconds`` are over.

        A request flies until it was answered and, on average, read by all.
        """
        await self._pool.widen(width)
        began = self._begin()
        end = began[4] + int(seconds * _NANO)
        readers = sum(channel.readers for channel in self._channels) / len(self._channels)
        window = int(width * batch * readers)
        left = -(-events // batch)

        def pump() -> None:
            nonlocal left
            if monotonic_ns() > end:
                left = 0
            while left and self._pool.idle and self._owed - self._tally.received <= window - batch * readers:
                left -= 1
                self._publish(filler, batch)
            room = self._owed - int(window - batch * readers)
            self._tally.goal = max(room, self._tally.received + 1) if left else self._owed

        await self._until(lambda: not left and self._arrived(), patience, pump)
        return self._end(began)

    async def by_timetable(  # noqa: PLR0913 - each by name
        self, rate: float, seconds: float, *, width: int, filler: bytes, patience: float, stop: Callable[[], bool] | None = None
    ) -> Result:
        """Publish ``rate`` events a second for ``seconds``, or until ``stop``, whatever becomes of them."""
        await self._pool.widen(width)
        began = self._begin()
        loop = asyncio.get_running_loop()
        start, sent = loop.time(), 0
        while (now := loop.time()) < start + seconds and not self._tally.faults and not (stop is not None and stop()):
            while sent < (now - start) * rate:
                self._latest = max(self._latest, now - start - sent / rate)
                self._publish(filler, 1)
                sent += 1
            await asyncio.sleep(max(_TICK, min(0.05, start + sent / rate - loop.time())))
        self._tally.goal = self._owed
        await self._until(self._arrived, patience)
        return self._end(began)

    async def idle(self, seconds: float) -> Result:
        """Publish nothing."""
        began = self._begin()
        await asyncio.sleep(seconds)
        if self._tally.faults:
            raise LoadError(self._tally.first_fault)
        return self._end(began)

    async def caught_up(self, deliveries: int, *, patience: float) -> Result:
        """Publish nothing, and wait until so many deliveries have been made since the beginning."""
        began = self._begin()
        self._owed = self._tally.goal = deliveries
        await self._until(self._arrived, patience)
        return self._end(began)


def _nothing() -> None:
    """Do nothing: nobody waits."""
