"""One reader: a cursor that advances, and then is live.

The law of this module: a subscription is in one state at a time, and has no queue, no task and no timer of its own.

* ``CATCHING``: its cursor is behind; :meth:`Subscription.advance` writes pages until it stands at the topic's ``flushed``.
* ``LIVE``: the topic's flush writes to its sink; the cursor is the topic's.
* ``PAUSED``: the connection's buffer is full; the cursor says where to go on.
* ``CLOSING``: its last frame was offered; a second later it is aborted.
* ``GONE``: nothing is left of it.

Reconnect, slow reader and replay are so one mechanism. Only where the history behind the cursor has left this node's memory does a task
page it from the log, for as long as that takes.
"""

from __future__ import annotations

import asyncio
import logging
import math
from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

from redline.broker.topic import Framed, paginate
from redline.clock import rfc3339
from redline.errors import RedlineError
from redline.eventlog.contract import EvictedError
from redline.sse import control_frame

if TYPE_CHECKING:
    from collections.abc import Callable

    from redline.broker.broker import Broker
    from redline.broker.filter import Filter
    from redline.broker.sink import Sink
    from redline.broker.topic import Group, Page, Topic
    from redline.eventlog.contract import Mark

_logger = logging.getLogger(__name__)

WARNING_SECONDS = 30.0
"""``stream.expiring`` comes this long before the credential's end (contract §1)."""
CLOSING_SECONDS = 1.0
"""How long a reader may take over its last frame before it is aborted (contract §1)."""

FINAL = frozenset({"token_expired", "token_revoked"})
"""The reasons after which the same URL would be refused."""


class State(IntEnum):
    """Where a subscription stands; see the module's law."""

    CATCHING = 0
    LIVE = 1
    PAUSED = 2
    CLOSING = 3
    GONE = 4


class Terms(NamedTuple):
    """What was agreed when the stream was admitted. ``expires`` is in Unix seconds; ``until`` ends a ``follow=false`` stream."""

    wanted: Filter
    expires: float
    retry: int
    heartbeat_events: bool
    until: Mark | None


