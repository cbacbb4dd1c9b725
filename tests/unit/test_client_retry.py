"""When the client tries again, and when it gives up."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from redline.client import Retry
from redline.client.retry import Budget, retry_after
from redline.clock import within
from redline.testing import ManualClock

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = 1_795_341_600.0  # 2026-11-22T10:00:00Z


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("0", 0.0),
        ("7", 7.0),
        (" 7 ", 7.0),
        ("Sun, 22 Nov 2026 10:00:30 GMT", 30.0),
        ("Sun, 22 Nov 2026 09:00:00 GMT", 0.0),
        ("-1", None),
        ("1.5", None),
        ("\N{ARABIC-INDIC DIGIT SEVEN}", None),
        ("9" * 400, None),
        ("soon", None),
        ("", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_or_nothing(value: str | None, seconds: float | None) -> None:
    assert retry_after(value, NOW) == seconds


def test_delays_double_up_to_the_longest_and_are_spread_from_nothing() -> None:
    retry = Retry(first=0.25, longest=8.0)
    assert [retry.delay(failures, lambda: 1.0) for failures in (1, 2, 3, 6, 7, 10**9)] == [0.25, 0.5, 1.0, 8.0, 8.0, 8.0]
    assert retry.delay(5, lambda: 0.0) == 0.0
    assert retry.delay(2, lambda: 0.5) == 0.25


@pytest.mark.parametrize("wrong", [{"attempts": 0}, {"first": -1.0}, {"first": 9.0}, {"deadline": 0.0}])
def test_a_retry_that_says_nothing_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="attempts of at least 1"):
        Retry(**wrong)  # type: ignore[arg-type]  # the wrong values are the test


class Sleeper:
    """Waits by moving a clock, and remembers for how long."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.slept: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.clock.advance(seconds)


def budget(retry: Retry, random: Callable[[], float] = lambda: 1.0) -> tuple[Budget, Sleeper]:
    clock = ManualClock()
    sleeper = Sleeper(clock)
    return Budget(retry, clock, sleeper, random), sleeper


async def test_a_budget_ends_with_its_attempts() -> None:
    left, sleeper = budget(Retry(attempts=3, first=1.0, deadline=100.0))
    assert [await left.more("why"), await left.more("why"), await left.more("why")] == [True, True, False]
    assert sleeper.slept == [1.0, 2.0]


async def test_a_budget_ends_before_a_wait_that_would_pass_its_deadline() -> None:
    left, sleeper = budget(Retry(attempts=100, first=1.0, longest=1.0, deadline=3.5))
    assert [await left.more("why") for _ in range(4)] == [True, True, True, False]
    assert sleeper.slept == [1.0, 1.0, 1.0]
    assert left.seconds == 0.5


async def test_what_the_service_asks_for_is_the_least_that_is_waited() -> None:
    left, sleeper = budget(Retry(first=1.0, deadline=30.0), lambda: 0.5)
    assert await left.more("why", 5.0)
    assert sleeper.slept == [5.5]
    assert not await left.more("why", 60.0)


async def test_within_raises_when_its_clock_says_so_and_not_before() -> None:
    clock = ManualClock()
    entered, never = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        async with within(clock, 5.0):
            entered.set()
            await never.wait()

    task = asyncio.create_task(wait())
    await entered.wait()
    clock.advance(4.9)
    await asyncio.sleep(0)
    assert not task.done()
    clock.advance(0.1)
    with pytest.raises(TimeoutError):
        await task


async def test_within_leaves_no_timer_behind() -> None:
    clock = ManualClock()
    async with within(clock, 5.0):
        pass
    clock.advance(10.0)
    await asyncio.sleep(0)  # a timer that was left would cancel this
