"""One reader: a cursor that advances, and then is live.

The law of this module: a subscription is in one state at a time, and has no queue, no task and no timer of its own.

* ``CATCHING``: its cursor is behind; :meth:`Subscription.advance` writes pages until it stands at the topic's ``flushed``.
* ``LIVE``: the topic's flush writes to its sink; the cursor is the topic's.
* ``PAUSED``: the connection's buffer is full; the cursor says where to go on.
* ``CLOSING``: its last frame was offered; a second later it is aborted.
* ``GONE``: nothing is left of it.

Reconnect, slow reader and replay are so one mechanism. Only where the history behind the cursor has left this node's memory does a task
page it from the log, for as long as that takes (``replay``). What time asks of it stands in ``agenda``.
"""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING

from redline.broker.agenda import CLOSING_SECONDS, Agenda, State
from redline.broker.control import closing_frame, cursor_frame, expiring_frame, heartbeat_frame
from redline.broker.replay import replay_from_log
from redline.broker.sink import Nowhere
from redline.broker.topic import LOST

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from redline.broker.admission import Terms
    from redline.broker.broker import Broker
    from redline.broker.page import Page
    from redline.broker.sink import Sink
    from redline.broker.topic import Group, Topic
    from redline.eventlog.contract import Mark

_NOWHERE = Nowhere()


