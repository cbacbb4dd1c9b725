"""A clock of the machine's time that a test pushes ahead."""

from __future__ import annotations

import asyncio
import time

from redline.testing import TravelClock


async def test_it_is_the_machines_time_and_what_was_added() -> None:
    clock = TravelClock()
    assert time.time() <= clock.time() <= time.time()
    before, wall = clock.monotonic(), clock.time()
    clock.advance(100)
    assert clock.monotonic() >= before + 100
    assert clock.time() >= wall + 100
    assert clock.time() - clock.monotonic() - (wall - before) < 50, "both are pushed by the same"


async def test_calls_are_made_at_their_own_moments_and_once() -> None:
    clock = TravelClock()
    begin = clock.monotonic()
    made: list[tuple[str, int]] = []

    def call(name: str) -> None:
        made.append((name, 5 * round((clock.monotonic() - begin) / 5)))  # of the machine's own time there may be some as well
        if name == "b":
            clock.call_at(begin + 25, lambda: call("later"))

    for name, after in (("c", 30), ("a", 10), ("b", 20), ("never", 15), ("beyond", 50)):
        timer = clock.call_at(begin + after, lambda name=name: call(name))  # type: ignore[misc]  # mypy infers no default
        if name == "never":
            timer.cancel()
            timer.cancel()
    clock.advance(40)
    assert made == [("a", 10), ("b", 20), ("later", 25), ("c", 30)]
    clock.advance(20)
    assert made[4:] == [("beyond", 50)]


async def test_a_call_is_made_by_the_machines_time_as_well() -> None:
    clock = TravelClock()
    clock.advance(1_000)
    came = asyncio.Event()
    clock.call_at(clock.monotonic(), came.set)
    async with asyncio.timeout(5):
        await came.wait()
    again: list[None] = []
    clock.call_at(clock.monotonic() + 0.001, lambda: again.append(None))
    clock.advance(1)
    await asyncio.sleep(0.005)
    assert len(again) == 1, "what advancing has called the loop does not call once more"


async def test_timers_that_are_done_do_not_pile_up() -> None:
    clock = TravelClock()
    for _ in range(1_000):
        clock.call_at(clock.monotonic() + 60, lambda: None).cancel()
    assert len(clock._timers) <= 1  # noqa: SLF001 - it has a bound, and no one sees it from outside
