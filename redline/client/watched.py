"""A response's body under watch: for silence, and for a frame without an end.

The law of this module: a connection that is dead is noticed. A network that drops a connection says nothing, so a stream that has been
silent for longer than the service's heartbeats allow counts as cut. And what waits to become a frame has a bound.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import httpx

from redline.client.errors import BadAnswer
from redline.clock import within

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from redline.clock import Clock

OPENING_SECONDS: Final = 30.0
"""How long a stream may take to begin."""
FRAME_BYTES: Final = 32 * 1024 * 1024
"""The longest frame that is waited for. A payload has at most 1 MiB (64 KiB by default); heartbeats, which count, would need years."""
_HEARTBEATS: Final = 3
_SLACK_SECONDS: Final = 1.0


class Watched(httpx.AsyncByteStream):
    """The body of ``response``; raises ``TimeoutError`` after ``silence`` seconds without a byte, ``BadAnswer`` for an endless frame."""

    def __init__(self, response: httpx.Response, clock: Clock) -> None:
        """Take an open response. Only the time in which somebody waits for it counts as silence."""
        self.silence = OPENING_SECONDS
        self._response = response
        self._clock = clock
        self._held = 0

    def dispatched(self) -> None:
        """Note that a frame has ended."""
        self._held = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Go through the body as it arrives."""
        parts = self._response.aiter_raw()
        while True:
            try:
                async with within(self._clock, self.silence):
                    part = await anext(parts)
            except StopAsyncIteration:
                return
            self._held += len(part)
            if self._held > FRAME_BYTES:
                msg = f"a frame of the stream has more than {FRAME_BYTES} bytes, which Redline never sends"
                raise BadAnswer(msg)
            yield part

    async def aclose(self) -> None:
        """Close the response."""
        await self._response.aclose()


def patience(heartbeat: object) -> float:
    """Return how many seconds of silence to bear when the service sends heartbeats every ``heartbeat`` seconds, as it says."""
    if isinstance(heartbeat, int | float) and math.isfinite(heartbeat) and heartbeat > 0:
        return _HEARTBEATS * heartbeat + _SLACK_SECONDS
    return OPENING_SECONDS + _SLACK_SECONDS
