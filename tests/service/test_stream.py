"""The stream as a subscriber sees it (contract §1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from redline.testing import ManualClock, RunningService


async def test_the_first_heartbeat_comes_after_15_seconds(timed: RunningService, clock: ManualClock) -> None:
    stream = await timed.stream()
    await stream.event("stream.open")
    clock.advance(13.4)
    await timed.publish()
    await stream.collect(1)
    assert stream.parser.comments == []
    clock.advance(1.7)
    await stream.read_until(lambda self: self.parser.comments == ["heartbeat"])
    assert stream.raw.endswith(b"\n\n:heartbeat\n")
    for number in range(2, 6):
        clock.advance(15)
        await stream.read_until(lambda self, number=number: len(self.parser.comments) == number)
    await stream.close()
