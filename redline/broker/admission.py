"""Where a stream starts, and the frames that say so (contract §1 "Resume").

The law of this module: whether a reader resumes or meets a gap is decided here and nowhere else, at one moment in which nothing is awaited:
what is before it is replayed from the log, what is after it comes live, and there is no third thing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from redline.broker.control import gap_frame, open_frame
from redline.envelope import EventId
from redline.errors import LogUnavailable
from redline.eventlog.contract import EvictedError

if TYPE_CHECKING:
    from redline.broker.filter import Filter
    from redline.broker.limits import Limits
    from redline.broker.topic import Topic
    from redline.envelope import OrgId
    from redline.eventlog.contract import Bounds, EventLog, Mark

_ATTEMPTS: Final = 5


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


class Terms(NamedTuple):
    """What was agreed when the stream was admitted. ``expires`` is in Unix seconds; ``until`` ends a ``follow=false`` stream."""

    wanted: Filter
    expires: float
    retry: int
    heartbeat_events: bool
    until: Mark | None


@dataclass(slots=True)
class Opening:
    """An admitted stream before it has a connection: the frames that begin it, and what :meth:`Broker.attach` needs.

    ``gap`` is the reason of the gap that it begins with, None where there is none.
    """

    topic: Topic
    start: int
    terms: Terms
    frames: bytes
    gap: str | None = None
    attached: bool = False
    over: bool = False


async def open_stream(log: EventLog, topic: Topic, request: Request, limits: Limits, retry: int) -> Opening:
    """Find where a stream starts and write its first frames; ``retry`` (milliseconds) is what it tells the client.

    Raises ``LogUnavailable``. Nothing is awaited between the moment that it describes and its return.
    """
    cursor = None
    if request.after is not None and (event_id := EventId.parse(request.after)) is not None:
        cursor = await log.locate(request.org, event_id)
    bounds = await _level(log, topic, limits.page_bytes)
    head, floor = topic.flushed, bounds.floor
    gap: str | None = None
    start = head
    if request.earliest:
        start = floor
    elif request.after is not None:
        if cursor is None:
            start, gap = floor, "unknown"
        elif cursor.position < floor.position:
            start, gap = floor, "evicted"
        else:
            start = cursor
    frames = open_frame(
        request.org,
        request.wanted,
        start=start,
        head=head,
        resumed=request.after is not None and gap is None,
        gap=gap is not None,
        heartbeat=limits.heartbeat,
        expires=request.expires,
        retry=retry,
    )
    if gap is not None and request.after is not None:
        frames += gap_frame(gap, request.after, oldest=bounds.oldest, start=start, head=head)
    until = None if request.follow else head
    terms = Terms(request.wanted, request.expires, retry, request.heartbeat_events, until)
    return Opening(topic, start.position, terms, frames, gap)


async def _level(log: EventLog, topic: Topic, page_bytes: int) -> Bounds:
    """Return the log's bounds at a moment at which topic and log know of each other, everything flushed.

    A log that is not in this process answers about a moment that has passed. Where its head is ahead of what this node was told, the topic
    reads on by itself (and passes over what it is told later): a reader beyond ``flushed`` would see events twice, and one that wants the
    history only would miss what was published here before it came. Where its floor is behind what this node was told, it is asked again.
    """
    for _ in range(_ATTEMPTS):
        bounds = await log.bounds(topic.org)
        while topic.newest < bounds.head.position:
            try:
                records = await log.read(topic.org, topic.newest, page_bytes)
            except EvictedError:
                records = ()
            if not records:
                msg = "This server has not seen all of the org's newest events yet. Try again in a moment."
                raise LogUnavailable(msg, retry_after=1)
            topic.push(records)
            # At once: whoever waits here may be cancelled, and nobody else has been asked to flush these.
            topic.flush()
        if topic.floor <= bounds.floor.position:
            break
    if topic.lost:
        msg = "The event log has lost its place. Try again in a moment."
        raise LogUnavailable(msg, retry_after=1)
    topic.flush()
    topic.trim(bounds.floor.position)
    return bounds
