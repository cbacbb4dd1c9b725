"""``/metrics``: what Prometheus scrapes (contract §4).

The law of this module: who may read the numbers is decided here. They name no org, and still say how much a service has to do: so they are
everybody's, the operators' alone (the scope ``admin``), or nobody's, as the settings want.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sanic import Blueprint
from sanic.response import HTTPResponse

from redline.auth.principal import ADMIN
from redline.metrics import CONTENT_TYPE
from redline.web.credentials import caller
from redline.web.service import service_of

if TYPE_CHECKING:
    from sanic import Request

metrics: Final = Blueprint("metrics")


@metrics.head("/metrics", name="scrape_head")
@metrics.get("/metrics")
async def scrape(request: Request) -> HTTPResponse:
    """Answer in the Prometheus text format; where ``metrics.admin_only`` is set, only to a token with the scope ``admin``, of any org."""
    service = service_of(request)
    if service.settings.metrics.admin_only:
        (await caller(request, service)).require(ADMIN)
    return HTTPResponse(service.metrics.render(), headers={"Cache-Control": "no-store"}, content_type=CONTENT_TYPE)
