"""What ``redline tail`` says of its connection: once when it is lost, once when it is back.

The law of this module: an outage is two lines, however long it lasts and however often it was tried; nothing of it is told twice.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from redline.client.events import OPEN

if TYPE_CHECKING:
    from collections.abc import Callable

    from redline.client import Event


class Outages:
    """What is told of the connection, made of what the client logs and of the events that it gives."""

    def __init__(self, lost: Callable[[str], None], back: Callable[[str], None] | None) -> None:
        """Take what tells that the connection is lost, and what tells that it is back: None where the events themselves show it."""
        self._tell_lost = lost
        self._tell_back = back
        self._opened = False
        self._lost = False

    def logged(self, record: logging.LogRecord) -> None:
        """Take what the client logs: why a connection ended, before each reconnect, and warnings."""
        if record.levelno >= logging.WARNING:
            self._tell_lost(record.getMessage())
        elif not self._lost:
            self._lost = True
            self._tell_lost(f"{'the connection is lost' if self._opened else 'there is no connection yet'}: {record.getMessage()}")

    def event(self, event: Event) -> None:
        """Take every event, control events too."""
        if event.kind != OPEN:
            return
        if self._lost and self._tell_back is not None:
            resumed = ", and resumed: nothing is missing" if event.data.get("resumed") is True else ""
            self._tell_back(f"{'connected again' if self._opened else 'connected'}{resumed}")
        self._opened, self._lost = True, False
