"""The finite path: a service for suites that use ``sanic-testing``, whose clients read whole bodies.

The law of this module: what such a client can do, it does to the application itself: every route, and streams with ``follow=false``. These
clients start and stop the application with every call; its history lasts all the same, as long as the block.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx
from sanic import Sanic

from redline.discovery import installed
from redline.testing.clock import TravelClock
from redline.testing.events import read_events
from redline.testing.faults import Faults, FaultyLog
from redline.testing.service import READ_AND_PUBLISH, RunningService, settings_for_a_test
from redline.web.app import create_app

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from sanic.config import Config

    from redline.clock import Clock
    from redline.discovery import EntryPointSource
    from redline.envelope import OrgId
    from redline.eventlog.contract import EventLog, Follower, Record
    from redline.testing.events import StreamEvent


class KeptLog(FaultyLog):
    """A log that does not notice when the service around it stops and starts again."""

    def __init__(self, log: EventLog) -> None:
        """Take the log beneath."""
        super().__init__(log)
        self._opened = False
        self._told: Follower | None = None

    async def start(self, follower: Follower) -> None:
        """Tell ``follower`` from now on; open the log beneath the first time."""
        self._told = follower
        if not self._opened:
            await super().start(self)
            self._opened = True

    async def close(self) -> None:
        """Tell nobody until the next start."""
        self._told = None

    def appended(self, records: Sequence[Record]) -> None:
        """Pass it on."""
        if self._told is not None:
            self._told.appended(records)

    def trimmed(self, org: OrgId, floor: int) -> None:
        """Pass it on."""
        if self._told is not None:
            self._told.trimmed(org, floor)

    def lost(self, orgs: Collection[OrgId] | None) -> None:
        """Pass it on."""
        if self._told is not None:
            self._told.lost(orgs)


class FiniteApp:
    """``app`` is the Sanic application, for ``app.test_client`` and ``app.asgi_client``; the fixture ``redline_app``."""

    def __init__(self, app: Sanic[Config, Any], service: RunningService) -> None:
        """Made by :func:`finite_app`."""
        self.app = app
        self.faults = service.faults
        self.secret = service.secret
        self._service = service

    def token(
        self, org: str = "acme", scope: str = READ_AND_PUBLISH, *, ttl: float = 3600.0, kinds: Iterable[str] | None = None, **claims: object
    ) -> str:
        """Return a token of any org; ``ttl`` in seconds."""
        return self._service.token(org, scope, ttl=ttl, kinds=kinds, **claims)

    def headers(self, org: str = "acme", scope: str = READ_AND_PUBLISH) -> dict[str, str]:
        """Return the headers of a request that a token of ``org`` stands behind."""
        return {"Authorization": f"Bearer {self.token(org, scope)}"}

    def event(self, kind: str, data: Mapping[str, Any] | None = None, **more: str) -> dict[str, Any]:
        """Return the body that publishes an event, by default the kind's own example; ``more`` are ``key``, ``at``, ``org``."""
        return {"kind": kind, "data": self._service.example(kind) if data is None else dict(data), **more}

    @staticmethod
    def stream_path(last_event_id: str = "earliest", **query: str) -> str:
        """Return the path of a stream that ends: what comes after ``last_event_id``, by default everything that is retained."""
        return f"/v1/stream?{httpx.QueryParams({'follow': 'false', 'last_event_id': last_event_id, **query})}"

    @staticmethod
    def events(body: bytes | str, *, control: bool = False) -> list[StreamEvent]:
        """Return the events of a stream's body; control events only where ``control`` says so."""
        return [event for event in read_events(body) if control or not event.event.startswith("stream.")]


@contextmanager
def finite_app(
    settings: Mapping[str, object] | None = None, *, plugins: EntryPointSource = installed, clock: Clock | None = None
) -> Iterator[FiniteApp]:
    """Make an application for the length of the block. ``settings`` are nested as in the TOML file; a secret is given."""
    clock = TravelClock() if clock is None else clock
    loaded, secret = settings_for_a_test(settings)
    logs: list[KeptLog] = []

    def around(beneath: EventLog) -> EventLog:
        logs.append(KeptLog(beneath))
        return logs[0]

    app = create_app(loaded, plugins=plugins, clock=clock, around_log=around)
    called = Sanic.__call__
    unused = httpx.AsyncClient(verify=False)  # noqa: S501 - never used: the suite has its own clients
    try:
        yield FiniteApp(app, RunningService("", app.ctx.redline_service, clock, secret, unused, faults=Faults(logs[0])))
    finally:
        # sanic-testing's ASGI client puts its own there, for the process, and any other ASGI server fails on that.
        Sanic.__call__ = called  # type: ignore[method-assign]
        Sanic.unregister_app(app)
