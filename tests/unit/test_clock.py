"""Times as they go out and come in (contract §5), and the machine's clock."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redline.clock import SystemClock, parse_rfc3339, rfc3339

EARLIEST, LATEST = -62_135_596_800.0, 253_402_300_799.0
offsets = st.integers(-23 * 60 - 59, 23 * 60 + 59).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1_795_341_600.1236, "2026-11-22T10:00:00.123Z"),
        (0.9996, "1970-01-01T00:00:00.999Z"),
        (-0.001, "1969-12-31T23:59:59.999Z"),
        (EARLIEST, "0001-01-01T00:00:00.000Z"),
        (LATEST, "9999-12-31T23:59:59.000Z"),
    ],
)
def test_a_time_goes_out_in_utc_with_milliseconds(seconds: float, text: str) -> None:
    assert rfc3339(seconds) == text


@given(st.floats(EARLIEST, LATEST))
def test_what_goes_out_comes_in(seconds: float) -> None:
    text = rfc3339(seconds)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", text)
    assert abs(parse_rfc3339(text) - seconds) <= 0.0011


@given(st.datetimes(), offsets)
def test_whatever_comes_in_can_go_out_or_is_refused(moment: datetime, offset: timezone) -> None:
    text = moment.replace(tzinfo=offset).isoformat()
    try:
        seconds = parse_rfc3339(text)
    except ValueError:
        assert moment.year in {1, 9999}
        return
    assert parse_rfc3339(rfc3339(seconds)) == pytest.approx(seconds, abs=0.0011)
    assert abs(datetime.fromtimestamp(seconds, UTC) - moment.replace(tzinfo=offset)) < timedelta(milliseconds=1)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01T00:00:00Z", 0.0),
        ("1970-01-01T02:00:00+02:00", 0.0),
        ("1970-01-01T00:00:00-00:00", 0.0),
        ("1970-01-01T00:00:00.5Z", 0.5),
        ("1970-01-01T00:00:00.123456789Z", 0.123456),
    ],
)
def test_times_come_in(text: str, seconds: float) -> None:
    assert parse_rfc3339(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "1970-01-01",
        "1970-01-01T00:00:00",
        "1970-01-01 00:00:00Z",
        "1970-01-01T00:00:00z",
        "1970-01-01t00:00:00Z",
        "1970-01-01T00:00Z",
        "1970-01-01T00:00:00Z\n",
        "1970-01-01T00:00:00,5Z",
        "1970-01-01T00:00:00.1234567890Z",
        "1970-01-01T24:00:00Z",
        "1970-01-01T00:60:00Z",
        "1970-02-30T00:00:00Z",
        "1970-W01-1T00:00:00Z",
        "1970-01-01T00:00:00+0100",
        "1970-01-01T00:00:00+24:00",
        "1970-01-01T00:00:00+01:60",
        "1970-01-01T00:00:00+01:00:30",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
        "9999-12-31T23:59:59.999999Z",
        "١٩٧٠-01-01T00:00:00Z",
    ],
)
def test_nothing_else_comes_in(text: str) -> None:
    with pytest.raises(ValueError, match="RFC 3339"):
        parse_rfc3339(text)


async def test_the_machines_clock_calls_on_the_loop_and_not_before_its_time() -> None:
    clock, called = SystemClock(), asyncio.Event()
    due = clock.monotonic() + 0.02
    clock.call_at(due, called.set)
    await asyncio.wait_for(called.wait(), 5)
    assert clock.monotonic() >= due - 0.002
    assert abs(clock.time() - datetime.now(UTC).timestamp()) < 5


async def test_a_cancelled_call_is_not_made_and_one_for_the_past_is_made_at_once() -> None:
    clock, order = SystemClock(), list[str]()
    clock.call_at(clock.monotonic() - 100, lambda: order.append("cancelled")).cancel()
    done = asyncio.Event()
    clock.call_at(clock.monotonic() - 100, done.set)
    await asyncio.wait_for(done.wait(), 5)
    assert order == []
