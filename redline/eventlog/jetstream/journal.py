"""What was appended here under a key, written down for who did not see it; and what others wrote, read.

The law of this module: what was acknowledged under a key is in the stream of keys a moment later, or it is tried until it is, and no
publisher waits for that. JetStream that was restarted knows a key only as long as its event is there; a node that followed the stream knows
it by itself; this is for a node that starts, or that was overtaken by eviction. What others wrote is read whole at the start, and what is
new once a second. Where the stream of keys went, it is made anew, and all that this node remembers is written into it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Final

from redline.clock import within
from redline.errors import LogUnavailable, StartupError
from redline.eventlog.jetstream.keystream import KeyStream
from redline.eventlog.jetstream.refusal import NotAllowedError
from redline.eventlog.jetstream.waiting import Backoff

if TYPE_CHECKING:
    from redline.clock import Clock
    from redline.eventlog.jetstream.connection import Connection
    from redline.eventlog.jetstream.history import History
    from redline.eventlog.jetstream.keys import Keys, Row
    from redline.eventlog.jetstream.options import JetStreamOptions
    from redline.eventlog.jetstream.stream import Incarnation
    from redline.metrics import Metrics

_logger = logging.getLogger(__name__)

GATHER: Final = 0.05
"""For how long (seconds) keys are gathered that are written together."""
_MOST: Final = 100_000
"""How many may wait to be written: some seconds of all that a node can append. Beyond it, all that is remembered is written instead."""


class Journal:
    """Writes and reads one stream of keys."""

    def __init__(  # noqa: PLR0913, PLR0917 - made in one place
        self, connection: Connection, options: JetStreamOptions, keys: Keys, events: History, clock: Clock, metrics: Metrics
    ) -> None:
        """Take how to reach it, what is remembered, how to ask the stream of events, where time comes from, and where to count."""
        self._connection = connection
        self._keys = keys
        self._clock = clock
        self._overflows = metrics.log_keys_overflows
        self._stream = KeyStream(connection, options, keys, events)
        self._buffer: deque[tuple[Row, float]] = deque()
        self._wanted = self._written = 0  # how often all that is remembered was to be written, and was
        self._stale = False
        self._doubts = self._settled = 0
        self._woken = asyncio.Event()
        self._back = asyncio.Event()
        connection.watch(self._back.set)
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._said = ""
        metrics.log_keys_unwritten.set_function(lambda: len(self._buffer) if self._written == self._wanted else len(self._keys))

    # Its life.

    async def begin(self, incarnation: Incarnation) -> None:
        """Find the stream of keys, and read it; begin with what is remembered of another stream of events forgotten.

        Raises ``LogUnavailable`` or ``StartupError``.
        """
        await self.close()
        self._buffer.clear()
        self._written = self._wanted
        self._keys.begin(incarnation.window)
        self._stream.begin(incarnation)
        try:
            await self._stream.find()
            await self._stream.read()
        except NotAllowedError:
            raise  # names it better
        except LogUnavailable as error:
            msg = f"The stream {self._stream.name}, where idempotency keys are, cannot be used: {error}"
            raise LogUnavailable(msg) from None
        self._task = asyncio.get_running_loop().create_task(self._run(), name="redline-nats-keys")

    async def flush(self) -> None:
        """Write what is left, and nothing more after that. Raises ``LogUnavailable``."""
        await self.close()
        while self._buffer or self._written < self._wanted:
            await self._write()

    async def close(self) -> None:
        """Stop. Twice, and at any moment, harmless."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait((task,))
        self._tell()

    # What is written.

    def add(self, use: Row) -> None:
        """Have a key written (as :class:`~redline.eventlog.jetstream.keys.Use` has it) that was used now."""
        buffer = self._buffer
        if not buffer:
            self._gather()
        buffer.append((use, self._clock.monotonic()))
        if len(buffer) > _MOST:
            self._overflows.inc()
            _logger.warning("More than %d idempotency keys wait for the stream %s: all will be written anew.", _MOST, self._stream.name)
            self._buffer = deque()
            self._wanted += 1
            self._woken.set()

    def _gather(self) -> None:
        self._clock.call_at(self._clock.monotonic() + GATHER, self._woken.set)

    async def _write(self) -> None:
        """Write what waits by now. What was begun and not acknowledged still waits."""
        while self._written < self._wanted:
            wanted, remembered = self._wanted, iter(self._keys)
            while chunk := list(islice(remembered, self._stream.most)):
                await self._stream.write(chunk)
            self._written = wanted
        buffer, left = self._buffer, len(self._buffer)
        while left and buffer is self._buffer:
            now = self._clock.monotonic()
            together = [(use, now - since) for use, since in islice(buffer, min(left, self._stream.most))]
            await self._stream.write(together)
            for _ in together:
                buffer.popleft()
            left -= len(together)
        if self._buffer:  # which came meanwhile: written at once they would be a message for each few of them
            self._gather()

    # What is read.

    def tick(self) -> None:
        """Have what is new read."""
        self._stale = True
        self._woken.set()

    def doubt(self) -> None:
        """Learn that this node may have missed keys, which others have written down."""
        self._doubts += 1
        self.tick()

    @property
    def doubtful(self) -> bool:
        """Tell whether what is new must be read before a key can be called new."""
        return self._settled < self._doubts

    async def current(self) -> None:
        """Wait until everything was read that was written before the last doubt. Raises ``LogUnavailable`` where this is closed."""
        doubts = self._doubts
        while self._settled < doubts:
            if self._task is None:
                raise LogUnavailable("The event log is closed, or was made anew. Try again in a moment.", retry_after=1)  # noqa: EM101, TRY003
            await self._news.wait()

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    async def _run(self) -> None:
        backoff = Backoff()
        while True:
            await self._woken.wait()
            self._woken.clear()
            self._back.clear()
            try:
                await self._work()
            except (LogUnavailable, StartupError) as error:
                self._complain(str(error))
            except Exception:
                _logger.exception("The stream %s cannot be used, and that is tried again.", self._stream.name)
            else:
                self._said = ""
                backoff.reset()
                continue
            with suppress(TimeoutError):
                async with within(self._clock, backoff.delay()):
                    await self._back.wait()  # who publishes waits for what is read then
                    backoff.reset()
            self.tick()  # a write that failed may have been to a stream that is gone

    async def _work(self) -> None:
        """Read what is new, if that is due, and write what waits."""
        if self._stale:
            self._stale, doubts = False, self._doubts
            if not await self._stream.read():
                await self._stream.find()
                self._wanted += 1
                _logger.warning("The stream %s was gone: all idempotency keys that this node knows are written again.", self._stream.name)
                await self._stream.read()
            self._settled = doubts
            self._tell()
        await self._write()

    def _complain(self, what: str) -> None:
        """Say once why keys are not written, unless everything is away, which others say."""
        if self._connection.connected and what != self._said:
            self._said = what
            _logger.warning("Idempotency keys cannot be kept in the stream %s, and that is tried again: %s", self._stream.name, what)
