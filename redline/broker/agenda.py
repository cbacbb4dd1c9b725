"""What time asks of a stream: heartbeats, the warning before its credential ends, and its end.

The law of this module: a stream has one place on the wheel, at the earliest moment at which anything is due, and does then all that is due
by the wheel's next slot. The credential's end is a moment of the wall clock, and is looked at anew each time; all else is counted in
monotonic time.
"""

from __future__ import annotations

import math
from enum import IntEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from redline.broker.admission import Terms
    from redline.broker.broker import Broker

WARNING_SECONDS: Final = 30.0
"""``stream.expiring`` comes this long before the credential's end (contract §1)."""
CLOSING_SECONDS: Final = 1.0
"""How long a reader may take over its last frame before it is aborted (contract §1)."""


class State(IntEnum):
    """Where a subscription stands; :mod:`redline.broker.subscription` says what each means."""

    CATCHING = 0
    LIVE = 1
    PAUSED = 2
    CLOSING = 3
    GONE = 4


class Agenda:
    """The part of a subscription that the wheel calls; an :class:`~redline.broker.wheel.Entry`. The rest of it says what to write."""

    __slots__ = ("_broker", "_deadline", "_heartbeat", "_paused", "_state", "_terms", "_unsent", "_warned", "slot")

    def __init__(self, broker: Broker, terms: Terms) -> None:
        """Count from now."""
        now = broker.clock.monotonic()
        self.slot = -1
        self._broker = broker
        self._terms = terms
        self._state = State.CATCHING
        self._heartbeat = now + broker.limits.heartbeat
        self._deadline = now + broker.limits.max_age if broker.limits.max_age else math.inf
        """When the stream is too old; once it is closing, when it is aborted."""
        self._paused = math.inf
        """When the reader was last seen to take something, while it is paused."""
        self._unsent = 0
        self._warned = False

    @property
    def state(self) -> State:
        """Where the subscription stands."""
        return self._state

    def tick(self, now: float, until: float) -> None:
        """Do what is due (see :class:`~redline.broker.wheel.Entry`)."""
        if self._state is State.GONE:
            return
        if self._state is State.CLOSING:
            if self._deadline <= until:
                self.abort()
                return
        elif self._expiry(now) <= until:
            self.close("token_expired")
        elif self._deadline <= until:
            self.close("max_age")
        elif self._paused + self._broker.limits.stall <= until and not self._takes(now):
            self.close("slow_subscriber")
        else:
            warning = self._warning_due(now, until)
            beat = self._beat_due(until)
            if (warning or beat) and self._state is not State.PAUSED:
                self.speak(warning=warning, beat=beat)
        self._schedule()

    def close(self, reason: str) -> None:
        """End the stream for a reason."""
        raise NotImplementedError

    def abort(self) -> None:
        """Cut a stream whose reader has not taken the last frame."""
        raise NotImplementedError

    def speak(self, *, warning: bool, beat: bool) -> None:
        """Write ``stream.expiring``, or a heartbeat and what comes with it."""
        raise NotImplementedError

    def unsent(self) -> int:
        """Return how many bytes the reader has not taken yet."""
        raise NotImplementedError

    def _takes(self, now: float) -> bool:
        """Tell whether a paused reader has taken anything since it was last asked; if so, its time begins anew.

        A buffer is reported drained only once most of it is, which a slow reader may need minutes for: it is slow, not stalled.
        """
        before, self._unsent = self._unsent, self.unsent()
        if self._unsent >= before:
            return False
        self._paused = now
        return True

    def _expiry(self, now: float) -> float:
        """Return the credential's end in monotonic seconds, by what the wall clock says now."""
        return now + (self._terms.expires - self._broker.clock.time())

    def _warning_due(self, now: float, until: float) -> bool:
        if self._warned or self._state is State.PAUSED or self._expiry(now) - WARNING_SECONDS > until:
            return False
        self._warned = True
        return True

    def _beat_due(self, until: float) -> bool:
        if self._heartbeat > until:
            return False
        # Counted from the opening, not from this one, so that heartbeats do not drift; but none is made up for.
        interval = self._broker.limits.heartbeat
        self._heartbeat += interval * math.floor((until - self._heartbeat) / interval)
        while self._heartbeat <= until:
            self._heartbeat += interval
        return True

    def _schedule(self) -> None:
        """Take the place on the wheel that is next."""
        if self._state is State.GONE:
            return
        if self._state is State.CLOSING:
            due = self._deadline
        else:
            expiry = self._expiry(self._broker.clock.monotonic())
            # A paused reader cannot be warned; it is when it resumes.
            warning = math.inf if self._warned or self._state is State.PAUSED else expiry - WARNING_SECONDS
            due = min(self._heartbeat, self._deadline, self._paused + self._broker.limits.stall, expiry, warning)
        self._broker.wheel.put(self, due)
