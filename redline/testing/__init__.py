"""What plugin authors, users and Redline itself test with.

The law of this package: it needs nothing that ``redline`` does not install, and pretends nothing: a running service is a real one.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from redline.testing.clock import ManualClock, MovableClock, TravelClock
    from redline.testing.connection import PATIENCE, StreamConnection
    from redline.testing.events import EventParser, StreamEvent, read_events
    from redline.testing.faults import Faults, FaultyLog
    from redline.testing.finite import FiniteApp, finite_app
    from redline.testing.flooding import flood, stuck_reader
    from redline.testing.kinds import check_kind
    from redline.testing.live import LiveService, live_service
    from redline.testing.relay import Relay, relaying
    from redline.testing.remote import LiveRelay, LiveStream
    from redline.testing.service import READ_AND_PUBLISH, RunningService, serving

__all__ = [
    "PATIENCE",
    "READ_AND_PUBLISH",
    "EventParser",
    "Faults",
    "FaultyLog",
    "FiniteApp",
    "LiveRelay",
    "LiveService",
    "LiveStream",
    "ManualClock",
    "MovableClock",
    "Relay",
    "RunningService",
    "StreamConnection",
    "StreamEvent",
    "TravelClock",
    "check_kind",
    "finite_app",
    "flood",
    "live_service",
    "read_events",
    "relaying",
    "serving",
    "stuck_reader",
]

_HOMES: Final = {
    "ManualClock": "clock",
    "MovableClock": "clock",
    "TravelClock": "clock",
    "PATIENCE": "connection",
    "StreamConnection": "connection",
    "EventParser": "events",
    "StreamEvent": "events",
    "read_events": "events",
    "Faults": "faults",
    "FaultyLog": "faults",
    "FiniteApp": "finite",
    "finite_app": "finite",
    "flood": "flooding",
    "stuck_reader": "flooding",
    "check_kind": "kinds",
    "LiveService": "live",
    "LiveStream": "remote",
    "LiveRelay": "remote",
    "live_service": "live",
    "Relay": "relay",
    "relaying": "relay",
    "READ_AND_PUBLISH": "service",
    "RunningService": "service",
    "serving": "service",
}


def __getattr__(name: str) -> object:
    """Load what is asked for when it is (PEP 562): pytest and the load generator load this package, and do without most of it."""
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
