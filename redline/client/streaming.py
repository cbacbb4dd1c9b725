"""Subscribing: one endless stream out of many connections.

The law of this module: the cursor moves when a frame was dispatched whole, and every connection after the first resumes from it; so a cut,
wherever it falls, costs nothing and doubles nothing. Where the service cannot prove that, its gap reaches the caller.
"""

from __future__ import annotations

import logging
import re
from contextlib import aclosing
from typing import TYPE_CHECKING, Final, NamedTuple

import httpx
from httpx_sse import EventSource

from redline.client.errors import SERVER_FAULT, UNAUTHENTICATED, BadAnswer, ClientError, Refused, StreamEnded, Unreachable
from redline.client.events import CLOSING, EXPIRING, GAP, OPEN, Event
from redline.client.watched import OPENING_SECONDS, Watched, patience
from redline.clock import within

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from httpx_sse import ServerSentEvent

    from redline.client.connection import Connection

_logger = logging.getLogger("redline.client")

PATH: Final = "/v1/stream"
LONGEST_WAIT: Final = 60.0
"""The most seconds that failures in a row are spread over. Where the service asks for more, it gets more."""
SETTLED_SECONDS: Final = 10.0
"""How long a connection must have lasted for a token to be renewed before its end: one that is always short must not mean no pause."""
_RETRY_SECONDS: Final = 2.0
_RETRY_DIGITS: Final = 7
_OK: Final = 200
_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)


class Wanted(NamedTuple):
    """What a subscriber asks for; see :meth:`redline.client.Client.subscribe`."""

    kinds: str | None
    last_event_id: str | None
    earliest: bool
    follow: bool
    control: bool
    attempts: int | None
    first_attempts: int | None


