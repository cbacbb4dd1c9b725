"""Where a request's credential stands.

The law of this module: there is exactly one, or an error. It reads text and proves nothing; and it never puts any of that text into a
message.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from redline.errors import AmbiguousCredentials, Unauthenticated

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sanic import Request

    from redline.auth.principal import Principal
    from redline.auth.tokens import TokenVerifier, UnknownKey
    from redline.web.service import Service

_TICKETS = "This server issues no stream tickets. Use ?token= with a signed token."


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
        msg = "The request has no credential. Send ?token= with a signed token, or Authorization: Bearer."
        raise Unauthenticated(msg)
    return found[0]


def reader(request: Request, query: Mapping[str, Sequence[str]], verifier: TokenVerifier) -> Principal:
    """Return who asks for a stream; raises as :func:`credential_of` and :meth:`TokenVerifier.verify` do."""
    credential = credential_of(request, query)
    if credential.is_ticket:
        raise Unauthenticated(_TICKETS)
    return verifier.verify(credential.text)


def caller(request: Request, verifier: TokenVerifier) -> Principal:
    """Return who calls any other route: by ``Authorization: Bearer`` only, as every client but a browser's EventSource can send it."""
    tokens = [token for token in bearer(request) if token]
    if len(tokens) > 1:
        msg = "The request has more than one Authorization: Bearer header. Send exactly one."
        raise AmbiguousCredentials(msg)
    if not tokens:
        msg = "The request has no credential. Send Authorization: Bearer with a signed token; this route takes none from the URL."
        raise Unauthenticated(msg)
    return verifier.verify(tokens[0])


async def look_up(service: Service, unknown: UnknownKey) -> None:
    """Return once the JWKS URL was looked at for the key of a token that was refused by ``unknown``: then ask one of the two above again.

    Raises ``unknown`` where no other key can come, and ``KeysUnavailable``, which is transient, where nobody can tell now.
    """
    if service.remote_keys is None:
        raise unknown
    await service.remote_keys.look(unknown)
