"""Three parsers of event streams that know nothing of one another.

The law of this module: each is used as its users use it, through its public door, and gets the stream in pieces of any size.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import httpx
from httpx_sse import EventSource
from ld_eventsource import SSEClient
from ld_eventsource.config import ConnectionClient, ConnectionResult, ConnectStrategy

from redline.testing import EventParser

if TYPE_CHECKING:
    import logging
    from collections.abc import Iterator, Sequence


class Parsed(NamedTuple):
    """One dispatched event."""

    event: str
    data: str
    event_id: str


def by_the_standard(pieces: Sequence[bytes]) -> list[Parsed]:
    """Parse with Redline's own test kit."""
    parser = EventParser()
    return [Parsed(event.event, event.data, event.last_event_id) for piece in pieces for event in parser.feed(piece)]


class _Body(httpx.SyncByteStream):
    def __init__(self, pieces: Sequence[bytes]) -> None:
        self._pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._pieces)


def by_httpx_sse(pieces: Sequence[bytes]) -> list[Parsed]:
    """Parse with httpx-sse."""
    response = httpx.Response(200, headers={"Content-Type": "text/event-stream; charset=utf-8"}, stream=_Body(pieces))
    return [Parsed(sse.event, sse.data, sse.id) for sse in EventSource(response).iter_sse()]


class _Connection(ConnectionClient):  # type: ignore[misc] # the package has no types
    def __init__(self, pieces: Sequence[bytes]) -> None:
        self._pieces = pieces

    def connect(self, last_event_id: str | None) -> ConnectionResult:
        del last_event_id
        return ConnectionResult(iter(self._pieces), None)


class _Pieces(ConnectStrategy):  # type: ignore[misc] # the package has no types
    def __init__(self, pieces: Sequence[bytes]) -> None:
        self._pieces = pieces

    def create_client(self, logger: logging.Logger) -> _Connection:
        del logger
        return _Connection(self._pieces)


def by_launchdarkly(pieces: Sequence[bytes]) -> list[Parsed]:
    """Parse with launchdarkly-eventsource."""
    return [Parsed(event.event, event.data, event.last_event_id or "") for event in SSEClient(_Pieces(pieces)).events]


PARSERS = (by_the_standard, by_httpx_sse, by_launchdarkly)