class Streaming:
    """One subscription. ``cursor`` is the id that the next connection resumes after."""

    def __init__(self, connection: Connection, wanted: Wanted) -> None:
        """Take the way to the service and what is wanted."""
        self.cursor = wanted.last_event_id
        self._connection = connection
        self._wanted = wanted
        self._retry = _RETRY_SECONDS
        self._failures = 0
        self._attempts = wanted.first_attempts
        self._end = ClientError()
        self._spent: tuple[str, ClientError] | None = None
        """A token that will not be taken again, and what was said about it."""
        self._next: str | None = None
        """A token that was had before the last one's end, for the next connection."""

    async def events(self) -> AsyncGenerator[Event, None]:
        """Go through the events, over as many connections as it takes; see :meth:`redline.client.Client.subscribe`."""
        while True:
            token = await self._token()
            if self._spent is not None and self._spent[0] == token:
                raise self._spent[1]
            self._end = Unreachable(f"{self._connection.url} broke the stream off")
            async with aclosing(self._connected(token)) as events:
                async for event in events:
                    if not event.control or event.kind == GAP or self._wanted.control:
                        yield event
            end = self._end
            if isinstance(end, StreamEnded) and end.reason == "end_of_history" and not self._wanted.follow:
                return
            if self._next is None and not self._renews(end, token):
                await self._wait(end)

    async def _token(self) -> str:
        """Return the token for the next connection: the one that was had early, or what the caller gives now."""
        token, self._next = self._next, None
        return token or await self._connection.credential.get()

    async def _connected(self, token: str) -> AsyncGenerator[Event, None]:
        """Go through the events of one connection, and note why it ended. Raises what another connection would not change."""
        settled = self._connection.clock.monotonic() + SETTLED_SECONDS
        try:
            async with aclosing(self._frames(token)) as frames:
                async for event in frames:
                    if event.kind == OPEN:
                        # Not when the connection opens: a refusal for now is a stream too.
                        self._failures, self._spent, self._attempts = 0, None, self._wanted.attempts
                    yield event
                    if event.kind == CLOSING:
                        self._end = _ended(event)
                        return
                    if event.kind == EXPIRING and self._connection.clock.monotonic() >= settled:
                        self._next = await self._early(token)
                        if self._next is not None:
                            return
        except (httpx.RequestError, TimeoutError) as failure:
            self._end = self._connection.unreachable(failure)
            self._end.__cause__ = failure
        except Refused as refusal:
            self._end = refusal

    async def _frames(self, token: str) -> AsyncGenerator[Event, None]:
        """Go through the frames of one connection, moving the cursor with each."""
        connection = self._connection
        async with within(connection.clock, OPENING_SECONDS):
            response = await connection.send(self._request(token))
        try:
            media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
            if response.status_code != _OK:
                async with within(connection.clock, OPENING_SECONDS):
                    raise await connection.refusal(response)
            if media_type != "text/event-stream":
                msg = f"{connection.url} answered with {media_type[:40]!a} in place of an event stream; is the URL right?"
                raise BadAnswer(msg)
            watched = Watched(response, connection.clock)
            stream = httpx.Response(_OK, headers=response.headers, stream=watched)
            stream.encoding = "utf-8"  # whatever the answer says (WHATWG HTML §9.2.5)
            async with aclosing(EventSource(stream).aiter_sse()) as frames:
                async for frame in frames:
                    watched.dispatched()
                    event = self._event(frame)
                    if event is not None:
                        if event.kind == OPEN:
                            watched.silence = patience(event.data.get("heartbeatSeconds"))
                        yield event
        finally:
            await response.aclose()

    def _request(self, token: str) -> httpx.Request:
        wanted = self._wanted
        headers = {
            "Authorization": f"Bearer {token}",
            "Accept": "text/event-stream",
            "Accept-Encoding": "identity",  # a proxy that compresses also holds back
            "Cache-Control": "no-store",
        }
        params = {} if wanted.follow else {"follow": "false"}
        if wanted.kinds:
            params["kinds"] = wanted.kinds
        if self.cursor is not None:
            headers["Last-Event-ID"] = self.cursor
        elif wanted.earliest:
            params["last_event_id"] = "earliest"
        return self._connection.http.build_request("GET", self._connection.url + PATH, params=params, headers=headers)

    def _event(self, frame: ServerSentEvent) -> Event | None:
        """Return what a frame says, and move the cursor; None for a frame without data, which the standard does not dispatch."""
        if frame.retry is not None and 0 <= frame.retry < 10**_RETRY_DIGITS:
            self._retry = frame.retry / 1000
        if frame.id:
            if not _ID.fullmatch(frame.id):
                msg = f"{self._connection.url} sent an event id that Redline would not give; is the URL right?"
                raise BadAnswer(msg)
            self.cursor = frame.id
        if not frame.data:
            return None
        event = Event.read(frame.event, frame.data, frame.id or None)
        if event is None:
            msg = f"{self._connection.url} sent an event ({frame.event[:64]!a}) that is not as Redline sends them; is the URL right?"
            raise BadAnswer(msg)
        return event

    def _renews(self, error: ClientError, token: str) -> bool:
        """Tell whether another token is worth a try at once: the caller can give one, and was not just asked for one in vain."""
        expired = isinstance(error, StreamEnded) and error.reason == "token_expired"
        refused = isinstance(error, Refused) and error.status == UNAUTHENTICATED
        if not (expired or refused) or not self._connection.credential.renewable or self._spent is not None:
            return False
        self._spent = (token, error)
        return True

    async def _early(self, token: str) -> str | None:
        """Return another token before ``token`` ends, None where none is to be had yet: it counts until its end."""
        if not self._connection.credential.renewable:
            return None
        try:
            other = await self._connection.credential.get()
        except Exception as error:  # noqa: BLE001 - the caller's own; it is raised if it still happens at the token's end
            # Not with its text or its traceback: they are of whoever deals with tokens.
            _logger.warning("No other token could be had before this one's end (%s); it is asked for again then.", type(error).__name__)
            return None
        return None if other == token else other

    async def _wait(self, error: ClientError) -> None:
        """Wait before the next connection; raise ``error`` where none would help, or there were enough."""
        server_fault = isinstance(error, Refused) and error.status is not None and error.status >= SERVER_FAULT
        self._failures += 1
        if not (error.transient or server_fault) or self._failures == self._attempts:
            raise error
        # The first time what the service said, which it has spread already (contract §6); then ever longer, spread here.
        most = max(self._retry, min(LONGEST_WAIT, self._retry * 2 ** min(self._failures - 1, 16)))
        delay = self._retry + (most - self._retry) * self._connection.random()
        delay = max(delay, error.retry_after or 0.0)
        _logger.info("%s; reconnecting in %.1f s.", error, delay)
        await self._connection.sleep(delay)


def _ended(event: Event) -> StreamEnded:
    reason = event.data.get("reason")
    return StreamEnded(reason[:64] if isinstance(reason, str) else "unknown", transient=event.data.get("retryable") is True)
