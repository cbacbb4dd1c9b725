"""Which pages of other origins may call (the Fetch standard, §3.2 "CORS protocol").

The law of this module: an origin that is not on the list gets no header that would let it in, errors are readable for one that is, and a
cache never mixes the two up. The protocol is sanic-ext's; nothing else of that is switched on: ``HTTP_AUTO_HEAD`` would run the stream's
handler for a HEAD, its documentation pages load from other hosts, and its injection reads every handler's annotations at start.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sanic_ext import Extend
from sanic_ext.extensions.http.extension import HTTPExtension

if TYPE_CHECKING:
    from sanic import Request, Sanic
    from sanic.config import Config
    from sanic.response import BaseHTTPResponse

    from redline.settings.model import CorsSettings

ALL: Final = "*"
_FIRST, _LAST = -1, 1


def allow_origins(app: Sanic[Config, Any], settings: CorsSettings) -> None:
    """Let pages of the settings' origins call ``app``."""
    # Among others sanic-ext would take the star for an origin's name.
    origins = (ALL,) if ALL in settings.origins else settings.origins
    listed = bool(origins) and ALL not in origins
    if listed:
        # Before sanic-ext's own, so that it runs after it: where no route was found, priorities do not count and the last added runs first.
        app.register_middleware(_vary, "response", priority=_LAST)
    Extend(
        app,
        extensions=[HTTPExtension],
        built_in_extensions=False,
        config={
            "CORS": bool(origins),
            "CORS_ORIGINS": ",".join(origins),
            "CORS_SUPPORTS_CREDENTIALS": settings.credentials,
            "CORS_ALLOW_HEADERS": ["authorization", "last-event-id", "content-type"],
            "CORS_EXPOSE_HEADERS": ["retry-after", "www-authenticate"],
            "CORS_MAX_AGE": 600,
            "CORS_ALWAYS_SEND": False,
            "CORS_SEND_WILDCARD": True,
            "HTTP_AUTO_HEAD": False,
            "HTTP_AUTO_OPTIONS": bool(origins),
            "HTTP_AUTO_TRACE": False,
        },
    )
    if listed:
        app.register_middleware(_keep_vary, "response", priority=_FIRST)


async def _keep_vary(request: Request, response: BaseHTTPResponse) -> None:
    """Remember what the route said, which sanic-ext writes over."""
    request.ctx.vary = response.headers.get("vary")


async def _vary(request: Request, response: BaseHTTPResponse) -> None:
    """Say that the response depends on the origin also where it lets none in: a cache would show it to one that may come in."""
    kept = getattr(request.ctx, "vary", None)
    response.headers["vary"] = f"{kept}, Origin" if kept else "Origin"
