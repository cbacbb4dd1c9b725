"""Org to topic: the broker appends to the log, follows it, and admits readers.

The law of this module: everything a reader sees has come through the log's follower, the node's own events like its peers'. The broker
keeps a topic for an org only while somebody reads it, and a little longer.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from redline.broker.subscription import Subscription, Terms, closing_frame
from redline.broker.topic import Bound, Topic
from redline.broker.wheel import Wheel
from redline.clock import rfc3339
from redline.envelope import EventId
from redline.errors import OverCapacity
from redline.sse import control_frame

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from redline.broker.filter import Filter
    from redline.broker.sink import Sink
    from redline.clock import Clock
    from redline.envelope import OrgId
    from redline.errors import RedlineError
    from redline.eventlog.contract import Appended, Draft, EventLog, Record
    from redline.metrics import Metrics

_REQUESTED_SHOWN: Final = 64


@dataclass(frozen=True, slots=True)
class Limits:
    """The broker's bounds. Times are in seconds; ``max_age`` and ``streams_per_org`` are off at 0.

    ``recent_events`` and ``recent_bytes`` bound an org's history in this node's memory; ``page_bytes`` a write of a replay, ``chunk_bytes``
    one of a flush; ``stall`` how long a reader may take nothing; ``linger`` how long a topic outlives its last reader.
    """

    heartbeat: float = 15.0
    retry: int = 2000
    max_age: float = 0.0
    stall: float = 30.0
    streams: int = 10_000
    streams_per_org: int = 0
    recent_events: int = 1000
    recent_bytes: int = 8 * 1024 * 1024
    page_bytes: int = 64 * 1024
    chunk_bytes: int = 256 * 1024
    linger: float = 30.0

    @property
    def granularity(self) -> float:
        """Return the wheel's slot: a tenth of a second, or finer where the heartbeat is."""
        return min(0.1, self.heartbeat / 20)


@dataclass(frozen=True, slots=True)
class Request:
    """What a reader asks for. ``after`` is the cursor as it was sent, whatever it is; ``earliest`` asks for all that is retained."""

    org: OrgId
    wanted: Filter
    expires: float
    after: str | None = None
    earliest: bool = False
    follow: bool = True
    heartbeat_events: bool = False


@dataclass(slots=True)
class Opening:
    """An admitted stream before it has a connection: the frames that begin it, and what :meth:`Broker.attach` needs."""

    topic: Topic
    start: int
    terms: Terms
    frames: bytes
    attached: bool = False


