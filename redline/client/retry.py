"""When to try again, how often, and when to give up.

The law of this module: every retry is spread (full jitter, so that those who failed together do not return together), bounded in number and
in time, and never earlier than the service asked for. It does not know what is retried.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from redline.clock import Clock

_logger = logging.getLogger("redline.client")

_STEEPEST: Final = 30
"""Doublings after which a delay has long reached its bound; more would only make large numbers."""
_DIGITS: Final = 9


@dataclass(frozen=True, slots=True)
class Retry:
    """How a publish is retried. Times are in seconds.

    At most ``attempts`` requests, within ``deadline`` altogether; before each retry a random part of ``first``, doubled each time up
    to ``longest``. Keep ``deadline`` below the service's ``idempotency.seconds`` (120 by default): after that a repeat is a new event.
    """

    attempts: int = 8
    first: float = 0.25
    longest: float = 8.0
    deadline: float = 30.0

    def __post_init__(self) -> None:
        """Raise ``ValueError`` for numbers that say nothing."""
        if self.attempts < 1 or self.first < 0 or self.longest < self.first or self.deadline <= 0:
            msg = "a Retry takes attempts of at least 1, 0 <= first <= longest, and a deadline of more than 0"
            raise ValueError(msg)

    def delay(self, failures: int, random: Callable[[], float]) -> float:
        """Return the seconds to wait after so many failures (from 1); ``random`` returns numbers from 0 to 1."""
        return random() * min(self.longest, self.first * float(1 << min(failures - 1, _STEEPEST)))


class Budget:
    """What is left of a :class:`Retry` for one call."""

    def __init__(self, retry: Retry, clock: Clock, sleep: Callable[[float], Awaitable[object]], random: Callable[[], float]) -> None:
        """Begin now."""
        self._retry = retry
        self._clock = clock
        self._sleep = sleep
        self._random = random
        self._end = clock.monotonic() + retry.deadline
        self._failures = 0

    @property
    def seconds(self) -> float:
        """How many are left."""
        return max(0.0, self._end - self._clock.monotonic())

    async def more(self, why: object, floor: float | None = None) -> bool:
        """Wait until it is time to try again, for at least ``floor`` seconds; tell whether there is another attempt.

        The first time it is logged ``why``, and for how long that goes on: whoever waits shall know what for.
        """
        self._failures += 1
        delay = self._retry.delay(self._failures, self._random) + (floor or 0.0)
        if self._failures >= self._retry.attempts or delay >= self.seconds:
            return False
        if self._failures == 1:
            _logger.info("%s; trying again for up to %.0f s.", why, self.seconds)
        await self._sleep(delay)
        return True


def retry_after(value: str | None, now: float) -> float | None:
    """Return the seconds that a ``Retry-After`` header asks for (RFC 9110 §10.2.3: seconds or a date), None where it asks for nothing.

    ``now`` is in seconds since the Unix epoch.
    """
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit() and len(text) <= _DIGITS:
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now)
    except (ValueError, OverflowError):
        return None
