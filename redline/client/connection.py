"""What publishing and streaming share: the way to the service, and who one is there.

The law of this module: the token goes into the ``Authorization`` header and nowhere else, and an answer is read up to a bound. Whatever
comes back that is not what was asked for leaves here as a :class:`~redline.client.errors.ClientError`.
"""

from __future__ import annotations

import inspect
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast
from urllib.parse import urlsplit

import httpx

from redline.client.errors import SERVER_FAULT, UNAUTHENTICATED, BadAnswer, ClientError, Refused, Unreachable
from redline.client.retry import retry_after
from redline.clock import within

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from contextlib import AbstractAsyncContextManager

    from redline.clock import Clock

    Token = str | Callable[[], str | Awaitable[str]]

ANSWER_BYTES: Final = 16 * 1024 * 1024
"""The longest answer that is read. A batch of a thousand lines gets some 200 KiB."""
_TOKEN: Final = re.compile(r"[!-~]{1,16384}", re.ASCII)
_SHOWN: Final = 200
_NOTHING: Final = httpx.ByteStream(b"")


class Credential:
    """A token, or the caller's way to get one."""

    def __init__(self, token: Token) -> None:
        """Take a token, or what returns one (a coroutine function, or a function); raises ``ValueError`` as :meth:`get` does."""
        self._token = _checked(token) if isinstance(token, str) else token

    @property
    def renewable(self) -> bool:
        """Tell whether asking again may give another token."""
        return not isinstance(self._token, str)

    async def get(self) -> str:
        """Return the token; raises ``ValueError``, which does not show it, where it could not stand in a header."""
        if isinstance(self._token, str):
            return self._token
        token: object = self._token()
        return _checked(await token if inspect.isawaitable(token) else token)


@dataclass(frozen=True, slots=True)
class Connection:
    """The service at ``url``, as one caller sees it.

    ``within`` bounds a block in time (:func:`redline.clock.within`); the rest are parameters of :class:`redline.client.Client`.
    """

    http: httpx.AsyncClient
    url: str
    credential: Credential
    clock: Clock
    sleep: Callable[[float], Awaitable[object]]
    random: Callable[[], float]
    within: Callable[[Clock, float], AbstractAsyncContextManager[None]] = within

    async def send(self, request: httpx.Request) -> httpx.Response:
        """Send a request; return the answer, whose body is still to be read. Raises ``httpx.RequestError``."""
        try:
            return await self.http.send(request, stream=True)
        except AttributeError as error:  # anyio on uvloop asks a socket that has just closed for its peer
            msg = "the connection was closed as it was made"
            raise httpx.ConnectError(msg, request=request) from error

    @staticmethod
    async def close(response: httpx.Response) -> None:
        """Close an answer that is done with."""
        try:
            await response.aclose()
        finally:
            response.stream = _NOTHING  # httpx's own holds the answer, which holds what was sent

    def unreachable(self, error: Exception) -> ClientError:
        """Return what a failure of the connection is to the caller."""
        if isinstance(error, httpx.UnsupportedProtocol | httpx.LocalProtocolError):
            # Not with its text: that one quotes headers.
            return BadAnswer(f"the request to {self.url} cannot be sent ({type(error).__name__})")
        if isinstance(error, TimeoutError | httpx.TimeoutException):
            return Unreachable(f"{self.url} did not answer in time")
        if isinstance(error, httpx.TransportError):
            return Unreachable(f"{self.url} cannot be reached, or broke off ({type(error).__name__}: {error})"[:_SHOWN])
        return BadAnswer(f"{self.url} answered what cannot be read ({type(error).__name__})")

    async def read(self, response: httpx.Response) -> object:
        """Return an open response's body as parsed JSON, None where it is none; raises ``BadAnswer`` where it is too long."""
        body = bytearray()
        async for part in response.aiter_bytes():
            body += part
            if len(body) > ANSWER_BYTES:
                msg = f"{self.url} answered with more than {ANSWER_BYTES} bytes, which Redline never does"
                raise BadAnswer(msg)
        try:
            return cast("object", json.loads(body))
        except (ValueError, RecursionError):
            return None

    async def refusal(self, response: httpx.Response) -> ClientError:
        """Return what an answer that is not a success says."""
        status = response.status_code
        wait = retry_after(response.headers.get("retry-after"), self.clock.time())
        body = await self.read(response)
        error = Refused.from_json(body.get("error") if isinstance(body, dict) else None, status=status, retry_after=wait)
        if error is None:
            # Between the client and Redline stands something else; what is transient may still be so.
            error = Refused("http_error", f"{self.url} answered {status} without Redline's words for it", status=status, retry_after=wait)
            if not error.transient and status != UNAUTHENTICATED and status < SERVER_FAULT:
                return BadAnswer(f"{self.url} answered {status}, and not as Redline does; is the URL right?")
        return error


def _checked(token: object) -> str:
    if not isinstance(token, str) or not _TOKEN.fullmatch(token):
        # Without its context: httpx's own complaint would quote the header.
        msg = "the token cannot be used: it takes a string of visible ASCII characters, without spaces or a line's end"
        raise ValueError(msg)
    return token


def base_url(url: str) -> str:
    """Return the service's URL without a slash at its end.

    Raises ``ValueError``, which does not repeat the URL: what is wrong with it may be a credential.
    """
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port is None or parts.port >= 0)
    except ValueError:
        usable = False
    else:
        usable = usable and "@" not in parts.netloc and not parts.query and not parts.fragment and url.isprintable() and " " not in url
    if not usable:
        msg = "the URL cannot be used: it takes http://HOST:PORT or https://HOST, perhaps with a path; no login, query or fragment"
        raise ValueError(msg)
    return url.rstrip("/")
