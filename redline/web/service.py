"""What the routes work with, in one place.

The law of this module: a route gets everything from here and nothing from a module's globals, so that two services can live in one process.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from sanic import Request, Sanic

    from redline.auth.jwks import RemoteKeys
    from redline.auth.tickets import Tickets
    from redline.auth.tokens import TokenVerifier
    from redline.broker.broker import Broker
    from redline.clock import Clock
    from redline.kinds.registry import KindRegistry
    from redline.metrics import Metrics
    from redline.publisher import Publisher
    from redline.settings import Settings
    from redline.watchdog import Watchdog


@dataclass(frozen=True, slots=True)
class Service:
    """The parts of one running service. Made by :func:`redline.web.app.build_service`."""

    settings: Settings
    clock: Clock
    metrics: Metrics
    kinds: KindRegistry
    verifier: TokenVerifier
    remote_keys: RemoteKeys | None
    tickets: Tickets
    broker: Broker
    publisher: Publisher
    watchdog: Watchdog


def service_of(request: Request) -> Service:
    """Return the service that a request came to."""
    return cast("Service", request.app.ctx.redline_service)


def give(app: Sanic[Any, Any], service: Service) -> None:
    """Let ``service`` be the one that requests to ``app`` come to. The name is ours also in an application that is not."""
    app.ctx.redline_service = service
