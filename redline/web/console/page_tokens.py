"""A token for a page on this very machine.

The law of this module: it says no. The service has no such route; the demo adds it, for its own orgs. A token leaves only for a request
whose socket comes from loopback, whose Host is a loopback name with our own port (so no name that was rebound to 127.0.0.1), that came
straight here (no proxy before us, whose clients would all look local), and that a browser calls same-origin. A program of this machine may
have one too: what the demo shows is made up. The token goes into the answer and nowhere else.
"""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn

import orjson
from sanic.response import HTTPResponse

from redline.errors import Detail, Forbidden
from redline.web.query import query_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sanic import Request, Sanic
    from sanic.config import Config

_LOOPBACK_NAMES: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
_FORWARDING: Final = frozenset({"forwarded", "via", "x-real-ip", "x-client-ip", "true-client-ip", "cf-connecting-ip"})
_USUAL_PORT: Final = 80


class PageToken(NamedTuple):
    """A token, and its end as RFC 3339."""

    token: str
    expires_at: str


def offer_page_tokens(
    app: Sanic[Config, Any], path: str, orgs: Sequence[str], scopes: Sequence[str], mint: Callable[[str, str], PageToken]
) -> None:
    """Add ``GET path?org=&scope=`` to ``app``: a token of ``mint(org, scope)`` for one of ``orgs`` and one of ``scopes``, or 403.

    By default it is for the first of each. The answer: ``{"token", "expiresAt", "org", "orgs"}``.
    """

    async def page_token(request: Request) -> HTTPResponse:
        refuse_all_but_own_page(request)
        query = query_of(request)
        org, scope = _one(query, "org", orgs), _one(query, "scope", scopes)
        minted = mint(org, scope)
        body = {"token": minted.token, "expiresAt": minted.expires_at, "org": org, "orgs": list(orgs)}
        return HTTPResponse(orjson.dumps(body), headers={"Cache-Control": "no-store"}, content_type="application/json")

    app.add_route(page_token, path, methods=["GET"], name="page_token")


def refuse_all_but_own_page(request: Request) -> None:
    """Raise :class:`~redline.errors.Forbidden`, saying which rule is broken, unless ``request`` may come from our own page here."""
    connection = request.conn_info
    if connection is None or not _is_loopback(connection.client_ip):
        _refuse("the request comes from another machine", "peer")
    if request.version != "1.1" or any(name in _FORWARDING or name.startswith("x-forwarded") for name in map(str.lower, request.headers)):
        _refuse("the request came through a proxy", "forwarded")
    hosts = [host.lower() for host in request.headers.getall("host", [])]
    if len(hosts) != 1 or not _is_us(hosts[0], connection.server_port):
        _refuse("the request was sent to another name than this machine's own", "host")
    if any(site != "same-origin" for site in request.headers.getall("sec-fetch-site", [])):
        _refuse("another site asks", "site")
    if any(origin.lower() != f"http://{hosts[0]}" for origin in request.headers.getall("origin", [])):
        _refuse("another origin asks", "origin")


def _one(query: Mapping[str, Sequence[str]], name: str, allowed: Sequence[str]) -> str:
    """Return the one value of a parameter, by default the first that is allowed."""
    named = query.get(name, [allowed[0]])
    if len(named) != 1 or named[0] not in allowed:
        _refuse(f"tokens are given for one {name} at a time, of {', '.join(allowed)}", name)
    return named[0]


def _is_loopback(address: str) -> bool:
    try:
        parsed = ip_address(address)
    except ValueError:  # no address at all, as of a Unix socket
        return False
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        return parsed.ipv4_mapped.is_loopback
    return parsed.is_loopback


def _is_us(host: str, port: int) -> bool:
    name, colon, given = host.rpartition(":")
    if not colon or host.endswith("]"):
        name, given = host, str(_USUAL_PORT)
    return name in _LOOPBACK_NAMES and given == str(port)


def _refuse(why: str, rule: str) -> NoReturn:
    msg = (
        f"No token is given here: {why}. Open the page on the machine that runs the demo, at its loopback address, without a proxy in "
        "between; or paste a token of your own into the page."
    )
    raise Forbidden(msg, details=[Detail("", why, rule)])
