"""``POST /v1/stream/tickets``: a stream ticket for a token (contract §3), and what signs tickets here.

The law of this module: only a token buys a ticket, and only in a header; so no ticket buys another, and what stood in a URL does not live
on. The answer is kept by nobody.
"""

from __future__ import annotations

import logging
import secrets
from typing import TYPE_CHECKING, Final, cast

import orjson
from sanic import Blueprint
from sanic.response import HTTPResponse

from redline.auth.keys import Key, secret_key
from redline.auth.tickets import Tickets, check_apart
from redline.clock import rfc3339
from redline.errors import MalformedRequest
from redline.eventlog.urls import is_shared
from redline.web.credentials import caller
from redline.web.service import service_of

if TYPE_CHECKING:
    from sanic import Request

    from redline.auth.keys import KeyRing
    from redline.clock import Clock
    from redline.settings import Settings

_logger = logging.getLogger(__name__)

tickets: Final = Blueprint("tickets")
_SETTING: Final = "tickets.secret (REDLINE_TICKETS__SECRET)"
_PREVIOUS: Final = "tickets.previous_secrets (REDLINE_TICKETS__PREVIOUS_SECRETS)"
_ALONE: Final = "stream tickets hold for this process alone, and until it ends"
_SECRET_BYTES: Final = 48


@tickets.post("/v1/stream/tickets")
async def sell(request: Request) -> HTTPResponse:
    """Give a ticket for what the caller's token may read."""
    service = service_of(request)
    principal = await caller(request, service)
    if request.body:
        # Whoever sends one means to say something, perhaps to get less than the token has; it must not be passed over.
        msg = "A ticket is bought without a body: it stands for what the token stands for. Leave the body out."
        raise MalformedRequest(msg)
    ticket = service.tickets.issue(principal)
    # Beside this route, also inside of another application. A ticket has no character that a query would have to encode.
    stream = cast("str", request.uri_template).rpartition("/")[0]
    body = {"ticket": ticket.text, "expiresAt": rfc3339(ticket.expires), "url": f"{stream}?ticket={ticket.text}"}
    return HTTPResponse(orjson.dumps(body), headers={"Cache-Control": "no-store"}, content_type="application/json")


def tickets_of(settings: Settings, tokens: KeyRing, clock: Clock) -> Tickets:
    """Return what issues and takes tickets under ``settings``; ``tokens`` are the keys that tokens are verified with.

    Where no secret is set it makes one. Raises :class:`~redline.errors.StartupError` as :func:`ticket_keys` does.
    """
    keys = ticket_keys(settings, tokens)
    if settings.tickets.secret is None:
        keys = (Key(secrets.token_bytes(_SECRET_BYTES)), *keys)
    return Tickets(keys, settings.tickets.seconds, clock)


def say_for_whom(settings: Settings) -> None:
    """Say in the log of a service that has started where its tickets hold for itself alone."""
    if (warning := unshared(settings)) is not None:
        _logger.warning("%s.", warning)
    elif settings.tickets.secret is None:
        _logger.info("%s is not set: %s.", _SETTING, _ALONE)


def ticket_keys(settings: Settings, tokens: KeyRing) -> tuple[Key, ...]:
    """Return the keys that the settings name for tickets, the one that signs first; none where none is set.

    Raises :class:`~redline.errors.StartupError` for one that cannot be used, or that verifies tokens as well.
    """
    keys: list[Key] = []
    given = [(_SETTING, secret) for secret in (settings.tickets.secret,) if secret is not None]
    for setting, secret in (*given, *((_PREVIOUS, secret) for secret in settings.tickets.previous_secrets)):
        key = secret_key(secret.get_secret_value(), setting=setting)
        check_apart((key,), tokens, setting=setting)
        keys.append(key)
    return tuple(keys)


def unshared(settings: Settings) -> str | None:
    """Return what is to be said where several nodes share a log and not the secret of tickets; None where nothing is."""
    if settings.tickets.secret is not None or not is_shared(settings.eventlog):
        return None
    return f"{_SETTING} is not set: {_ALONE}. Other nodes of this log refuse them; set the same secret on all nodes"
