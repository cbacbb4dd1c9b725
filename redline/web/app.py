"""The composition root: settings in, a Sanic application out.

The law of this module: everything is wired here, once, and nothing is wired at import. Two applications share nothing.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from importlib import metadata
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson
from sanic import Sanic
from sanic.config import Config

from redline.auth.tokens import TokenVerifier
from redline.broker.broker import Broker, Limits
from redline.catalogue.documents import documents
from redline.clock import SystemClock
from redline.discovery import installed
from redline.errors import StartupError
from redline.folders import search
from redline.kinds.registry import GROUP, load_kinds
from redline.kinds.watch import Watch
from redline.metrics import Metrics
from redline.publisher import Publisher
from redline.watchdog import Watchdog
from redline.web.catalog import catalogue_routes
from redline.web.console import console
from redline.web.cors import allow_origins
from redline.web.docs import docs_routes
from redline.web.errors import EnvelopeErrorHandler
from redline.web.events import events
from redline.web.health import health
from redline.web.history import event_log
from redline.web.keys import key_ring, remote_keys, token_rules
from redline.web.metrics import metrics as metrics_routes
from redline.web.module import module
from redline.web.service import Service, give
from redline.web.stream import streams
from redline.web.tickets import say_for_whom, tickets, tickets_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from sanic import Blueprint

    from redline.clock import Clock
    from redline.discovery import EntryPointSource
    from redline.eventlog.contract import EventLog
    from redline.kinds.registry import KindRegistry
    from redline.settings import Settings

_logger = logging.getLogger(__name__)

_DRAIN_SECONDS: Final = 3.0
"""How long a stop waits for streams to end: a stalled one is aborted after one second, so more than that is a fault."""


def create_app(
    settings: Settings,
    *,
    plugins: EntryPointSource = installed,
    clock: Clock | None = None,
    log: EventLog | None = None,
    around_log: Callable[[EventLog], EventLog] | None = None,
) -> Sanic[Config, Any]:
    """Return the application for ``settings``.

    ``plugins`` is where kinds come from besides the settings' folders, ``clock`` where time does, ``log`` the event log in place of the one
    that the settings name; ``around_log`` is given the log and returns what to use instead, which is how tests put faults between the
    service and it. Raises :class:`redline.errors.StartupError` (plugins at fault, no key) with a line that says what to do.
    """
    service = build_service(settings, plugins=plugins, clock=clock, log=log, around_log=around_log)
    app: Sanic[Config, Any] = Sanic(
        f"redline-{secrets.token_hex(4)}",
        config=_sanic_config(settings),
        error_handler=EnvelopeErrorHandler(),
        configure_logging=False,
        dumps=orjson.dumps,
    )
    routes = routes_of(service)
    for blueprint in (*routes.api, *routes.operations):
        app.blueprint(blueprint)
    allow_origins(app, settings.cors)
    run_with(app, service)
    return app


class Routes(NamedTuple):
    """What is served. ``api`` is what Redline is for: every path of it begins with ``/v1/``; ``operations`` is for who runs it."""

    api: tuple[Blueprint, ...]
    operations: tuple[Blueprint, ...]


def routes_of(service: Service) -> Routes:
    """Return the routes of a service, as its settings want them."""
    catalogue = documents(service.kinds, metadata.version("redline"))
    operations = [health, module]
    if service.settings.metrics.enabled:
        operations.append(metrics_routes)
    if service.settings.docs.enabled:
        operations.append(docs_routes(catalogue))
    if service.settings.console.enabled:
        operations.append(console)
    return Routes((streams, tickets, events, catalogue_routes(catalogue)), tuple(operations))


def build_service(
    settings: Settings,
    *,
    plugins: EntryPointSource = installed,
    clock: Clock | None = None,
    log: EventLog | None = None,
    around_log: Callable[[EventLog], EventLog] | None = None,
) -> Service:
    """Return the parts of a service, wired to one another and to no application; takes and raises what :func:`create_app` does."""
    clock = clock or SystemClock()
    kinds = _kinds(settings, plugins)
    metrics = Metrics(kinds.names())
    watch = Watch(metrics)
    watchdog = Watchdog(watch, metrics, seconds=settings.watchdog.seconds, abort=settings.watchdog.abort)
    verifier = TokenVerifier(key_ring(settings), token_rules(settings), clock)
    ticketing = tickets_of(settings, verifier.keys, clock)
    log = log or event_log(settings, clock, metrics, plugins)
    broker = Broker(log if around_log is None else around_log(log), _limits(settings), clock, metrics)
    publisher = Publisher(kinds, broker, clock, metrics, watch)
    keys = remote_keys(settings, verifier, clock, metrics)
    return Service(settings, clock, metrics, kinds, verifier, keys, ticketing, broker, publisher, watchdog)


def run_with(app: Sanic[Any, Any], service: Service) -> None:
    """Let ``service`` be what the routes of ``app`` work with, start when ``app`` starts, and stop with it."""
    broker, keys = service.broker, service.remote_keys
    give(app, service)

    async def start(_: Sanic[Any, Any]) -> None:
        if keys is not None:
            await keys.start()
        await broker.start()
        service.watchdog.start()
        say_for_whom(service.settings)

    async def drain(_: Sanic[Any, Any]) -> None:
        if keys is not None:
            await keys.stop()
        try:
            async with asyncio.timeout(_DRAIN_SECONDS):
                await broker.drain()
        except TimeoutError:
            _logger.error("%d streams did not end in time; they are cut.", len(broker))  # noqa: TRY400 - no traceback to show

    async def close(app: Sanic[Any, Any]) -> None:
        await drain(app)  # once more: one may have been on its way in when the others were told
        await broker.close()
        service.watchdog.stop()

    app.register_listener(start, "before_server_start")
    app.register_listener(drain, "before_server_stop")
    app.register_listener(close, "after_server_stop")


def _kinds(settings: Settings, environment: EntryPointSource) -> KindRegistry:
    """Return the kinds of the environment and of the folders that the settings name; raises ``StartupError`` with every fault."""
    found = search(settings.plugins_path, GROUP, environment)
    for warning in found.warnings:
        _logger.warning("%s", warning)
    if found.faults:
        raise StartupError("\n".join(found.faults))
    return load_kinds(found.source)


def _limits(settings: Settings) -> Limits:
    return Limits(
        heartbeat=settings.heartbeat_seconds,
        retry=settings.retry_milliseconds,
        max_age=settings.max_age_seconds,
        stall=settings.limits.stall_seconds,
        streams=settings.limits.streams,
        streams_per_org=settings.limits.streams_per_org,
        recent_events=settings.history.events,
        recent_bytes=settings.history.bytes,
    )


def _sanic_config(settings: Settings) -> Config:
    """Sanic's own settings: none of them comes from the environment, so that what stands here is what runs."""
    config = Config(env_prefix=None)
    config.update(
        {
            "ACCESS_LOG": False,
            "AUTO_EXTEND": False,
            "FALLBACK_ERROR_FORMAT": "json",
            "REQUEST_MAX_HEADER_SIZE": settings.limits.header_bytes,
            "REQUEST_MAX_SIZE": settings.limits.body_bytes,
            "GRACEFUL_SHUTDOWN_TIMEOUT": settings.shutdown_seconds,
            "GRACEFUL_TCP_CLOSE_TIMEOUT": min(1.0, settings.shutdown_seconds),
            "MOTD": False,
            "TOUCHUP": False,
        }
    )
    return config
