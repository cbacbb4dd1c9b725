"""What the stream still has, asked once a second.

The law of this module: what goes for the stream's bytes, or by anybody's hand, goes without a word; so it is looked after, and what is held
of it in memory is let go of. Who reads at that moment meets what is missing by itself: this is for the others. And a stream may be edited:
no node would start on one whose settings break a promise, so none that is running passes over it either.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from redline.errors import LogUnavailable
from redline.eventlog.jetstream.configuration import fault_of, subjects_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from redline.clock import Clock, Timer
    from redline.eventlog.jetstream.history import History, State
    from redline.eventlog.jetstream.life import Life
    from redline.eventlog.jetstream.remembering import Remembering
    from redline.eventlog.jetstream.rights import Rights
    from redline.metrics import Metrics

_logger = logging.getLogger(__name__)

SECONDS: Final = 1.0


class Lookout:
    """Looks after the stream, as long as there is one. ``fault`` says which of its settings breaks a promise, and the way out, or None."""

    def __init__(  # noqa: PLR0913, PLR0917 - made in one place
        self,
        history: History,
        life: Callable[[], Life | None],
        keys: Remembering,
        rights: Rights,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        """Take whom to ask, which stream there is now, which keys go with time, what was refused, where time comes from, where to count."""
        self._history = history
        self._rights = rights
        self._life = life
        self._keys = keys
        self._clock = clock
        self._metrics = metrics
        self.fault: str | None = None
        self._timer: Timer | None = None
        self._looking: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Look once a second, until :meth:`close`."""
        self._timer = self._clock.call_at(self._clock.monotonic() + SECONDS, self._tick)

    async def close(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait((self._looking,))

    async def look(self) -> None:
        """Look what the stream has, and let go of what it has not any more. Raises ``LogUnavailable``."""
        life, state = self._life(), await self._history.state()
        self._metrics.log_events.set(state.messages)
        self._metrics.log_bytes.set(state.size)
        if life is not None and life is self._life():
            self._metrics.log_follow_lag_events.set(max(0, state.last - life.followed))
            life.begins_at(state.first)
            self._judge(life.stream, state)
            if self._rights.missing:  # it may have been allowed meanwhile; and what is still refused is named for as long as it is
                await self._rights.prove(life.stream)

    def _judge(self, stream: str, state: State) -> None:
        what = fault_of(state.config, subjects_of(stream))
        fault = None if what is None else f"the stream {stream}: {what}"
        if fault is not None and fault != self.fault:
            _logger.error("The stream %s was edited while it is in use: %s.", stream, what)
        self.fault = fault

    def _tick(self) -> None:
        self.start()
        self._keys.tick()
        if self._looking is None and self._life() is not None:
            self._looking = asyncio.get_running_loop().create_task(self._once())

    async def _once(self) -> None:
        try:
            await self.look()
        except LogUnavailable:
            pass  # the log's `fault` says so
        finally:
            self._looking = None
