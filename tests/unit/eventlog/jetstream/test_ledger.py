"""What is known of an org, against a stream that keeps everything and forgets by the same rules."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from redline.eventlog.jetstream.ledger import Ledger
from redline.eventlog.jetstream.seal import BEFORE, EVENT, ORIGIN, Sealed

PER_ORG = 5
ORIGIN_SEQ = 10


def ledger(count: int = 0, *, per_org: int = PER_ORG, step: int = 3) -> Ledger:
    """Return a ledger with events at 13, 16, 19, …, each with its sequence as its check and its time."""
    made = Ledger(per_org, Sealed(ORIGIN, ORIGIN_SEQ, 7))
    for number in range(1, count + 1):
        seq = ORIGIN_SEQ + number * step
        made.append(seq, seq, 100, float(seq))
    return made


def test_with_nothing_its_bounds_are_its_origin() -> None:
    empty = ledger()
    assert (empty.floor(), empty.top(), empty.oldest(), empty.low, empty.head) == (empty.origin, empty.origin, None, ORIGIN_SEQ, ORIGIN_SEQ)
    assert empty.place(empty.origin) == ORIGIN_SEQ


def test_the_event_that_went_last_is_known() -> None:
    full = ledger(PER_ORG + 2)
    assert (full.low, full.gone, len(full)) == (16, (16, 16), PER_ORG)
    assert full.floor() == Sealed(BEFORE, 19, 19)
    assert full.place(Sealed(EVENT, 16, 16)) == full.place(full.floor()) == 16
    assert full.place(Sealed(EVENT, 16, 17)) is None, "another event under that number"
    assert full.place(Sealed(EVENT, 13, 13)) == 12, "below the floor"
    assert full.place(Sealed(BEFORE, 16, 16)) == 15, "below the floor"
    assert full.place(Sealed(EVENT, 17, 17)) is None, "no event of this org"


def test_an_org_whose_events_all_went_stands_where_the_last_one_did() -> None:
    aged = ledger(3)
    assert aged.trim(before=19.0)
    assert (aged.floor(), aged.top(), aged.oldest(), aged.low, aged.head) == (Sealed(EVENT, 19, 19), Sealed(EVENT, 19, 19), None, 19, 19)
    assert aged.place(Sealed(EVENT, 19, 19)) == 19
    assert aged.place(Sealed(EVENT, 16, 16)) == 15
    assert aged.place(Sealed(ORIGIN, 25, 3)) == 19, "nothing was there, and nothing came"
    aged.append(30, 30, 1, 30.0)
    assert aged.place(Sealed(ORIGIN, 25, 3)) == 19
    assert aged.place(Sealed(ORIGIN, 30, 3)) is None, "there was something"


def test_what_is_no_event_takes_a_place_and_is_none() -> None:
    mixed = ledger(3)
    assert not mixed.void(20)
    assert not mixed.void(21)
    assert (len(mixed), mixed.head) == (3, 19)
    assert mixed.append(22, 22, 100, 22.0), "the oldest went for it"
    assert (len(mixed), mixed.low) == (3, 13)
    for seq in (23, 24):
        assert mixed.append(seq, seq, 100, float(seq))
    assert [mixed.low, *mixed.page(0, 10**6)] == [19, 22, 23, 24]
    assert not mixed.append(25, 25, 100, 25.0), "one of the others went"


def test_what_was_told_meanwhile_is_added_once() -> None:
    read, told = ledger(3), ledger(5)
    told.void(26)
    read.extend(told)
    assert read.page(0, 10**6) == (16, 19, 22, 25)
    assert read.low == 13


@given(st.integers(0, 12), st.integers(0, 60), st.integers(1, 1500))
def test_a_page_is_what_follows_and_about_as_large(count: int, after: int, max_bytes: int) -> None:
    made = ledger(count, per_org=100)
    everything = [seq for seq in made.page(0, 10**9) if seq > after]
    page = made.page(after, max_bytes)
    assert list(page) == everything[: len(page)]
    assert len(page) == min(len(everything), -(-max_bytes // 100))


@given(st.integers(0, 12), st.integers(0, 15), st.integers(0, 1500))
def test_the_newest_are_within_both_bounds(count: int, records: int, max_bytes: int) -> None:
    made = ledger(count, per_org=100)
    newest = made.newest(records, max_bytes)
    most = min(count, records, max_bytes // 100)
    assert newest == (made.page(0, 10**9)[-most:] if most else ())


class Following(RuleBasedStateMachine):
    """A ledger that follows an org from nothing, beside the plain truth of it."""

    def __init__(self) -> None:
        super().__init__()
        self.ledger = ledger(per_org=PER_ORG)
        self.ever: list[int] = []
        self.kept: list[int] = []
        self.seq = ORIGIN_SEQ

    @rule(gap=st.integers(1, 4), count=st.integers(1, 300))
    def come(self, gap: int, count: int) -> None:
        for _ in range(count):
            self.seq += gap
            went = self.ledger.append(self.seq, self.seq % 1000, 10, float(self.seq))
            self.ever.append(self.seq)
            self.kept.append(self.seq)
            assert went == (len(self.kept) > PER_ORG)
            del self.kept[:-PER_ORG]

    @rule(age=st.integers(0, 12))
    def age(self, age: int) -> None:
        left = [seq for seq in self.kept if seq > self.seq - age]
        assert self.ledger.trim(before=float(self.seq - age)) == (left != self.kept)
        self.kept = left

    @rule(back=st.integers(0, 12))
    def evict(self, back: int) -> None:
        left = [seq for seq in self.kept if seq >= self.seq - back]
        assert self.ledger.trim(below=self.seq - back) == (left != self.kept)
        self.kept = left

    @invariant()
    def agrees(self) -> None:
        gone = [seq for seq in self.ever if seq not in self.kept][-3:]
        assert list(self.ledger.page(0, 10**9)) == self.kept
        assert self.ledger.low == (gone[-1] if gone else ORIGIN_SEQ)
        assert self.ledger.head == (self.ever[-1] if self.ever else ORIGIN_SEQ)
        for seq in (*self.kept, *gone):
            place = self.ledger.place(Sealed(EVENT, seq, seq % 1000))
            assert place is not None
            assert (place >= self.ledger.low) == (seq in self.kept or seq == gone[-1])
            assert self.ledger.place(Sealed(EVENT, seq, 1000)) is None or seq in gone[:-1]
        assert self.ledger.place(Sealed(EVENT, self.seq + 1, 0)) is None
        assert self.ledger.place(self.ledger.floor()) == self.ledger.low
        assert self.ledger.place(self.ledger.top()) == self.ledger.head


TestFollowing: Any = Following.TestCase
