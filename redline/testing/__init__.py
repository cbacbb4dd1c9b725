"""What plugin authors, users and Redline itself test with.

The law of this package: it needs nothing that ``redline`` does not install, and pretends nothing: a running service is a real one.
"""

from redline.testing.clock import ManualClock
from redline.testing.connection import PATIENCE, StreamConnection
from redline.testing.events import EventParser, StreamEvent
from redline.testing.service import READ_AND_PUBLISH, RunningService, serving
from redline.testing.stand_in import check_kind

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
