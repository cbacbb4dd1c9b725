"""How a log is named: by a URL, whose scheme says which log it is.

The law of this module: it imports no log, so that settings can be judged without one.
"""

from __future__ import annotations

from typing import Final

SETTING: Final = "eventlog (REDLINE_EVENTLOG)"
"""The setting that names the log, as file and environment spell it."""
MEMORY: Final = "memory://"


def check_memory(url: str) -> None:
    """Raise ``ValueError`` for anything but ``memory://`` itself."""
    if url != MEMORY:
        msg = "it takes memory:// (history in this process, gone when it stops), alone and without options"
        raise ValueError(msg)


def is_shared(url: str) -> bool:
    """Tell whether the log of this URL is one that several processes may use at once. Of a third party's that is not known."""
    return url.startswith("nats://")
