"""A running Redline for a test: a real server on a free port, in the test's own loop.

The law of this module: what a test talks to is what a user talks to. Nothing is mocked but, where the test asks for it, time.
"""

from __future__ import annotations

import json
import secrets
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import httpx

from redline.auth import inspect_token, mint_token
from redline.clock import SystemClock
from redline.discovery import installed
from redline.settings import load_settings
from redline.testing.connection import PATIENCE, StreamConnection
from redline.testing.faults import Faults, FaultyLog
from redline.web.app import create_app
from redline.web.server import running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping

    from redline.clock import Clock
    from redline.discovery import EntryPointSource
    from redline.eventlog.contract import EventLog
    from redline.settings import Settings
    from redline.web.service import Service

READ_AND_PUBLISH = "stream:read events:publish"


class RunningService:
    """A service that answers at ``url``, and whoever talks to it in a test."""

    def __init__(  # noqa: PLR0913 - its parts; made in two places
        self, url: str, service: Service, clock: Clock, secret: str, http: httpx.AsyncClient, *, faults: Faults | None = None
    ) -> None:
        """Made by :func:`serving`."""
        self.url = url
        self.service = service
        self.clock = clock
        self.secret = secret
        self.http = http
        self._faults = faults
        self._connections: list[StreamConnection] = []

    @property
    def faults(self) -> Faults:
        """The faults that can be switched on. Raises ``LookupError`` for a service that was started without them."""
        if self._faults is None:
            msg = "this service was not started by redline.testing, and has no faults to switch on"
            raise LookupError(msg)
        return self._faults

    def expire(self, token: str) -> None:
        """Let so much time pass that ``token`` has ended, and with it the streams that it opened; ``TypeError`` without a movable clock."""
        advance = getattr(self.clock, "advance", None)
        if advance is None:
            msg = "time can be moved only where the service runs by a ManualClock or a TravelClock: serving(clock=TravelClock())"
            raise TypeError(msg)
        advance(max(0.0, _end_of(token) - self.clock.time()))

    def token(
        self, org: str = "acme", scopes: str = READ_AND_PUBLISH, *, ttl: float = 3600.0, kinds: Iterable[str] | None = None, **extra: object
    ) -> str:
        """Return a token of the service's own secret; ``ttl`` in seconds of its clock, ``extra`` further claims."""
        return mint_token(self.secret, org=org, scopes=scopes, ttl=ttl, clock=self.clock, kinds=kinds, extra=extra)

    def stream_url(self, token: str | None = None, **query: str) -> str:
        """Return the stream's URL for a token (by default one of ``acme``) and further query parameters."""
        return f"{self.url}/v1/stream?" + urlencode({"token": self.token() if token is None else token, **query})

    async def stream(
        self, token: str | None = None, *, headers: Mapping[str, str] | None = None, receive_buffer: int | None = None, **query: str
    ) -> StreamConnection:
        """Open a stream and return it once its head has arrived. It is closed with the service, if not before."""
        opened = await StreamConnection.open(self.stream_url(token, **query), headers=headers, receive_buffer=receive_buffer)
        self._connections.append(opened)
        return opened

    async def send(self, request: bytes) -> StreamConnection:
        """Send the bytes of a request, whatever they are, and return the connection once the answer's head has arrived."""
        opened = await StreamConnection.send(self.url, request)
        self._connections.append(opened)
        return opened

    async def hang_up(self) -> None:
        """Close every connection that :meth:`stream` and :meth:`send` made."""
        while self._connections:
            await self._connections.pop().close()

    async def replay(self, token: str | None = None, *, headers: Mapping[str, str] | None = None, **query: str) -> StreamConnection:
        """Read what is retained (by default all of it) to the end, and return the ended stream."""
        if not headers:
            query = {"last_event_id": "earliest", **query}
        stream = await StreamConnection.open(self.stream_url(token, follow="false", **query), headers=headers)
        await stream.read_to_end()
        await stream.close()
        return stream

    async def post(self, event: Mapping[str, Any], token: str | None = None) -> httpx.Response:
        """Send one event, whatever it is, and return the answer, whatever it is."""
        headers = {"Authorization": f"Bearer {self.token() if token is None else token}"}
        return await self.http.post(f"{self.url}/v1/events", json=dict(event), headers=headers)

    async def publish(
        self, kind: str = "scheduler.tick", data: Mapping[str, Any] | None = None, *, token: str | None = None, **more: str
    ) -> str:
        """Publish an event (by default the kind's own example) and return its id; ``more`` are ``key``, ``at``, ``org``."""
        payload = self.example(kind) if data is None else data
        response = await self.post({"kind": kind, "data": payload, **more}, token)
        if response.is_error:
            msg = f"{response.status_code}: {response.text}"
            raise AssertionError(msg)
        return str(response.json()["id"])

    async def publish_many(
        self, number: int, kind: str = "scheduler.tick", data: Mapping[str, Any] | None = None, *, token: str | None = None
    ) -> list[str]:
        """Publish the same event ``number`` times in one batch, and return the ids in order."""
        line = json.dumps({"kind": kind, "data": self.example(kind) if data is None else dict(data)})
        headers = {"Authorization": f"Bearer {self.token() if token is None else token}", "Content-Type": "application/x-ndjson"}
        response = await self.http.post(f"{self.url}/v1/events", content="\n".join([line] * number), headers=headers)
        if response.status_code != HTTPStatus.OK:
            msg = f"{response.status_code}: {response.text}"
            raise AssertionError(msg)
        return [result["id"] for result in response.json()["results"]]

    def example(self, kind: str) -> dict[str, Any]:
        """Return a copy of an installed kind's example."""
        registered = self.service.kinds.get(kind)
        if registered is None or registered.policy.example is None:
            msg = f"{kind} is not installed, or has no example"
            raise LookupError(msg)
        return dict(registered.policy.example)


