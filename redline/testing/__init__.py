"""What plugin authors, users and Redline itself test with.

The law of this package: it needs nothing that ``redline`` does not install, and pretends nothing: a running service is a real one.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from redline.testing.clock import ManualClock
    from redline.testing.connection import PATIENCE, StreamConnection
    from redline.testing.events import EventParser, StreamEvent
    from redline.testing.kinds import check_kind
    from redline.testing.service import READ_AND_PUBLISH, RunningService, serving

__all__ = [
    "PATIENCE",
    "READ_AND_PUBLISH",
    "EventParser",
    "ManualClock",
    "RunningService",
    "StreamConnection",
    "StreamEvent",
    "check_kind",
    "serving",
]

_HOMES: Final = {
    "ManualClock": "clock",
    "PATIENCE": "connection",
    "StreamConnection": "connection",
    "EventParser": "events",
    "StreamEvent": "events",
    "check_kind": "kinds",
    "READ_AND_PUBLISH": "service",
    "RunningService": "service",
    "serving": "service",
}


def __getattr__(name: str) -> object:
    """Load what is asked for when it is (PEP 562): pytest loads this package in every suite, whether or not it uses it."""
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
