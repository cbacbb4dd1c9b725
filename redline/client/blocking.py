"""The client for programs without an event loop: a script, a worker, a Django view.

The law of this module: it publishes by the very code of :mod:`redline.client.publishing`, and starts no thread and no event loop for it.
That code waits for three things only (an answer, a pause, a token), and here each of them blocks; so its coroutines never wait, and are
run to their end by one step. It may be used wherever blocking may, also from several threads at once and after a fork.
"""

from __future__ import annotations

import inspect
import random as _random
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

import httpx

from redline.client.connection import Connection, Credential, base_url
from redline.client.events import NewEvent, Published
from redline.client.posting import CONNECT_SECONDS
from redline.client.publishing import Publishing, new_key
from redline.client.retry import Retry
from redline.client.tickets import buy
from redline.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator
    from datetime import datetime
    from types import TracebackType

    from redline.client.errors import ClientError
    from redline.client.tickets import Ticket
    from redline.clock import Clock

_Result = TypeVar("_Result")


class SyncClient:
    """A publisher to one Redline service, for one credential. Use it as ``with SyncClient(url, token) as client:``."""

    def __init__(  # noqa: PLR0913 - the last five are for tests and special needs, all by name
        self,
        url: str,
        token: str | Callable[[], str],
        *,
        retry: Retry | None = None,
        transport: httpx.BaseTransport | None = None,
        clock: Clock | None = None,
        sleep: Callable[[float], object] = time.sleep,
        random: Callable[[], float] = _random.random,
        make_key: Callable[[], str] = new_key,
    ) -> None:
        """Take where the service is and who calls; everything means what it means to :class:`redline.client.Client`.

        ``token`` is a token, or a plain function that returns one. ``Retry.deadline`` bounds each wait for the network, and is looked at
        between them. Raises ``ValueError`` for a URL or a token that cannot be used; neither is repeated.
        """
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=20)
        http = cast("httpx.AsyncClient", _Blocking(httpx.Client(transport=transport, timeout=CONNECT_SECONDS, limits=limits)))

        async def pause(seconds: float) -> None:
            sleep(seconds)

        credential = Credential(token if isinstance(token, str) else lambda: _plain(token()))
        self._connection = Connection(http, base_url(url), credential, clock or SystemClock(), pause, random, _unbounded)
        self._retry = retry or Retry()
        self._publishing = Publishing(self._connection, self._retry, make_key)

    def __enter__(self) -> Self:
        """Return the client itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close every connection."""
        self.close()

    def close(self) -> None:
        """Close every connection."""
        _run(self._connection.http.aclose())

    def publish(
        self, kind: str, data: object, *, org: str | None = None, key: str | None = None, at: datetime | str | None = None
    ) -> Published:
        """Publish one event; promises and raises what :meth:`redline.client.Client.publish` does."""
        return cast("Published", _run(self._publishing.one(NewEvent(kind, data, org, key, at), dry_run=False)))

    def publish_many(self, events: Iterable[NewEvent]) -> list[Published | ClientError]:
        """Publish events in as few requests as fit; promises what :meth:`redline.client.Client.publish_many` does."""
        return cast("list[Published | ClientError]", _run(self._publishing.many(events, dry_run=False)))

    def validate(self, kind: str, data: object, *, org: str | None = None, at: datetime | str | None = None) -> None:
        """Ask the service whether it would accept an event; raises as :meth:`publish` does where it would not."""
        _run(self._publishing.one(NewEvent(kind, data, org, None, at), dry_run=True))

    def validate_many(self, events: Iterable[NewEvent]) -> list[ClientError | None]:
        """Ask the service whether it would accept events; return for each None, or what stands against it."""
        return cast("list[ClientError | None]", _run(self._publishing.many(events, dry_run=True)))

    def ticket(self) -> Ticket:
        """Buy a stream ticket; promises and raises what :meth:`redline.client.Client.ticket` does."""
        return _run(buy(self._connection, self._retry))


class _Blocking:
    """``httpx.Client`` behind as much of the face of ``httpx.AsyncClient`` as is used: every call returns when it is done."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http

    def build_request(self, method: str, url: str, **parts: Any) -> httpx.Request:  # noqa: ANN401 - httpx's own arguments
        return self._http.build_request(method, url, **parts)

    async def send(self, request: httpx.Request, *, stream: bool) -> httpx.Response:
        seconds = request.extensions["timeout"]["read"]
        end = time.monotonic() + seconds
        response = self._http.send(request, stream=stream)
        response.stream = _Body(cast("httpx.SyncByteStream", response.stream), request, end)
        return response

    async def aclose(self) -> None:
        self._http.close()


class _Body(httpx.AsyncByteStream):
    """An answer's body, until ``end``: each read is bounded by the transport, and the sum of them here."""

    def __init__(self, body: httpx.SyncByteStream, request: httpx.Request, end: float) -> None:
        self._body = body
        self._request = request
        self._end = end

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in cast("Iterator[bytes]", self._body):
            yield part
            if time.monotonic() > self._end:
                msg = "the answer trickles"
                raise httpx.ReadTimeout(msg, request=self._request)

    async def aclose(self) -> None:
        self._body.close()


@asynccontextmanager
async def _unbounded(clock: Clock, seconds: float) -> AsyncIterator[None]:
    """Bound nothing: the transport does, and :class:`_Body`."""
    del clock, seconds
    yield


def _plain(token: object) -> str:
    """Return what a token function returned; raises ``ValueError`` for a coroutine, which nobody would run."""
    if inspect.iscoroutine(token):
        token.close()
    if inspect.isawaitable(token):
        msg = "the token cannot be used: without an event loop its function must be a plain one, not a coroutine function"
        raise ValueError(msg)
    return cast("str", token)


def _run(call: Coroutine[Any, Any, _Result]) -> _Result:
    """Return what a coroutine that never waits returns."""
    try:
        call.send(None)
    except StopIteration as done:
        return cast("_Result", done.value)
    call.close()
    msg = "something waited for an event loop, and there is none"
    raise RuntimeError(msg)
