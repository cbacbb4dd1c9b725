"""The syntax of ids, orgs, keys and envelopes (contract §1 "Event id", §2, §3)."""

from __future__ import annotations

import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redline.envelope import Envelope, EventId, parse_key, parse_org

AT = "2026-11-22T10:00:00.123Z"
epochs = st.text(string.ascii_letters + string.digits + "._", min_size=1, max_size=43)
hostile = st.text(max_size=80) | st.text(string.ascii_letters + string.digits + "._-\n\r\0 ", max_size=70)


@given(epochs, st.integers(0, 10**19 - 1))
def test_an_id_comes_back_as_it_was_spelled(epoch: str, seq: int) -> None:
    event_id = EventId(epoch, seq)
    assert EventId.parse(str(event_id)) == event_id
    assert len(str(event_id)) <= 64
    assert re.fullmatch(r"[A-Za-z0-9._-]+", str(event_id))


@given(hostile)
def test_an_id_has_one_spelling_and_nothing_else_is_one(text: str) -> None:
    parsed = EventId.parse(text)
    assert parsed is None or str(parsed) == text


@pytest.mark.parametrize(
    "text",
    ["", "-", "a-", "-1", "a-01", "a--1", "a-+1", "a-1 ", " a-1", "a-1\n", "a b-1", "a-\u0661", "é-1", "a" * 44 + "-1", "a-" + "1" * 20],
)
def test_what_is_no_id_is_none(text: str) -> None:
    assert EventId.parse(text) is None


@given(hostile)
def test_an_org_is_what_the_contract_says(text: str) -> None:
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.:@-]{0,127}", text, re.ASCII):
        assert parse_org(text) == text
    else:
        with pytest.raises(ValueError, match="an org is"):
            parse_org(text)


@pytest.mark.parametrize("org", ["a", "A1", "a" * 128, "acme.eu:prod@x-y_z"])
def test_orgs(org: str) -> None:
    assert parse_org(org) == org


@pytest.mark.parametrize("org", ["", "*", "a" * 129, ".a", "a\n", "a b", "ä", None, 7, ["a"], True])
def test_no_orgs(org: object) -> None:
    with pytest.raises(ValueError, match="an org is"):
        parse_org(org)


@given(st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=128))
def test_keys(key: str) -> None:
    assert parse_key(key) == key


@pytest.mark.parametrize("key", ["", "a b", "a\n", "é", "\x7f", "a" * 129, None, 1, b"a"])
def test_no_keys(key: object) -> None:
    with pytest.raises(ValueError, match="a key is"):
        parse_key(key)


@pytest.mark.parametrize("kind", ["", "a b", "a\nid: x", 'a"', "a" * 65, "run-stage"])
def test_a_kind_that_could_break_its_line_makes_no_envelope(kind: str) -> None:
    with pytest.raises(ValueError, match="an envelope needs"):
        Envelope.checked(parse_org("acme"), kind, AT, b"{}")


@pytest.mark.parametrize("at", ["", "now", "2026-11-22T10:00:00Z", AT + "\n", "2026-11-22T10:00:00.123+00:00", "2026-11-22 10:00:00.123Z"])
def test_a_time_that_is_not_as_times_go_out_makes_no_envelope(at: str) -> None:
    with pytest.raises(ValueError, match="an envelope needs"):
        Envelope.checked(parse_org("acme"), "run.stage", at, b"{}")


@pytest.mark.parametrize("data", [b"{\n}", b"{}\r", b"\0"])
def test_data_of_more_than_a_line_makes_no_envelope(data: bytes) -> None:
    with pytest.raises(ValueError, match="an envelope's data is one line"):
        Envelope.checked(parse_org("acme"), "run.stage", AT, data)
