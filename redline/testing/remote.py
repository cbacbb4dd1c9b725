"""The parts of a live service as another thread sees them: its clock, a stream, a relay, its faults.

The law of this module: each call is made on the service's own loop, and returns when it has been done there.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Literal, Self

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from anyio.from_thread import BlockingPortal

    from redline.clock import Timer
    from redline.errors import RedlineError
    from redline.testing.clock import MovableClock
    from redline.testing.connection import StreamConnection
    from redline.testing.events import StreamEvent
    from redline.testing.relay import Relay
    from redline.testing.service import RunningService


class LiveClock:
    """The service's clock, moved from any thread."""

    def __init__(self, portal: BlockingPortal, clock: MovableClock) -> None:
        """Made by :func:`live_service`."""
        self._portal = portal
        self._clock = clock

    def time(self) -> float:
        """Return the service's Unix time."""
        return self._clock.time()

    def monotonic(self) -> float:
        """Return the service's monotonic time."""
        return self._clock.monotonic()

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        """Call ``callback`` on the service's loop."""
        return self._portal.call(self._clock.call_at, when, callback)

    def advance(self, seconds: float) -> None:
        """Let ``seconds`` pass, and return when all that was due has been done."""
        self._portal.call(self._clock.advance, seconds)


class LiveStream:
    """An open stream. Everything that waits ends with ``TimeoutError`` after ``timeout`` seconds, 10 where none is given."""

    def __init__(self, portal: BlockingPortal, stream: StreamConnection) -> None:
        """Made by :meth:`LiveService.stream`."""
        self._portal = portal
        self._stream = stream
        self.status = stream.status
        self.headers = stream.headers

    @property
    def events(self) -> list[StreamEvent]:
        """What has been read so far."""
        return list(self._stream.events)

    @property
    def raw(self) -> bytes:
        """The body as it has been read so far."""
        return self._stream.raw

    @property
    def last_event_id(self) -> str:
        """What a browser would send as ``Last-Event-ID`` now."""
        return self._stream.parser.last_event_id

    @property
    def heartbeats(self) -> int:
        """How many heartbeat comments have been read."""
        return self._stream.heartbeats

    def collect(
        self, until: int | str | Callable[[StreamEvent], bool], *, control: bool = False, timeout: float | None = None
    ) -> list[StreamEvent]:
        """Read until a condition is met; see :meth:`redline.testing.StreamConnection.collect`."""
        return self._portal.call(partial(self._stream.collect, until, control=control, timeout=timeout))

    def event(self, kind: str | None = None, *, timeout: float | None = None) -> StreamEvent:
        """Return the next event, of ``kind`` where that is given."""
        return self._portal.call(partial(self._stream.event, kind, timeout=timeout))

    def read_until(self, done: Callable[[StreamConnection], bool], *, timeout: float | None = None) -> None:
        """Read until ``done`` is true of the connection: ``lambda stream: stream.heartbeats == 2``."""
        self._portal.call(partial(self._stream.read_until, done, timeout=timeout))

    def read_to_end(self, *, timeout: float | None = None) -> list[StreamEvent]:
        """Read until the stream ends, and return every event of it."""
        return self._portal.call(partial(self._stream.read_to_end, timeout=timeout))

    def stall(self) -> None:
        """Read nothing more, as a reader that hangs."""
        self._portal.call(self._stream.stall)

    def go_on(self) -> None:
        """Read again."""
        self._portal.call(self._stream.go_on)

    def reset(self) -> None:
        """Cut the connection (RST)."""
        self._portal.call(self._stream.reset)

    def close(self) -> None:
        """Close the connection (FIN)."""
        self._portal.call(self._stream.close)

    def __enter__(self) -> Self:
        """Return the stream."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()


class LiveFaults:
    """The faults that can be switched on; see :class:`redline.testing.Faults`."""

    def __init__(self, portal: BlockingPortal, service: RunningService) -> None:
        """Made by :func:`live_service`."""
        self._portal = portal
        self._faults = service.faults

    def gap(self, org: str = "acme", *, reason: Literal["evicted", "unknown"] = "evicted") -> None:
        """Let the next resume of the org with any id so far meet a gap."""
        self._portal.call(partial(self._faults.gap, org, reason=reason))

    def lose_place(self, org: str = "acme") -> None:
        """Let the log lose its place in an org: its streams end, and who comes back meets a gap."""
        self._portal.call(self._faults.lose_place, org)

    def publishes_refused(self, error: RedlineError | None = None) -> AbstractContextManager[None]:
        """Refuse every publish within the block, by default as ``rate_limited``."""
        return self._faults.publishes_refused(error)

    def log_unavailable(self) -> AbstractContextManager[None]:
        """Let the log be out of reach within the block."""
        return self._faults.log_unavailable()


class LiveRelay:
    """A relay that cuts connections; see :class:`redline.testing.Relay`."""

    def __init__(self, portal: BlockingPortal, relay: Relay) -> None:
        """Made by :meth:`LiveService.relay`."""
        self._portal = portal
        self._relay = relay

    def url(self, url: str) -> str:
        """Return a URL of the service as one that goes through the relay."""
        return self._relay.url(url)

    def cut_at(self, byte: int, *, reset: bool = False) -> None:
        """Cut each connection from now on after so many bytes of the answer, its head included; ``reset`` by RST instead of FIN."""
        self._relay.reset = reset
        self._relay.cut_at = byte

    def cut_in(self, marker: bytes, place: Callable[[bytes], int], *, reset: bool = False) -> None:
        """Cut the connection in the frame whose data holds ``marker``, after as many of its bytes as ``place`` says of it."""
        self._relay.reset = reset
        self._portal.call(self._relay.cut, marker, place)

    def was_cut(self) -> None:
        """Wait until that has happened."""
        self._portal.call(self._relay.was_cut)

    def heal(self) -> None:
        """Cut no more."""
        self._relay.cut_at = None

    def hold(self) -> None:
        """Keep new connections waiting until :meth:`release`."""
        self._portal.call(self._relay.hold)

    def release(self) -> None:
        """Let those that wait pass."""
        self._portal.call(self._relay.release)
