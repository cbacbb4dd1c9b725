"""Contract §1 "Resume" and "Order", under arbitrary interleavings.

Every reader gets each event that passes its filter exactly once and in the log's order, or is told ``slow_subscriber``; and a reader that
keeps up never meets a gap, however rare its kind is.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from redline.broker.agenda import State
from redline.broker.broker import Limits
from redline.broker.filter import Filter
from redline.errors import LogUnavailable
from redline.eventlog.memory import Retention
from tests.unit.broker.kit import ACME, Bench, FakeSink, Reader, kinds, turns
from tests.unit.broker.logs import RemoteLog

if TYPE_CHECKING:
    from collections.abc import Coroutine

KINDS = ("run.stage", "change.detected", "change.stateChanged")
FILTERS = (Filter(), kinds("run.stage"), kinds("change.*"), kinds("org.rare"), kinds("run.stage", "change.detected"))
EVENTS = 12

log_events = st.lists(st.sampled_from(KINDS), min_size=1, max_size=6)
readers = st.integers(0, 5)
rooms = st.none() | st.none() | st.integers(0, 900)
moves = st.lists(
    st.tuples(st.just("publish"), log_events)
    | st.tuples(st.just("publish"), log_events)
    | st.tuples(st.just("turn"), st.integers(1, 5))
    | st.tuples(st.sampled_from(["pause", "lose"]), readers)
    | st.tuples(st.just("resume"), readers, rooms)
    | st.tuples(st.just("resume"), readers, rooms)
    | st.tuples(st.just("come_back"), readers, rooms)
    | st.tuples(st.just("deliver"), st.integers(1, 6))
    | st.tuples(st.just("wait"), st.sampled_from([0.05, 15.0]))
    | st.tuples(st.just("lose_place")),
    min_size=5,
    max_size=40,
)
"""What a rule alone seldom does: many moves in a row, among readers that are there."""


def position(event_id: str) -> int:
    return int(event_id.rpartition("-")[2])


class Delivery(RuleBasedStateMachine):
    """Publishers, readers that pause, resume, break, leave and come back, a log that answers late, and a clock."""

    limits = Limits(recent_events=EVENTS, page_bytes=400, chunk_bytes=500, heartbeat=15, stall=1e9)
    retention = Retention(events=EVENTS)

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.history: list[tuple[str, str]] = []
        self.readers: list[Reader] = []
        self.opening: list[asyncio.Task[Reader | None]] = []
        self.losses = 0

    def run(self, work: Coroutine[None, None, None]) -> None:
        self.loop.run_until_complete(work)

    @initialize(lag=st.integers(0, 3), held=st.booleans(), before=st.lists(st.sampled_from(KINDS), max_size=2 * EVENTS))
    def begin(self, lag: int, held: bool, before: list[str]) -> None:  # noqa: FBT001 - drawn
        async def work() -> None:
            self.bench = Bench(self.limits, self.retention, lambda memory: RemoteLog(memory, lag))
            assert isinstance(self.bench.log, RemoteLog)
            self.log = self.bench.log
            await self.bench.broker.start()
            self.log.hold_notices = held
            for kind in before:
                await self._publish([kind])

        self.run(work())
        for wanted in FILTERS:
            self.join(wanted, -1, follow=True, room=None)
        self.run(turns())

    async def _publish(self, events: list[str]) -> None:
        ids = await self.bench.publish(*events)
        self.history += zip(ids, events, strict=True)

    @rule(events=log_events)
    def publish(self, events: list[str]) -> None:
        self.run(self._publish(events))

    @rule(count=st.integers(1, 6))
    def deliver(self, count: int) -> None:
        async def work() -> None:
            self.log.deliver(count)

        self.run(work())

    @rule(count=st.integers(1, 5))
    def turn(self, count: int) -> None:
        self.run(turns(count))

    @rule(which=st.sampled_from(FILTERS), back=st.integers(-2, EVENTS + 4), follow=st.booleans(), room=rooms)
    def join(self, which: Filter, back: int, follow: bool, room: int | None) -> None:  # noqa: FBT001 - drawn
        """``back`` events before the head; -1 without a cursor, -2 all that is retained."""
        after = self.history[-1 - back][0] if 0 <= back < len(self.history) else "nonsense" if back >= 0 else None
        self._open(which, after, earliest=back == -2, follow=follow, room=room)

    @rule(which=readers, room=rooms)
    def come_back(self, which: int, room: int | None) -> None:
        if self.readers:
            reader = self.readers[which % len(self.readers)]
            self.run(_lost(reader))
            self._open(reader.opening.terms.wanted, reader.last_event_id, room=room)

    def _open(self, wanted: Filter, after: str | None, *, room: int | None, earliest: bool = False, follow: bool = True) -> None:
        async def work() -> Reader | None:
            sink = FakeSink()
            sink.room = room
            try:
                reader = await self.bench.open(after, wanted, earliest=earliest, follow=follow, sink=sink)
            except LogUnavailable:
                assert self.log.notices or self.losses, "refused although this node had been told everything"
                return None
            self.readers.append(reader)
            return reader

        self.opening.append(self.loop.create_task(work()))

    @rule(which=readers)
    def pause(self, which: int) -> None:
        self._tell(which, "pause")

    @rule(which=readers, room=rooms)
    def resume(self, which: int, room: int | None) -> None:
        if self.readers:
            self.readers[which % len(self.readers)].sink.room = room
            self._tell(which, "resume")

    @rule(which=readers)
    def lose(self, which: int) -> None:
        self._tell(which, "lost")

    @rule(which=readers)
    def break_connection(self, which: int) -> None:
        if self.readers:
            self.readers[which % len(self.readers)].sink.broken = RuntimeError("the handler is closed")

    @rule(seconds=st.sampled_from([0.05, 1.0, 15.0]))
    def wait(self, seconds: float) -> None:
        async def work() -> None:
            self.bench.clock.advance(seconds)

        self.run(work())

    @rule()
    def lose_place(self) -> None:
        """Have the log not be sure any more of what it told, in turn with all else that it tells; who comes back finds everything there."""

        async def work() -> None:
            self.log.lost(None)

        self.losses += 1
        self.run(work())

    @rule(moves=moves)
    def hustle(self, moves: list[tuple[Any, ...]]) -> None:
        for name, *drawn in moves:
            getattr(self, name)(*drawn)
            self.nothing_is_twice_or_out_of_order_or_missing()

    def _tell(self, which: int, what: str) -> None:
        async def work() -> None:
            getattr(self.readers[which % len(self.readers)].subscription, what)()

        if self.readers:
            self.run(work())

    def _expected(self, reader: Reader) -> list[str]:
        terms = reader.opening.terms
        until = position(self.history[-1][0]) if terms.until is None and self.history else terms.until.position if terms.until else 0
        passing = [event_id for event_id, kind in self.history if terms.wanted.admits(kind, None)]
        return [event_id for event_id in passing if reader.opening.start < position(event_id) <= until]

    @invariant()
    def nothing_is_twice_or_out_of_order_or_missing(self) -> None:
        for reader in self.readers:
            got = reader.ids
            assert got == self._expected(reader)[: len(got)]

    @invariant()
    def places_are_counted(self) -> None:
        if hasattr(self, "bench"):
            gone = sum(reader.subscription.state is State.GONE for reader in self.readers)
            pending = sum(not task.done() for task in self.opening)
            assert len(self.readers) - gone <= len(self.bench.broker) <= len(self.readers) - gone + pending

    @precondition(lambda self: hasattr(self, "bench"))
    @rule()
    def rest(self) -> None:
        """Let everything come to rest: whoever can take it has everything, and whoever was closed was closed for a reason."""

        async def work() -> None:
            while self.log.notices:
                self.log.deliver()
            await turns()
            await turns()
            bounds = await self.log.memory.bounds(ACME)
            for reader in self.readers:
                state, reason = reader.subscription.state, reader.reason
                if state is State.LIVE:
                    assert reader.ids == self._expected(reader)
                    assert position(reader.last_event_id) >= bounds.floor.position, "a reader that keeps up would meet a gap"
                elif reason == "end_of_history":
                    assert reader.ids == self._expected(reader)
                elif reason == "log_unavailable":
                    assert self.losses
                    assert reader.opening.topic.lost
                elif reason is not None:
                    assert reason == "slow_subscriber"
                    assert reader.subscription.cursor < bounds.floor.position
                else:
                    assert state in {State.PAUSED, State.GONE} or reader.sink.aborted

        self.run(work())

    def teardown(self) -> None:
        async def work() -> None:
            for reader in self.readers:
                reader.subscription.lost()
            for task in self.opening:
                task.cancel()
            await turns()
            left = len(self.bench.broker)
            await self.bench.broker.close()
            await turns()
            assert left == 0, "a place was lost"

        try:
            if hasattr(self, "bench"):
                try:
                    self.rest()
                    self.nothing_is_twice_or_out_of_order_or_missing()
                finally:
                    self.run(work())
        finally:
            self.loop.close()


async def _lost(reader: Reader) -> None:
    reader.subscription.lost()


class DeliveryFromTheLog(Delivery):
    """The same, where this node's memory holds less than the log."""

    limits = Limits(recent_events=4, page_bytes=400, chunk_bytes=500, heartbeat=15, stall=1e9)


class DeliveryUnderACeiling(Delivery):
    """The same, where bytes run out long before the number of events does."""

    limits = Limits(recent_events=1000, recent_bytes=10_000, page_bytes=400, chunk_bytes=500, heartbeat=15, stall=1e9)
    retention = Retention(events=1000, bytes=10_000, total_bytes=1_900)


SETTINGS = settings(max_examples=150, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck))

TestDelivery = pytest.mark.timeout(120)(Delivery.TestCase)
TestDelivery.settings = SETTINGS
TestDeliveryFromTheLog = DeliveryFromTheLog.TestCase
TestDeliveryFromTheLog.settings = SETTINGS
TestDeliveryUnderACeiling = DeliveryUnderACeiling.TestCase
TestDeliveryUnderACeiling.settings = SETTINGS
