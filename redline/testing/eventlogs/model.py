"""A log against a simple model: a list an org, cut to what must be retained."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final

import pytest

from redline.errors import IdempotencyConflict
from redline.eventlog.contract import Appended
from redline.eventlog.retention import Retention
from redline.testing.eventlogs.kit import ACME, GLOBEX, MUCH, Factory, Following, draft, parsed

if TYPE_CHECKING:
    from redline.envelope import OrgId
    from redline.testing.clock import ManualClock

EVENTS: Final = 7
SECONDS: Final = 100.0
KEY_SECONDS: Final = 30.0
KEEP: Final = Retention(events=EVENTS, seconds=SECONDS, key_seconds=KEY_SECONDS)
_SEEDS: Final = 12
_MOVES: Final = 25
_WAIT_ONE_IN: Final = 3


class Expected:
    """What must be retained and answered."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.events: dict[OrgId, list[tuple[str, float]]] = {ACME: [], GLOBEX: []}
        self.keys: dict[tuple[OrgId, str], tuple[str, bytes, float]] = {}

    def answered(self, org: OrgId, data: bytes, key: str | None, answer: object, now: float) -> None:
        """Hold an answer to what it must be, and remember it."""
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
        """Return the ids that must be there."""
        return [event_id for event_id, at in self.events[org] if at + SECONDS > now][-EVENTS:]

    async def compare(self, following: Following, org: OrgId) -> None:
        """Hold all that a log says of an org to what it must say."""
        expected, everything = self.retained(org, following.clock.time()), [event_id for event_id, _ in self.events[org]]
        assert await following.ids(org) == expected
        await following.caught_up(everything, org)
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


class Model:
    """Chance, seeded: whatever comes in whatever order."""

    @pytest.mark.parametrize("seed", range(_SEEDS))
    async def test_a_log_does_what_the_model_does(self, factory: Factory, clock: ManualClock, seed: int) -> None:
        chance, expected = random.Random(seed), Expected()  # noqa: S311 - chance in a test is seeded, not secret
        async with Following.of(factory, clock, KEEP) as following:
            for org in (ACME, GLOBEX):
                following.log.hold(org)
            for _ in range(_MOVES):
                if not chance.randrange(_WAIT_ONE_IN):
                    clock.advance(chance.randint(1, 40))
                else:
                    drawn = [
                        (chance.choice((ACME, GLOBEX)), chance.choice((b"1", b"2")), chance.choice((None, None, "a", "b")))
                        for _ in range(chance.randint(1, 5))
                    ]
                    answers = await following.log.append([draft(data, org=org, key=key) for org, data, key in drawn])
                    for (org, data, key), answer in zip(drawn, answers, strict=True):
                        expected.answered(org, data, key, answer, clock.time())
                for org in (ACME, GLOBEX):
                    await expected.compare(following, org)
