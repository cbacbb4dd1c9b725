"""Events as messages: what went in comes out, and what is none is not taken for one."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from redline.envelope import Envelope, parse_org
from redline.eventlog.contract import Draft
from redline.eventlog.jetstream.message import OVERHEAD, LaterVersionError, decode, encode, nonce_of

ACME, GLOBEX = parse_org("acme"), parse_org("globex")
AT = "2026-11-22T10:00:00.000Z"


def envelope(data: bytes = b"{}", scope: str | None = None, org: str = "acme") -> Envelope:
    return Envelope(parse_org(org), "run.stage", AT, data, scope)


@given(st.text().map(orjson.dumps), st.none() | st.text(max_size=20))
def test_an_event_comes_back_as_it_was(data: bytes, scope: str | None) -> None:
    draft = Draft(envelope(data, scope))
    encoded = encode(draft)
    assert decode(ACME, encoded.payload) == (encoded.nonce, draft.envelope)
    assert encoded.msg_id is None


def test_what_goes_besides_the_data_is_bounded() -> None:
    assert len(encode(Draft(Envelope(ACME, "k" * 64, AT, b"", "s" * 64))).payload) < OVERHEAD


def test_each_event_without_a_key_has_a_nonce_of_its_own() -> None:
    assert len({encode(Draft(envelope())).nonce for _ in range(100)}) == 100


def test_a_key_is_bound_to_its_org_and_a_nonce_to_what_a_retry_must_repeat() -> None:
    first = encode(Draft(envelope(), "k", b"1"))
    assert encode(Draft(envelope()._replace(at="2026-11-22T10:00:01.000Z"), "k", b"1"))[1:] == first[1:]
    other_body, other_key, other_org = (
        encode(Draft(envelope(), "k", b"2")),
        encode(Draft(envelope(), "l", b"1")),
        encode(Draft(envelope(org="globex"), "k", b"1")),
    )
    assert other_body.msg_id == first.msg_id
    assert len({first.msg_id, other_key.msg_id, other_org.msg_id}) == 3
    assert len({first.nonce, other_body.nonce, other_key.nonce, other_org.nonce}) == 4


GOOD: list[object] = [1, "0" * 16, "run.stage", AT, None]
WRONG: tuple[object, ...] = (7, [], {})


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{}",
        b"hello",
        b"[1]\n{}",
        b"\xff\n{}",
        b"null\n{}",
        *[orjson.dumps([*GOOD[:at], wrong, *GOOD[at + 1 :]]) + b"\n{}" for at in range(5) for wrong in WRONG],
        *[orjson.dumps([*GOOD[:at], "%", *GOOD[at + 1 :]]) + b"\n{}" for at in range(4)],
        orjson.dumps([*GOOD, 1]) + b"\n{}",
        orjson.dumps(GOOD) + b"\n{}\n{}",
        orjson.dumps(GOOD) + b"\n{\r}",
        orjson.dumps(GOOD),
        orjson.dumps(GOOD) + b'\n"\xff"',
        orjson.dumps([*GOOD[:2], "stream.closing", *GOOD[3:]]) + b"\n{}",
    ],
)
def test_what_is_no_event_is_refused(payload: bytes) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        decode(ACME, payload)


@given(st.binary(max_size=200))
def test_whatever_comes_is_an_event_or_refused(payload: bytes) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        decode(ACME, payload)


def test_a_later_version_is_named() -> None:
    with pytest.raises(LaterVersionError, match="its version is 2, and this program knows 1"):
        decode(ACME, b'[2,"who knows"]\n{}')


def test_a_nonce_is_read_without_the_rest() -> None:
    one = encode(Draft(envelope(), "k", b"1"))
    assert nonce_of(one.payload) == int(one.nonce, 16)
    assert one.key == int(one.msg_id or "", 16)
    for other in (b"", b"hello", b"[2" + one.payload[2:], b'[1,"' + b"x" * 16 + b'"', b'[1,"abcd"', b'[1,"' + b"a" * 17 + b'"'):
        assert nonce_of(other) is None
