"""``/health/live``, ``/health/ready`` and ``/metrics``: what an orchestrator asks (contract §4).

The law of this module: *live* says that this process answers, and was not held up lately (:mod:`redline.watchdog`); *ready* that it would
do its work: its log can be used, there are keys to verify tokens with, and it is not going down.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import orjson
from sanic import Blueprint
from sanic.response import HTTPResponse

from redline.metrics import CONTENT_TYPE
from redline.web.service import service_of

if TYPE_CHECKING:
    from sanic import Request

health: Final = Blueprint("health")


@health.get("/health/live")
async def live(request: Request) -> HTTPResponse:
    """Answer 200, or 503 with the reason where the event loop was held lately."""
    fault = service_of(request).watchdog.fault
    return _state(503, fault) if fault is not None else _state(200, "live")


@health.get("/health/ready")
async def ready(request: Request) -> HTTPResponse:
    """Answer 200 when events can be published and streams opened, 503 with the reason when not."""
    service = service_of(request)
    broker, keys = service.broker, service.remote_keys
    if broker.draining:
        return _state(503, "the service is going down")
    fault = broker.log.fault or (keys.fault if keys is not None else None)
    return _state(503, fault) if fault is not None else _state(200, "ready")


@health.get("/metrics")
async def metrics(request: Request) -> HTTPResponse:
    """Answer in the Prometheus text format."""
    return HTTPResponse(service_of(request).metrics.render(), headers={"Cache-Control": "no-store"}, content_type=CONTENT_TYPE)


def _state(status: int, state: str) -> HTTPResponse:
    body = orjson.dumps({"status": state})
    return HTTPResponse(body, status=status, headers={"Cache-Control": "no-store"}, content_type="application/json")
