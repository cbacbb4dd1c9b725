"""The wheel: never late, at most one slot early, and nothing left behind."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from redline.broker.wheel import Wheel
from redline.testing import ManualClock

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

WIDTH = 0.1


class Ticked:
    """An entry that notes when it was called, for what, and does what the test says."""

    def __init__(self, clock: ManualClock, then: Callable[[], None] | None = None) -> None:
        self.slot = -1
        self.clock = clock
        self.then = then
        self.calls: list[tuple[float, float]] = []

    def tick(self, now: float, until: float) -> None:
        assert now == self.clock.monotonic()
        self.calls.append((now, until))
        if self.then is not None:
            self.then()


def made(width: float = WIDTH) -> tuple[Wheel, ManualClock]:
    clock = ManualClock()
    return Wheel(clock, width), clock


def left(wheel: Wheel, clock: ManualClock) -> tuple[int, int, int, int]:
    """Return what there is of entries, slots, their order and live timers."""
    live = sum(timer.callback is not None for _, _, timer in clock._timers)  # noqa: SLF001 - nothing may be left in there
    return len(wheel), len(wheel._slots), len(wheel._order), live  # noqa: SLF001 - as above


@given(st.lists(st.floats(0, 50), min_size=1, max_size=40), st.sampled_from([0.1, 0.0025, 1 / 3]), st.floats(0.001, 5))
def test_each_is_called_once_in_time_and_at_most_a_slot_early(delays: list[float], width: float, step: float) -> None:
    wheel, clock = made(width)
    start = clock.monotonic()
    entries = [Ticked(clock) for _ in delays]
    for entry, delay in zip(entries, delays, strict=True):
        wheel.put(entry, start + delay)
    while clock.monotonic() < start + 51:
        clock.advance(max(step, 0.5))
    for entry, delay in zip(entries, delays, strict=True):
        ((now, until),) = entry.calls
        due = start + delay
        assert max(start, due - width) - 1e-9 <= now <= due + 1e-9
        assert until >= due, "called for it, and told that it is not due"
        assert until >= now + width
    assert left(wheel, clock) == (0, 0, 0, 0)


def test_putting_again_replaces_and_removing_removes() -> None:
    wheel, clock = made()
    moved, removed = Ticked(clock), Ticked(clock)
    wheel.put(moved, clock.monotonic() + 1)
    wheel.put(moved, clock.monotonic() + 5)
    wheel.put(removed, clock.monotonic() + 1)
    wheel.remove(removed)
    wheel.remove(removed)
    assert len(wheel) == 1
    clock.advance(4.8)
    assert moved.calls == []
    clock.advance(0.2)
    assert len(moved.calls) == 1
    assert removed.calls == []
    assert left(wheel, clock) == (0, 0, 0, 0)


def test_an_earlier_entry_is_not_kept_waiting_by_a_later_one() -> None:
    wheel, clock = made()
    late, early = Ticked(clock), Ticked(clock)
    wheel.put(late, clock.monotonic() + 10)
    wheel.put(early, clock.monotonic() + 1)
    clock.advance(1)
    assert (len(early.calls), len(late.calls)) == (1, 0)
    assert left(wheel, clock)[3] == 1, "one timer for all"


def test_what_is_due_already_is_called_at_once_but_not_within_the_same_turn() -> None:
    wheel, clock = made()
    order: list[str] = []
    again = Ticked(clock)
    other = Ticked(clock, lambda: order.append("other"))

    def once_more() -> None:
        order.append("again")
        if len(again.calls) < 3:
            wheel.put(again, clock.monotonic() - 100)

    again.then = once_more
    wheel.put(again, clock.monotonic() + 1)
    wheel.put(other, clock.monotonic() + 1)
    clock.advance(1)
    assert order == ["again", "other", "again", "again"]


def test_a_tick_may_put_and_remove_any_entry_even_of_its_own_slot() -> None:
    wheel, clock = made()
    victim, later = Ticked(clock), Ticked(clock)

    def change() -> None:
        wheel.remove(victim)
        wheel.put(later, clock.monotonic() + 3)

    first = Ticked(clock, change)
    for entry in (first, victim, later):
        wheel.put(entry, clock.monotonic() + 1)
    clock.advance(1)
    assert (len(wheel), later.slot >= 0, victim.slot) == (1, True, -1)
    wheel.remove(later)
    assert len(wheel) == 0, "an entry that was put again from within its slot is found again"


def test_an_entry_that_fails_does_not_stop_the_others(caplog: pytest.LogCaptureFixture) -> None:
    wheel, clock = made()

    def fail() -> None:
        raise ZeroDivisionError

    bad, same, later = Ticked(clock, fail), Ticked(clock), Ticked(clock)
    for entry, delay in ((bad, 1.0), (same, 1.0), (later, 2.0)):
        wheel.put(entry, clock.monotonic() + delay)
    with caplog.at_level(logging.ERROR):
        clock.advance(3)
    assert (len(same.calls), len(later.calls)) == (1, 1)
    assert "ZeroDivisionError" in caplog.text


@given(st.integers(1, 50), st.integers(1, 30))
def test_churn_leaves_nothing(streams: int, rounds: int) -> None:
    wheel, clock = made()
    for number in range(rounds):
        entries = [Ticked(clock) for _ in range(streams)]
        for entry in entries:
            wheel.put(entry, clock.monotonic() + 15 + number % 3)
        clock.advance(0.37)
        for entry in entries:
            wheel.remove(entry)
    assert len(wheel) == 0
    assert len(wheel._slots) == len(wheel._order) <= 20 / WIDTH  # noqa: SLF001 - empty slots go with their time
    clock.advance(20)
    assert left(wheel, clock) == (0, 0, 0, 0)


def test_a_stopped_wheel_stays_stopped() -> None:
    wheel, clock = made()
    entry = Ticked(clock)
    wheel.put(entry, clock.monotonic() + 1)
    wheel.stop()
    wheel.put(entry, clock.monotonic() + 1)
    clock.advance(10)
    assert entry.calls == []
    assert left(wheel, clock) == (0, 0, 0, 0)
