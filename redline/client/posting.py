"""One POST, until it is answered.

The law of this module: what may succeed later is tried again within the caller's budget, a token that was refused is replaced once, and the
same token is never sent twice into the same refusal. Whether a repeat is harmless is the caller's to know.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import httpx

from redline.client.errors import UNAUTHENTICATED, ClientError, Refused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from redline.client.connection import Connection
    from redline.client.retry import Budget

CONNECT_SECONDS: Final = 10.0
"""How long connecting and each piece of sending may take."""


@dataclass(frozen=True, slots=True)
class Post:
    """What is sent: where to, and the body with its type, where there is one."""

    path: str
    content: bytes = b""
    media_type: str | None = None
    params: Mapping[str, str] | None = None


async def post(connection: Connection, what: Post, budget: Budget) -> object:
    """Send until it is answered or the budget is used up; return the answer's JSON. Raises ``ClientError``."""
    refused, error = "", ClientError()
    try:
        while True:
            token = await connection.credential.get()
            if token == refused:
                raise error
            try:
                async with connection.within(connection.clock, seconds := budget.seconds):
                    return await _send(connection, what, token, seconds)
            except (httpx.RequestError, TimeoutError) as failure:
                error = connection.unreachable(failure)
                error.__cause__ = failure
            except Refused as refusal:
                error = refusal
            if isinstance(error, Refused) and error.status == UNAUTHENTICATED and connection.credential.renewable and not refused:
                refused = token
            elif not (error.transient and await budget.more(error, error.retry_after)):
                raise error
    finally:
        del error  # this frame is among those that it came through


async def _send(connection: Connection, what: Post, token: str, seconds: float) -> object:
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
    if what.media_type is not None:
        headers["Content-Type"] = what.media_type
    request = connection.http.build_request(
        "POST",
        connection.url + what.path,
        params=what.params,
        headers=headers,
        content=what.content,
        timeout=httpx.Timeout(min(CONNECT_SECONDS, seconds), read=seconds),
    )
    response = await connection.send(request)
    try:
        if not response.is_success:
            raise await connection.refusal(response)
        return await connection.read(response)
    finally:
        await connection.close(response)
