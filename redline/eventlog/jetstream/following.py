"""The stream, followed: every message once, in order, from a sequence on, over as many consumers as that takes.

The law of this module: what was handed on is whole up to ``followed``, or the listener was told where it is not. Nobody's consumer is found
again: each one begins right after what the one before it handed on, and only on the very stream that was followed, which must still have
all of that.
"""

from __future__ import annotations

import asyncio
import logging
import math
import secrets
from typing import TYPE_CHECKING, Final

from redline.clock import within
from redline.errors import LogUnavailable
from redline.eventlog.jetstream import wire
from redline.eventlog.jetstream.catching import CatchingUp, LostError
from redline.eventlog.jetstream.consumer import SILENCE, Consumer
from redline.eventlog.jetstream.making import TooManyConsumersError, make_consumer
from redline.eventlog.jetstream.progress import Progress
from redline.eventlog.jetstream.refusal import NotAllowedError
from redline.eventlog.jetstream.requests import ApiError
from redline.eventlog.jetstream.waiting import Backoff, pause

if TYPE_CHECKING:
    from collections.abc import Callable

    from redline.clock import Clock
    from redline.eventlog.jetstream.connection import Connection
    from redline.eventlog.jetstream.options import JetStreamOptions
    from redline.eventlog.jetstream.progress import Listener

_logger = logging.getLogger(__name__)

_NO_SUCH_STREAM: Final = 10059
_ATTEMPT: Final = 1.0
"""The making of a consumer takes at most this long (seconds): its server may stand still, and the next attempt may meet another."""
_POLL: Final = 0.25
"""As long as no consumer can be made, what came meanwhile is read this often (seconds), besides the attempts to make one."""


