"""What ``serve`` and ``demo`` share: a process that is the service.

The law of this module: a stop works from the first moment. Until the event loop takes the signals over nothing has begun that would have to
end, so until then a signal simply ends the process, in good order.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from typing import TYPE_CHECKING

from redline.cli.outcome import emit

if TYPE_CHECKING:
    from redline.settings import Settings

_logger = logging.getLogger(__name__)


def stop_at_once() -> None:
    """From now on let SIGTERM and SIGINT end the process with 0, until somebody else takes them over.

    Not by an exception: a plugin's import may be under way, and what it raises counts as the plugin's fault.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os._exit(0))


def prepare(settings: Settings) -> Settings:
    """Set up logging and the process's limits; return the settings with as many streams as those limits allow."""
    from redline.logs import configure_logging  # noqa: PLC0415 - as everything that is not needed for --help
    from redline.web.server import raise_file_limit  # noqa: PLC0415 - heavy

    configure_logging(settings.log_level)
    for warning in settings.settings_warnings:
        _logger.warning("%s", warning)
    fits = raise_file_limit()
    if fits >= settings.limits.streams:
        return settings
    _logger.warning(
        "limits.streams (REDLINE_LIMITS__STREAMS) is %d, and this process may open files for %d; that many are served. Raise ulimit -n.",
        settings.limits.streams,
        fits,
    )
    return settings.model_copy(update={"limits": settings.limits.model_copy(update={"streams": fits})})


def say(line: str) -> None:
    """Print a line for whoever waits for it. That nobody can read it any more is no reason to stop serving."""
    try:
        emit(line)
    except (OSError, ValueError):
        sys.stdout = None  # what Python sets where there is none: nothing is left to be flushed
