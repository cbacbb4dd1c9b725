"""The connection to NATS, which comes back by itself.

The law of this module: one life after the other, and nothing is carried over. Subscriptions, requests that wait and what was not sent end
with the life they belong to; whoever needs them in the next one is told that it has begun. Nothing is sent, nor kept for later, in between.
"""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
from typing import TYPE_CHECKING, Final

from redline.clock import within
from redline.errors import LogUnavailable, NotYetError, StartupError
from redline.eventlog.jetstream.client import Client, Refused
from redline.eventlog.jetstream.requests import Requests
from redline.eventlog.jetstream.waiting import Backoff, pause
from redline.eventlog.urls import SETTING
from redline.logs import redact

if TYPE_CHECKING:
    from collections.abc import Callable

    from redline.clock import Clock
    from redline.eventlog.jetstream.client import Handler
    from redline.eventlog.jetstream.options import JetStreamOptions
    from redline.eventlog.jetstream.refusal import Refusal

_logger = logging.getLogger(__name__)

_ATTEMPT: Final = 2.0
_SHORTEST: Final = 0.5
"""How long an attempt to connect to one server may take (seconds), at most and at least; between them, its share of the timeout."""

_SETTLED: Final = 1.0
"""A life of so long (seconds) was one that went well."""


def unreachable() -> LogUnavailable:
    """Return what callers are told between lives: no host and no fault, which the log and ``/health/ready`` tell the operator."""
    return LogUnavailable("The event log cannot be reached. Try again shortly; if it stays so, tell whoever runs this server.")


