"""What is the memory log's own: the ceiling over all orgs, the bound on orgs, the gauges, and what it costs."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import pytest

from redline.envelope import Envelope, OrgId, parse_org
from redline.errors import OverCapacity
from redline.eventlog.contract import RECORD_OVERHEAD, Appended, Draft
from redline.eventlog.memory import MemoryLog, Retention
from redline.metrics import Metrics
from redline.testing import ManualClock

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from redline.eventlog.contract import Record


class Told:
    """A follower that remembers floors, and fails when asked to."""

    def __init__(self) -> None:
        self.floors: dict[OrgId, int] = {}
        self.rises = 0
        self.fails = False

    def appended(self, records: Sequence[Record]) -> None:
        assert records
        if self.fails:
            msg = "a fault of the follower"
            raise ZeroDivisionError(msg)

    def trimmed(self, org: OrgId, floor: int) -> None:
        self.floors[org] = floor
        self.rises += 1

    def lost(self, orgs: Collection[OrgId] | None) -> None:
        raise AssertionError(orgs)  # memory never loses its place


class Memory:
    """A started log in memory."""

    def __init__(self, retention: Retention) -> None:
        self.clock = ManualClock()
        self.metrics = Metrics()
        self.told = Told()
        self.log = MemoryLog(retention, self.clock, self.metrics)

    async def fill(self, org: str, count: int, size: int = 400, key: str | None = None) -> None:
        draft = Draft(Envelope(parse_org(org), "run.stage", "2026-11-22T10:00:00.000Z", b"x" * size), key)
        answers = await self.log.append([draft] * count)
        assert all(isinstance(answer, Appended) for answer in answers), answers

    async def kept(self, org: str) -> int:
        return len((await self.log.tail(parse_org(org), 10**9, 10**9)).records)

    def metric(self, name: str, **labels: str) -> float | None:
        return self.metrics._registry.get_sample_value(name, labels)  # noqa: SLF001 - what /metrics would say


async def started(retention: Retention) -> Memory:
    memory = Memory(retention)
    await memory.log.start(memory.told)
    return memory


async def test_under_the_ceiling_the_loud_org_pays_and_the_quiet_one_keeps() -> None:
    memory = await started(Retention(total_bytes=20_000))
    await memory.fill("quiet", 5)
    await memory.fill("loud", 100)
    assert await memory.kept("quiet") == 5
    assert await memory.kept("loud") == 15
    assert memory.told.floors == {parse_org("loud"): 85}
    assert memory.metric("redline_log_evicted_total", reason="ceiling") == 85


async def test_orgs_that_are_equally_loud_pay_equally() -> None:
    memory = await started(Retention(total_bytes=20_000))
    for _ in range(50):
        for org in ("a", "b", "c", "d"):
            await memory.fill(org, 1)
    assert [await memory.kept(org) for org in ("a", "b", "c", "d")] == [5, 5, 5, 5]


async def test_the_ceiling_holds_whatever_comes_and_the_gauges_say_so() -> None:
    memory = await started(Retention(total_bytes=30_000, events=20))
    for turn in range(300):
        await memory.fill(f"org{turn * 7 % 11}", 1 + turn % 3, size=turn * 37 % 900)
        await asyncio.sleep(0)  # what is too much goes once a turn
        total = memory.metric("redline_log_bytes")
        assert total is not None
        assert total <= 30_000
    kept = [(await memory.log.tail(parse_org(f"org{n}"), 100, 10**9)).records for n in range(11)]
    assert memory.metric("redline_log_events") == sum(map(len, kept))
    assert memory.metric("redline_log_bytes") == sum(len(record.envelope.data) + RECORD_OVERHEAD for records in kept for record in records)
    assert memory.metric("redline_orgs") == 11


async def test_just_below_the_ceiling_nothing_grows() -> None:
    memory = await started(Retention(total_bytes=20_000, events=19))
    await memory.fill("other", 1)
    for _ in range(5000):
        await memory.fill("steady", 1)
    assert len(memory.log._kept._heaviest) <= 4 * 2 + 1024  # noqa: SLF001 - there is no other sign of it


async def test_no_more_orgs_than_said_unless_one_can_be_forgotten() -> None:
    memory = await started(Retention(orgs=3, seconds=100))
    await memory.fill("a", 1)
    memory.clock.advance(1)
    memory.log.hold(parse_org("b"))
    await memory.fill("c", 1)
    with pytest.raises(OverCapacity) as refused:
        await memory.log.bounds(parse_org("d"))
    assert refused.value.retry_after
    (answer,) = await memory.log.append([Draft(Envelope(parse_org("d"), "run.stage", "2026-11-22T10:00:00.000Z", b"{}"))])
    assert isinstance(answer, OverCapacity)
    memory.clock.advance(99)
    await memory.log.bounds(parse_org("d"))
    with pytest.raises(OverCapacity):
        await memory.log.bounds(parse_org("e"))


async def test_a_released_org_can_be_forgotten_the_moment_its_age_is_over() -> None:
    """Not a sweep later: a full server refuses an org only when nothing at all can be forgotten."""
    memory = await started(Retention(orgs=1, seconds=100))
    memory.log.hold(parse_org("a"))
    memory.clock.advance(302)
    memory.log.release(parse_org("a"))
    memory.clock.advance(99)
    with pytest.raises(OverCapacity):
        await memory.log.bounds(parse_org("b"))
    memory.clock.advance(1)
    await memory.log.bounds(parse_org("b"))


async def test_a_sweep_drops_what_nobody_asks_for() -> None:
    memory = await started(Retention(seconds=100, key_seconds=10))
    await memory.fill("a", 1, key="k")
    memory.clock.advance(20)
    assert len(memory.log._keys) == 0  # noqa: SLF001 - there is no other sign of it
    assert memory.metric("redline_log_events") == 1
    memory.clock.advance(120)
    assert (memory.metric("redline_log_events"), memory.metric("redline_orgs")) == (0, 0)
    assert memory.metric("redline_log_evicted_total", reason="age") == 1


@pytest.mark.parametrize("seconds", [0.1, 1 / 3, 1e-7, 86_400.000_000_1])
async def test_a_sweep_ends_whatever_way_times_round(seconds: float) -> None:
    memory = await started(Retention(seconds=seconds))
    for n in range(50):
        await memory.fill(f"org{n}", 1)
        memory.clock.advance(seconds / 7)
    memory.clock.advance(3 * seconds + 100)
    assert memory.metric("redline_orgs") == 0


async def test_a_jump_of_the_wall_clock_forgets_no_key() -> None:
    memory = await started(Retention(seconds=100, key_seconds=60))
    await memory.fill("a", 1, key="k")
    memory.clock.set_time(memory.clock.time() + 10_000)
    memory.clock.advance(30)
    (answer,) = await memory.log.append([Draft(Envelope(parse_org("a"), "run.stage", "2026-11-22T10:00:00.000Z", b"x" * 400), "k")])
    assert isinstance(answer, Appended)
    assert answer.duplicate


async def test_a_follower_that_fails_costs_no_publisher_its_answer(caplog: pytest.LogCaptureFixture) -> None:
    memory = await started(Retention(events=2))
    memory.told.fails = True
    with caplog.at_level(logging.ERROR):
        await memory.fill("a", 5)
    assert "follower" in caplog.text
    assert await memory.kept("a") == 2


async def test_closing_lets_go_of_everything_and_of_time() -> None:
    memory = await started(Retention())
    await memory.fill("a", 3, key=None)
    await memory.log.close()
    memory.clock.advance(1000)
    assert [memory.metric(f"redline_{name}") for name in ("orgs", "log_events", "log_bytes")] == [0, 0, 0]
    assert not [timer for _, _, timer in memory.clock._timers if timer.callback]  # noqa: SLF001 - nothing may be called any more


async def test_what_is_too_much_goes_once_a_turn_and_before_anybody_reads() -> None:
    memory = await started(Retention(events=10))
    for _ in range(50):
        await memory.fill("acme", 1)
    assert memory.told.rises == 0
    await asyncio.sleep(0)
    assert (memory.told.rises, memory.told.floors) == (1, {parse_org("acme"): 40})
    await memory.fill("acme", 5)
    assert await memory.kept("acme") == 10
    assert memory.told.floors == {parse_org("acme"): 45}