class Broker:
    """The core: opaque envelopes in, frames out."""

    def __init__(self, log: EventLog, limits: Limits, clock: Clock, metrics: Metrics) -> None:
        """Take the log, the bounds, where time comes from, and where to count."""
        self.log = log
        self.limits = limits
        self.clock = clock
        self.wheel = Wheel(clock, limits.granularity)
        self._metrics = metrics
        metrics.streams_open.set_function(lambda: len(self._open))
        self._bound = Bound(limits.recent_events, limits.recent_bytes, limits.chunk_bytes)
        self._topics: dict[OrgId, Topic] = {}
        self._loading: dict[OrgId, asyncio.Task[Topic]] = {}
        self._arrived: dict[OrgId, list[Record]] = {}
        self._dirty: list[Topic] = []
        self._open: set[Subscription] = set()
        self._slots = 0
        self._emptied: asyncio.Event = asyncio.Event()
        self._draining = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._sweeper = _Sweeper(self)

    async def start(self) -> None:
        """Open the log and follow it. Raises :class:`redline.errors.StartupError`."""
        self._loop = asyncio.get_running_loop()
        await self.log.start(self)
        self._sweeper.schedule()

    async def publish(self, drafts: Sequence[Draft]) -> list[Appended | RedlineError]:
        """Append to the log; for the answers see :meth:`EventLog.append`."""
        return await self.log.append(drafts)

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

        The place is the stream's once :meth:`attach` was called within the block, and free again otherwise. Raises ``OverCapacity`` or
        ``LogUnavailable``.
        """
        if self._slots >= self.limits.streams:
            msg = f"This server has as many streams open as it may ({self.limits.streams}). Try again in a moment."
            raise OverCapacity(msg, retry_after=5)
        self._slots += 1
        opening = topic = None
        try:
            topic = await self._topic(request.org)
            topic.pins += 1
            opening = await self._opening(topic, request)
            yield opening
        finally:
            if topic is not None:
                topic.pins -= 1
                self._idle(topic)
            if opening is None or not opening.attached:
                self._slots -= 1

    async def _opening(self, topic: Topic, request: Request) -> Opening:
        if self.limits.streams_per_org and topic.readers >= self.limits.streams_per_org:
            msg = f"The org has as many streams open as it may ({self.limits.streams_per_org}). Close one, or try again later."
            raise OverCapacity(msg, retry_after=5)
        cursor = None
        if request.after is not None and (event_id := EventId.parse(request.after)) is not None:
            cursor = await self.log.locate(request.org, event_id)
        bounds = await self.log.bounds(request.org)
        # From here to the end nothing is awaited. Flushing now makes every event this node has seen part of the history to start from.
        if topic.dirty:
            topic.flush()
        topic.trim(bounds.floor.position)
        head = topic.flushed
        gap: dict[str, object] | None = None
        start = head
        if request.earliest:
            start = bounds.floor
        elif request.after is not None:
            if cursor is not None and cursor.position >= bounds.floor.position:
                start = cursor
            else:
                start = bounds.floor
                gap = {
                    "reason": "unknown" if cursor is None else "evicted",
                    "requested": _shown(request.after),
                    "oldest": bounds.oldest,
                    "head": head.id,
                }
                self._metrics.gaps[str(gap["reason"])].inc()
        retry = self.retry_milliseconds()
        first: dict[str, object] = {
            "org": request.org,
            "resumed": request.after is not None and gap is None,
            "cursor": start.id,
            "head": head.id,
            "kinds": None if request.wanted.kinds is None else request.wanted.kinds.patterns(),
            "heartbeatSeconds": int(self.limits.heartbeat) if self.limits.heartbeat == int(self.limits.heartbeat) else self.limits.heartbeat,
            "expiresAt": rfc3339(request.expires),
        }
        frames = control_frame("stream.open", first, retry=retry, event_id=start.id if gap is None else None)
        if gap is not None:
            frames += control_frame("stream.gap", gap, event_id=start.id)
        until = None if request.follow else head
        return Opening(topic, start.position, Terms(request.wanted, request.expires, retry, request.heartbeat_events, until), frames)

    def attach(self, opening: Opening, sink: Sink, wrap: Callable[[bytes], bytes]) -> Subscription:
        """Give an opened stream its connection, once the opening frames were written there; it holds its place until it is ``lost``."""
        opening.attached = True
        subscription = Subscription(self, opening.topic, opening.start, opening.terms, sink, wrap)
        self._open.add(subscription)
        self._metrics.streams_opened.inc()
        subscription.start()
        if self._draining:
            subscription.close("shutdown")
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
        """Stop following and close the log. Streams should have been drained."""
        self._draining = True
        self._sweeper.stop()
        self.wheel.stop()
        for task in tuple(self._loading.values()):
            task.cancel()
        await self.log.close()

    # What subscriptions tell.

    def soon(self, callback: Callable[[], None]) -> None:
        """Call back on the next turn of the loop."""
        (self._loop or asyncio.get_running_loop()).call_soon(callback)

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
        self._idle(topic)
        if not self._open:
            self._emptied.set()

    # What the log tells (see eventlog.contract.Follower).

    def appended(self, records: Sequence[Record]) -> None:
        """Hand new records to the topics of their orgs, and have those flushed at the end of this turn of the loop."""
        index, count = 0, len(records)
        while index < count:
            org = records[index].envelope.org
            end = index + 1
            while end < count and records[end].envelope.org == org:
                end += 1
            if (arrived := self._arrived.get(org)) is not None:
                arrived.extend(records[index:end])
            elif (topic := self._topics.get(org)) is not None:
                if not topic.dirty:
                    if not self._dirty:
                        self.soon(self._flush)
                    self._dirty.append(topic)
                topic.push(records[index:end])
            index = end

    def trimmed(self, org: OrgId, floor: int) -> None:
        """Let the org's topic forget what the log has evicted."""
        if (topic := self._topics.get(org)) is not None:
            topic.trim(floor)

    def _flush(self) -> None:
        dirty, self._dirty = self._dirty, []
        for topic in dirty:
            topic.flush()

    # Topics.

    async def _topic(self, org: OrgId) -> Topic:
        """Return the org's topic, reading the newest history from the log when there is none yet; once, however many ask."""
        topic = self._topics.get(org)
        if topic is not None:
            return topic
        task = self._loading.get(org)
        if task is None:
            task = self._loading[org] = asyncio.get_running_loop().create_task(self._load(org))
            task.add_done_callback(_retrieve)
        # Shielded: the first who asked may go away while others wait.
        return await asyncio.shield(task)

    async def _load(self, org: OrgId) -> Topic:
        # What arrives while the tail is being read is kept, and joined to it: the follower has told of everything after the tail's head.
        self._arrived[org] = []
        try:
            tail = await self.log.tail(org, self.limits.recent_events, self.limits.recent_bytes)
            self.log.hold(org)
            topic = Topic(org, tail, self._bound, self._metrics)
            topic.idle_since = self.clock.monotonic()
            topic.push(self._arrived[org])
            topic.flush()
            self._topics[org] = topic
            return topic
        finally:
            del self._arrived[org]
            del self._loading[org]

    def _idle(self, topic: Topic) -> None:
        if not topic.readers:
            topic.idle_since = self.clock.monotonic()

    def sweep(self) -> None:
        """Drop the topics that nobody has read for a while: their history is in the log."""
        now = self.clock.monotonic()
        for org, topic in tuple(self._topics.items()):
            if not topic.readers and not topic.pins and topic.idle_since + self.limits.linger <= now:
                del self._topics[org]
                self.log.release(org)


class _Sweeper:
    """The broker's own entry on its wheel."""

    __slots__ = ("_broker", "slot")

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self.slot = -1

    def schedule(self) -> None:
        self._broker.wheel.put(self, self._broker.clock.monotonic() + self._broker.limits.linger)

    def stop(self) -> None:
        self._broker.wheel.remove(self)

    def tick(self, now: float, until: float) -> None:
        del now, until
        self._broker.sweep()
        self.schedule()


def _retrieve(task: asyncio.Task[Topic]) -> None:
    """Look at a task's failure, so that one that nobody waits for any more is not reported as forgotten."""
    if not task.cancelled():
        task.exception()


def _shown(requested: str) -> str:
    """Return a hostile cursor as it may be shown: cut, and without the halves of characters that JSON cannot carry."""
    return requested[:_REQUESTED_SHOWN].encode("utf-8", "replace").decode()