class Connection:
    """A connection that comes back by itself. ``reconnects`` is how often it has; ``requests`` is what to ask JetStream with."""

    def __init__(self, options: JetStreamOptions, clock: Clock, chance: random.Random | None = None) -> None:
        """Take where to connect to, where time comes from, and chance."""
        self._options = options
        self.clock = self._clock = clock
        self._chance = chance or random.Random()  # noqa: S311 - jitter, no secret
        self._client: Client | None = None
        self._task: asyncio.Task[None] | None = None
        self._first: asyncio.Future[None] | None = None
        self._watchers: list[Callable[[], None]] = []
        self._refusal_watchers: list[Callable[[Refusal], None]] = []
        self._known: list[str] = list(options.servers)
        self._trouble = "not connected yet"
        self._closed = False
        self.reconnects = 0
        self.requests = Requests(self, clock, options.timeout)

    @property
    def connected(self) -> bool:
        """Return whether something can be sent now."""
        return self._client is not None and not self._client.over.done()

    @property
    def fault(self) -> str | None:
        """Say why nothing can be sent now, without a credential, or None."""
        if self.connected:
            return None
        # A life that has just ended is noticed a turn of the loop later.
        return f"NATS is not connected: {self._trouble if self._client is None else redact(self._client.trouble)}"

    @property
    def max_payload(self) -> int:
        """Return the bytes of the largest message that the server takes."""
        return self._client.max_payload if self._client is not None else 0

    @property
    def waiting(self) -> int:
        """Return the bytes that were sent and that the server has not taken yet."""
        return self._client.waiting if self._client is not None else 0

    @property
    def peer(self) -> str:
        """Return the name of the server that this is connected to."""
        return self._client.peer if self._client is not None else ""

    def watch(self, changed: Callable[[], None]) -> None:
        """Have ``changed`` called on the loop each time a life has begun or ended. It may not fail."""
        self._watchers.append(changed)

    def watch_refusals(self, refused: Callable[[Refusal], None]) -> None:
        """Have ``refused`` called on the loop for each command that the server does not allow this user. It may not fail."""
        self._refusal_watchers.append(refused)

    async def start(self) -> None:
        """Connect. Raises :class:`NotYetError` where that takes longer than the timeout, ``StartupError`` where it cannot succeed."""
        self._closed = False
        self._first = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._live(), name="redline-nats")
        try:
            async with within(self._clock, self._options.timeout):
                await asyncio.shield(self._first)
        except TimeoutError:
            trouble = self._trouble
            await self.close()
            raise NotYetError(self._line(f"could not be reached within {self._options.timeout:g} s ({trouble})")) from None
        except Refused as refused:
            await self.close()
            raise StartupError(self._line(f"cannot be used: {refused}")) from None
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """End the connection for good. At any moment, and twice, harmless."""
        self._closed = True
        self._trouble = "the log is closed"
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    def inbox(self) -> str:
        """Return a subject that nobody else knows."""
        return f"_INBOX.{secrets.token_hex(11)}"

    def handle(self, subject: str, handler: Handler) -> int:
        """Have what comes on ``subject`` given to ``handler`` for the length of this life. Raises LogUnavailable between lives."""
        return self._live_client().handle(subject, handler)

    def unhandle(self, sid: int) -> None:
        """Let a handler go; harmless where its life has ended."""
        if self._client is not None:
            self._client.unhandle(sid)

    def send(self, command: bytes) -> None:
        """Send a command of :mod:`redline.eventlog.jetstream.wire`. Raises LogUnavailable between lives."""
        self._live_client().send(command)

    def _live_client(self) -> Client:
        if self._client is None or not self.connected:
            raise unreachable()
        return self._client

    def _line(self, what: str) -> str:
        return f"{SETTING}: NATS at {', '.join(self._options.servers)} {what}"

    async def _live(self) -> None:
        """Live one life after the other, until closed.

        Not only until cancelled: what this waits for may keep a cancellation to itself, as asyncio's ``wait_for`` does up to Python 3.11.
        """
        backoff = Backoff(self._chance)
        while not self._over():
            for server in self._order():
                began = self._clock.monotonic()
                if self._over() or await self._one_life(server):
                    # A server that lets us in to throw us out is none to come back to twenty times a second.
                    if self._clock.monotonic() - began >= _SETTLED:
                        backoff.reset()
                    break
            if not self._over():
                await pause(self._clock, backoff.delay())

    def _over(self) -> bool:
        return self._closed

    def _order(self) -> list[str]:
        """Return the servers to try, in an order by chance: nodes that lost one do not all go to the same other."""
        order = list(self._known)
        self._chance.shuffle(order)
        return order

    async def _one_life(self, server: str) -> bool:
        """Connect to ``server``, and wait for that life's end; return whether there was one."""
        client = Client(self._options, self._refused)
        try:
            try:
                async with within(self._clock, max(_SHORTEST, min(_ATTEMPT, self._options.timeout / len(self._known)))):
                    await client.open(server)
            except Exception as error:  # noqa: BLE001 - whatever it is, there is no connection
                self._failed(server, error)
                return False
            if self._over():
                return False
            self._begin(client, server)
            await asyncio.wait([client.over])
            return True
        finally:
            self._client = None
            if client.lived:
                if not self._closed:
                    self._trouble = redact(client.trouble)
                    _logger.warning("The connection to NATS (%s) is lost: %s.", server, self._trouble)
                self._tell()
            await client.dispose()

    def _begin(self, client: Client, server: str) -> None:
        self._client = client
        client.lived = True
        self._known = list(dict.fromkeys([*self._options.servers, *client.discovered]))
        if self._first is not None and not self._first.done():
            self._first.set_result(None)
        else:
            self.reconnects += 1
        _logger.info("NATS is connected: %s (%s).", client.peer, server)
        self._tell()

    def _failed(self, server: str, error: Exception) -> None:
        trouble = redact(f"{server}: {str(error) or 'no answer in time'}")
        if self._first is not None and not self._first.done():
            if isinstance(error, Refused) and error.final:
                self._first.set_exception(error)
        elif trouble != self._trouble:
            _logger.warning("NATS cannot be reached: %s.", trouble)
        self._trouble = trouble

    def _refused(self, refusal: Refusal) -> None:
        for refused in self._refusal_watchers:
            refused(refusal)

    def _tell(self) -> None:
        for changed in self._watchers:
            changed()
