"""The core: opaque envelopes in, frames out.

The law of this module: it appends to the log, and says who may read. Every place is counted from the moment somebody asks for it until the
connection is gone, on every way out, so that none is ever lost and none is given twice.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from redline.broker.admission import Opening, Request, open_stream
from redline.broker.control import closing_frame
from redline.broker.limits import Limits
from redline.broker.pages import Pages
from redline.broker.subscription import Subscription
from redline.broker.topics import Topics
from redline.broker.turns import Turns
from redline.broker.wheel import Wheel
from redline.errors import Draining, OverCapacity

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from redline.broker.sink import Sink
    from redline.broker.topic import Topic
    from redline.clock import Clock
    from redline.errors import RedlineError
    from redline.eventlog.contract import Appended, Draft, EventLog
    from redline.metrics import Metrics

__all__ = ["Broker", "Limits", "Opening", "Request"]


class Broker:
    """Publishes, admits readers, and ends them all."""

    def __init__(self, log: EventLog, limits: Limits, clock: Clock, metrics: Metrics) -> None:
        """Take the log, the bounds, where time comes from, and where to count."""
        self.log = log
        self.limits = limits
        self.clock = clock
        self.wheel = Wheel(clock, limits.granularity)
        self._metrics = metrics
        metrics.streams_open.set_function(lambda: len(self._open))
        metrics.streams_limit.set(limits.streams)
        self._topics = Topics(log, limits, clock, self.wheel, metrics)
        self.turns = Turns()
        self.pages = Pages(log, limits.page_bytes)
        self._open: set[Subscription] = set()
        self._slots = 0
        self._emptied: asyncio.Event = asyncio.Event()
        self._draining = False

    async def start(self) -> None:
        """Open the log and follow it. Raises :class:`redline.errors.StartupError`."""
        self._draining = False  # a broker that was stopped may be started again
        await self._topics.start()

    async def publish(self, drafts: Sequence[Draft]) -> list[Appended | RedlineError]:
        """Append to the log; for the answers see :meth:`EventLog.append`."""
        started = self.clock.monotonic()
        answers = await self.log.append(drafts)
        self._metrics.log_append_seconds.observe(self.clock.monotonic() - started)
        return answers

    # Readers.

    @property
    def draining(self) -> bool:
        """Tell whether the service is going down and admits nobody."""
        return self._draining

    def __len__(self) -> int:
        """Return how many streams are open or being opened."""
        return self._slots

    @asynccontextmanager
    async def admit(self, request: Request) -> AsyncIterator[Opening]:
        """Hold a place for a stream, and find where it starts and its first frames (contract §1 "Resume").

        The place is the stream's once :meth:`attach` was called within the block, and free again otherwise. Raises ``OverCapacity``,
        ``Draining`` or ``LogUnavailable``.
        """
        if self._draining:
            msg = "This server is going down. Try again: another one, or this one restarted, will answer."
            raise Draining(msg, retry_after=1)
        if self._slots >= self.limits.streams:
            msg = f"This server has as many streams open as it may ({self.limits.streams}). Try again in a moment."
            raise OverCapacity(msg, retry_after=5)
        self._slots += 1
        opening = topic = None
        try:
            topic = await self._topics.get(request.org)
            topic.pins += 1
            if self.limits.streams_per_org and topic.readers + topic.pins > self.limits.streams_per_org:
                msg = f"The org has as many streams open as it may ({self.limits.streams_per_org}). Close one, or try again later."
                raise OverCapacity(msg, retry_after=5)
            opening = await open_stream(self.log, topic, request, self.limits, self.retry_milliseconds())
            if opening.gap is not None:
                self._metrics.gaps[opening.gap].inc()
            yield opening
        finally:
            if opening is not None:
                opening.over = True
            if opening is None or not opening.attached:
                self._slots -= 1
                if topic is not None:
                    topic.pins -= 1
                    self._topics.idle(topic)

    def attach(self, opening: Opening, sink: Sink, wrap: Callable[[bytes], bytes]) -> Subscription:
        """Give an opened stream its connection, once the opening frames were written there; it holds its place until it is ``lost``.

        Nothing is written before the next turn of the loop: by then the connection must know whom to tell that its buffer is full. Call it
        once, within the block of :meth:`admit`; otherwise it raises ``RuntimeError``.
        """
        if opening.attached or opening.over:
            msg = "an opening is attached once, and within the block that admitted it"
            raise RuntimeError(msg)
        subscription = Subscription(self, opening.topic, opening.start, opening.terms, sink=sink, wrap=wrap)
        opening.attached = True
        opening.topic.pins -= 1
        self._open.add(subscription)
        self._metrics.streams_opened.inc()
        if self._draining:
            subscription.close("shutdown")
        else:
            self.turns.soon(subscription.start)
        return subscription

    def retry_milliseconds(self) -> int:
        """Return what to tell one connection: one to two times the setting, so that clients cut together do not return together."""
        return random.randint(self.limits.retry, 2 * self.limits.retry)  # noqa: S311 - spread, not secrecy

    def refusal(self, reason: str) -> bytes:
        """Return the frames of a stream that is refused for now: one ``stream.closing``."""
        return closing_frame(reason, self.retry_milliseconds())

    async def drain(self, reason: str = "shutdown") -> None:
        """Admit nobody more, end every stream with ``stream.closing``, and wait until none is left (a stalled one is aborted after 1 s)."""
        self._draining = True
        for subscription in tuple(self._open):
            subscription.close(reason)
        while self._open:
            self._emptied.clear()
            await self._emptied.wait()

    async def close(self) -> None:
        """Stop following and close the log. Streams should have been drained; what is left of them is cut."""
        self._draining = True
        for subscription in tuple(self._open):
            subscription.fail()
        self.turns.clear()
        await self._topics.stop()
        self.wheel.stop()
        await self.log.close()

    # What subscriptions tell.

    def replayed(self, events: int) -> None:
        """Count events that were sent from history."""
        self._metrics.replayed_events.inc(events)
        self._metrics.deliveries.inc(events)

    def slowed(self) -> None:
        """Count a reader that did not keep up."""
        self._metrics.slow_subscribers.inc()

    def ended(self, reason: str) -> None:
        """Learn that a stream ends, and why."""
        self._metrics.streams_closed[reason].inc()

    def left(self, subscription: Subscription, topic: Topic) -> None:
        """Learn that a stream's connection is gone."""
        self.wheel.remove(subscription)
        if subscription in self._open:
            self._open.remove(subscription)
            self._slots -= 1
        self._topics.idle(topic)
        if not self._open:
            self._emptied.set()
