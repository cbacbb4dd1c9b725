"""Time as a parameter.

The law of this module: nothing in Redline asks the operating system what time it is, but through a :class:`Clock`. Two clocks are in
one because two questions are: *when* something is (``time``, which a token's ``exp`` is compared with) and *how long* something took
(``monotonic``, which no administrator can turn back).
"""

from __future__ import annotations

import asyncio
import math
import re
import time
from datetime import UTC, datetime
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType


_RFC3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])", re.ASCII
)


class Timer(Protocol):
    """What a scheduled call can be told."""

    def cancel(self) -> None:
        """Do not make the call. Harmless after it was made."""


class Clock(Protocol):
    """Where time comes from."""

    def time(self) -> float:
        """Return seconds since the Unix epoch."""

    def monotonic(self) -> float:
        """Return seconds since some fixed moment; never goes back."""

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        """Call ``callback`` on the event loop once ``monotonic()`` has reached ``when``."""


class SystemClock:
    """The machine's time, and the running event loop's timers."""

    # The functions themselves: time is asked for several times an event.
    monotonic = staticmethod(time.monotonic)
    time = staticmethod(time.time)

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        """Schedule on the running loop, whose own clock may start elsewhere."""
        return asyncio.get_running_loop().call_later(max(0.0, when - time.monotonic()), callback)


class within:  # noqa: N801 - used as a function is: ``async with within(clock, 5.0):``
    """Run the block for at most ``seconds``; raise ``TimeoutError`` where it took longer.

    A class, because the frames of a generator would hold the exception that they let through, and with it whatever the block had at hand.
    """

    def __init__(self, clock: Clock, seconds: float) -> None:
        """Take how long, and by which clock."""
        self._clock = clock
        self._seconds = seconds

    async def __aenter__(self) -> None:
        """Begin."""
        self._bound = bound = asyncio.timeout(None)
        await bound.__aenter__()
        self._timer = self._clock.call_at(self._clock.monotonic() + self._seconds, partial(bound.reschedule, 0.0))

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        """End."""
        self._timer.cancel()
        await self._bound.__aexit__(kind, error, traceback)


def rfc3339(seconds: float) -> str:
    """Return ``seconds`` since the Unix epoch as RFC 3339 in UTC with ``Z`` and milliseconds, as every time on the wire is."""
    # As datetime does it: rounded to microseconds (half to even), then what is finer than a millisecond is cut off.
    fraction, whole = math.modf(seconds)
    carry, micros = divmod(round(fraction * 1_000_000), 1_000_000)
    return f"{_second(int(whole) + carry)}.{micros // 1000:03d}Z"


@lru_cache(maxsize=64)
def _second(whole: int) -> str:
    """Return a second as text. Every event has a time, and nearly all of them one of the last few seconds: formatting costs 3 µs."""
    return datetime.fromtimestamp(whole, UTC).isoformat().removesuffix("+00:00")


def parse_rfc3339(text: str) -> float:
    """Return the seconds since the Unix epoch that ``text`` names; what is finer than a microsecond is cut off.

    Taken is RFC 3339 §5.6 with an offset, in capitals, and nothing else that ISO 8601 would allow. Raises ``ValueError``.
    """
    if _RFC3339.fullmatch(text):
        try:
            seconds = datetime.fromisoformat(text).timestamp()
            datetime.fromtimestamp(seconds, UTC)  # A year that only the offset makes 0 or 10000 could be read, and never be written again.
        except (ValueError, OverflowError):
            pass
        else:
            return seconds
    msg = "a time is RFC 3339 with an offset, as 2026-11-22T10:00:00.000Z"
    raise ValueError(msg)
