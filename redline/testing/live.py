"""A running Redline for any test, also one without an event loop: the service has a thread of its own.

The law of this module: it is :mod:`redline.testing.service` on another thread's loop, and everything that it does happens there. A plain
test calls it; an async test opens it (:meth:`LiveService.asynchronous`) and awaits what it does, on the test's own loop.
"""

from __future__ import annotations

from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from anyio.from_thread import start_blocking_portal

from redline.discovery import installed
from redline.testing.clock import TravelClock
from redline.testing.flooding import stuck_reader
from redline.testing.relay import relaying
from redline.testing.remote import LiveClock, LiveFaults, LiveRelay, LiveStream
from redline.testing.service import READ_AND_PUBLISH, RunningService, http_client, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator, Mapping

    import httpx
    from anyio.from_thread import BlockingPortal

    from redline.discovery import EntryPointSource
    from redline.eventlog.contract import EventLog
    from redline.testing.clock import MovableClock
    from redline.testing.events import StreamEvent


class LiveService:
    """A service that answers at ``url``; the fixture ``redline_service``."""

    def __init__(self, portal: BlockingPortal, service: RunningService, clock: LiveClock) -> None:
        """Made by :func:`live_service`."""
        self._portal = portal
        self._service = service
        self.url = service.url
        self.secret = service.secret
        self.clock = clock
        self.faults = LiveFaults(portal, service)

    def token(
        self, org: str = "acme", scope: str = READ_AND_PUBLISH, *, ttl: float = 3600.0, kinds: Iterable[str] | None = None, **claims: object
    ) -> str:
        """Return a token of any org; ``ttl`` in seconds, ``kinds`` what it may see and publish, ``claims`` further ones."""
        return self._service.token(org, scope, ttl=ttl, kinds=kinds, **claims)

    def stream_url(self, token: str | None = None, **query: str) -> str:
        """Return the URL of a stream, with the token in it, as a page would open it."""
        return self._service.stream_url(token, **query)

    def stream(
        self,
        org: str = "acme",
        *,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
        receive_buffer: int | None = None,
        **query: str,
    ) -> LiveStream:
        """Open a stream of ``org`` (or of ``token``) and return it once its head has arrived; it is closed with the service at the latest.

        ``query`` are the stream's parameters: ``kinds="run.*"``, ``last_event_id=…``, ``heartbeat="event"``.
        """
        token = self.token(org) if token is None else token
        opened = self._portal.call(partial(self._service.stream, token, headers=headers, receive_buffer=receive_buffer, **query))
        return LiveStream(self._portal, opened)

    def stuck_reader(self, token: str | None = None) -> LiveStream:
        """Return a stream whose reader has read its opening and then nothing, until its connection was full."""
        return LiveStream(self._portal, self._portal.call(stuck_reader, self._service, token or self.token()))

    def replay(self, org: str = "acme", *, token: str | None = None, **query: str) -> list[StreamEvent]:
        """Return everything that is retained (or, with ``last_event_id``, what comes after it), control events included."""
        token = self.token(org) if token is None else token
        return self._portal.call(partial(self._service.replay, token, headers=None, **query)).events

    def publish(self, kind: str, data: Mapping[str, Any] | None = None, *, org: str = "acme", token: str | None = None, **more: str) -> str:
        """Publish an event (by default the kind's own example) and return its id; ``more`` are ``key`` and ``at``.

        ``AssertionError`` with the service's answer where it is refused.
        """
        token = self.token(org) if token is None else token
        return self._portal.call(partial(self._service.publish, kind, data, token=token, **more))

    def post(self, event: Mapping[str, Any], *, org: str = "acme", token: str | None = None) -> httpx.Response:
        """Send one event, whatever it is, and return the answer, whatever it is."""
        return self._portal.call(partial(self._service.post, event, self.token(org) if token is None else token))

    def example(self, kind: str) -> dict[str, Any]:
        """Return a copy of an installed kind's example."""
        return self._service.example(kind)

    def expire(self, token: str) -> None:
        """Let so much time pass that ``token`` has ended, and with it the streams that it opened."""
        self._portal.call(self._service.expire, token)

    @contextmanager
    def relay(self) -> Iterator[LiveRelay]:
        """Put a relay before the service for the length of the block, which cuts and holds connections."""
        with self._portal.wrap_async_context_manager(relaying(self.url)) as relay:
            yield LiveRelay(self._portal, relay)

    @asynccontextmanager
    async def asynchronous(self) -> AsyncIterator[RunningService]:
        """Work with the same service on the running asyncio loop, for the length of the block; its connections are closed then."""
        async with http_client() as http:
            service = RunningService(self.url, self._service.service, self.clock, self.secret, http, faults=self._service.faults)
            try:
                yield service
            finally:
                await service.hang_up()


@contextmanager
def live_service(
    settings: Mapping[str, object] | None = None,
    *,
    plugins: EntryPointSource = installed,
    clock: MovableClock | None = None,
    log: EventLog | None = None,
) -> Iterator[LiveService]:
    """Run a service in a thread of its own for the length of the block, by a :class:`~redline.testing.TravelClock` unless told otherwise.

    ``settings`` are nested as in the TOML file; host, port and a secret are given. Raises ``StartupError`` where it cannot start.
    """
    clock = TravelClock() if clock is None else clock
    with (
        start_blocking_portal("asyncio", backend_options={"use_uvloop": True}) as portal,
        portal.wrap_async_context_manager(serving(settings, plugins=plugins, clock=clock, log=log)) as service,
    ):
        yield LiveService(portal, service, LiveClock(portal, clock))
