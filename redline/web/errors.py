"""The one envelope of every error (contract §1 "Errors").

The law of this module: whatever goes wrong between the socket and a route leaves as one of :mod:`redline.errors`, as JSON, with a request
id, and without a traceback, a credential or anything else of the inside.
"""

from __future__ import annotations

import logging
import re
import secrets
from typing import TYPE_CHECKING, Final

import orjson
from sanic.exceptions import (
    BadRequest,
    ExpectationFailed,
    MethodNotAllowed as SanicMethodNotAllowed,
    NotFound as SanicNotFound,
    PayloadTooLarge as SanicPayloadTooLarge,
    RequestTimeout,
    SanicException,
    ServiceUnavailable,
)
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

if TYPE_CHECKING:
    from sanic import Request

_logger = logging.getLogger(__name__)
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)


def request_id(request: Request) -> str:
    """Return the id that a proxy gave the request in ``X-Request-ID``, where it is a plain word, or a new one; the same each time."""
    known: str | None = getattr(request.ctx, "request_id", None)
    if known is None:
        given = request.headers.get("x-request-id", "")
        known = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
        request.ctx.request_id = known
    return known


def error_response(request: Request, error: RedlineError) -> HTTPResponse:
    """Return the error in its envelope, with the headers that its status asks for (RFC 9110 §11.6.1, §10.2.3)."""
    headers = {"Cache-Control": "no-store"}
    if isinstance(error, Unauthenticated):
        headers["WWW-Authenticate"] = "Bearer"
    if error.retry_after is not None or error.status in {429, 503}:
        headers["Retry-After"] = str(error.retry_after or 1)
    body = {"error": {"code": error.code, "message": error.message, "requestId": request_id(request), "details": error.as_json()["details"]}}
    return HTTPResponse(orjson.dumps(body), status=error.status, headers=headers, content_type="application/json")


def as_redline_error(request: Request, exception: BaseException) -> RedlineError:
    """Return what a caller is told of any exception; what is nobody's fault but ours is logged."""
    match exception:
        case RedlineError():
            return exception
        case SanicNotFound():
            return NotFound("There is nothing at this path. The routes are listed in the README.")
        case SanicMethodNotAllowed():
            return MethodNotAllowed("This path does not take this method; see the Allow header.")
        case SanicPayloadTooLarge():
            return PayloadTooLarge(f"The request is too large: {exception}. A body may have {request.app.config.REQUEST_MAX_SIZE} bytes.")
        case BadRequest() | ExpectationFailed():
            return MalformedRequest("The request is not HTTP as this server reads it. Check its head, its length and its encoding.")
        case RequestTimeout():
            return MalformedRequest("The request did not arrive whole in time. Send it again.")
        case ServiceUnavailable():
            return OverCapacity("The answer took too long. Try again.", retry_after=1)
        case SanicException() if exception.status_code < Internal.status:
            return MalformedRequest("The request cannot be answered as it is.")
    _logger.error("Request %s failed with a fault of the service.", request_id(request), exc_info=exception)
    return Internal("Something failed inside the service. Try again; if it stays so, tell whoever runs it the request id.")


class EnvelopeErrorHandler(ErrorHandler):
    """Sanic's error handler, answering in the envelope."""

    def default(self, request: Request, exception: Exception) -> HTTPResponse:
        """Return the envelope for whatever was raised."""
        response = error_response(request, as_redline_error(request, exception))
        if isinstance(exception, SanicMethodNotAllowed):
            response.headers["Allow"] = exception.headers.get("Allow", "")
        return response

    @staticmethod
    def log(request: Request, exception: Exception) -> None:
        """Log nothing here: what deserves a line gets it where it is understood."""
