"""Every log against a simple model: a list an org, cut to what must be retained."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from redline.errors import IdempotencyConflict
from redline.eventlog.contract import Appended
from redline.eventlog.memory import Retention
from redline.testing import ManualClock
from tests.contracts.eventlog.kit import ACME, GLOBEX, MUCH, Following, draft, parsed

if TYPE_CHECKING:
    from redline.envelope import OrgId
    from tests.contracts.eventlog.kit import Factory

EVENTS, SECONDS, KEY_SECONDS = 7, 100.0, 30.0

orgs = st.sampled_from([ACME, GLOBEX])
drafts = st.tuples(orgs, st.sampled_from([b"1", b"2"]), st.none() | st.sampled_from(["a", "b"]))
appends = st.tuples(st.just("append"), st.lists(drafts, min_size=1, max_size=5))
moves = st.lists(appends | st.tuples(st.just("wait"), st.integers(1, 40)), max_size=25)


class Model:
    """What must be retained and answered."""

    def __init__(self) -> None:
        self.events: dict[OrgId, list[tuple[str, float]]] = {ACME: [], GLOBEX: []}
        self.keys: dict[tuple[OrgId, str], tuple[str, bytes, float]] = {}

    def answered(self, org: OrgId, data: bytes, key: str | None, answer: object, now: float) -> None:
        known = self.keys.get((org, key)) if key is not None else None
        if known is not None and known[2] > now:
            if known[1] != data:
                assert isinstance(answer, IdempotencyConflict)
            else:
                assert answer == Appended(known[0], duplicate=True)
            return
        assert isinstance(answer, Appended)
        assert not answer.duplicate
        self.events[org].append((answer.id, now))
        if key is not None:
            self.keys[org, key] = (answer.id, data, now + KEY_SECONDS)

    def retained(self, org: OrgId, now: float) -> list[str]:
        return [event_id for event_id, at in self.events[org] if at + SECONDS > now][-EVENTS:]


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(moves=moves)
def test_a_log_does_what_the_model_does(factory: Factory, moves: list[tuple[str, Any]]) -> None:
    asyncio.run(_compare(factory, moves))


async def _compare(factory: Factory, moves: list[tuple[str, Any]]) -> None:
    clock, model = ManualClock(start=1_000_000.0), Model()
    async with Following.of(factory, clock, Retention(events=EVENTS, seconds=SECONDS, key_seconds=KEY_SECONDS)) as following:
        for org in (ACME, GLOBEX):
            following.log.hold(org)
        for what, drawn in moves:
            if what == "wait":
                clock.advance(drawn)
            else:
                answers = await following.log.append([draft(data, org=org, key=key) for org, data, key in drawn])
                for (org, data, key), answer in zip(drawn, answers, strict=True):
                    model.answered(org, data, key, answer, clock.time())
            for org in (ACME, GLOBEX):
                await _same(following, model, org)


async def _same(following: Following, model: Model, org: OrgId) -> None:
    expected, everything = model.retained(org, following.clock.time()), [event_id for event_id, _ in model.events[org]]
    assert await following.ids(org) == expected
    assert [record.id for record in following.told[org]] == everything
    bounds = await following.log.bounds(org)
    assert bounds.oldest == (expected[0] if expected else None)
    if everything:
        assert bounds.head.id == everything[-1]
    tail = await following.log.tail(org, 3, MUCH)
    assert [record.id for record in tail.records] == expected[-3:]
    for event_id in everything:
        mark = await following.log.locate(org, parsed(event_id))
        assert mark is not None
        assert (mark.position > bounds.floor.position) == (event_id in expected)
