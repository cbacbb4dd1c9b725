"""Idempotency keys in memory: none forgotten early, none held for long after its window, and a million of them in little room."""

from __future__ import annotations

import math
import secrets
import tracemalloc
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from redline.errors import IdempotencyConflict, RateLimited, RedlineError
from redline.eventlog.jetstream import entries
from redline.eventlog.jetstream.keys import Keys, Use
from redline.testing.clock import ManualClock

WINDOW = 64.0
PART = WINDOW / 128
"""How much longer than its window a key may be held."""
PER_ORG = 4
KEY = (1 << 128) - 5
NONCE = (1 << 64) - 3
ORG = (1 << 48) - 7
SEQ = (1 << 48) - 9


def keys(per_org: int = PER_ORG) -> tuple[Keys, ManualClock]:
    """Return what holds keys for a minute, and its clock."""
    clock = ManualClock()
    made = Keys(per_org, clock)
    made.begin(WINDOW)
    return made, clock


def test_a_key_is_what_it_was_used_for_first() -> None:
    held, _ = keys()
    assert held.answer(KEY, NONCE, ORG) is None
    assert held.use(KEY) is None
    held.remember([(KEY, NONCE, ORG, SEQ)])
    held.remember([(KEY, 1, ORG, 2)])
    assert held.answer(KEY, NONCE, ORG) == SEQ
    assert held.use(KEY) == Use(KEY, NONCE, ORG, SEQ)
    with pytest.raises(IdempotencyConflict):
        held.answer(KEY, NONCE - 1, ORG)
    assert len(held) == 1


def test_it_goes_after_its_window_and_not_before() -> None:
    held, clock = keys()
    held.remember([(1, 1, 1, 1)])
    clock.advance(20)
    held.remember([(2, 2, 1, 2)])
    clock.advance(WINDOW - 20 - 0.001)
    assert held.answer(1, 1, 1) == 1
    clock.advance(PART + 0.002)
    assert held.answer(1, 1, 1) is None
    assert held.answer(2, 2, 1) == 2
    clock.advance(WINDOW)
    held.purge()
    assert len(held) == 0


def test_what_is_over_of_its_window_counts() -> None:
    held, clock = keys()
    held.remember([(1, 1, 1, 1)])
    held.remember([(2, 2, 1, 2)], WINDOW - 10)
    held.remember([(3, 3, 1, 3)], WINDOW)
    assert held.use(3) is None, "its window is over"
    clock.advance(9.9)
    assert held.answer(2, 2, 1) == 2
    clock.advance(PART + 0.2)
    assert held.answer(2, 2, 1) is None
    assert held.answer(1, 1, 1) == 1


def test_an_org_with_too_many_is_told_when_to_come_back() -> None:
    held, clock = keys()
    held.remember([(99, 99, 7, 99)])
    held.remember([(n, n, 7, n) for n in range(PER_ORG - 1)], 30)
    with pytest.raises(RateLimited) as refused:
        held.answer(100, 1, 7)
    assert refused.value.retry_after is not None
    assert WINDOW - 30 <= refused.value.retry_after <= WINDOW - 30 + PART + 1
    assert held.answer(0, 0, 7) == 0, "none is forgotten for it"
    assert held.answer(100, 1, 8) is None, "another org has room"
    clock.advance(refused.value.retry_after)
    assert held.answer(100, 1, 7) is None


def test_another_stream_begins_with_none() -> None:
    held, _ = keys()
    held.remember([(n, n, 7, n) for n in range(PER_ORG)])
    held.begin(5.0)
    assert (len(held), held.use(1), held.answer(1, 2, 7), held.window) == (0, None, None, 5.0)


def test_they_are_told_oldest_first_while_they_come_and_go() -> None:
    held, clock = keys(10_000)
    for n in range(10):
        held.remember([(n, n, 7, n)])
        clock.advance(10)
    told = []
    for use, used in held:
        assert used == pytest.approx(100 - use.key * 10, abs=PART)
        told.append(use.key)
        held.remember([(1000 + len(told), 1, 7, 1)])
        held.purge()
    assert told == [4, 5, 6, 7, 8, 9]


def test_a_million_take_less_than_two_hundred_megabytes() -> None:
    held, _ = keys(1 << 30)
    tracemalloc.start()
    try:
        for start in range(0, 100_000, 1000):
            made = ((int.from_bytes(secrets.token_bytes(16), "big"), secrets.randbits(64), n % 5000, n) for n in range(start, start + 1000))
            held.remember(made)
        current, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(held) == 100_000
    assert current < 100_000 * 200


class Used(NamedTuple):
    """What the model knows of a key."""

    nonce: int
    org: int
    seq: int
    until: float