class Subscription:
    """One open stream of one org."""

    __slots__ = (
        "__weakref__", "_broker", "_cursor", "_deadline", "_group", "_heartbeat", "_marked", "_paused", "_sink", "_state", "_task",
        "_terms", "_topic", "_warned", "_withheld", "_withheld_bytes", "slot",
    )  # fmt: skip

    def __init__(  # noqa: PLR0913 - made in one place, by the broker
        self, broker: Broker, topic: Topic, start: int, terms: Terms, sink: Sink, wrap: Callable[[bytes], bytes]
    ) -> None:
        """Join ``topic`` with the cursor at ``start``. Its id has been sent already, by ``stream.open`` or ``stream.gap``."""
        now = broker.clock.monotonic()
        self.slot = -1
        self._broker = broker
        self._topic = topic
        self._group: Group = topic.join(terms.wanted, wrap)
        self._sink = sink
        self._terms = terms
        self._cursor = start
        self._marked = start
        self._withheld = self._withheld_bytes = 0
        self._state = State.CATCHING
        self._task: asyncio.Task[None] | None = None
        self._heartbeat = now + broker.limits.heartbeat
        self._deadline = now + broker.limits.max_age if broker.limits.max_age else math.inf
        self._paused = math.inf
        self._warned = False

    def start(self) -> None:
        """Begin, once the opening frames are on their way."""
        now = self._broker.clock.monotonic()
        self.tick(now, now + self._broker.limits.granularity)
        self.advance()

    @property
    def state(self) -> State:
        """Where the subscription stands."""
        return self._state

    # What the connection says.

    def pause(self) -> None:
        """The connection's buffer is full: write nothing more until :meth:`resume`."""
        if self._state is State.LIVE:
            self._leave_live()
        elif self._state is not State.CATCHING:
            return
        self._state = State.PAUSED
        self._paused = self._broker.clock.monotonic()
        self._broker.slowed()
        self._stop_task()
        self._schedule()

    def resume(self) -> None:
        """The connection's buffer has drained: go on from the cursor."""
        if self._state is State.PAUSED:
            self._state = State.CATCHING
            self._paused = math.inf
            self.advance()

    def lost(self) -> None:
        """The connection is gone: leave nothing behind."""
        if self._state is State.GONE:
            return
        if self._state is not State.CLOSING:
            self._broker.ended("client")
        self._state = State.GONE
        self._stop_task()
        self._topic.leave(self._group, self)
        self._broker.left(self, self._topic)

    def fail(self) -> None:
        """A write failed: the connection is on its way out, and will say so; until then nobody writes to it."""
        if self._state in {State.LIVE, State.CATCHING, State.PAUSED}:
            self._leave_live()
            self._stop_task()
            self._state = State.CLOSING
            self._deadline = self._broker.clock.monotonic()
            self._broker.ended("client")
            self._sink.abort()
            self._schedule()

    # What the broker says.

    def close(self, reason: str, *, mark: Mark | None = None) -> None:
        """End the stream with ``stream.closing`` at a frame's boundary; abort it when that has not gone out within a second."""
        if self._state in {State.CLOSING, State.GONE}:
            return
        self._leave_live()
        self._stop_task()
        self._state = State.CLOSING
        self._deadline = self._broker.clock.monotonic() + CLOSING_SECONDS
        self._broker.ended(reason)
        self._sink.finish(closing_frame(reason, self._terms.retry, mark))
        self._schedule()

    def advance(self) -> None:
        """Write the next page, and either go live or come back on the next turn of the loop: a replay shares the loop with live readers."""
        if self._state is not State.CATCHING or self._task is not None:
            return
        topic, until = self._topic, self._terms.until
        goal = topic.flushed if until is None else until
        if self._cursor < topic.floor:
            self.close("slow_subscriber")
        elif self._cursor < topic.recent_floor and self._cursor < goal.position:
            self._task = asyncio.get_running_loop().create_task(self._page_from_log())
        else:
            page = topic.page(self._cursor, min(goal.position, topic.flushed.position), self._terms.wanted, self._broker.limits.page_bytes)
            if page is not None:
                self._send_page(page)
            if self._state is State.CATCHING:
                if self._cursor < goal.position:
                    self._broker.soon(self.advance)
                else:
                    self._caught_up()

    def tick(self, now: float, until: float) -> None:
        """Do what is due (see :class:`~redline.broker.wheel.Entry`)."""
        if self._state is State.GONE:
            return
        if self._state is State.CLOSING:
            if self._deadline < until:
                self._sink.abort()
                return
        elif self._expiry(now) <= until:
            self.close("token_expired")
            return
        elif self._deadline <= until:
            self.close("max_age")
            return
        elif self._paused + self._broker.limits.stall <= until:
            self.close("slow_subscriber")
            return
        else:
            self._speak(now, until)
        self._schedule()

    # How it is done.

    def _expiry(self, now: float) -> float:
        """Return the credential's end in monotonic seconds, by what the wall clock says now."""
        return now + self._terms.expires - self._broker.clock.time()

    def _speak(self, now: float, until: float) -> None:
        """Write the warning and the heartbeat when they are due and the connection takes them."""
        frames = b""
        able = self._state is not State.PAUSED
        if not self._warned and able and self._expiry(now) - WARNING_SECONDS <= until:
            self._warned = True
            frames = control_frame("stream.expiring", {"expiresAt": rfc3339(self._terms.expires)})
        beat = self._heartbeat <= until
        if beat:
            # Counted from the opening, not from this one, so that heartbeats do not drift; but none is made up for.
            self._heartbeat += self._broker.limits.heartbeat * max(1, math.ceil((until - self._heartbeat) / self._broker.limits.heartbeat))
        if able and beat:
            if self._terms.heartbeat_events:
                frames += control_frame("stream.heartbeat", {"head": self._topic.flushed.id})
            frames += self._cursor_due()
            self._write(self._group.heartbeat if not frames else self._group.heartbeat + self._group.wrap(frames))
        elif frames:
            self._write(self._group.wrap(frames))

    def _cursor_due(self) -> bytes:
        """Return the ``stream.cursor`` that a live reader is owed, if any."""
        flushed = self._topic.flushed
        if self._state is not State.LIVE or max(self._marked, self._group.marked) >= flushed.position:
            return b""
        self._marked = flushed.position
        return self._topic.cursor_frame(flushed.id)

    def _schedule(self) -> None:
        now = self._broker.clock.monotonic()
        if self._state is State.CLOSING:
            due = self._deadline
        else:
            due = min(self._heartbeat, self._deadline, self._paused + self._broker.limits.stall)
            expiry = self._expiry(now)
            due = min(due, expiry if self._warned or self._state is State.PAUSED else expiry - WARNING_SECONDS)
        self._broker.wheel.put(self, due)

    def _write(self, data: bytes) -> None:
        try:
            self._sink.write(data)
        except Exception:  # noqa: BLE001 - as in the flush: a connection on its way out may raise anything
            self.fail()

    def _send_page(self, page: Page) -> None:
        """Write a page, move the cursor past it, and tell a filtered reader where that is when a lot was withheld."""
        frames = page.frames
        if page.last is not None:
            self._marked = page.last.position
            self._withheld = self._withheld_bytes = 0
        self._withheld += page.withheld
        self._withheld_bytes += page.withheld_bytes
        if self._topic.far_behind(self._withheld, self._withheld_bytes):
            frames = [*frames, self._topic.cursor_frame(page.end.id)]
            self._marked = page.end.position
            self._withheld = self._withheld_bytes = 0
        self._cursor = page.end.position
        if frames:
            self._broker.replayed(len(page.frames))
            self._write(self._group.wrap(b"".join(frames)))

    def _caught_up(self) -> None:
        """Stand at the goal: end there, or go live."""
        if (until := self._terms.until) is not None:
            self.close("end_of_history", mark=until)
            return
        flushed = self._topic.flushed
        if self._marked < flushed.position:
            self._marked = flushed.position
            self._write(self._group.wrap(self._topic.cursor_frame(flushed.id)))
        if self._state is State.CATCHING:
            self._withheld = self._withheld_bytes = 0
            self._state = State.LIVE
            self._group.live[self] = self._sink.write

    def _leave_live(self) -> None:
        if self._state is State.LIVE:
            self._group.live.pop(self, None)
            self._cursor = self._topic.flushed.position
            self._marked = max(self._marked, self._group.marked)

    async def _page_from_log(self) -> None:
        """Write pages of what has left this node's memory, until the cursor is within it."""
        try:
            until = self._terms.until
            while self._state is State.CATCHING and self._cursor < self._topic.recent_floor:
                records = await self._broker.log.read(self._topic.org, self._cursor, self._broker.limits.page_bytes)
                framed = [Framed.of(record) for record in records if until is None or record.position <= until.position]
                while framed and self._state is State.CATCHING:
                    page = paginate(framed, self._terms.wanted, self._broker.limits.page_bytes)
                    if page is None:
                        break
                    self._send_page(page)
                    framed = [one for one in framed if one.position > page.end.position]
                    await asyncio.sleep(0)
                if not records or (until is not None and self._cursor >= until.position):
                    break
        except EvictedError:
            self._task = None
            self.close("slow_subscriber")
        except RedlineError as error:
            self._task = None
            self.close(error.code if error.code in {"log_unavailable", "over_capacity"} else "internal")
        except Exception:
            _logger.exception("Paging the event log failed; the stream is closed, and its reader resumes.")
            self._task = None
            self.close("internal")
        else:
            self._task = None
            self._broker.soon(self.advance)

    def _stop_task(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._task = None


def closing_frame(reason: str, retry: int, mark: Mark | None = None) -> bytes:
    """Return ``stream.closing``, with ``retry:`` (milliseconds) when the same request may succeed again."""
    retryable = reason not in FINAL
    return control_frame(
        "stream.closing",
        {"reason": reason, "retryable": retryable},
        event_id=mark.id if mark is not None else None,
        retry=retry if retryable else None,
    )
