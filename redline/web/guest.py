"""Redline's routes as guests in somebody else's Sanic application.

The law of this module: a guest changes nothing but what is its own. Everything that the routes need (their errors' envelope, the bound of
their bodies, the redaction of what is logged of them) is wrapped around each of them, so that the application's error handler, its
configuration and its log stay what they are, for its own routes and in every version of them. Of what a process shares it adds to one thing
alone: logging learns to redact Redline's credentials.
"""

from __future__ import annotations

import asyncio
import logging
import re
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import unquote

from sanic import Blueprint
from sanic.exceptions import RequestCancelled
from sanic_ext import openapi

from redline.errors import MethodNotAllowed, PayloadTooLarge
from redline.logs import Redactor, install_redaction
from redline.web.errors import EnvelopeErrorHandler, error_response

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sanic import Request, Sanic

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
"""Not OPTIONS: preflights are the application's."""
_SANICS: Final = ("sanic.root", "sanic.error", "sanic.access", "sanic.server", "sanic.websockets")
_OURS: Final = frozenset({"redline", "redline_kinds"})


def mount(app: Sanic[Any, Any], blueprints: Iterable[Blueprint], url_prefix: str, body_bytes: int) -> None:
    """Add the routes of ``blueprints`` to ``app`` under ``url_prefix``; a body may have ``body_bytes`` (or less, where ``app`` says so)."""
    paths: set[str] = set()
    for blueprint in blueprints:
        guest = Blueprint(f"redline_{blueprint.name}", url_prefix=url_prefix)
        taken: dict[tuple[str, bool], set[str]] = {}
        # Sanic's blueprints keep their routes here until an application asks for them; tests/service/test_attach.py fails when that moves.
        for route in blueprint._future_routes:  # noqa: SLF001 - see above
            methods = set(route.methods or ())
            # A page whose links are relative has one address, with its slash.
            strict = route.uri == "/" or route.strict_slashes
            taken.setdefault((route.uri, strict), set()).update(methods)
            name = route.name.rpartition(".")[2]
            guest.route(route.uri, methods=methods, name=name, strict_slashes=strict, ignore_body=True)(
                _guarded(cast("Any", route.handler), body_bytes)
            )
        for (uri, strict), methods in taken.items():
            name = "not_allowed" + re.sub(r"\W+", "_", uri)
            guest.route(uri, methods=_METHODS - methods, name=name, strict_slashes=strict, ignore_body=True)(_refusing(methods))
            paths.add(url_prefix + uri.partition("<")[0])
        app.blueprint(guest)
    redact_routes(paths - {f"{url_prefix}/"})


def _guarded(handler: Callable[..., Any], body_bytes: int) -> Callable[..., Any]:
    """Return a handler that reads the body up to its bound and answers errors itself.

    It has no annotations: sanic-ext, which Sanic switches on wherever it is installed, evaluates those of every handler.
    """
    envelope = EnvelopeErrorHandler()

    async def redline(request, **path):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN003, ANN202 - see above
        try:
            await _receive(request, body_bytes)
            return await handler(request, **path)
        except (RequestCancelled, asyncio.CancelledError):
            raise
        except Exception as exception:
            if request.responded:
                raise
            return envelope.default(request, exception)

    return redline


def _refusing(methods: set[str]) -> Callable[..., Any]:
    """Return a handler for the methods that a path does not take. That includes HEAD, which sanic-ext would answer by streaming."""
    allowed = ", ".join(sorted(methods))

    async def not_allowed(request, **path):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN003, ANN202 - as above
        del path
        response = error_response(request, MethodNotAllowed("This path does not take this method; see the Allow header."))
        response.headers["Allow"] = allowed
        return response

    excluded: Callable[..., Any] = openapi.exclude()(not_allowed)
    return excluded


async def _receive(request: Request, body_bytes: int) -> None:
    if request.stream is None:
        return
    body = bytearray()
    async for part in cast("Any", request.stream):
        body += part
        if len(body) > body_bytes:
            msg = f"The body is too large: it may have {body_bytes} bytes. Send less at once."
            raise PayloadTooLarge(msg)
    request.body = bytes(body)


def redact_routes(paths: Iterable[str]) -> None:
    """Keep credentials out of what is logged: by Redline always, by Sanic where a record mentions one of ``paths``."""
    install_redaction(_OURS)
    for name in _SANICS:
        logger = logging.getLogger(name)
        for known in logger.filters:
            if isinstance(known, RouteRedactor):
                known.paths |= set(paths)
                break
        else:
            logger.addFilter(RouteRedactor(paths))


class RouteRedactor(Redactor):
    """Takes credentials out of the records that mention one of its paths; every other record is not ours to touch."""

    def __init__(self, paths: Iterable[str]) -> None:
        """Take the paths, as they stand in a URL."""
        super().__init__()
        self.paths = set(paths)

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record where it is about one of ours. Never raises."""
        return super().filter(record) if self._concerns(record) else True

    def _concerns(self, record: logging.LogRecord) -> bool:
        try:
            text = f"{record.getMessage()} {getattr(record, 'request', '')} {record.exc_text or ''}"
            if record.exc_info:
                text += logging.Formatter().formatException(record.exc_info)
        except Exception:  # noqa: BLE001 - a record that cannot be read may be about anything
            return True
        return any(path in text or path in unquote(text) for path in self.paths)
