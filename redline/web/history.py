"""From the settings to the event log.

The law of this module: which log it is makes no difference to anything but where it is opened from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from redline.discovery import installed
from redline.eventlog.choice import GROUP, open_log
from redline.eventlog.retention import Retention
from redline.folders import search

if TYPE_CHECKING:
    from redline.clock import Clock
    from redline.discovery import EntryPointSource
    from redline.eventlog.contract import EventLog
    from redline.metrics import Metrics
    from redline.settings import Settings


def event_log(settings: Settings, clock: Clock, metrics: Metrics, plugins: EntryPointSource = installed) -> EventLog:
    """Return the event log that the settings name, not started; raises ``StartupError`` when there is none of that name.

    ``plugins`` is where those of third parties come from besides the settings' folders.
    """
    # What is wrong with the folders was said when the kinds were looked for.
    source = search(settings.plugins_path, GROUP, plugins).source
    return open_log(settings.eventlog, retention(settings), clock, metrics, source)


def retention(settings: Settings) -> Retention:
    """Return how much of the history is kept."""
    history = settings.history
    return Retention(
        events=history.events,
        seconds=history.seconds,
        bytes=history.bytes,
        total_bytes=history.total_bytes,
        orgs=history.orgs,
        key_seconds=settings.idempotency.seconds,
        keys=settings.idempotency.keys,
    )
