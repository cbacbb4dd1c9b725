"""The topics of this node: which orgs somebody reads here.

The law of this module: it is what follows the log, and everything a reader sees has come this way, the node's own events like its peers'.
A topic is kept for an org only while somebody reads it, and a little longer; nobody ever reads one that is not kept.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from redline.broker.topic import Bound, Topic
from redline.errors import LogUnavailable

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from redline.broker.limits import Limits
    from redline.broker.wheel import Wheel
    from redline.clock import Clock
    from redline.envelope import OrgId
    from redline.eventlog.contract import EventLog, Record
    from redline.metrics import Metrics

_logger = logging.getLogger(__name__)


class Topics:
    """Org to topic; a :class:`redline.eventlog.contract.Follower`, and an entry of the wheel, which sweeps."""

    def __init__(self, log: EventLog, limits: Limits, clock: Clock, wheel: Wheel, metrics: Metrics) -> None:
        """Take where topics are read from, their bounds, where time comes from, and where to count."""
        self.slot = -1
        self._log = log
        self._limits = limits
        self._clock = clock
        self._wheel = wheel
        self._metrics = metrics
        self._bound = Bound(limits.recent_events, limits.recent_bytes, limits.chunk_bytes)
        self._topics: dict[OrgId, Topic] = {}
        self._loading: dict[OrgId, asyncio.Task[None]] = {}
        self._arrived: dict[OrgId, list[Record]] = {}
        self._dirty: list[Topic] = []

    def __len__(self) -> int:
        """Return how many topics there are."""
        return len(self._topics)

    async def start(self) -> None:
        """Open the log and follow it. Raises :class:`redline.errors.StartupError`."""
        await self._log.start(self)
        self._sweep_later()

    async def stop(self) -> None:
        """Read no more topics; whoever waits for one gets ``LogUnavailable``."""
        self._wheel.remove(self)
        tasks = tuple(self._loading.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._topics.clear()
        self._dirty.clear()

    async def get(self, org: OrgId) -> Topic:
        """Return the org's topic, reading the newest history from the log when there is none yet; once, however many ask.

        It may be swept at the next turn of the loop: pin it before anything is awaited. Raises ``LogUnavailable`` or ``OverCapacity``.
        """
        while (topic := self._topics.get(org)) is None:
            task = self._loading.get(org)
            if task is None:
                task = self._loading[org] = asyncio.get_running_loop().create_task(self._load(org))
                task.add_done_callback(_retrieve)
            try:
                # Shielded: the first who asked may go away while others wait.
                await asyncio.shield(task)
            except asyncio.CancelledError:
                current = asyncio.current_task()
                if task.cancelled() and current is not None and not current.cancelling():
                    msg = "This server is going down. Try again in a moment."
                    raise LogUnavailable(msg, retry_after=1) from None
                raise
            finally:
                del task  # it holds its error, and that its frames: this one, and whoever asks
        return topic

    def idle(self, topic: Topic) -> None:
        """Learn that a topic may have lost its last reader."""
        if not topic.readers:
            topic.idle_since = self._clock.monotonic()

    # What the log tells (see eventlog.contract.Follower).

    def appended(self, records: Sequence[Record]) -> None:
        """Hand new records to the topics of their orgs, and have those flushed soon (:meth:`_flush_next`)."""
        index, count = 0, len(records)
        while index < count:
            org = records[index].envelope.org
            end = index + 1
            while end < count and records[end].envelope.org == org:
                end += 1
            if (topic := self._topics.get(org)) is not None:
                if not topic.dirty:
                    if not self._dirty:
                        asyncio.get_running_loop().call_soon(self._flush_next)
                    self._dirty.append(topic)
                topic.push(records[index:end])
            elif (arrived := self._arrived.get(org)) is not None and len(arrived) < self._most_arrived:
                arrived.extend(records[index:end])
            index = end

    def trimmed(self, org: OrgId, floor: int) -> None:
        """Let the org's topic forget what the log has evicted."""
        if (topic := self._topics.get(org)) is not None:
            topic.trim(floor)

    def lost(self, orgs: Collection[OrgId] | None) -> None:
        """Forget the orgs' topics and close their readers, and begin again with those that are being read."""
        topics = loading = 0
        for org in (*self._topics, *self._arrived) if orgs is None else orgs:
            if (topic := self._topics.pop(org, None)) is not None:
                topics += 1
                topic.lose()
                self._log.release(org)
            elif org in self._arrived:
                loading += 1
                self._arrived[org] = []  # Another list: so _load knows.
        if topics or loading:
            _logger.warning(
                "The event log lost its place in %d orgs that are read here: their streams are closed, and resume.", topics + loading
            )

    def _flush_next(self) -> None:
        """Flush in the next turn: whatever is published by then goes out in the same chunks, and costs no write of its own."""
        asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        dirty, self._dirty = self._dirty, []
        for topic in dirty:
            topic.flush()

    # Coming and going.

    @property
    def _most_arrived(self) -> int:
        """Return how many records may wait for a topic that is being read."""
        return max(1, self._limits.recent_events)

    async def _load(self, org: OrgId) -> None:
        """Read a topic. What arrives meanwhile is kept and joined to it: the follower is told of everything after the tail's head."""
        try:
            while True:
                arrived = self._arrived[org] = []
                tail = await self._log.tail(org, self._limits.recent_events, self._limits.recent_bytes)
                if self._arrived[org] is arrived and len(arrived) < self._most_arrived:
                    break  # Otherwise more may have arrived than was kept, or the log has lost its place: the tail is read again.
            topic = Topic(org, tail, self._bound, self._metrics)
            topic.push(arrived)
            topic.flush()
            topic.idle_since = self._clock.monotonic()
            self._log.hold(org)
            self._topics[org] = topic
        finally:
            del self._arrived[org]
            del self._loading[org]

    def tick(self, now: float, until: float) -> None:
        """Drop the topics that nobody has read for a while (see :class:`~redline.broker.wheel.Entry`): their history is in the log."""
        del until
        self._sweep_later()
        for org, topic in tuple(self._topics.items()):
            if not topic.readers and not topic.pins and topic.idle_since + self._limits.linger <= now:
                del self._topics[org]
                self._log.release(org)

    def _sweep_later(self) -> None:
        self._wheel.put(self, self._clock.monotonic() + max(self._limits.linger, 2 * self._limits.granularity))


def _retrieve(task: asyncio.Task[None]) -> None:
    """Look at a task's failure, so that one that nobody waits for any more is not reported as forgotten."""
    if not task.cancelled():
        task.exception()
