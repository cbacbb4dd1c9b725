"""Ids of the shared log: each place has one, and no other text is any."""

from __future__ import annotations

import secrets
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redline.envelope import EventId, parse_org
from redline.eventlog.jetstream.seal import BEFORE, EVENT, ORIGIN, Sealed, Sealer, check_of

KEY = bytes(range(32))
ACME, GLOBEX = parse_org("acme"), parse_org("globex")
ORGS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.:@-]{0,127}", fullmatch=True).map(parse_org)
PLACES = st.builds(Sealed, st.sampled_from((EVENT, BEFORE, ORIGIN)), st.integers(0, 2**48 - 1), st.integers(0, 2**30 - 1))
SEALER = Sealer(KEY)


def parsed(text: str) -> EventId:
    event_id = EventId.parse(text)
    assert event_id is not None
    return event_id


@given(ORGS, PLACES)
def test_what_was_sealed_is_opened_by_every_node_and_by_its_org_alone(org: str, place: Sealed) -> None:
    text = SEALER.id_of(parse_org(org), *place)
    event_id = parsed(text)
    assert str(event_id) == text
    assert len(text) <= 30
    assert Sealer(KEY).open(parse_org(org), event_id) == place
    assert SEALER.open(parse_org("another"), event_id) is None
    assert Sealer(secrets.token_bytes(32)).open(parse_org(org), event_id) is None


@given(st.lists(st.tuples(st.sampled_from((ACME, GLOBEX)), PLACES), max_size=40))
def test_many_at_once_are_what_each_is(places: list[tuple[str, Sealed]]) -> None:
    rows = [(parse_org(org), *place) for org, place in places]
    assert SEALER.ids_of(rows) == [SEALER.id_of(*row) for row in rows]


@given(st.text(alphabet="abzAZ019._", min_size=1, max_size=43), st.integers(0, 10**19 - 1))
def test_what_was_made_up_is_nobodys(epoch: str, seq: int) -> None:
    assert SEALER.open(ACME, EventId(epoch, seq)) is None


@given(PLACES, st.integers(0, 127))
def test_one_bit_makes_it_nobodys(place: Sealed, bit: int) -> None:
    event_id = parsed(SEALER.id_of(ACME, *place))
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._"
    if bit < 72:
        at = bit // 6
        turned = letters[letters.index(event_id.epoch[at]) ^ (1 << bit % 6)]
        changed = event_id._replace(epoch=event_id.epoch[:at] + turned + event_id.epoch[at + 1 :])
    else:
        changed = event_id._replace(seq=event_id.seq ^ (1 << bit - 72))
    assert SEALER.open(ACME, changed) is None


def test_ids_that_follow_one_another_tell_nothing_of_it() -> None:
    ids = [parsed(event_id) for event_id in SEALER.ids_of((ACME, EVENT, seq, 0) for seq in range(1000))]
    assert len({event_id.epoch for event_id in ids}) == len({event_id.seq for event_id in ids}) == 1000
    rising = sum(a.seq < b.seq for a, b in pairwise(ids))
    assert 400 < rising < 600
    assert all(event_id.seq < 2**56 for event_id in ids)


@pytest.mark.parametrize(("nonce", "check"), [("0000000000000000", 0), ("ffffffff00000000", 2**30 - 1), ("0000000200000000", 2)])
def test_the_check_is_part_of_the_nonce(nonce: str, check: int) -> None:
    assert check_of(nonce) == check


@pytest.mark.parametrize(
    "event_id", [EventId("AAAAAAAAAAAA", 2**56), EventId("AAAAAAAAAAA", 1), EventId("AAAAAAAAAAAAA", 1), EventId("AAAA\u00e4AAAAAAA", 1)]
)
def test_what_is_no_block_is_nobodys(event_id: EventId) -> None:
    assert SEALER.open(ACME, event_id) is None
