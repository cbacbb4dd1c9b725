"""What the stream still has, asked once a second.

The law of this module: what goes for the stream's bytes, or by anybody's hand, goes without a word; so it is looked after, and what is held
of it in memory is let go of. Who reads at that moment meets what is missing by itself: this is for the others.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from redline.errors import LogUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from redline.clock import Clock, Timer
    from redline.eventlog.jetstream.history import History
    from redline.eventlog.jetstream.life import Life
    from redline.eventlog.jetstream.remembering import Remembering
    from redline.eventlog.jetstream.rights import Rights
    from redline.metrics import Metrics

SECONDS: Final = 1.0


class Lookout:
    """Looks after the stream, as long as there is one."""

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
            if self._rights.missing:  # it may have been allowed meanwhile; and what is still refused is named for as long as it is
                await self._rights.prove(life.stream)

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
