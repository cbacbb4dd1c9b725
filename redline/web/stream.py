"""``GET /v1/stream``: from a request to a subscription.

The law of this module: everything that can be refused is refused before the first byte; what is refused only for now is said in a way that
a browser's EventSource survives (contract §1 "Errors"); and once the head is out, the connection belongs to the broker.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from sanic import Blueprint
from sanic.exceptions import RequestCancelled
from sanic.response import HTTPResponse

from redline.auth.principal import STREAM_READ
from redline.broker.broker import Request as StreamRequest
from redline.broker.filter import Filter
from redline.errors import Draining, OverCapacity, RedlineError
from redline.web.credentials import reader
from redline.web.errors import as_redline_error, error_response, log_refusal
from redline.web.query import query_of, stream_query
from redline.web.relay import relay
from redline.web.service import service_of
from redline.web.takeover import can_take_over, chunk, take_over

if TYPE_CHECKING:
    from sanic import Request

    from redline.auth.principal import Principal
    from redline.broker.filter import KindFilter
    from redline.web.query import StreamQuery
    from redline.web.service import Service

streams: Final = Blueprint("streams")
CONTENT_TYPE: Final = "text/event-stream; charset=utf-8"
_OK: Final = 200
HEADERS: Final = {
    "Cache-Control": "private, no-store, no-transform",
    "X-Accel-Buffering": "no",
    "Referrer-Policy": "no-referrer",
}


@streams.get("/v1/stream")
async def stream(request: Request) -> HTTPResponse | None:
    """Open a stream, or say why not."""
    service = service_of(request)
    principal = None
    try:
        query = query_of(request)
        principal = await reader(request, query, service)
        principal.require(STREAM_READ)
        return await _open(request, service, principal, stream_query(request, query, service.kinds))
    except (RequestCancelled, asyncio.CancelledError):
        raise
    except Exception as exception:
        if request.responded:
            raise
        # Not raised anew, nor kept here: an error that a frame of its own holds is not free before a garbage collector runs.
        return _refusal(request, service, as_redline_error(request, exception), known=principal is not None)


async def _open(request: Request, service: Service, principal: Principal, wanted: StreamQuery) -> HTTPResponse | None:
    org = principal.stream_org()
    for name in sorted(wanted.kinds.names) if wanted.kinds is not None else ():
        kind = service.kinds.get(name)
        principal.see_kind(name, kind.policy.scope if kind is not None else None)
    broker = service.broker
    asked = StreamRequest(
        org=org,
        wanted=Filter(_both(wanted.kinds, principal.kinds), principal.scopes - {STREAM_READ}),
        expires=principal.expires,
        after=wanted.after,
        earliest=wanted.earliest,
        follow=wanted.follow,
        heartbeat_events=wanted.heartbeat_events,
    )
    async with broker.admit(asked) as opening:
        response = await request.respond(HTTPResponse(headers=dict(HEADERS), content_type=CONTENT_TYPE))
        await response.send(opening.frames)
        if not can_take_over(request):
            await relay(request, response, broker, opening, service.settings.limits.write_buffer_bytes)
            return None
        protocol, full = take_over(request, service.settings.limits.write_buffer_bytes)
        try:
            subscription = broker.attach(opening, protocol, chunk)
        except BaseException:
            protocol.abort()  # it is ours now: nobody else would
            raise
        protocol.serve(subscription)
        if full:
            subscription.pause()
    return None


def _both(one: KindFilter | None, other: KindFilter | None) -> KindFilter | None:
    """Return the kinds that both let through; None lets all through."""
    if one is None or other is None:
        return other if one is None else one
    return one & other


def _refusal(request: Request, service: Service, error: RedlineError, *, known: bool) -> HTTPResponse:
    """Return a refusal, of somebody ``known`` or not.

    For an EventSource, which gives up for good on any status but 200, a transient one is a stream of one closing frame.
    """
    service.metrics.streams_refused[error.code].inc()
    # Not before it is known who asks, but for what keeps us from knowing it.
    transient = error.transient and (known or isinstance(error, OverCapacity))
    if not transient or not any("text/event-stream" in accept.lower() for accept in request.headers.getall("accept", [])):
        return error_response(request, error)
    log_refusal(request, _OK, f"{error.code} (as a stream)")
    reason = "shutdown" if isinstance(error, Draining) else error.code
    return HTTPResponse(service.broker.refusal(reason), headers=dict(HEADERS), content_type=CONTENT_TYPE)
