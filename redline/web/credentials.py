"""Where a request's credential stands.

The law of this module: there is exactly one, or an error. It reads text and proves nothing; and it never puts any of that text into a
message.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from redline.auth.tokens import UnknownKey
from redline.errors import AmbiguousCredentials, Unauthenticated

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sanic import Request

    from redline.auth.principal import Principal
    from redline.web.service import Service


class Credential(NamedTuple):
    """A credential as it was sent. ``is_ticket`` tells a stream ticket from a token; they never stand in for one another."""

    text: str
    is_ticket: bool


def bearer(request: Request) -> list[str]:
    """Return the tokens of the ``Authorization: Bearer`` headers (RFC 6750 §2.1); other schemes are ignored."""
    tokens = []
    for header in request.headers.getall("authorization", []):
        scheme, _, text = header.strip(" \t").partition(" ")
        if scheme.lower() == "bearer":
            tokens.append(text.strip(" \t"))
    return tokens


def credential_of(request: Request, query: Mapping[str, Sequence[str]]) -> Credential:
    """Return the one credential of a request for a stream.

    Raises ``AmbiguousCredentials`` for two at once or one repeated, ``Unauthenticated`` for none. An empty one counts as absent.
    """
    found = [Credential(text, is_ticket=False) for text in (*bearer(request), *query.get("token", ())) if text]
    found += [Credential(text, is_ticket=True) for text in query.get("ticket", ()) if text]
    if len(found) > 1:
        msg = "The request has more than one credential. Send exactly one: ?token=, ?ticket= or Authorization: Bearer."
        raise AmbiguousCredentials(msg)
    if not found:
        msg = "The request has no credential. Send ?token= with a signed token, ?ticket= with a stream ticket, or Authorization: Bearer."
        raise Unauthenticated(msg)
    return found[0]


async def reader(request: Request, query: Mapping[str, Sequence[str]], service: Service) -> Principal:
    """Return who asks for a stream; raises as :func:`credential_of`, :meth:`Tickets.verify` and :func:`caller` do."""
    credential = credential_of(request, query)
    if credential.is_ticket:
        return service.tickets.verify(credential.text)
    return await _verified(credential.text, service)


async def caller(request: Request, service: Service) -> Principal:
    """Return who calls any other route: by ``Authorization: Bearer`` only, as every client but a browser's EventSource can send it.

    Raises ``AmbiguousCredentials`` for two, ``Unauthenticated`` for none and for one that cannot be used, and ``KeysUnavailable``, which is
    transient, where nobody can tell now.
    """
    tokens = [token for token in bearer(request) if token]
    if len(tokens) > 1:
        msg = "The request has more than one Authorization: Bearer header. Send exactly one."
        raise AmbiguousCredentials(msg)
    if not tokens:
        msg = "The request has no credential. Send Authorization: Bearer with a signed token; this route takes none from the URL."
        raise Unauthenticated(msg)
    return await _verified(tokens[0], service)


async def _verified(token: str, service: Service) -> Principal:
    """Return who a token stands for; where its key is not known here, look for that at the JWKS URL first."""
    looked, remote = False, service.remote_keys
    while True:
        try:
            return service.verifier.verify(token)
        except UnknownKey as unknown:
            if remote is None or looked or not remote.may_have(unknown):
                raise
            named = unknown.named
        # Out here: what it raises is no consequence of the other, whose context it would carry.
        looked = await remote.look(named=named)