class Held(RuleBasedStateMachine):
    """Keys come and time goes; a dict with times says what must be known."""

    def __init__(self) -> None:
        super().__init__()
        self.keys, self.clock = keys()
        self.model: dict[int, Used] = {}

    def surely(self, org: int | None = None) -> dict[int, Used]:
        """Return the keys whose window is not over."""
        now = self.clock.monotonic()
        return {key: used for key, used in self.model.items() if used.until > now and org in {None, used.org}}

    def perhaps(self, org: int) -> dict[int, Used]:
        """Return those and the ones that went just now."""
        now = self.clock.monotonic()
        return {key: used for key, used in self.model.items() if used.until + PART >= now and org == used.org}

    @rule(seconds=st.floats(0.0, WINDOW * 1.2))
    def pass_(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule(key=st.integers(0, 12), nonce=st.integers(0, 1))
    def publish(self, key: int, nonce: int) -> None:
        org, now = key % 2, self.clock.monotonic()
        known, used = self.surely().get(key), self.model.get(key)
        try:
            answer: int | RedlineError | None = self.keys.answer(key, nonce, org)
        except RedlineError as error:
            answer = error
        if isinstance(answer, RateLimited):
            assert known is None
            assert len(self.perhaps(org)) >= PER_ORG
            assert 1 <= (answer.retry_after or 0) <= math.ceil(WINDOW + PART)
        elif answer is None:
            assert known is None
            assert len(self.surely(org)) < PER_ORG
            self.append(key, nonce, 0.0)
        else:
            assert used is not None
            assert used.until + PART >= now
            if isinstance(answer, IdempotencyConflict):
                assert used.nonce != nonce
            else:
                assert (answer, nonce) == (used.seq, used.nonce)

    @rule(key=st.integers(0, 12), nonce=st.integers(0, 1), used=st.floats(0.0, WINDOW * 1.1))
    def append(self, key: int, nonce: int, used: float) -> None:
        """Follow what another node appended, or read of it: the first that was heard of counts."""
        now, seq = self.clock.monotonic(), len(self.model) + 1
        new = self.keys.use(key) is None
        self.keys.remember([(key, nonce, key % 2, seq)], used)
        if new:
            self.model[key] = Used(nonce, key % 2, seq, now + WINDOW - used)

    @rule()
    def purge(self) -> None:
        self.keys.purge()
        now = self.clock.monotonic()
        assert len(self.keys) <= sum(used.until + PART >= now for used in self.model.values())

    @invariant()
    def none_is_forgotten_early(self) -> None:
        for key, used in self.surely().items():
            assert self.keys.use(key) == Use(key, used.nonce, used.org, used.seq)


TestHeld = Held.TestCase


# As messages.

STREAM = entries.stream_of(b"k" * 32)
WRITER, OTHER = b"w" * 8, b"o" * 8
USES = st.builds(
    Use, st.integers(0, (1 << 128) - 1), st.integers(0, (1 << 64) - 1), st.integers(0, (1 << 48) - 1), st.integers(0, (1 << 48) - 1)
)


@given(st.lists(st.tuples(USES, st.integers(0, (1 << 32) - 1).map(lambda milliseconds: milliseconds / 1000))))
def test_what_was_written_is_read(rows: list[tuple[Use, float]]) -> None:
    read = entries.decode(STREAM, OTHER, entries.encode(STREAM, WRITER, rows), ())
    assert [use for use, _ in read] == [use for use, _ in rows]
    assert [used for _, used in read] == pytest.approx([used for _, used in rows], abs=0.002)


def test_what_is_of_another_stream_or_ones_own_or_known_is_passed_over() -> None:
    rows = [(Use(1, 2, 3, 4), 0.5), (Use(5, 6, 7, 8), 1e12)]
    data = entries.encode(STREAM, WRITER, rows)
    assert len(data) == entries.HEAD_BYTES + 2 * entries.ENTRY_BYTES
    assert entries.decode(entries.stream_of(b"another"), OTHER, data, ()) == []
    assert entries.decode(STREAM, WRITER, data, ()) == []
    assert entries.decode(STREAM, OTHER, data, {1}) == [(Use(5, 6, 7, 8), ((1 << 32) - 1) / 1000)]


@pytest.mark.parametrize(
    "data",
    [b"", b"hello", b"\x01" * 23, b"\x02" + entries.encode(STREAM, WRITER, [])[1:], entries.encode(STREAM, WRITER, []) + b"x"],
    ids=["nothing", "text", "short", "later", "rest"],
)
def test_what_is_no_such_message_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="no list of keys of version 1"):
        entries.decode(STREAM, OTHER, data, ())
