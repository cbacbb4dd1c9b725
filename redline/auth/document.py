"""A document at a URL: one request, one answer, in bounded memory.

The law of this module: what is returned is the whole body of a 200, of at most so many bytes, as the host itself sent it. No redirect is
followed: it could lead from https to http, or to a host that nobody chose to trust. Proxies and certificate authorities are the
environment's (``HTTPS_PROXY``, ``NO_PROXY``, ``SSL_CERT_FILE``), as httpx reads them. A failure is told without the URL's query, which may
hold a secret, and without a word of the body.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, Protocol

import httpx

from redline.logs import redact

if TYPE_CHECKING:
    from redline.clock import Clock

FETCH_SECONDS: Final = 4.0
"""How long a fetch may take, all of it. A start waits for one, and a stop that comes meanwhile has 5 s."""
_HEADERS: Final = {"Accept": "application/json", "Accept-Encoding": "identity"}
_SHOWN: Final = 200


class FetchError(Exception):
    """The document could not be had; the message says why, and fits after "NAME: "."""


class Source(Protocol):
    """Where a document comes from."""

    async def fetch(self) -> bytes:
        """Return it, however long that takes. Raises :class:`FetchError`."""

    async def close(self) -> None:
        """Close what is open."""


async def in_time(source: Source, clock: Clock) -> bytes:
    """Fetch within :data:`FETCH_SECONDS` of ``clock``, however slowly the other side sends. Raises :class:`FetchError`."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(None) as scope:
            timer = clock.call_at(clock.monotonic() + FETCH_SECONDS, lambda: scope.reschedule(loop.time()))
            try:
                return await source.fetch()
            finally:
                timer.cancel()
    except TimeoutError:
        msg = f"did not answer whole within {FETCH_SECONDS:g} s"
        raise FetchError(msg) from None


class HttpDocument:
    """Fetches one URL, again and again. Used on one event loop."""

    def __init__(self, url: str, most: int) -> None:
        """Take where it is, and how many bytes it may have. Nothing is opened yet."""
        self._url = url
        self._most = most
        self._client: httpx.AsyncClient | None = None

    async def close(self) -> None:
        """Close what is open."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def fetch(self) -> bytes:
        """Return the body. Raises :class:`FetchError`."""
        if self._client is None:
            self._client = self._new_client()  # once: reading the machine's certificates holds the loop for many milliseconds
        try:
            async with self._client.stream("GET", self._url, headers=_HEADERS) as response:
                return await self._body(response)
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            msg = f"could not be fetched: {_why(error)}"
            raise FetchError(msg) from None

    async def _body(self, response: httpx.Response) -> bytes:
        if response.has_redirect_location:
            msg = f"answers {response.status_code}, a redirect, and none is followed; give the address that it leads to"
            raise FetchError(msg)
        if response.status_code != HTTPStatus.OK:
            msg = f"answers {response.status_code}"
            raise FetchError(msg)
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            msg = "answers in a content coding that was not asked for"  # a few bytes of which may stand for gigabytes
            raise FetchError(msg)
        body = bytearray()
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > self._most:
                msg = f"answers with more than {self._most} bytes"
                raise FetchError(msg)
        return bytes(body)

    def _new_client(self) -> httpx.AsyncClient:
        limits = httpx.Limits(max_connections=1, max_keepalive_connections=0)  # minutes pass until the next request
        try:
            return httpx.AsyncClient(timeout=None, limits=limits, follow_redirects=False)  # noqa: S113 - in_time bounds the whole
        except (OSError, ValueError, ImportError, httpx.InvalidURL) as error:
            # Of a proxy's URL not a word: what cannot be read of it may be its password.
            why = (isinstance(error, OSError) and error.strerror) or type(error).__name__
            msg = f"could not be fetched: what the environment says of proxies or certificates cannot be used: {why}"
            raise FetchError(msg) from None


def _why(error: Exception) -> str:
    """Return an error in words, in one line, without credentials."""
    return redact(" ".join(str(error).split()))[:_SHOWN] or type(error).__name__
