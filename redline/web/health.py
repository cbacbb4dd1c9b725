"""``/health/live`` and ``/health/ready``: what an orchestrator asks (contract §4).

The law of this module: *live* says that this process answers, and was not held up lately (:mod:`redline.watchdog`); *ready* that it would
do its work: its log can be used, there are keys to verify tokens with, and it is not going down. Many a probe asks
with HEAD, which is answered as GET is but for the body (RFC 9110 §9.3.2); Sanic leaves that out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import orjson
from sanic import Blueprint
from sanic.response import HTTPResponse

from redline.web.service import service_of

if TYPE_CHECKING:
    from sanic import Request

health: Final = Blueprint("health")


@health.head("/health/live", name="live_head")
@health.get("/health/live")
async def live(request: Request) -> HTTPResponse:
    """Answer 200, or 503 with the reason where the event loop was held lately."""
    fault = service_of(request).watchdog.fault
    return _state(503, fault) if fault is not None else _state(200, "live")


@health.head("/health/ready", name="ready_head")
@health.get("/health/ready")
async def ready(request: Request) -> HTTPResponse:
    """Answer 200 when events can be published and streams opened, 503 with the reason when not."""
    service = service_of(request)
    broker, keys = service.broker, service.remote_keys
    if broker.draining:
        return _state(503, "the service is going down")
    fault = broker.log.fault or (keys.fault if keys is not None else None)
    return _state(503, fault) if fault is not None else _state(200, "ready")


def _state(status: int, state: str) -> HTTPResponse:
    body = orjson.dumps({"status": state})
    return HTTPResponse(body, status=status, headers={"Cache-Control": "no-store"}, content_type="application/json")
