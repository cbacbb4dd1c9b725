"""When a document at a URL is fetched next.

The law of this module: it decides and fetches nothing. However many tokens name a key that is not known, and whoever sends them, what they
cause is one fetch for each :data:`SPACING` seconds; and however long fetches have failed, the next one is never further away than
:data:`LONGEST`, nor than the period.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

SPACING: Final = 10.0
"""Seconds from one fetch to the next one that an unknown key may cause: short enough for the holder of a new key's token to wait, and six
requests a minute from each node harm no identity provider, whatever is sent here."""
FIRST: Final = 1.0
"""Seconds until a fetch that failed is tried again; doubled each time, and spread, so that nodes that failed together do not return so."""
LONGEST: Final = 60.0
_STEEPEST: Final = 10
"""Doublings after which a delay has long reached its bound."""


class Pace:
    """When to fetch. Moments are of a monotonic clock, durations in seconds."""

    __slots__ = ("_began", "_failures", "_next", "_period", "_random")

    def __init__(self, period: float, random: Callable[[], float]) -> None:
        """Take how often the document is fetched while that succeeds; ``random`` returns numbers from 0 to 1."""
        self._period = period
        self._random = random
        self._began = -math.inf
        self._next = -math.inf
        self._failures = 0

    @property
    def failing(self) -> bool:
        """Whether the last fetch failed."""
        return self._failures > 0

    def due(self, *, wanted: bool) -> float:
        """Return the moment of the next fetch, which may have passed; ``wanted`` says that somebody has a key that is not known."""
        return min(self._next, self._began + SPACING) if wanted else self._next

    def began(self, now: float) -> None:
        """Note that a fetch begins."""
        self._began = now

    def ended(self, now: float, *, well: bool) -> None:
        """Note how it ended."""
        if well:
            self._failures = 0
            self._next = now + self._period
            return
        delay = FIRST * (1 << min(self._failures, _STEEPEST)) * (1 + self._random()) / 2
        self._failures += 1
        self._next = now + min(delay, LONGEST, self._period)
