"""``redline demo``: the service, with two orgs and a simulated always-on product (contract §6).

The law of this package: the demo is a user of the service, not a part of it. It publishes through the publisher, it knows kinds by their
names only, and what it adds to the application (its publishing, and a route that gives its own page a token) is added from outside.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from pydantic import SecretStr

from redline.auth import EVENTS_PUBLISH, STREAM_READ, mint_token
from redline.clock import rfc3339
from redline.demo.feed import Feed
from redline.errors import StartupError
from redline.web.app import create_app
from redline.web.console.page_tokens import PageToken, offer_page_tokens
from redline.web.server import listen, serve

if TYPE_CHECKING:
    from collections.abc import Callable

    from redline.clock import Clock
    from redline.settings import Settings
    from redline.web.service import Service

_logger = logging.getLogger(__name__)

ORGS: Final = ("acme", "globex")
"""The demo's orgs."""
TOKEN_SECONDS: Final = 600.0
"""How long a token of the demo's page lasts; the page gets itself a new one before."""
TOKEN_PATH: Final = "/demo/token"  # noqa: S105 - a path


async def run_demo(settings: Settings, ready: Callable[[str], None], *, seed: int = 1, clock: Clock | None = None) -> None:
    """Serve the demo until SIGTERM or SIGINT.

    ``settings`` are those of ``serve``, none of which the demo needs: it makes a random secret for this run, and where nobody
    chose a port and the usual one is taken, it takes a free one and logs that. ``ready`` is called once with the service's URL, as in
    ``http://127.0.0.1:8000``, when it can be opened; the console is at that URL, which holds no token. Equal ``seed`` and equal times of
    ``clock`` (the system's by default) make equal events.

    Raises :class:`~redline.errors.StartupError`, as ``serve`` does.
    """
    settings = demo_settings(settings)
    app = create_app(settings, clock=clock)
    add_demo(app, settings, seed=seed)
    await serve(app, settings, ready)


def demo_settings(settings: Settings) -> Settings:
    """Return ``settings`` with keys that the demo can sign with and a port that it can have."""
    auth, port = settings.auth, settings.port
    # What the page is given is signed with a secret of this run, so that it counts nowhere else; yours verifies tokens all the same.
    known = auth.previous_secrets if auth.secret is None else (auth.secret, *auth.previous_secrets)
    signing = {"secret": SecretStr(secrets.token_urlsafe(48)), "previous_secrets": known}
    algorithms = auth.algorithms if "HS256" in auth.algorithms else (*auth.algorithms, "HS256")
    if "port" not in settings.model_fields_set:
        try:
            listen(settings.host, port).close()
        except StartupError as error:
            _logger.warning("%s. The demo takes a free port instead.", str(error).partition(";")[0])
            port = 0
    tickets = settings.tickets
    if tickets.secret is None:  # that tickets end with this process is nothing to be told of a demo
        tickets = tickets.model_copy(update={"secret": SecretStr(secrets.token_urlsafe(48))})
    auth = auth.model_copy(update={**signing, "algorithms": algorithms})
    return settings.model_copy(update={"port": port, "auth": auth, "tickets": tickets})


def add_demo(app: Any, settings: Settings, *, seed: int) -> None:  # noqa: ANN401 - a Sanic application, which only the web layer names
    """Add the demo to an application of :func:`~redline.web.app.create_app` that has not been started.

    From its start to its stop events are published; ``GET /demo/token`` gives the page a token. ``settings`` must hold ``auth.secret``.
    """
    service: Service = app.ctx.redline_service
    playing: list[asyncio.Task[None]] = []

    async def start(*_: object) -> None:
        task = asyncio.get_running_loop().create_task(Feed(service, ORGS, seed=seed).run())
        task.add_done_callback(_ended)
        playing.append(task)

    async def stop(*_: object) -> None:
        # Sanic runs what stops a server in the reverse order of its adding: this is done before the streams are told.
        while playing:
            task = playing.pop()
            task.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.gather(task, return_exceptions=True)

    app.register_listener(start, "after_server_start")
    app.register_listener(stop, "before_server_stop")
    scopes = (STREAM_READ, EVENTS_PUBLISH)  # one at a time: who reads does not publish by mistake
    offer_page_tokens(app, TOKEN_PATH, ORGS, scopes, lambda org, scope: _mint(settings, service.clock, org, scope))


def _ended(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _logger.error("The demo's simulation failed, and nothing more happens in it; the service goes on.", exc_info=error)


def _mint(settings: Settings, clock: Clock, org: str, scope: str) -> PageToken:
    auth = settings.auth
    if auth.secret is None:
        msg = "auth.secret (REDLINE_AUTH__SECRET): the demo needs one to sign with"
        raise StartupError(msg)
    extra = {name: value for name, value in (("iss", auth.issuer), ("aud", auth.audience)) if value is not None}
    expires = clock.time() + TOKEN_SECONDS
    token = mint_token(
        auth.secret.get_secret_value(),
        org=org,
        scopes=scope,
        ttl=TOKEN_SECONDS,
        clock=clock,
        subject="redline-demo-page",
        extra=extra,
        org_claim=auth.org_claim,
    )
    return PageToken(token, rfc3339(expires))
