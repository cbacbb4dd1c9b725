"""Settings: which there are (``model``), and how they are read (``load``).

The law of this package: there is one :class:`Settings`, frozen, and lower layers never see it: they take plain values of their own.
"""

from redline.settings.load import load_settings
from redline.settings.model import (
    AuthSettings,
    ConsoleSettings,
    CorsSettings,
    DocsSettings,
    HistorySettings,
    IdempotencySettings,
    LimitSettings,
    Settings,
    TicketSettings,
    WatchdogSettings,
    leaves,
    takes,
)

__all__ = [
    "AuthSettings",
    "ConsoleSettings",
    "CorsSettings",
    "DocsSettings",
    "HistorySettings",
    "IdempotencySettings",
    "LimitSettings",
    "Settings",
    "TicketSettings",
    "WatchdogSettings",
    "leaves",
    "load_settings",
    "takes",
]
