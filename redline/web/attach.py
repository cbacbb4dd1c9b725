"""Redline inside somebody else's Sanic application.

The law of this module: it is the composition root for an application that is not ours. It adds routes and a publisher; the runner, the
error handler, CORS, the configuration and the logging stay the application's. What settings say of those does not apply, and a setting
that would be silently without effect where it matters is refused.
"""

from __future__ import annotations

import logging
import os
import re
import resource
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from redline.discovery import installed
from redline.errors import StartupError
from redline.eventlog.urls import is_shared
from redline.settings import load_settings
from redline.web.app import build_service, routes_of, run_with
from redline.web.guest import mount
from redline.web.inprocess import InProcessPublisher
from redline.web.server import SPARE_FILES

if TYPE_CHECKING:
    from sanic import Sanic

    from redline.clock import Clock
    from redline.discovery import EntryPointSource
    from redline.eventlog.contract import EventLog
    from redline.settings import Settings
    from redline.web.service import Service

_logger = logging.getLogger(__name__)
_PREFIX: Final = re.compile(r"(?:/[A-Za-z0-9._~-]+)*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Attached:
    """A Redline inside an application; also at ``app.ctx.redline``."""

    publisher: InProcessPublisher
    service: Service


def attach(  # noqa: PLR0913 - the last three are create_app's, for tests and special needs
    app: Sanic[Any, Any],
    settings: Settings | None = None,
    *,
    url_prefix: str = "",
    plugins: EntryPointSource = installed,
    clock: Clock | None = None,
    log: EventLog | None = None,
) -> Attached:
    """Add Redline to ``app``, before it runs; return what it publishes with.

    ``settings`` are by default those of the ``REDLINE_*`` environment. With a ``url_prefix`` (``/redline``) everything is served beneath
    it: the API at ``/redline/v1/…``, health and metrics, and the console at ``/redline/`` where ``console.enabled`` says so. Without one
    only the paths that begin with ``/v1/`` are added, because all others are the application's to give.

    The service starts in ``before_server_start`` and tells its streams in ``before_server_stop``. Of the settings, host, port, log level,
    shutdown and the bounds of heads and backlog are the application's own; bodies are held to the narrower of both.

    Raises :class:`~redline.errors.StartupError` for settings, keys and plugins at fault, and, when ``app`` runs, for more than one worker
    process where they share no log; ``ValueError`` for a prefix that is none or a second Redline.
    """
    if not _PREFIX.fullmatch(url_prefix):
        msg = "url_prefix: it takes a path as /redline, without a slash at its end"
        raise ValueError(msg)
    if hasattr(app.ctx, "redline"):
        msg = f"the application {app.name} has a Redline already, at app.ctx.redline"
        raise ValueError(msg)
    if settings is None:
        settings = load_settings(None, os.environ)
    warnings = list(settings.settings_warnings)
    if settings.cors.origins:
        msg = (
            "cors.origins (REDLINE_CORS__ORIGINS): it has no effect inside of another application, whose CORS holds for all its routes; "
            "leave it out, and allow the origins there"
        )
        raise StartupError(msg)
    service = build_service(_fitting(settings, warnings), plugins=plugins, clock=clock, log=log)
    attached = Attached(InProcessPublisher(service.publisher, service.metrics), service)
    routes = routes_of(service)
    mount(app, (*routes.api, *routes.operations) if url_prefix else routes.api, url_prefix, settings.limits.body_bytes)
    if log is not None or not is_shared(settings.eventlog):
        app.register_listener(_refuse_workers, "main_process_start")
    _warn_once(app, warnings)
    run_with(app, service)
    # After the service's own: events are taken from when it runs until it stops.
    app.register_listener(lambda _: attached.publisher.opened(), "before_server_start")
    app.register_listener(lambda _: attached.publisher.closed(), "after_server_stop")
    app.ctx.redline = attached
    return attached


def _warn_once(app: Sanic[Any, Any], warnings: list[str]) -> None:
    """Let a start of ``app`` log the warnings once.

    Sanic's manager, its workers and their helpers each import the application, and so attach: they would each say it all. So it is said
    where the application starts, by the manager where there is one. Of several applications in one process the manager hears the first
    alone; of another each worker says it.
    """

    async def warn(_: Sanic[Any, Any]) -> None:
        for warning in warnings:
            _logger.warning("%s", warning)

    async def warn_alone(app: Sanic[Any, Any]) -> None:
        if not os.environ.get("SANIC_WORKER_NAME") or not app.state.primary:
            await warn(app)

    if warnings:
        app.register_listener(warn, "main_process_start")
        app.register_listener(warn_alone, "before_server_start")


async def _refuse_workers(app: Sanic[Any, Any]) -> None:
    """Raise ``StartupError`` where several processes would each have a history and streams of their own."""
    if app.state.workers > 1:
        msg = (
            f"{app.name} would run with {app.state.workers} worker processes, and Redline keeps its history and its streams in one: what "
            "one worker publishes, the streams of the others would never see. Run it with workers=1 (or single_process=True), without "
            "fast, or give them a log that they share (REDLINE_EVENTLOG=nats://HOST:PORT)"
        )
        raise StartupError(msg)


def _fitting(settings: Settings, warnings: list[str]) -> Settings:
    """Return ``settings`` with as many streams as the process may open files for; its limit is the application's to raise."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    fits = settings.limits.streams if soft == resource.RLIM_INFINITY else max(1, soft - SPARE_FILES)
    if fits >= settings.limits.streams:
        return settings
    warnings.append(
        f"limits.streams (REDLINE_LIMITS__STREAMS) is {settings.limits.streams}, and this process may open files for {fits}; that many are "
        "served. Raise ulimit -n."
    )
    return settings.model_copy(update={"limits": settings.limits.model_copy(update={"streams": fits})})