def _end_of(token: str) -> float:
    end = inspect_token(token)["claims"].get("exp")
    if not isinstance(end, int | float):
        msg = "the token has no exp, and never ends"
        raise ValueError(msg)  # noqa: TRY004 - a value of the token, not of ours
    return float(end)


def http_client() -> httpx.AsyncClient:
    """Return a client that does not read the machine's certificates, which takes longer than starting the service: there is no TLS here."""
    return httpx.AsyncClient(timeout=PATIENCE, verify=False)  # noqa: S501 - see above


def settings_for_a_test(settings: Mapping[str, object] | None = None) -> tuple[Settings, str]:
    """Return settings with a free port of this machine and a secret, unless ``settings`` has its own, and that secret."""
    overrides = {"host": "127.0.0.1", "port": 0, **(settings or {})}
    given = overrides.get("auth", {})
    auth: dict[str, object] = {"secret": secrets.token_urlsafe(48), **(given if isinstance(given, dict) else {})}
    loaded = load_settings(None, {}, {**overrides, "auth": auth})
    return loaded, str(auth["secret"])


@asynccontextmanager
async def serving(
    settings: Mapping[str, object] | None = None,
    *,
    plugins: EntryPointSource = installed,
    clock: Clock | None = None,
    log: EventLog | None = None,
) -> AsyncIterator[RunningService]:
    """Run a service for the length of the block. ``settings`` are nested as in the TOML file; host, port and a secret are given."""
    clock = clock or SystemClock()
    loaded, secret = settings_for_a_test(settings)
    logs: list[FaultyLog] = []

    def around(beneath: EventLog) -> EventLog:
        logs.append(FaultyLog(beneath))
        return logs[0]

    app = create_app(loaded, plugins=plugins, clock=clock, log=log, around_log=around)
    made: list[RunningService] = []
    try:
        async with running(app, loaded) as url, http_client() as http:
            made.append(RunningService(url, app.ctx.redline_service, clock, secret, http, faults=Faults(logs[0])))
            yield made[0]
    finally:
        # Only now: a test may want to see how the service ends its streams.
        for service in made:
            await service.hang_up()
