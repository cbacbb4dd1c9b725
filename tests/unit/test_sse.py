"""The wire, byte for byte (contract §1 "Frame"), and as the standard reads it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redline.envelope import Envelope, parse_org
from redline.sse import HEARTBEAT, control_frame, event_frame
from redline.testing import EventParser

AT = "2026-11-22T10:00:00.123Z"
leaves = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text()
values: st.SearchStrategy[Any] = st.recursive(leaves, lambda some: st.lists(some) | st.dictionaries(st.text(), some), max_leaves=10)


def test_an_event_is_the_frame_of_the_contract() -> None:
    envelope = Envelope(parse_org("acme"), "change.detected", AT, b'{"title":"caf\xc3\xa9"}')
    assert event_frame("k3v9x2m1-42", envelope) == (
        b"event: change.detected\n"
        b'data: {"id":"k3v9x2m1-42","kind":"change.detected","org":"acme","at":"2026-11-22T10:00:00.123Z","data":{"title":"caf\xc3\xa9"}}\n'
        b"id: k3v9x2m1-42\n\n"
    )


@pytest.mark.parametrize(
    ("event_id", "retry", "frame"),
    [
        (None, None, b'event: stream.x\ndata: {"head":"a-1"}\n\n'),
        ("a-1", None, b'event: stream.x\ndata: {"head":"a-1"}\nid: a-1\n\n'),
        (None, 2000, b'event: stream.x\nretry: 2000\ndata: {"head":"a-1"}\n\n'),
        ("a-1", 0, b'event: stream.x\nretry: 0\ndata: {"head":"a-1"}\nid: a-1\n\n'),
    ],
)
def test_a_control_event_has_its_fields_in_order(event_id: str | None, retry: int | None, frame: bytes) -> None:
    assert control_frame("stream.x", {"head": "a-1"}, event_id=event_id, retry=retry) == frame


def test_a_heartbeat_is_a_comment_and_dispatches_nothing() -> None:
    assert HEARTBEAT == b":heartbeat\n"
    parser = EventParser()
    assert parser.feed(HEARTBEAT * 3) == []
    assert parser.comments == ["heartbeat"] * 3


@pytest.mark.parametrize("bad", ["a\nb", "a\rb", "a\0b", "\n"])
def test_what_cannot_stand_on_a_line_is_refused(bad: str) -> None:
    with pytest.raises(ValueError, match="CR, LF or NUL"):
        control_frame(bad, {})
    with pytest.raises(ValueError, match="CR, LF or NUL"):
        control_frame("stream.x", {}, event_id=bad)


@given(values, st.lists(st.integers(1, 30), max_size=30))
def test_an_event_comes_out_as_it_went_in_however_it_is_cut(payload: object, cuts: list[int]) -> None:
    data = json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()
    raw = event_frame("e-1", Envelope(parse_org("a:b@c.d_e-f"), "run.stage", AT, data))
    raw += HEARTBEAT + control_frame("stream.x", {"p": payload}, retry=7)
    parser, events = EventParser(), []
    for cut in cuts:
        events += parser.feed(raw[:cut])
        raw = raw[cut:]
    first, second = [*events, *parser.feed(raw)]
    assert (first.event, first.last_event_id) == ("run.stage", "e-1")
    assert first.json() == {"id": "e-1", "kind": "run.stage", "org": "a:b@c.d_e-f", "at": AT, "data": payload}
    assert (second.event, second.last_event_id, second.json(), parser.retry) == ("stream.x", "e-1", {"p": payload}, 7)


@given(values, st.none() | st.integers(0, 10**6), st.none() | st.from_regex(r"[a-z]{1,9}-\d{1,9}", fullmatch=True))
def test_a_frame_is_lines_that_end_in_lf_alone_and_ends_with_its_id(payload: object, retry: int | None, event_id: str | None) -> None:
    frame = control_frame("stream.x", {"p": payload}, retry=retry, event_id=event_id)
    assert b"\r" not in frame
    assert b"\0" not in frame
    lines = frame.removesuffix(b"\n\n").split(b"\n")
    expected = ["event", *(["retry"] if retry is not None else []), "data", *(["id"] if event_id is not None else [])]
    assert [line.partition(b": ")[0].decode() for line in lines] == expected
