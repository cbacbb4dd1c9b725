"""Stream tickets, for a program that hands one to a page (contract §3).

The law of this module: a ticket is a credential, so it is shown by no ``repr``; and the one who buys it sends the token in the header only.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from redline.client.errors import BadAnswer
from redline.client.posting import Post, post
from redline.client.retry import Budget

if TYPE_CHECKING:
    from redline.client.connection import Connection
    from redline.client.retry import Retry

PATH: Final = "/v1/stream/tickets"


@dataclass(frozen=True, slots=True)
class Ticket:
    """What opens a stream for a short time: ``ticket`` goes into ``?ticket=``, until ``expires_at`` (RFC 3339).

    ``url`` is the stream's path with the ticket in it, as the service knows itself; behind a proxy that has it elsewhere take ``ticket``.
    """

    ticket: str = field(repr=False)
    expires_at: str
    url: str = field(repr=False)

    def as_json(self) -> dict[str, str]:
        """Return the service's own answer, which ``token`` of ``redline.js`` may return as it is."""
        return {"ticket": self.ticket, "expiresAt": self.expires_at, "url": self.url}


async def buy(connection: Connection, retry: Retry) -> Ticket:
    """Return a ticket for the connection's token. Raises ``ClientError``; a repeat is harmless, so what fails for now is tried again."""
    answer = await post(connection, Post(PATH), Budget(retry, connection.clock, connection.sleep, connection.random))
    if isinstance(answer, dict):
        parts = [answer.get(name) for name in ("ticket", "expiresAt", "url")]
        if all(isinstance(part, str) and part for part in parts):
            return Ticket(*map(str, parts))
    msg = f"{connection.url} did not answer with a ticket as Redline does; is the URL right?"
    raise BadAnswer(msg)
