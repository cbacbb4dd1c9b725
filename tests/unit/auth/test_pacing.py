"""When a document is fetched: laws that hold whatever comes, and the few numbers that are promised."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redline.auth.pacing import FIRST, LONGEST, SPACING, Pace

STEPS = st.lists(st.tuples(st.floats(0, 400), st.booleans(), st.booleans(), st.floats(0, 1)), max_size=60)
"""Seconds that pass, whether somebody has an unknown key then, whether a fetch goes well, chance."""


@given(steps=STEPS, period=st.floats(SPACING, 86_400), seconds=st.floats(0, 4))
def test_whatever_comes_fetches_keep_their_distance_and_none_is_far_away(
    steps: list[tuple[float, bool, bool, float]], period: float, seconds: float
) -> None:
    now, chance = 0.0, 0.0
    pace = Pace(period, lambda: chance)
    last: tuple[float, float, bool] | None = None
    for passed, wanted, well, chance in steps:  # noqa: B007 - the pace reads it
        now += passed
        if last is not None:
            began, ended, was_well = last
            assert pace.due(wanted=True) <= began + SPACING
            assert pace.due(wanted=False) <= ended + (period if was_well else min(LONGEST, period))
            assert pace.due(wanted=False) >= ended + (period if was_well else FIRST / 2)
        if now < pace.due(wanted=wanted):
            continue
        if last is not None:
            assert now >= last[0] + (SPACING if last[2] else FIRST / 2)
        pace.began(now)
        began, now = now, now + seconds
        pace.ended(now, well=well)
        assert pace.failing is not well
        last = (began, now, well)


def test_the_first_is_due_at_once() -> None:
    assert Pace(300, lambda: 1.0).due(wanted=False) == -math.inf


def test_failures_are_tried_again_ever_less_often_and_spread() -> None:
    def delays(chance: float) -> list[float]:
        pace, found = Pace(300, lambda: chance), []
        for _ in range(9):
            pace.began(0)
            pace.ended(0, well=False)
            found.append(pace.due(wanted=False))
        return found

    assert delays(1.0) == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert delays(0.0) == [0.5, 1, 2, 4, 8, 16, 32, 60, 60]


def test_a_failure_is_not_tried_again_later_than_the_period() -> None:
    pace = Pace(20, lambda: 1.0)
    for _ in range(2000):
        pace.began(0)
        pace.ended(0, well=False)
    assert pace.due(wanted=False) == 20


def test_what_went_well_forgets_the_failures() -> None:
    pace = Pace(300, lambda: 1.0)
    for well in (False, False, False, True, False):
        pace.began(0)
        pace.ended(5, well=well)
    assert pace.due(wanted=False) == pytest.approx(6)
