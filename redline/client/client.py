"""The client's public face.

The law of this module: it says what each call takes and promises; the work is done beneath. Time, waiting and chance are parameters.
"""

from __future__ import annotations

import asyncio
import random as _random
from typing import TYPE_CHECKING, Self, cast

import httpx

from redline.client.connection import Connection, Credential, base_url
from redline.client.events import NewEvent, Published
from redline.client.posting import CONNECT_SECONDS
from redline.client.publishing import Publishing, new_key
from redline.client.retry import Retry
from redline.client.streaming import Streaming, Wanted
from redline.client.tickets import buy
from redline.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
    from datetime import datetime
    from types import TracebackType

    from redline.client.connection import Token
    from redline.client.errors import ClientError
    from redline.client.events import Event
    from redline.client.tickets import Ticket
    from redline.clock import Clock

_TIMEOUT = httpx.Timeout(CONNECT_SECONDS, read=None)
"""Seconds to connect and to send. How long an answer may take is bounded by whoever waits for it."""


class Client:
    """A caller of one Redline service, for one credential. Use it as ``async with Client(url, token) as client:``."""

    def __init__(  # noqa: PLR0913 - the last five are for tests and special needs, all by name
        self,
        url: str,
        token: Token,
        *,
        retry: Retry | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Clock | None = None,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        random: Callable[[], float] = _random.random,
        make_key: Callable[[], str] = new_key,
    ) -> None:
        """Take where the service is and who calls.

        ``url`` is ``http(s)://HOST[:PORT]``, perhaps with a path that a proxy serves Redline under. ``token`` is a token, or a function or
        coroutine function that returns one: it is called before every request and every connection, so it should remember what it has, and
        once more when the service refuses a token or says that it is about to end. It goes into the ``Authorization`` header only.

        ``retry`` says how publishing and buying a ticket are retried, ``transport`` how HTTP is spoken (it brings its own limits),
        ``clock``, ``sleep`` and ``random`` (numbers from 0 to 1) what time it is, how to wait and what chance says, ``make_key`` what key
        an event gets that has none.

        Raises ``ValueError`` for a URL or a token that cannot be used; neither is repeated.
        """
        # A stream takes a connection for as long as it lives: their number is the caller's.
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=20)
        http = httpx.AsyncClient(transport=transport, timeout=_TIMEOUT, limits=limits)
        self._connection = Connection(http, base_url(url), Credential(token), clock or SystemClock(), sleep, random)
        self._retry = retry or Retry()
        self._publishing = Publishing(self._connection, self._retry, make_key)

    async def __aenter__(self) -> Self:
        """Return the client itself."""
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close every connection."""
        await self.aclose()

    async def aclose(self) -> None:
        """Close every connection; subscriptions that are open end with an error."""
        await self._connection.http.aclose()

    async def publish(
        self, kind: str, data: object, *, org: str | None = None, key: str | None = None, at: datetime | str | None = None
    ) -> Published:
        """Publish one event; for what the arguments mean see :class:`NewEvent`.

        What fails for now (no connection, no answer, 408, 429, 502, 503, 504) is tried again, under one idempotency key, so that the event
        is not doubled. That key counts against the service's ``idempotency.keys``, and lives as long as its log.

        Raises :class:`Refused`, :class:`Unreachable` (the event may or may not have been published; its ``key`` tells under which key to
        publish it again) and :class:`BadAnswer`; ``ValueError`` and ``TypeError`` for what JSON or the contract cannot hold.
        """
        return cast("Published", await self._publishing.one(NewEvent(kind, data, org, key, at), dry_run=False))

    async def publish_many(self, events: Iterable[NewEvent]) -> list[Published | ClientError]:
        """Publish events in as few requests as fit; return what became of each, in their order.

        One that is refused stops no other; one that is refused for now is tried again, and then comes after those that were accepted. When
        a whole request fails for good, the events that are left have its error as their result. Raises only what :meth:`publish` raises
        for an event that cannot be sent at all: then those before its part may have been published.
        """
        return cast("list[Published | ClientError]", await self._publishing.many(events, dry_run=False))

    async def validate(self, kind: str, data: object, *, org: str | None = None, at: datetime | str | None = None) -> None:
        """Ask the service whether it would accept an event; raises as :meth:`publish` does where it would not."""
        await self._publishing.one(NewEvent(kind, data, org, None, at), dry_run=True)

    async def validate_many(self, events: Iterable[NewEvent]) -> list[ClientError | None]:
        """Ask the service whether it would accept events; return for each None, or what stands against it."""
        return cast("list[ClientError | None]", await self._publishing.many(events, dry_run=True))

    async def ticket(self) -> Ticket:
        """Buy a stream ticket, to hand to a page in the token's place: it opens streams for a minute, with what the token may see.

        What fails for now is tried again, as a publish is. Raises :class:`Refused`, :class:`Unreachable` and :class:`BadAnswer`.
        """
        return await buy(self._connection, self._retry)

    def subscribe(  # noqa: PLR0913 - what a stream may be asked for, all by name but the first two
        self,
        kinds: str | Iterable[str] | None = None,
        last_event_id: str | None = None,
        *,
        follow: bool = True,
        earliest: bool = False,
        control: bool = False,
        attempts: int | None = None,
        first_attempts: int | None = None,
    ) -> AsyncGenerator[Event, None]:
        """Return the events of the token's org, each once and in order, over as many connections as it takes.

        ``kinds`` are kinds and prefixes (``change.*``), all by default. It begins after ``last_event_id``, with ``earliest`` at the oldest
        event retained, and otherwise with what comes next. Without ``follow`` it ends where the history ends. An event of the kind
        ``stream.gap`` says that something may be missing before what follows: fetch your state again. ``control`` shows the other control
        events too, as they come, once for each connection. ``attempts`` bounds the failures in a row, without a stream opened in between,
        after which the last is raised; None tries for ever. ``first_attempts`` bounds them until the first stream has opened, by default as
        ``attempts`` does: a URL that was never right is not waited for, and a service that was there is.

        Close it (``contextlib.aclosing``) when you leave it early, or its connection stays until it is collected.

        Raises :class:`StreamEnded` when the credential has ended and no other is to be had, :class:`Refused` and :class:`BadAnswer` when
        another try would not help, ``ValueError`` for arguments that cannot be used.
        """
        if last_event_id is not None and (earliest or not last_event_id.isascii() or not last_event_id.isprintable()):
            msg = "last_event_id: it takes an event's id, and no earliest besides"
            raise ValueError(msg)
        first = attempts if first_attempts is None else first_attempts
        for name, bound in (("attempts", attempts), ("first_attempts", first)):
            if bound is not None and bound < 1:
                msg = f"{name}: it takes a number of at least 1, or None"
                raise ValueError(msg)
        wanted = kinds if kinds is None or isinstance(kinds, str) else ",".join(kinds)
        if wanted == "" and kinds is not None and not isinstance(kinds, str):
            msg = "kinds: the list is empty; leave it out for all kinds"
            raise ValueError(msg)
        return Streaming(self._connection, Wanted(wanted, last_event_id or None, earliest, follow, control, attempts, first)).events()
