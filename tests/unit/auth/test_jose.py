"""base64url and JSON, as strict as a credential deserves."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redline.auth.jose import decode_base64url, decode_object


@given(st.binary(max_size=200))
def test_base64url_round_trip(data: bytes) -> None:
    assert decode_base64url(urlsafe_b64encode(data).rstrip(b"=")) == data


@given(st.binary(max_size=40))
def test_what_is_taken_has_one_spelling(segment: bytes) -> None:
    data = decode_base64url(segment)
    assert data is None or urlsafe_b64encode(data).rstrip(b"=") == segment


@pytest.mark.parametrize("segment", [b"YQ==", b"YQ=", b"YR", b"Y", b"YWJjZ", b"YW+j", b"YW/j", b"YWJj\n", b" YWJj", b"YW\x00j", b"YW.j"])
def test_other_spellings_are_refused(segment: bytes) -> None:
    assert decode_base64url(segment) is None


def test_an_object_is_read() -> None:
    assert decode_object('{"a": [1, {"b": "é"}], "c": null}'.encode()) == {"a": [1, {"b": "é"}], "c": None}


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b'"x"',
        b"null",
        b"1",
        b"{",
        b"{}{}",
        b"{} x",
        b'{"a": 1, "a": 1}',
        b'{"a": {"b": 1, "\\u0062": 2}}',
        b'[{"a": 1, "a": 2}]',
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b'{"a": "\xff"}',
        b"\xef\xbb\xbf{}",
        '{"a": 1}'.encode("utf-16"),
        b'{"a": ' + b"9" * 5_000 + b"}",
        b'{"a": ' + b"[" * 200_000 + b"]" * 200_000 + b"}",
        b'{"a":' * 200_000 + b"1" + b"}" * 200_000,
    ],
    ids=lambda text: repr(text[:20]),
)
def test_what_is_no_object_or_ambiguous_is_none(text: bytes) -> None:
    assert decode_object(text) is None


@given(st.dictionaries(st.text(), st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.integers())))
def test_any_object_survives(value: dict[str, object]) -> None:
    assert decode_object(json.dumps(value).encode()) == value