class Subscription(Agenda):
    """One open stream of one org."""

    __slots__ = (
        "__weakref__", "_cursor", "_group", "_marked", "_queued", "_sink", "_task", "_topic", "_withheld", "_withheld_bytes",
    )  # fmt: skip

    def __init__(  # noqa: PLR0913 - made in one place, by the broker
        self, broker: Broker, topic: Topic, start: int, terms: Terms, *, sink: Sink, wrap: Callable[[bytes], bytes]
    ) -> None:
        """Join ``topic`` with the cursor at ``start``. Its id has been sent already, by ``stream.open`` or ``stream.gap``."""
        super().__init__(broker, terms)
        self._topic = topic
        self._group: Group = topic.join(terms.wanted, wrap)
        self._sink = sink
        self._cursor = start
        self._marked = start
        self._withheld = self._withheld_bytes = 0
        self._queued = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, once the opening frames are on their way. The connection may have filled or gone since."""
        if self._state in {State.CATCHING, State.PAUSED}:
            now = self._broker.clock.monotonic()
            self.tick(now, now + self._broker.limits.granularity)
            self.advance()

    # What the connection says.

    def pause(self) -> None:
        """Write nothing more until :meth:`resume`: the connection's buffer is full."""
        if self._state in {State.LIVE, State.CATCHING}:
            self._leave_live()
            self._stop_task()
            self._state = State.PAUSED
            self._broker.slowed()
            self._paused = self._broker.clock.monotonic()
            self._unsent = self._sink.unsent()
            self._schedule()

    def resume(self) -> None:
        """Go on from the cursor: the connection's buffer has drained."""
        if self._state is State.PAUSED:
            self._state = State.CATCHING
            self._paused = math.inf
            self._schedule()
            self.advance()

    def lost(self) -> None:
        """Leave nothing behind: the connection is gone."""
        if self._state is State.GONE:
            return
        if self._state is not State.CLOSING:
            self._broker.ended("client")
        self._state = State.GONE
        self._stop_task()
        self._topic.leave(self._group, self)
        self._broker.left(self, self._topic)
        self._sink = _NOWHERE

    def fail(self) -> None:
        """Cut a connection that a write failed on: it is on its way out, and will say so; until then nobody writes to it."""
        if self._end("client", 0.0):
            self._sink.abort()

    # What the broker says.

    def close(self, reason: str, *, mark: Mark | None = None) -> None:
        """End the stream with ``stream.closing`` at a frame's boundary; abort it when that has not gone out within a second."""
        if self._end(reason, CLOSING_SECONDS):
            self._sink.finish(closing_frame(reason, self._terms.retry, mark))

    def abort(self) -> None:
        """Cut the connection."""
        self._sink.abort()

    def unsent(self) -> int:
        """Ask the connection."""
        return self._sink.unsent()

    def speak(self, *, warning: bool, beat: bool) -> None:
        """Write ``stream.expiring``, or a heartbeat with the ``stream.heartbeat`` and ``stream.cursor`` that belong to it."""
        frames = expiring_frame(self._terms.expires) if warning else b""
        if beat:
            if self._terms.heartbeat_events:
                frames += heartbeat_frame(self._topic.flushed)
            if self._state is State.LIVE:
                frames += self._cursor_owed(max(self._marked, self._group.marked))
        self._write((self._group.heartbeat if beat else b"") + (self._group.wrap(frames) if frames else b""))

    def advance(self) -> None:
        """Write the next page, and either go live or come back on the next turn of the loop: a replay shares the loop with live readers."""
        if self._state is not State.CATCHING or self._task is not None:
            return
        topic, until = self._topic, self._terms.until
        if topic.lost:
            self.close(LOST)
            return
        goal = topic.flushed if until is None else until
        if self._cursor >= goal.position:
            self._caught_up()
        elif self._cursor < topic.floor:
            self.close("slow_subscriber")
        elif self._cursor < topic.recent_floor:
            self._task = asyncio.get_running_loop().create_task(self._replay())
        else:
            page = topic.page(self._cursor, min(goal.position, topic.flushed.position), self._terms.wanted, self._page_bytes)
            if page is not None:
                self.send(page)
            if self._cursor >= goal.position:
                self._caught_up()
            else:
                self._advance_soon()

    # What a replay from the log asks and tells (see ``replay``).

    @property
    def cursor(self) -> int:
        """Return the position up to which the reader has been written to, while it is catching up."""
        return self._cursor

    def send(self, page: Page) -> None:
        """Write a page, move the cursor past it, and tell a filtered reader where that is when a lot was withheld."""
        frames = page.frames
        if page.last is not None:
            self._mark(page.last.position)
        self._withheld += page.withheld
        self._withheld_bytes += page.withheld_bytes
        if self._topic.far_behind(self._withheld, self._withheld_bytes):
            frames = [*frames, cursor_frame(self._topic.flushed, page.end.id)]
            self._mark(page.end.position)
        self._cursor = page.end.position
        if frames:
            self._broker.replayed(len(page.frames))
            self._write(self._group.wrap(b"".join(frames)))

    def replayed(self, reason: str | None) -> None:
        """Learn that the replay from the log has ended: go on from this node's memory, or close for a reason."""
        self._task = None
        if reason is None:
            self._advance_soon()
        else:
            self.close(reason)

    # How it is done.

    @property
    def _page_bytes(self) -> int:
        return self._broker.limits.page_bytes

    def _replay(self) -> Coroutine[None, None, None]:
        return replay_from_log(self, self._broker.pages, self._topic, self._terms, self._page_bytes)

    def _mark(self, position: int) -> None:
        self._marked = position
        self._withheld = self._withheld_bytes = 0

    def _advance_soon(self) -> None:
        if not self._queued and self._state is State.CATCHING:
            self._queued = True
            self._broker.turns.soon(self._advance_now)

    def _advance_now(self) -> None:
        self._queued = False
        self.advance()

    def _caught_up(self) -> None:
        """Stand at the goal: end there, or go live; unless the last write has filled or cut the connection."""
        if self._state is not State.CATCHING:
            return
        if (until := self._terms.until) is not None:
            self.close("end_of_history", mark=until)
            return
        if cursor := self._cursor_owed(self._marked):
            self._write(self._group.wrap(cursor))
        self._go_live()

    def _go_live(self) -> None:
        if self._state is State.CATCHING:
            self._state = State.LIVE
            self._group.live[self] = self._sink.write

    def _leave_live(self) -> None:
        if self._state is State.LIVE:
            self._group.live.pop(self, None)
            self._cursor = self._topic.flushed.position
            self._marked = max(self._marked, self._group.marked)
            self._withheld, self._withheld_bytes = self._group.withheld, self._group.withheld_bytes

    def _cursor_owed(self, marked: int) -> bytes:
        """Return the ``stream.cursor`` of a reader that stands at ``flushed`` and has the id of ``marked``; nothing where they are one."""
        flushed = self._topic.flushed
        if marked >= flushed.position:
            return b""
        self._marked = flushed.position
        return cursor_frame(flushed, flushed.id)

    def _end(self, reason: str, patience: float) -> bool:
        """Come to the end, once; return whether it is only now that it came."""
        if self._state in {State.CLOSING, State.GONE}:
            return False
        self._leave_live()
        self._stop_task()
        self._state = State.CLOSING
        self._deadline = self._broker.clock.monotonic() + patience
        self._broker.ended(reason)
        self._schedule()
        return True

    def _write(self, data: bytes) -> None:
        try:
            self._sink.write(data)
        except Exception:  # noqa: BLE001 - as in the flush: a connection on its way out may raise anything
            self.fail()

    def _stop_task(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._task = None
