"""The one envelope of every error (contract §1 "Errors").

The law of this module: whatever goes wrong between the socket and a route leaves as one of :mod:`redline.errors`, as JSON, with a request
id, and without a traceback, a credential or anything else of the inside.
"""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
from typing import TYPE_CHECKING, Final

import orjson
from sanic import exceptions as sanic
from sanic.constants import HTTP_METHODS
from sanic.handlers import ErrorHandler
from sanic.response import HTTPResponse

from redline.errors import (
    Internal,
    MalformedRequest,
    MethodNotAllowed,
    NotFound,
    OverCapacity,
    PayloadTooLarge,
    RedlineError,
    Unauthenticated,
)
from redline.publisher import log_fault
from redline.web.service import service_of

if TYPE_CHECKING:
    from sanic import Request

_logger = logging.getLogger(__name__)
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
_SHOWN: Final = 100


def request_id(request: Request) -> str:
    """Return the id that a proxy gave the request in ``X-Request-ID``, where it is a plain word, or a new one; the same each time."""
    known: str | None = getattr(request.ctx, "redline_request_id", None)
    if known is None:
        given = request.headers.get("x-request-id", "")
        known = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
        request.ctx.redline_request_id = known  # an application that Redline is attached to has names of its own
    return known


def log_refusal(request: Request, status: int, code: str) -> None:
    """Log at DEBUG that a request was answered with ``status`` and ``code``: its id, method and path, and nothing else that it holds."""
    if _logger.isEnabledFor(logging.DEBUG):
        said = (request_id(request), _plain(request.method), _plain(request.path), status, code)
        _logger.debug("Request %s: %s %s was refused: %d %s.", *said)


def error_response(request: Request, error: RedlineError) -> HTTPResponse:
    """Return the error in its envelope, with the headers that its status asks for (RFC 9110 §11.6.1, §10.2.3)."""
    log_refusal(request, error.status, error.code)
    headers = {"Cache-Control": "no-store"}
    if isinstance(error, Unauthenticated):
        headers["WWW-Authenticate"] = "Bearer"
    if error.retry_after is not None or error.status in {429, 503}:
        headers["Retry-After"] = str(error.retry_after or 1)
    shown = error.as_json()
    body = {"error": {"code": shown["code"], "message": shown["message"], "requestId": request_id(request), "details": shown["details"]}}
    return HTTPResponse(orjson.dumps(body), status=error.status, headers=headers, content_type="application/json")


def as_redline_error(request: Request, exception: BaseException) -> RedlineError:
    """Return what a caller is told of any exception; what is nobody's fault but ours is logged."""
    if isinstance(exception, RedlineError):
        log_fault(exception, f"Request {request_id(request)}")
        return exception
    if isinstance(exception, (sanic.RequestCancelled, asyncio.CancelledError)):
        return MalformedRequest("The client went away before the request was answered.")  # which nobody reads
    if isinstance(exception, sanic.SanicException) and (told := _of_sanic(request, exception)) is not None:
        return told
    _logger.error("Request %s failed with a fault of the service.", request_id(request), exc_info=exception)
    return Internal("Something failed inside the service. Try again; if it stays so, tell whoever runs it the request id.")


def _of_sanic(request: Request, exception: sanic.SanicException) -> RedlineError | None:
    error: RedlineError | None = None
    match exception:
        case sanic.NotFound():
            there = "/docs lists the routes" if service_of(request).settings.docs.enabled else "Those of the API begin as /v1/kinds does"
            error = NotFound(f"There is nothing at this path. {there}.")
        case sanic.MethodNotAllowed():
            error = MethodNotAllowed("This path does not take this method; see the Allow header.")
        case sanic.PayloadTooLarge():
            config = request.app.config
            most = f"a head may have {config.REQUEST_MAX_HEADER_SIZE} bytes, a body {config.REQUEST_MAX_SIZE}"
            error = PayloadTooLarge(f"The request is too large: {most}.")
        case sanic.BadRequest() | sanic.ExpectationFailed():
            error = MalformedRequest("The request is not HTTP as this server reads it. Check its head, its length and its encoding.")
        case sanic.RequestTimeout():
            error = MalformedRequest("The request did not arrive whole in time. Send it again.")
        case sanic.ServiceUnavailable():
            error = OverCapacity("The answer took too long. Try again.", retry_after=1)
        case _ if exception.status_code < Internal.status:
            error = MalformedRequest("The request cannot be answered as it is.")
    return error


class EnvelopeErrorHandler(ErrorHandler):
    """Sanic's error handler, answering in the envelope."""

    def default(self, request: Request, exception: Exception) -> HTTPResponse:
        """Return the envelope for whatever was raised."""
        response = error_response(request, as_redline_error(request, exception))
        if isinstance(exception, sanic.MethodNotAllowed):
            response.headers["Allow"] = ", ".join(_methods(request))
        return response

    @staticmethod
    def log(request: Request, exception: Exception) -> None:
        """Log nothing here: what deserves a line gets it where it is understood."""


def _plain(text: str) -> str:
    """Return what came from outside as one word for a line: not long, and with nothing in it that ends the line."""
    return ascii(text[:_SHOWN])[1:-1]


def _methods(request: Request) -> list[str]:
    """Return the methods that the path takes; Sanic's exception names none for a path with a parameter in it."""
    taken = []
    for method in HTTP_METHODS:
        try:
            request.app.router.get(request.path, method.value, None)
        except sanic.SanicException:
            continue
        taken.append(method.value)
    return sorted(taken)