class Following:
    """The stream as this node sees it. ``consumers`` is how many that took so far."""

    def __init__(self, connection: Connection, options: JetStreamOptions, clock: Clock, listener: Listener) -> None:
        """Take what to follow on and whom to tell."""
        self._connection = connection
        self._stream = options.stream
        self._timeout = options.timeout
        self._clock = clock
        self._listener = listener
        self._task: asyncio.Task[None] | None = None
        self._consumer: Consumer | None = None
        self._begun: asyncio.Future[None] | None = None
        self._limit: str | None = None
        self._moved = asyncio.Event()
        self.progress = Progress(clock, options.timeout, listener)
        self._catching = CatchingUp(connection, options, clock, self.progress)
        self.consumers = 0
        connection.watch(self._changed)

    @property
    def followed(self) -> int:
        """Return the sequence up to which everything was handed over."""
        return self.progress.followed

    async def start(self, key: bytes, after: int) -> None:
        """Follow the stream of that key from after a sequence, until :meth:`close`.

        Raises LogUnavailable where that does not begin in time, and its subclasses for what no waiting mends.
        """
        await self.close()
        self._limit = None
        self._catching.begin(key)
        self.progress.begin(after)
        self._begun = begun = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._follow(), name="redline-nats-follow")
        try:
            async with within(self._clock, self._timeout):
                await asyncio.shield(begun)
        except TimeoutError:
            await self.close()
            if self._limit is not None:
                raise TooManyConsumersError(self._limit) from None
            msg = f"The event log's stream could not be followed within {self._timeout:g} s."
            raise LogUnavailable(msg) from None
        except BaseException:
            await self.close()
            raise

    async def reached(self, seq: int) -> None:
        """Wait until all up to ``seq`` was handed over. Raises LogUnavailable after the options' timeout, when lost and when closed."""
        if seq <= self.followed:
            return
        self._judge()
        await self.progress.reached(seq)

    def _judge(self) -> None:
        if self._task is None or self._task.done():
            raise LogUnavailable("The event log's stream is not followed now. Try again shortly.")  # noqa: EM101, TRY003 - one line

    async def caught_up(self) -> None:
        """Wait until all has come that the stream got while it was not followed. Raises LogUnavailable as :meth:`reached` does."""
        self._judge()
        await self.progress.caught_up()

    @property
    def fault(self) -> str | None:
        """Say why what comes may be late, or None."""
        if self._task is None or self._task.done():
            return "the stream is not followed"
        if not self._connection.connected:
            return "the stream waits for the connection to NATS"
        if self._limit is not None:
            return self._limit
        silence = self._clock.monotonic() - self.heard
        if silence == math.inf:
            return "the stream is not followed yet"
        return None if silence < SILENCE else f"nothing was heard of the stream for {silence:.0f} s"

    @property
    def heard(self) -> float:
        """Return when the stream that is followed last gave a word of itself, on the clock; minus infinity for never."""
        looked = self._catching.looked
        return looked if self._consumer is None else max(self._consumer.heard, looked)

    def doubt(self, why: str) -> None:
        """Look at once whether this is still the stream that was followed."""
        if self._consumer is not None:
            self._consumer.leave(why)

    async def close(self) -> None:
        """Stop. Twice, and at any moment, harmless."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        self.progress.fail("The event log is closed, or about to be taken up again.")

    async def _follow(self) -> None:
        """Use one consumer after the other, until cancelled or the stream is lost."""
        backoff = Backoff()
        while True:
            self._moved.clear()
            if not self._connection.connected:
                await self._moved.wait()
                continue
            patience = math.inf
            try:
                await self._catching.up()
                patience = _POLL
                why = await self._consume(backoff.reset)
            except LostError:
                break
            except (LogUnavailable, ApiError, TimeoutError) as error:
                why = str(error) or "it was not made in time"
                if isinstance(error, NotAllowedError) and self._begun is not None and not self._begun.done():
                    self._begun.set_exception(error)  # at the start: nothing that comes later mends it
            except Exception:
                _logger.exception("The stream %s cannot be followed.", self._stream)
                why = "an error of ours"
            _logger.info("The stream %s is followed anew, after its message %d: %s.", self._stream, self.followed, why.rstrip("."))
            await pause(self._clock, min(patience, backoff.delay()))
        lost = "The event log's stream is gone, or another one. Try again shortly."
        self.progress.fail(lost)
        if self._begun is not None and not self._begun.done():
            self._begun.set_exception(LogUnavailable(lost))
        else:
            self._listener.on_lost()

    async def _consume(self, begun: Callable[[], None]) -> str:
        """Follow with one consumer; return why it had to be left. Raises :class:`LostError`."""
        connection, name = self._connection, f"redline-{secrets.token_hex(8)}"
        inbox = connection.inbox()
        consumer = Consumer(self.followed, self._clock, self._respond, self.progress.take, self.progress.skip)
        sid = connection.handle(inbox, consumer.delivered)
        try:
            async with within(self._clock, _ATTEMPT):
                await make_consumer(connection, self._stream, name, inbox, self.followed)
                await self._catching.inspect()
            self.consumers += 1
            self._consumer, self._limit = consumer, None
            begun()
            consumer.prove()
            if self._begun is not None and not self._begun.done():
                self._begun.set_result(None)
            await self._watch(consumer)
            return consumer.doubt.result()
        except ApiError as error:
            if error.err_code == _NO_SUCH_STREAM:
                raise LostError from None
            raise
        except TooManyConsumersError as error:
            if self._limit is None:
                _logger.error("%s", error)  # noqa: TRY400 - no fault of ours
            self._limit = str(error)
            raise
        finally:
            if self._consumer is not None:  # where none took, what was read a moment ago counts until the next look
                self._consumer = None
                self.progress.learn(None)
            consumer.leave("it is not needed any more")
            connection.unhandle(sid)
            if connection.connected:  # nobody waits for the answer: without interest it would go by itself, a little later
                connection.send(wire.publish(f"$JS.API.CONSUMER.DELETE.{self._stream}.{name}", "", b""))

    async def _watch(self, consumer: Consumer) -> None:
        """Wait until there is a doubt about a consumer; silence is one."""
        while not consumer.doubt.done():
            try:
                async with within(self._clock, max(0.0, consumer.heard + SILENCE - self._clock.monotonic())):
                    await asyncio.shield(consumer.doubt)
            except TimeoutError:
                if self._clock.monotonic() - consumer.heard >= SILENCE:
                    consumer.leave(f"nothing was heard of it for {SILENCE:g} s")

    def _respond(self, reply: str) -> None:
        if self._connection.connected:
            self._connection.send(wire.publish(reply, "", b""))

    def _changed(self) -> None:
        self._moved.set()
        self.progress.learn(None)
        self.doubt("the connection was lost")
